/* How SCTP associations begin and end: ours with ours and with libusrsctp. */
#include "base/log.h"
#include "support/sctp_world.h"
#include "support/test.h"
#include "support/test_io.h"
#include "transport/limits.h"
#include "transport/sctp/wire.h"

enum { SECOND = 1000000 };

static const struct vn_sctp_how reliable = {0};

/* Every pair of implementations with one of ours in it. */
static const struct sctp_world_config pairs[] = {
    {.foreign = {false, false}}, {.foreign = {false, true}}, {.foreign = {true, false}}};

static bool has_message(void *arg)
{
    return ((struct sctp_end *)arg)->count > 0;
}
static bool both_over(void *arg)
{
    const struct sctp_world *w = arg;
    return sctp_end_state(&w->end[0]) > VN_SCTP_OPEN && sctp_end_state(&w->end[1]) > VN_SCTP_OPEN;
}

static void assert_talks(struct sctp_world *w)
{
    for (unsigned i = 0; i < 2; i++) {
        struct sctp_end *from = &w->end[i], *to = &w->end[!i];
        assert_true(sctp_end_send(from, 0, &reliable, 5000, i));
        assert_true(sctp_world_until(w, has_message, to, 10 * SECOND));
        assert_int_equal(to->count, 1);
        assert_true(sctp_msg_holds(&to->msgs[0], 5000, i));
        sctp_end_clear(to);
    }
}

/* One end calls, or the other, or both at the same time (RFC 8831 section 6). */
static void anyone_may_call(void **state)
{
    (void)state;
    for (size_t p = 0; p < VN_ARRAY_LEN(pairs); p++)
        for (unsigned who = 1; who <= 3; who++) {
            struct sctp_world w;
            /* libusrsctp answers no INIT before it has called. */
            if ((pairs[p].foreign[0] || pairs[p].foreign[1]) && who != 3 &&
                !pairs[p].foreign[who - 1])
                continue;
            sctp_world_init(&w, &pairs[p]);
            assert_true(sctp_world_open(&w, who, SECOND));
            assert_talks(&w);
            sctp_world_done(&w);
        }
}

/* Both INITs are lost, then both answers, and so on: T1 brings each back. */
static void set_up_survives_loss(void **state)
{
    (void)state;
    for (size_t p = 0; p < VN_ARRAY_LEN(pairs); p++)
        for (unsigned round = 0; round < 8; round++) {
            struct sctp_world w;
            sctp_world_init(&w, &pairs[p]);
            w.path[0].loss = w.path[1].loss = 3000;
            w.path[0].dup = w.path[1].dup = 2000;
            w.path[0].reorder = w.path[1].reorder = 2000;
            w.path[0].reorder_us = w.path[1].reorder_us = 50000;
            assert_true(sctp_world_open(&w, 3, 60 * (uint64_t)SECOND));
            w.path[0].loss = w.path[1].loss = 0;
            assert_talks(&w);
            sctp_world_done(&w);
        }
}

static void nobody_answers(void **state)
{
    (void)state;
    struct sctp_world w;
    sctp_world_init(&w, &pairs[0]);
    w.path[0].down = true;
    sctp_end_connect(&w.end[0]);
    sctp_world_run(&w, 200 * (uint64_t)SECOND);
    assert_int_equal(sctp_end_state(&w.end[0]), VN_SCTP_FAILED);
    assert_int_equal(w.path[0].packets, VN_SCTP_RTX_MAX + 1);
    assert_true(vn_sctp_due_us(w.end[0].own) == UINT64_MAX);
    assert_status(VN_ERR_STATE, vn_sctp_connect(w.end[0].own, w.now_us));
    sctp_world_done(&w);
}

/* What was queued before set-up follows it. */
static void messages_may_come_first(void **state)
{
    (void)state;
    struct sctp_world w;
    sctp_world_init(&w, &pairs[0]);
    assert_true(sctp_end_send(&w.end[0], 2, &reliable, 70000, 7));
    assert_true(sctp_world_open(&w, 2, SECOND));
    assert_true(sctp_world_until(&w, has_message, &w.end[1], SECOND));
    assert_true(sctp_msg_holds(&w.end[1].msgs[0], 70000, 7));
    sctp_world_done(&w);
}

/* All that was sent arrives before the end, whichever side begins it, and if both do. */
static void shutdown_delivers_first(void **state)
{
    (void)state;
    for (size_t p = 0; p < VN_ARRAY_LEN(pairs); p++)
        for (unsigned who = 1; who <= 3; who++) {
            struct sctp_world w;
            sctp_world_init(&w, &pairs[p]);
            assert_true(sctp_world_open(&w, 3, SECOND));
            w.path[0].loss = w.path[1].loss = 1000;
            for (unsigned i = 0; i < 2; i++)
                for (uint32_t k = 0; k < 5; k++)
                    assert_true(sctp_end_send(&w.end[i], 0, &reliable, 20000, k));
            for (unsigned i = 0; i < 2; i++) {
                if (!(who >> i & 1))
                    continue;
                if (w.end[i].own)
                    vn_sctp_shutdown(w.end[i].own, w.now_us);
                else
                    usrsctp_peer_shutdown(w.end[i].foreign);
            }
            assert_true(sctp_world_until(&w, both_over, &w, 100 * (uint64_t)SECOND));
            for (unsigned i = 0; i < 2; i++) {
                if (w.end[i].own)
                    assert_int_equal(sctp_end_state(&w.end[i]), VN_SCTP_CLOSED);
                if (!(who >> !i & 1))
                    continue;
                assert_int_equal(w.end[i].count, 5);
                for (uint32_t k = 0; k < 5; k++)
                    assert_true(sctp_msg_holds(&w.end[i].msgs[k], 20000, k));
            }
            sctp_world_done(&w);
        }
}

static void after_shutdown_nothing_is_taken(void **state)
{
    (void)state;
    struct sctp_world w;
    struct vn_pktbuf *b;
    sctp_world_init(&w, &pairs[0]);
    assert_true(sctp_world_open(&w, 1, SECOND));
    vn_sctp_shutdown(w.end[0].own, w.now_us);
    assert_ok(vn_pktbuf_new(10, &b));
    memset(vn_pktbuf_put(b, 10), 0, 10);
    assert_status(VN_ERR_STATE, vn_sctp_send(w.end[0].own, 0, 0, &reliable, b, w.now_us));
    (void)vn_pktbuf_free(b);
    sctp_world_done(&w);
}

static void an_abort_is_told(void **state)
{
    (void)state;
    for (size_t p = 0; p < VN_ARRAY_LEN(pairs); p++)
        for (unsigned who = 0; who < 2; who++) {
            struct sctp_world w;
            sctp_world_init(&w, &pairs[p]);
            assert_true(sctp_world_open(&w, 3, SECOND));
            struct sctp_end *e = &w.end[who];
            e->own = vn_sctp_free(e->own);
            e->foreign = usrsctp_peer_free(e->foreign);
            while (w.heap_count > 0)
                (void)sctp_world_step(&w, w.now_us + SECOND);
            assert_int_equal(sctp_end_state(&w.end[!who]), VN_SCTP_CLOSED);
            sctp_world_done(&w);
        }
}

/* ---- cookies ---- */

struct kept {
    uint8_t type; /* of the first chunk, to keep and drop */
    uint8_t p[1500];
    size_t n;
};

static bool keep(void *arg, const uint8_t *p, size_t n)
{
    struct kept *k = arg;
    if (n < 13 || p[12] != k->type)
        return false;
    memcpy(k->p, p, n);
    k->n = n;
    return true;
}

static void keep_cookie(struct sctp_world *w, struct kept *k)
{
    k->type = VN_SCTP_COOKIE_ECHO;
    w->path[0].drops = keep;
    w->path[0].drops_arg = k;
    sctp_end_connect(&w->end[0]);
    sctp_world_run(w, 10000);
    assert_true(k->n > 0);
}

static void a_forged_cookie_opens_nothing(void **state)
{
    (void)state;
    struct sctp_world w;
    struct kept k = {0};
    sctp_world_init(&w, &pairs[0]);
    keep_cookie(&w, &k);
    for (size_t i = 16; i < k.n; i++) { /* the chunk's value */
        k.p[i] ^= 1;
        vn_sctp_seal(k.p, k.n, false);
        sctp_world_forge(&w, 1, VN_SPAN(k.p, k.n));
        sctp_world_run(&w, 1);
        k.p[i] ^= 1;
        const bool padding = i >= 16 + (size_t)((k.p[14] << 8 | k.p[15]) - 4);
        assert_int_equal(sctp_end_state(&w.end[1]), padding ? VN_SCTP_OPEN : VN_SCTP_CONNECTING);
    }
    vn_sctp_seal(k.p, k.n, false);
    sctp_world_forge(&w, 1, VN_SPAN(k.p, k.n));
    sctp_world_run(&w, 1);
    assert_int_equal(sctp_end_state(&w.end[1]), VN_SCTP_OPEN);
    sctp_world_done(&w);
}

/* One too old is refused, and the end that carried it asks for a new one. */
static void a_stale_cookie_is_renewed(void **state)
{
    (void)state;
    struct sctp_world w;
    struct kept k = {0};
    sctp_world_init(&w, &pairs[0]);
    keep_cookie(&w, &k);
    sctp_world_run(&w, VN_SCTP_COOKIE_US);
    w.path[0].drops = NULL;
    assert_int_equal(sctp_end_state(&w.end[0]), VN_SCTP_CONNECTING);
    assert_true(sctp_world_open(&w, 0, 10 * SECOND));
    assert_talks(&w);
    sctp_world_done(&w);
}

/* INITs cost an answer each and leave nothing behind; none disturbs what is open. */
static void floods_of_init_leave_nothing(void **state)
{
    (void)state;
    struct sctp_world w;
    struct kept k = {.type = VN_SCTP_INIT};
    sctp_world_init(&w, &pairs[0]);
    w.path[0].drops = keep;
    w.path[0].drops_arg = &k;
    sctp_end_connect(&w.end[0]);
    w.path[0].drops = NULL;
    for (uint32_t i = 0; i < 1000; i++) {
        vn_test_fill(k.p + 16, 4); /* its tag */
        k.p[16] |= 1;
        vn_sctp_seal(k.p, k.n, false);
        sctp_world_forge(&w, 1, VN_SPAN(k.p, k.n));
    }
    sctp_world_run(&w, 100);
    assert_int_equal(w.path[1].packets, 1000);
    assert_true(w.path[1].bytes < 1000 * 3 * k.n);
    assert_int_equal(sctp_end_state(&w.end[1]), VN_SCTP_CONNECTING);
    assert_true(sctp_world_open(&w, 0, SECOND));
    const uint64_t before = w.path[1].packets;
    sctp_world_forge(&w, 1, VN_SPAN(k.p, k.n));
    sctp_world_run(&w, 100);
    assert_int_equal(w.path[1].packets, before);
    assert_talks(&w);
    sctp_world_done(&w);
}

/* After half a minute without traffic a HEARTBEAT goes, and a peer that is gone is noticed. */
static void idle_associations_are_watched(void **state)
{
    (void)state;
    struct sctp_world w;
    struct vn_sctp_counters c;
    sctp_world_init(&w, &pairs[1]);
    assert_true(sctp_world_open(&w, 3, SECOND));
    assert_int_equal(vn_sctp_srtt_us(w.end[0].own), 0);
    sctp_world_run(&w, 65 * (uint64_t)SECOND);
    assert_in_range(vn_sctp_srtt_us(w.end[0].own), 2000, 12000);
    w.path[0].down = true;
    sctp_world_run(&w, 40 * (uint64_t)VN_SCTP_HEARTBEAT_MS * 1000);
    assert_int_equal(sctp_end_state(&w.end[0]), VN_SCTP_FAILED);
    vn_sctp_counters(w.end[0].own, &c);
    assert_int_equal(c.drop_packet, 0);
    sctp_world_done(&w);
}

static void sizes_are_checked(void **state)
{
    (void)state;
    struct vn_sctp *s = NULL;
    struct vn_sctp_config cfg = {.random = test_random(), .mtu = 100, .message_max = 1000};
    assert_status(VN_ERR_ARG, vn_sctp_new(&cfg, 1, &s));
    cfg.mtu = VN_SCTP_MTU_MAX + 1;
    assert_status(VN_ERR_ARG, vn_sctp_new(&cfg, 1, &s));
    assert_null(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anyone_may_call),
        cmocka_unit_test(set_up_survives_loss),
        cmocka_unit_test(nobody_answers),
        cmocka_unit_test(messages_may_come_first),
        cmocka_unit_test(shutdown_delivers_first),
        cmocka_unit_test(after_shutdown_nothing_is_taken),
        cmocka_unit_test(an_abort_is_told),
        cmocka_unit_test(a_forged_cookie_opens_nothing),
        cmocka_unit_test(a_stale_cookie_is_renewed),
        cmocka_unit_test(floods_of_init_leave_nothing),
        cmocka_unit_test(idle_associations_are_watched),
        cmocka_unit_test(sizes_are_checked),
    };
    vn_log_setup(VN_LOG_WARN, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
