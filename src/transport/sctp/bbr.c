#include "transport/sctp/bbr.h"

#include "base/attr.h"
#include "transport/limits.h"

#define NONE UINT64_MAX

static const struct {
    unsigned pacing, cwnd; /* percent; draft section 5.6.1 and the table of section 4.1.1 */
} gains[] = {[VN_BBR_STARTUP] = {277, 200}, [VN_BBR_DRAIN] = {50, 200},   [VN_BBR_DOWN] = {90, 200},
             [VN_BBR_CRUISE] = {100, 200},  [VN_BBR_REFILL] = {100, 200}, [VN_BBR_UP] = {125, 225},
             [VN_BBR_PROBE_RTT] = {100, 50}};

static uint32_t next_random(struct vn_bbr *b)
{
    b->random = b->random * 1664525u + 1013904223u; /* spreads probes, guards nothing */
    return b->random >> 8;
}

static bool is_probing_bw(const struct vn_bbr *b)
{
    return b->mode >= VN_BBR_DOWN && b->mode <= VN_BBR_UP;
}

static uint64_t max_bw(const struct vn_bbr *b)
{
    return VN_MAX(b->max_bw[0], b->max_bw[1]);
}

uint64_t vn_bbr_bandwidth(const struct vn_bbr *b)
{
    const uint64_t bw = max_bw(b);
    return VN_MIN(bw, b->bw_lo);
}

static uint64_t min_cwnd(const struct vn_bbr *b)
{
    return 4 * b->mss;
}

/* Bytes that fill the path at this gain. */
static uint64_t bdp(const struct vn_bbr *b, uint64_t bw, unsigned gain)
{
    if (b->min_rtt_us == NONE)
        return VN_SCTP_INITIAL_CWND * b->mss;
    return bw * b->min_rtt_us / 1000000 * gain / 100;
}

/* The same with room for what batches at both ends hold back: one burst in the making, one under
 * way, one being acknowledged. */
static uint64_t inflight(const struct vn_bbr *b, uint64_t bw, unsigned gain)
{
    uint64_t n = bdp(b, bw, gain) + 3 * b->quantum;
    if (b->mode == VN_BBR_UP)
        n += 2 * b->mss;
    return VN_MAX(n, min_cwnd(b));
}

static uint64_t target_inflight(const struct vn_bbr *b)
{
    const uint64_t n = inflight(b, vn_bbr_bandwidth(b), 100);
    return VN_MIN(n, b->cwnd);
}

/* Leaves others 15 % to probe in. */
static uint64_t inflight_with_headroom(const struct vn_bbr *b)
{
    if (b->inflight_hi == NONE)
        return NONE;
    const uint64_t n = b->inflight_hi - VN_MAX(b->mss, b->inflight_hi * 15 / 100);
    return b->inflight_hi > b->mss ? VN_MAX(n, min_cwnd(b)) : min_cwnd(b);
}

static void reset_lower_bounds(struct vn_bbr *b)
{
    b->bw_lo = b->inflight_lo = NONE;
}

static void reset_round_signals(struct vn_bbr *b)
{
    b->loss_in_round = 0;
    b->loss_events = 0;
    b->bw_latest = b->inflight_latest = 0;
}

static void start_round(struct vn_bbr *b, uint64_t delivered)
{
    b->next_round_delivered = delivered;
}

/* ---- phases of ProbeBW (draft section 5.3.3) ---- */

static void start_down(struct vn_bbr *b, const struct vn_bbr_ack *a)
{
    reset_round_signals(b);
    b->up_step = NONE;
    b->rounds_since_probe = next_random(b) & 1;
    b->probe_wait_us = 2000000 + next_random(b) % 1000000;
    b->cycle_at_us = a->now_us;
    b->probe_feedback = true;
    start_round(b, a->delivered);
    b->mode = VN_BBR_DOWN;
}

static void start_refill(struct vn_bbr *b, const struct vn_bbr_ack *a)
{
    reset_lower_bounds(b);
    b->up_rounds = 0;
    b->up_acked = 0;
    b->probe_feedback = b->probe_samples = false;
    start_round(b, a->delivered);
    b->mode = VN_BBR_REFILL;
}

static void raise_slope(struct vn_bbr *b)
{
    const uint64_t growth = b->mss << b->up_rounds;
    b->up_rounds = VN_MIN(b->up_rounds + 1, 30u);
    b->up_step = VN_MAX(b->cwnd * b->mss / growth, b->mss);
}

static void start_up(struct vn_bbr *b, const struct vn_bbr_ack *a)
{
    b->probe_samples = true;
    b->cycle_at_us = a->now_us;
    start_round(b, a->delivered);
    b->mode = VN_BBR_UP;
    raise_slope(b);
}

/* As often as a Reno flow of this size would find loss, so that such flows keep their share. */
static bool is_time_to_probe(const struct vn_bbr *b, const struct vn_bbr_ack *a)
{
    const uint64_t reno = target_inflight(b) / b->mss;
    return a->now_us - b->cycle_at_us > b->probe_wait_us ||
           b->rounds_since_probe >= VN_MIN(reno, (uint64_t)63);
}

static bool loses_too_much(const struct vn_bbr_ack *a)
{
    return a->interval_us && a->lost * 50 > a->tx_in_flight; /* 2 % */
}

static void too_much_in_flight(struct vn_bbr *b, const struct vn_bbr_ack *a)
{
    b->probe_samples = false;
    if (!a->app_limited)
        b->inflight_hi = VN_MAX(a->tx_in_flight, target_inflight(b) * 7 / 10);
    if (b->mode == VN_BBR_UP)
        start_down(b, a);
}

static void probe_upward(struct vn_bbr *b, const struct vn_bbr_ack *a)
{
    if (!b->cwnd_limited || b->cwnd < b->inflight_hi)
        return;
    b->up_acked += a->newly_acked;
    if (b->up_acked >= b->up_step) {
        b->inflight_hi += b->up_acked / b->up_step * b->mss;
        b->up_acked %= b->up_step;
    }
    if (b->round_start)
        raise_slope(b);
}

static void adapt_upper_bound(struct vn_bbr *b, const struct vn_bbr_ack *a)
{
    if (b->probe_feedback && b->round_start && b->mode != VN_BBR_UP) {
        /* A round after the probe ended all its answers are in: the next cycle's maximum begins. */
        b->probe_feedback = b->probe_samples = false;
        if (is_probing_bw(b) && !a->app_limited) {
            b->max_bw[1] = b->max_bw[0];
            b->max_bw[0] = 0;
        }
    }
    if (loses_too_much(a)) {
        if (b->probe_samples)
            too_much_in_flight(b, a);
        return;
    }
    if (b->inflight_hi == NONE)
        return;
    b->inflight_hi = VN_MAX(b->inflight_hi, a->tx_in_flight);
    if (b->mode == VN_BBR_UP)
        probe_upward(b, a);
}

static void next_phase(struct vn_bbr *b, const struct vn_bbr_ack *a)
{
    adapt_upper_bound(b, a);
    switch (b->mode) {
    case VN_BBR_DOWN:
    case VN_BBR_CRUISE:
        if (is_time_to_probe(b, a))
            start_refill(b, a);
        else if (b->mode == VN_BBR_DOWN && a->in_flight <= inflight_with_headroom(b) &&
                 a->in_flight <= inflight(b, max_bw(b), 100))
            b->mode = VN_BBR_CRUISE;
        break;
    case VN_BBR_REFILL:
        if (b->round_start)
            start_up(b, a);
        break;
    case VN_BBR_UP:
        if (a->now_us - b->cycle_at_us > b->min_rtt_us &&
            a->in_flight > inflight(b, max_bw(b), 125))
            start_down(b, a);
        break;
    default:
        break;
    }
}

/* ---- the model (draft section 5.5) ---- */

static void take_sample(struct vn_bbr *b, const struct vn_bbr_ack *a)
{
    const uint64_t bw = (a->delivered - a->prior_delivered) * 1000000 / a->interval_us;
    b->round_start = a->prior_delivered >= b->next_round_delivered;
    if (b->round_start) {
        b->next_round_delivered = a->delivered;
        b->rounds++;
        b->rounds_since_probe++;
    }
    if (!a->app_limited || bw >= max_bw(b))
        b->max_bw[0] = VN_MAX(b->max_bw[0], bw);
    b->bw_latest = VN_MAX(b->bw_latest, bw);
    b->inflight_latest = VN_MAX(b->inflight_latest, a->delivered - a->prior_delivered);
}

static void adapt_lower_bounds(struct vn_bbr *b)
{
    if (b->mode == VN_BBR_STARTUP || b->mode == VN_BBR_REFILL || b->mode == VN_BBR_UP ||
        !b->loss_in_round)
        return;
    const uint64_t bw = b->bw_lo == NONE ? max_bw(b) : b->bw_lo;
    const uint64_t most = b->inflight_lo == NONE ? b->cwnd : b->inflight_lo;
    b->bw_lo = VN_MAX(b->bw_latest, bw * 7 / 10);
    b->inflight_lo = VN_MAX(b->inflight_latest, most * 7 / 10);
}

static void measure_aggregation(struct vn_bbr *b, const struct vn_bbr_ack *a)
{
    const uint64_t elapsed_us = VN_MIN(a->now_us - b->extra_from_us, (uint64_t)10000000);
    const uint64_t expected = vn_bbr_bandwidth(b) * elapsed_us / 1000000;
    if (b->extra_bytes <= expected) {
        b->extra_bytes = 0;
        b->extra_from_us = a->now_us;
    }
    b->extra_bytes += a->newly_acked;
    const uint64_t past = b->extra_bytes > expected ? b->extra_bytes - expected : 0;
    if (b->round_start && ++b->extra_acked_rounds >= 5) {
        b->extra_acked_rounds = 0;
        b->extra_acked[1] = b->extra_acked[0];
        b->extra_acked[0] = 0;
    }
    const uint64_t extra = VN_MIN(past, b->cwnd);
    b->extra_acked[0] = VN_MAX(b->extra_acked[0], extra);
}

static void check_startup(struct vn_bbr *b, const struct vn_bbr_ack *a, bool loss_round_start)
{
    if (b->full_bw_reached)
        return;
    if (b->round_start && !a->app_limited) {
        if (max_bw(b) >= b->full_bw + b->full_bw / 4) {
            b->full_bw = max_bw(b);
            b->full_bw_rounds = 0;
        } else if (++b->full_bw_rounds >= 3) {
            b->full_bw_reached = true;
        }
    }
    if (loss_round_start && b->loss_events >= 6 && loses_too_much(a)) {
        const uint64_t n = bdp(b, max_bw(b), 100);
        b->full_bw_reached = true;
        b->inflight_hi = VN_MAX(n, b->inflight_latest);
    }
}

static void check_modes(struct vn_bbr *b, const struct vn_bbr_ack *a)
{
    if (b->mode == VN_BBR_STARTUP && b->full_bw_reached)
        b->mode = VN_BBR_DRAIN;
    if (b->mode == VN_BBR_DRAIN && a->in_flight <= inflight(b, max_bw(b), 100))
        start_down(b, a);
}

static void update_min_rtt(struct vn_bbr *b, const struct vn_bbr_ack *a)
{
    const bool expired = a->now_us - b->probe_rtt_min_at_us > VN_SCTP_PROBE_RTT_US;
    if (a->rtt_us && (a->rtt_us < b->probe_rtt_min_us || expired)) {
        b->probe_rtt_min_us = a->rtt_us;
        b->probe_rtt_min_at_us = a->now_us;
    }
    if (b->probe_rtt_min_us < b->min_rtt_us || a->now_us - b->min_rtt_at_us > VN_SCTP_MIN_RTT_US) {
        b->min_rtt_us = b->probe_rtt_min_us;
        b->min_rtt_at_us = b->probe_rtt_min_at_us;
    }
    if (b->mode != VN_BBR_PROBE_RTT) {
        if (expired && b->full_bw_reached && b->min_rtt_us != NONE) {
            b->prior_cwnd = VN_MAX(b->prior_cwnd, b->cwnd);
            b->mode = VN_BBR_PROBE_RTT;
            b->probe_rtt_done_us = 0;
            b->probe_feedback = b->probe_samples = false;
            start_round(b, a->delivered);
        }
        return;
    }
    const uint64_t low = VN_MAX(bdp(b, vn_bbr_bandwidth(b), 50), min_cwnd(b));
    if (!b->probe_rtt_done_us) {
        if (a->in_flight <= low + 3 * b->quantum) {
            b->probe_rtt_done_us = a->now_us + VN_SCTP_PROBE_RTT_FOR_US;
            b->probe_rtt_round_done = false;
            start_round(b, a->delivered);
        }
        return;
    }
    b->probe_rtt_round_done |= b->round_start;
    if (!b->probe_rtt_round_done || a->now_us < b->probe_rtt_done_us)
        return;
    b->probe_rtt_min_at_us = a->now_us;
    b->cwnd = VN_MAX(b->cwnd, b->prior_cwnd);
    b->prior_cwnd = 0;
    reset_lower_bounds(b);
    start_down(b, a);
    b->probe_feedback = false;
    b->mode = VN_BBR_CRUISE;
}

/* ---- the outputs (draft section 5.6) ---- */

static void set_pacing(struct vn_bbr *b)
{
    const uint64_t rate = vn_bbr_bandwidth(b) * gains[b->mode].pacing / 100 * 99 / 100;
    if (rate && (b->full_bw_reached || rate > b->pacing_rate))
        b->pacing_rate = rate;
    const uint64_t burst = b->pacing_rate / 1000; /* a millisecond's worth */
    b->quantum = VN_MIN(VN_MAX(burst, 2 * b->mss), (uint64_t)VN_SCTP_BURST_BYTES);
}

static void set_cwnd(struct vn_bbr *b, const struct vn_bbr_ack *a)
{
    const uint64_t extra = VN_MAX(b->extra_acked[0], b->extra_acked[1]);
    const uint64_t most =
        inflight(b, vn_bbr_bandwidth(b), gains[b->mode].cwnd) + (b->full_bw_reached ? extra : 0);
    if (b->full_bw_reached)
        b->cwnd = VN_MIN(b->cwnd + a->newly_acked, most);
    else if (b->cwnd < most || a->delivered < VN_SCTP_INITIAL_CWND * b->mss)
        b->cwnd += a->newly_acked;

    uint64_t cap = NONE;
    if (b->mode == VN_BBR_PROBE_RTT)
        cap = VN_MAX(bdp(b, vn_bbr_bandwidth(b), 50), min_cwnd(b)) + 2 * b->quantum;
    else if (b->mode == VN_BBR_CRUISE)
        cap = inflight_with_headroom(b);
    else if (is_probing_bw(b))
        cap = b->inflight_hi;
    cap = VN_MIN(cap, b->inflight_lo);
    b->cwnd = VN_MIN(b->cwnd, cap);
    b->cwnd = VN_MAX(b->cwnd, min_cwnd(b));
}

void vn_bbr_on_ack(struct vn_bbr *b, const struct vn_bbr_ack *a)
{
    bool loss_round_start = false;
    b->round_start = false;
    if (a->interval_us) {
        take_sample(b, a);
        loss_round_start = a->prior_delivered >= b->loss_round_delivered;
        if (loss_round_start)
            b->loss_round_delivered = a->delivered;
    }
    if (a->newly_lost) {
        b->loss_in_round += a->newly_lost;
        b->loss_events++;
    }
    if (loss_round_start)
        adapt_lower_bounds(b);
    measure_aggregation(b, a);
    check_startup(b, a, loss_round_start);
    check_modes(b, a);
    if (b->full_bw_reached)
        next_phase(b, a);
    update_min_rtt(b, a);
    if (loss_round_start) {
        reset_round_signals(b);
        b->bw_latest = (a->delivered - a->prior_delivered) * 1000000 / a->interval_us;
        b->inflight_latest = a->delivered - a->prior_delivered;
    }
    set_pacing(b);
    set_cwnd(b, a);
}

void vn_bbr_on_timeout(struct vn_bbr *b)
{
    b->cwnd = min_cwnd(b);
    b->loss_events++;
    b->loss_in_round += b->mss;
}

void vn_bbr_on_restart(struct vn_bbr *b, uint64_t now_us)
{
    b->extra_from_us = now_us;
    b->extra_bytes = 0;
    if (is_probing_bw(b) && vn_bbr_bandwidth(b))
        b->pacing_rate = vn_bbr_bandwidth(b);
    /* The pause was as good as a probe: nothing of ours was in any queue. */
    if (b->mode == VN_BBR_PROBE_RTT && b->probe_rtt_done_us && now_us >= b->probe_rtt_done_us) {
        b->probe_rtt_min_at_us = now_us;
        b->cwnd = VN_MAX(b->cwnd, b->prior_cwnd);
        b->prior_cwnd = 0;
        b->mode = VN_BBR_CRUISE;
    }
}

void vn_bbr_init(struct vn_bbr *b, uint64_t mss, uint64_t cwnd, uint32_t seed, uint64_t now_us)
{
    *b = (struct vn_bbr){.mode = VN_BBR_STARTUP,
                         .mss = mss,
                         .cwnd = cwnd,
                         .min_rtt_us = NONE,
                         .min_rtt_at_us = now_us,
                         .probe_rtt_min_us = NONE,
                         .probe_rtt_min_at_us = now_us,
                         .bw_lo = NONE,
                         .inflight_lo = NONE,
                         .inflight_hi = NONE,
                         .up_step = NONE,
                         .cycle_at_us = now_us,
                         .extra_from_us = now_us,
                         .random = seed};
    b->pacing_rate = cwnd * 1000 * gains[VN_BBR_STARTUP].pacing / 100; /* as if in 1 ms */
    set_pacing(b);
}
