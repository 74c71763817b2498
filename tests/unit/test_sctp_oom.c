/* Every allocation of a talk between two associations fails once; what was taken still arrives. */
#include <stdlib.h>

#include "base/log.h"
#include "support/oom.h"
#include "support/test.h"
#include "support/test_io.h"
#include "transport/sctp.h"

enum { QUEUE = 1024, MTU = 600, MESSAGES = 6 };

struct end {
    struct vn_sctp *s;
    size_t first, count;
    size_t lens[QUEUE];
    uint8_t packets[QUEUE][MTU];
    unsigned lose; /* one in so many, counted */
    uint64_t sent;
    size_t got;
};

static struct end ends[2];

static void on_output(void *arg, const struct vn_dgram *packets, size_t n)
{
    struct end *e = arg;
    for (size_t i = 0; i < n && e->count < QUEUE; i++) {
        if (e->lose && ++e->sent % e->lose == 0)
            continue;
        const size_t at = (e->first + e->count++) % QUEUE;
        memcpy(e->packets[at], packets[i].p, packets[i].n);
        e->lens[at] = packets[i].n;
    }
}

static void receive(struct end *e)
{
    struct vn_sctp_msg m;
    while (vn_sctp_receive(e->s, &m, 1) == 1) {
        e->got++;
        (void)vn_pktbuf_free(m.buf);
    }
}

static void step(uint64_t *now_us)
{
    *now_us += 1000;
    for (size_t i = 0; i < 2; i++) {
        struct end *from = &ends[i], *to = &ends[!i];
        for (size_t n = from->count; n > 0; n--) {
            const struct vn_dgram d = {from->packets[from->first], from->lens[from->first]};
            vn_sctp_input(to->s, &d, 1, *now_us);
            from->first = (from->first + 1) % QUEUE;
            from->count--;
        }
        if (vn_sctp_due_us(to->s) <= *now_us)
            vn_sctp_tick(to->s, *now_us);
        receive(to);
    }
}

static vn_status make_both(uint64_t now_us)
{
    vn_status st = VN_OK;
    for (size_t i = 0; i < 2 && st == VN_OK; i++) {
        ends[i].first = ends[i].count = ends[i].got = 0;
        ends[i].sent = 0;
        ends[i].lose = 13;
        const struct vn_sctp_config cfg = {.arg = &ends[i],
                                           .output = on_output,
                                           .random = test_random(),
                                           .mtu = MTU,
                                           .message_max = 70000};
        st = vn_sctp_new(&cfg, now_us, &ends[i].s);
    }
    return st;
}

/* Whether something failed. */
static bool talk(size_t n)
{
    const struct vn_sctp_how hows[] = {{0}, {.unordered = true}};
    uint64_t now_us = 1000000;
    size_t queued = 0;
    vn_oom_arm(n);
    const vn_status st = make_both(now_us);
    if (st == VN_OK) {
        for (size_t i = 0; i < 2; i++)
            assert_ok(vn_sctp_connect(ends[i].s, now_us));
        for (size_t i = 0; i < MESSAGES; i++) {
            struct vn_pktbuf *b;
            vn_oom_pause(true);
            assert_ok(vn_pktbuf_new(20000, &b));
            memset(vn_pktbuf_put(b, 20000), 1, 20000);
            vn_oom_pause(false);
            if (vn_sctp_send(ends[0].s, (uint16_t)(i % 2), 1, &hows[i % 2], b, now_us) == VN_OK)
                queued++;
            else
                (void)vn_pktbuf_free(b);
        }
        assert_true(queued >= MESSAGES - 1);
        for (int i = 0;
             i < 60000 && ends[1].got < queued && vn_sctp_state(ends[0].s) <= VN_SCTP_OPEN; i++)
            step(&now_us);
        /* One may fail with it: the end that cannot keep a cookie. */
        const bool failed = vn_sctp_state(ends[0].s) == VN_SCTP_FAILED ||
                            vn_sctp_state(ends[1].s) == VN_SCTP_FAILED;
        assert_true(failed || ends[1].got == queued);
    } else {
        assert_status(VN_ERR_NOMEM, st);
    }
    const bool any = vn_oom_disarm();
    for (size_t i = 0; i < 2; i++)
        ends[i].s = vn_sctp_free(ends[i].s);
    return any;
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    size_t n = 1;
    while (talk(n))
        n++;
    assert_in_range(n, 10, 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_fails_once),
    };
    vn_log_setup(VN_LOG_ERROR, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
