/* What the congestion control makes of a path, in virtual time: figures, not impressions. */
#include <stdlib.h>

#include "base/log.h"
#include "support/sctp_world.h"
#include "support/test.h"
#include "transport/limits.h"
#include "transport/sctp/assoc.h"

enum { SECOND = 1000000, MESSAGE = 65536 };

static const struct vn_sctp_how unordered = {.unordered = true};

/* ---- a flow of CUBIC (RFC 9438) through the same bottleneck, packet by packet ---- */

enum { CUBIC_PACKET = 1448, CUBIC_FLIGHT = 8192 };

struct cubic {
    struct sctp_path *path;
    uint64_t back_us;            /* of an acknowledgement */
    uint64_t acks[CUBIC_FLIGHT]; /* when they come; 0: lost */
    size_t first, count;
    double window, reno, most, threshold, epoch_us, k;
    uint64_t recover; /* losses of packets before this one are one event */
    uint64_t sent, acked, base;
    uint64_t rtt_us;
};

static void cubic_lost(struct cubic *c, uint64_t number)
{
    if (number < c->recover)
        return;
    c->recover = c->sent;
    c->most = c->window;
    c->window = c->window * 0.7 < 2 ? 2 : c->window * 0.7;
    c->threshold = c->window;
    c->epoch_us = 0;
}

static double cube_root(double v)
{
    double x = v > 1 ? v : 1;
    for (int i = 0; i < 60; i++)
        x -= (x * x * x - v) / (3 * x * x);
    return x;
}

static void cubic_acked(struct cubic *c, double now_us)
{
    c->acked++;
    if (c->window < c->threshold) {
        c->window += 1;
        return;
    }
    if (c->epoch_us == 0) {
        c->epoch_us = now_us;
        c->reno = c->window;
        c->k = c->window < c->most ? cube_root((c->most - c->window) / 0.4) : 0;
        if (c->k == 0)
            c->most = c->window;
    }
    const double t = (now_us - c->epoch_us + (double)c->rtt_us) / 1e6 - c->k;
    const double target = 0.4 * t * t * t + c->most;
    c->reno += 0.53 / c->window; /* section 4.3: never below what Reno had */
    if (c->reno > target && c->reno > c->window)
        c->window = c->reno;
    else if (target > c->window)
        c->window += (target - c->window) / c->window;
    else
        c->window += 0.01 / c->window;
}

/* Takes what is due and sends what the window allows; a loss shows when later packets arrive. */
static void cubic_run(struct cubic *c, uint64_t now_us)
{
    while (c->count > 0) {
        size_t i = 0;
        while (i < c->count && i < 4 && c->acks[(c->first + i) % CUBIC_FLIGHT] == 0)
            i++; /* lost ones in front of one that is here */
        if (i == c->count || (i < 4 && c->acks[(c->first + i) % CUBIC_FLIGHT] > now_us))
            break;
        const bool lost = c->acks[c->first] == 0;
        if (lost)
            cubic_lost(c, c->base);
        else
            cubic_acked(c, (double)now_us);
        c->first = (c->first + 1) % CUBIC_FLIGHT;
        c->count--;
        c->base++;
    }
    if (c->count > 0 && c->count >= (size_t)c->window && c->acks[c->first] == 0) {
        bool any = false;
        for (size_t i = 0; i < c->count; i++)
            any |= c->acks[(c->first + i) % CUBIC_FLIGHT] != 0;
        if (!any) { /* all of it: a timeout, cut short */
            c->base += c->count;
            c->count = 0;
            c->window = 2;
        }
    }
    while (c->count < (size_t)c->window && c->count < CUBIC_FLIGHT) {
        const uint64_t out_us = sctp_path_pass(c->path, CUBIC_PACKET + 52, now_us);
        c->acks[(c->first + c->count) % CUBIC_FLIGHT] = out_us ? out_us + c->back_us : 0;
        c->count++;
        c->sent++;
    }
}

static uint64_t cubic_due(const struct cubic *c, uint64_t now_us)
{
    for (size_t i = 0; i < c->count; i++) {
        const uint64_t due = c->acks[(c->first + i) % CUBIC_FLIGHT];
        if (due > now_us)
            return due;
    }
    return now_us + 1000;
}

/* ---- a bulk flow of ours ---- */

struct bulk {
    struct sctp_world w;
    size_t window;
    uint64_t bytes;
    struct cubic cubic;
};

static void count_message(struct sctp_end *e, struct vn_sctp_msg *m)
{
    struct bulk *b = e->arg;
    b->bytes += m->buf->len;
    (void)vn_pktbuf_free(m->buf);
}

static void open_bulk(struct bulk *b, const struct sctp_path *path, size_t window)
{
    const struct sctp_world_config cfg = {.mtu = 1412};
    sctp_world_init(&b->w, &cfg);
    b->w.path[0].delay_us = b->w.path[1].delay_us = path->delay_us;
    assert_true(sctp_world_open(&b->w, 3, SECOND));
    b->w.path[0] = *path;
    b->w.end[1].on_message = count_message;
    b->w.end[1].arg = b;
    b->window = window;
    vn_sctp_set_window(b->w.end[0].own, window);
}

static void feed(struct bulk *b)
{
    struct vn_sctp *s = b->w.end[0].own;
    while (vn_sctp_outstanding(s) < b->window) {
        struct vn_pktbuf *m;
        assert_ok(vn_pktbuf_new(MESSAGE, &m));
        memset(vn_pktbuf_put(m, MESSAGE), 0, MESSAGE);
        if (vn_sctp_send(s, 0, 0, &unordered, m, b->w.now_us) != VN_OK) {
            (void)vn_pktbuf_free(m);
            break;
        }
        vn_sctp_flush(s, b->w.now_us);
    }
}

/* Always something to send. */
static void run_bulk(struct bulk *b, uint64_t us)
{
    struct sctp_world *w = &b->w;
    const uint64_t until_us = w->now_us + us;
    while (w->now_us < until_us) {
        feed(b);
        uint64_t stop_us = until_us;
        if (b->cubic.path) {
            cubic_run(&b->cubic, w->now_us);
            stop_us = VN_MIN(stop_us, cubic_due(&b->cubic, w->now_us));
        }
        (void)sctp_world_step(w, stop_us);
    }
}

static double mbit(uint64_t bytes, uint64_t us)
{
    return (double)bytes * 8 / (double)us;
}

/* Mbit/s of a flow alone, after a while. */
static double alone(const struct sctp_path *path, uint64_t us)
{
    struct bulk b = {0};
    struct vn_sctp_counters c;
    open_bulk(&b, path, 4 * 1024 * 1024);
    run_bulk(&b, us / 4);
    b.bytes = 0;
    run_bulk(&b, us);
    const double got = mbit(b.bytes, us);
    vn_sctp_counters(b.w.end[0].own, &c);
    print_message("# loss %.1f %%, round trip %u ms, %.0f Mbit/s: %.1f\n", path->loss / 100.0,
                  (unsigned)(path->delay_us / 500), (double)path->rate * 8 / 1e6, got);
    /* By time, not by timeout; and what is sent again was lost. */
    assert_int_equal(c.timeouts, 0);
    assert_true(c.retransmitted <= c.lost + c.probes && c.spurious == 0);
    sctp_world_done(&b.w);
    return got;
}

static struct sctp_path path_of(double rate_mbit, uint64_t delay_us, double bdps, unsigned loss)
{
    const double rate = rate_mbit * 125000;
    return (struct sctp_path){.delay_us = delay_us,
                              .rate = (uint64_t)rate,
                              .queue_bytes = (size_t)(rate * 2 * (double)delay_us / 1e6 * bdps),
                              .loss = loss};
}

static void paths_are_full(void **state)
{
    (void)state;
    const struct {
        struct sctp_path path;
        double least;
        bool long_only;
    } cases[] = {
        {path_of(50, 10000, 1, 0), 45, false},    {path_of(100, 10000, 1, 100), 60, false},
        {path_of(500, 10000, 1, 100), 250, true}, {path_of(100, 50000, 1, 100), 60, true},
        {path_of(1000, 500, 2, 0), 850, true},
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(cases); i++)
        if (!cases[i].long_only || getenv("VN_LONG"))
            assert_true(alone(&cases[i].path, 2 * SECOND) >= cases[i].least);
}

/* Half of the bottleneck each, within a factor of two. */
static void cubic_keeps_its_share(void **state)
{
    (void)state;
    struct bulk b = {0};
    const struct sctp_path path = path_of(getenv("VN_LONG") ? 100 : 40, 10000, 1, 0);
    const uint64_t us = 20 * SECOND;
    open_bulk(&b, &path, 1024 * 1024);
    b.cubic = (struct cubic){.path = &b.w.path[0],
                             .back_us = path.delay_us,
                             .window = 10,
                             .threshold = 1e9,
                             .rtt_us = 2 * path.delay_us};
    run_bulk(&b, 5 * SECOND);
    b.bytes = 0;
    const uint64_t before = b.cubic.acked;
    run_bulk(&b, us);
    const double ours = mbit(b.bytes, us);
    const double cubic = mbit((b.cubic.acked - before) * CUBIC_PACKET, us);
    print_message("# ours %.1f, cubic %.1f Mbit/s\n", ours, cubic);
    assert_true(ours < 2 * cubic && cubic < 2 * ours);
    assert_true((ours + cubic) * 125000 > 0.85 * (double)path.rate);
    sctp_world_done(&b.w);
}

/* The shortest round trip shows, and the queue is not kept full. */
static void queues_stay_short(void **state)
{
    (void)state;
    struct bulk b = {0};
    const struct sctp_path path = path_of(40, 10000, 8, 0);
    open_bulk(&b, &path, 1024 * 1024);
    run_bulk(&b, 3 * SECOND);
    uint64_t sum_us = 0;
    for (unsigned i = 0; i < 100; i++) {
        run_bulk(&b, SECOND / 50);
        sum_us += vn_sctp_srtt_us(b.w.end[0].own);
    }
    print_message("# a full path of 20 ms takes %u us\n", (unsigned)(sum_us / 100));
    assert_in_range(sum_us / 100, 20000, 30000);
    sctp_world_done(&b.w);
}

/* What waits in front of the path delays everything behind it. */
static void little_waits(void **state)
{
    (void)state;
    struct bulk b = {0};
    const struct sctp_path path = path_of(100, 10000, 1, 0);
    size_t most = 0;
    open_bulk(&b, &path, 4 * 1024 * 1024);
    run_bulk(&b, 3 * SECOND);
    b.bytes = 0;
    for (unsigned i = 0; i < 100; i++) {
        run_bulk(&b, SECOND / 100);
        most = VN_MAX(most, b.w.end[0].own->tx.waiting);
    }
    const double got = mbit(b.bytes, SECOND);
    print_message("# %zu bytes wait at most for %.1f of 100 Mbit/s\n", most, got);
    /* What the bandwidth seen comes to, a quarter above the path's at most, and one message. */
    const uint64_t soon = path.rate / 1000 * VN_SCTP_WAIT_MS;
    assert_true(soon > VN_SCTP_WAIT_LEAST_BYTES);
    assert_in_range(most, 1, soon * 5 / 4 + MESSAGE);
    assert_true(got > 90);
    sctp_world_done(&b.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_full),
        cmocka_unit_test(cubic_keeps_its_share),
        cmocka_unit_test(queues_stay_short),
        cmocka_unit_test(little_waits),
    };
    vn_log_setup(VN_LOG_WARN, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
