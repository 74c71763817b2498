/*
 * The peer's SACKs (RFC 9260 section 6.2.1), and what they tell of loss: by time, after RACK-TLP
 * (RFC 8985) instead of by counting reports (RFC 9260 section 7.2.4). A chunk is lost when one sent
 * later has arrived and it had a reordering window of time to do so too; the last ones of a burst,
 * which nothing follows, are found out by a probe.
 */
#include "transport/sctp/assoc.h"

/* What one SACK brings. */
struct harvest {
    uint64_t acked, lost, rtt_us;
    uint64_t best_seq; /* of the newest transmission acknowledged: the rate sample */
    uint64_t sample_delivered, sample_delivered_us, sample_first_us, sample_sent_us;
    uint64_t sample_lost, sample_in_flight;
    bool app_limited;
};

void vn_sctp_take_rtt(struct vn_sctp *s, uint64_t rtt_us)
{
    struct vn_sctp_tx *tx = &s->tx;
    rtt_us = VN_MAX(rtt_us, (uint64_t)1);
    tx->min_rtt_us = VN_MIN(tx->min_rtt_us, rtt_us);
    if (!tx->srtt_us) {
        tx->srtt_us = rtt_us;
        tx->rttvar_us = rtt_us / 2;
    } else { /* section 6.3.1 C3 */
        const uint64_t off = rtt_us > tx->srtt_us ? rtt_us - tx->srtt_us : tx->srtt_us - rtt_us;
        tx->rttvar_us = (3 * tx->rttvar_us + off) / 4;
        tx->srtt_us = (7 * tx->srtt_us + rtt_us) / 8;
    }
    const uint64_t low =
        (s->cfg.foreign ? VN_SCTP_RTO_MIN_FOREIGN_MS : VN_SCTP_RTO_MIN_MS) * 1000ull;
    tx->rto_us = VN_MAX(tx->srtt_us + 4 * tx->rttvar_us, low);
    tx->rto_us = VN_MIN(tx->rto_us, VN_SCTP_RTO_MAX_MS * 1000ull);
}

/* ---- acknowledged chunks ---- */

static void clear_open(struct vn_sctp_tx *tx, uint64_t tsn)
{
    tx->open[(tsn & (tx->ring_count - 1)) / 64] &= ~(1ull << (tsn & 63));
}

/* The first chunk from `from` to `to` that is not acknowledged; to + 1: none. */
static uint64_t next_open(const struct vn_sctp_tx *tx, uint64_t from, uint64_t to)
{
    while (from <= to) {
        const uint64_t word = tx->open[(from & (tx->ring_count - 1)) / 64] >> (from & 63);
        if (word != 0) {
            const uint64_t at = from + (unsigned)__builtin_ctzll(word);
            return VN_MIN(at, to + 1);
        }
        from = (from | 63) + 1;
    }
    return to + 1;
}

static void take_ack(struct vn_sctp *s, uint64_t tsn, struct harvest *h, uint64_t now_us)
{
    struct vn_sctp_tx *tx = &s->tx;
    struct vn_sctp_out_chunk *c = vn_sctp_chunk(tx, tsn);
    clear_open(tx, tsn);
    if (c->state == VN_SCTP_LOST) { /* it was not */
        vn_sctp_chunks_remove(tx, &tx->lost, tsn);
        s->counters.spurious++;
        tx->reorder = VN_MIN(tx->reorder + 1, (unsigned)VN_SCTP_REORDER_MAX);
        tx->reorder_rounds = tx->bbr.rounds;
    } else {
        vn_sctp_chunks_remove(tx, &tx->sent, tsn);
        tx->in_flight -= c->len;
    }
    if (s->pmtu.suspicions > 0)
        vn_sctp_pmtu_passes(s, (size_t)c->len + VN_SCTP_HEADER_LEN + VN_SCTP_DATA_LEN);
    c->state = VN_SCTP_GAPPED;
    tx->unacked -= c->len;
    tx->delivered += c->len;
    tx->delivered_us = now_us;
    h->acked += c->len;
    const uint64_t took_us = now_us - c->sent_us;
    if (c->sends > 1 && took_us < tx->min_rtt_us)
        return; /* the answer to the transmission before this one */
    if (c->seq > h->best_seq) {
        h->best_seq = c->seq;
        h->rtt_us = c->sends == 1 ? VN_MAX(took_us, (uint64_t)1) : 0; /* section 6.3.1 C5 */
        h->sample_delivered = c->delivered;
        h->sample_delivered_us = c->delivered_us;
        h->sample_first_us = c->first_sent_us;
        h->sample_sent_us = c->sent_us;
        h->sample_lost = c->lost;
        h->sample_in_flight = c->in_flight;
        h->app_limited = c->app_limited;
    }
    if (c->seq > tx->rack_seq) {
        tx->rack_seq = c->seq;
        tx->rack_sent_us = c->sent_us;
        tx->rack_rtt_us = took_us;
    }
}

static void advance(struct vn_sctp *s, uint64_t cum, struct harvest *h, uint64_t now_us)
{
    struct vn_sctp_tx *tx = &s->tx;
    while (tx->cum < cum) {
        const uint64_t tsn = tx->cum + 1;
        struct vn_sctp_out_chunk *c = vn_sctp_chunk(tx, tsn);
        if (c->state <= VN_SCTP_LOST)
            take_ack(s, tsn, h, now_us);
        vn_sctp_msg_drop_chunk(s, c->msg);
        c->msg = NULL;
        tx->cum = tsn;
    }
    tx->forward = VN_MAX(tx->forward, tx->cum);
}

/* ---- loss ---- */

void vn_sctp_mark_lost(struct vn_sctp *s, uint64_t tsn)
{
    struct vn_sctp_tx *tx = &s->tx;
    struct vn_sctp_out_chunk *c = vn_sctp_chunk(tx, tsn);
    vn_sctp_chunks_remove(tx, &tx->sent, tsn);
    vn_sctp_chunks_append(tx, &tx->lost, tsn);
    c->state = VN_SCTP_LOST;
    tx->in_flight -= c->len;
    tx->lost_bytes += c->len;
    s->counters.lost++;
    if (c->sends > c->msg->retransmits)
        (void)vn_sctp_abandon(s, c->msg);
}

static uint64_t reorder_window(const struct vn_sctp_tx *tx)
{
    const uint64_t min_us = tx->min_rtt_us == VN_SCTP_NEVER ? 0 : tx->min_rtt_us;
    const uint64_t window = VN_MAX(min_us / 4 * tx->reorder, (uint64_t)VN_SCTP_REORDER_MIN_US);
    return VN_MIN(window, VN_MAX(tx->srtt_us, (uint64_t)VN_SCTP_REORDER_MIN_US));
}

void vn_sctp_detect_loss(struct vn_sctp *s, uint64_t now_us)
{
    struct vn_sctp_tx *tx = &s->tx;
    const uint64_t wait_us = tx->rack_rtt_us + reorder_window(tx);
    enum { SENDS_SUSPECT = 4 }; /* random loss does that, too, and probes tell */
    bool again_and_again = false;
    tx->rack_due_us = VN_SCTP_NEVER;
    while (tx->sent.head) {
        const struct vn_sctp_out_chunk *c = vn_sctp_chunk(tx, tx->sent.head);
        if (c->seq >= tx->rack_seq)
            break;
        if (c->sent_us + wait_us > now_us) {
            tx->rack_due_us = c->sent_us + wait_us;
            break;
        }
        again_and_again |= c->sends >= SENDS_SUSPECT;
        vn_sctp_mark_lost(s, tx->sent.head);
    }
    if (again_and_again)
        vn_sctp_pmtu_lost(s, now_us);
}

/* ---- the timers: a probe two round trips after the last sign of life, else T3-rtx ---- */

void vn_sctp_arm_timeouts(struct vn_sctp *s, uint64_t now_us, bool progress)
{
    struct vn_sctp_tx *tx = &s->tx;
    if (progress)
        tx->probed = false;
    if (!tx->sent.head) {
        tx->probe_due_us = VN_SCTP_NEVER;
        tx->timeout_due_us = VN_SCTP_NEVER;
        return;
    }
    if (progress || tx->timeout_due_us == VN_SCTP_NEVER)
        tx->timeout_due_us = now_us + tx->rto_us;
    if (tx->probed || !tx->srtt_us) {
        tx->probe_due_us = VN_SCTP_NEVER;
        return;
    }
    uint64_t wait_us = 2 * tx->srtt_us + VN_SCTP_SACK_DELAY_MS * 1000ull;
    if (s->cfg.foreign)
        wait_us += VN_SCTP_SACK_DELAY_FOREIGN_MS * 1000ull;
    tx->probe_due_us = now_us + wait_us;
}

/* ---- SACK ---- */

static void feed_congestion_control(struct vn_sctp *s, const struct harvest *h, uint64_t lost,
                                    uint64_t now_us)
{
    struct vn_sctp_tx *tx = &s->tx;
    struct vn_bbr_ack a = {.now_us = now_us,
                           .delivered = tx->delivered,
                           .newly_acked = h->acked,
                           .newly_lost = lost,
                           .in_flight = tx->in_flight,
                           .rtt_us = h->rtt_us};
    if (h->best_seq) {
        /* The longer of the times to send and to acknowledge: neither a burst sent nor a burst of
         * acknowledgements is taken for the rate of the path. */
        const uint64_t send_us = h->sample_sent_us - h->sample_first_us;
        const uint64_t ack_us = now_us - h->sample_delivered_us;
        const uint64_t interval_us = VN_MAX(send_us, ack_us);
        tx->first_sent_us = h->sample_sent_us;
        a.prior_delivered = h->sample_delivered;
        a.lost = tx->lost_bytes - h->sample_lost;
        a.tx_in_flight = h->sample_in_flight;
        a.app_limited = h->app_limited;
        if (tx->min_rtt_us != VN_SCTP_NEVER && interval_us >= tx->min_rtt_us)
            a.interval_us = interval_us;
    }
    if (tx->app_limited_until && tx->delivered > tx->app_limited_until)
        tx->app_limited_until = 0;
    vn_bbr_on_ack(&tx->bbr, &a);
    if (tx->reorder > 1 && tx->bbr.rounds - tx->reorder_rounds > VN_SCTP_REORDER_ROUNDS)
        tx->reorder = 1;
}

static void settle(struct vn_sctp *s, struct harvest *h, uint64_t now_us)
{
    struct vn_sctp_tx *tx = &s->tx;
    const uint64_t lost = tx->lost_bytes;
    if (h->rtt_us)
        vn_sctp_take_rtt(s, h->rtt_us);
    if (h->acked)
        s->errors = 0;
    vn_sctp_detect_loss(s, now_us);
    feed_congestion_control(s, h, tx->lost_bytes - lost, now_us);
    vn_sctp_advance_forward(s);
    vn_sctp_arm_timeouts(s, now_us, h->acked > 0);
}

void vn_sctp_take_cum(struct vn_sctp *s, uint64_t cum, uint64_t now_us)
{
    struct harvest h = {0};
    if (cum <= s->tx.cum || cum >= s->tx.next)
        return;
    advance(s, cum, &h, now_us);
    settle(s, &h, now_us);
}

/* The chunk after the cumulative TSN was acknowledged by a gap before: the peer threw away what it
 * had (section 6.2.1 D iii). All it has not passed is taken for lost. */
static void take_back(struct vn_sctp *s)
{
    struct vn_sctp_tx *tx = &s->tx;
    for (uint64_t tsn = tx->cum + 1; tsn < tx->next; tsn++) {
        struct vn_sctp_out_chunk *c = vn_sctp_chunk(tx, tsn);
        if (c->state != VN_SCTP_GAPPED)
            continue;
        tx->open[(tsn & (tx->ring_count - 1)) / 64] |= 1ull << (tsn & 63);
        c->state = VN_SCTP_LOST;
        tx->unacked += c->len;
        vn_sctp_chunks_append(tx, &tx->lost, tsn);
        s->counters.lost++;
    }
}

/* Reads the gaps and says whether all of them are of what was sent. */
static bool gaps_hold(const struct vn_sctp *s, uint64_t cum, struct vn_reader r, uint16_t count)
{
    uint16_t start, end;
    for (uint16_t i = 0; i < count; i++)
        if (!vn_read_u16(&r, &start) || !vn_read_u16(&r, &end) || start == 0 || end < start ||
            cum + end >= s->tx.next)
            return false;
    return true;
}

void vn_sctp_take_sack(struct vn_sctp *s, const struct vn_sctp_tlv *c, uint64_t now_us)
{
    struct vn_sctp_tx *tx = &s->tx;
    struct vn_reader r = c->value;
    struct harvest h = {0};
    uint32_t cum32, window;
    uint16_t gaps, dups, start, end;
    if (!vn_read_u32(&r, &cum32) || !vn_read_u32(&r, &window) || !vn_read_u16(&r, &gaps) ||
        !vn_read_u16(&r, &dups)) {
        s->counters.drop_chunk++;
        return;
    }
    const uint64_t cum = vn_sctp_unwrap(tx->cum, cum32);
    if (cum < tx->cum)
        return; /* overtaken on its way */
    if (cum >= tx->next || !gaps_hold(s, cum, r, gaps)) {
        s->counters.drop_chunk++; /* of what was never sent */
        return;
    }
    advance(s, cum, &h, now_us);
    uint64_t from = cum + 1;
    for (uint16_t i = 0; i < gaps && vn_read_u16(&r, &start) && vn_read_u16(&r, &end); i++) {
        /* In order, as everyone writes them: so all of them together cost one walk. */
        for (from = VN_MAX(from, cum + start); (from = next_open(tx, from, cum + end)) <= cum + end;
             from++)
            take_ack(s, from, &h, now_us);
    }
    if (tx->cum + 1 < tx->next && vn_sctp_chunk(tx, tx->cum + 1)->state == VN_SCTP_GAPPED)
        take_back(s);
    tx->rwnd = window > tx->in_flight ? window - tx->in_flight : 0;
    settle(s, &h, now_us);
}
