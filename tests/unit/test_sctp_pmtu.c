/* The longest packet that passes: looked for, found, and lost again. In virtual time. */
#include "base/log.h"
#include "support/sctp_world.h"
#include "support/test.h"
#include "transport/limits.h"
#include "transport/sctp/assoc.h"

enum { SECOND = 1000000, MS = 1000, BASE = 508, LONGEST = 1412, MESSAGE = 60000 };

static const struct vn_sctp_how unordered = {.unordered = true};

static bool too_long(void *arg, const uint8_t *p, size_t n)
{
    (void)p;
    return n > *(const size_t *)arg;
}

struct rig {
    struct sctp_world w;
    size_t passes; /* bytes */
};

static void open_rig(struct rig *r, size_t mtu, size_t passes)
{
    const struct sctp_world_config cfg = {
        .mtu = mtu, .mtu_base = BASE, .mtu_max = LONGEST, .message_max = MESSAGE};
    memset(r, 0, sizeof(*r));
    sctp_world_init(&r->w, &cfg);
    r->passes = passes;
    for (size_t i = 0; i < 2; i++) {
        r->w.path[i].delay_us = 10 * MS;
        r->w.path[i].drops = too_long;
        r->w.path[i].drops_arg = &r->passes;
    }
    assert_true(sctp_world_open(&r->w, 3, 5 * SECOND));
}

static size_t mtu(const struct rig *r)
{
    return r->w.end[0].own->cfg.mtu;
}

static bool b_has_one(void *arg)
{
    return ((struct rig *)arg)->w.end[1].count > 0;
}

static void expect_passes(struct rig *r)
{
    sctp_end_clear(&r->w.end[1]);
    assert_true(sctp_end_send(&r->w.end[0], 0, &unordered, MESSAGE, 1));
    assert_true(sctp_world_until(&r->w, b_has_one, r, 5 * SECOND));
    assert_true(sctp_msg_holds(&r->w.end[1].msgs[0], MESSAGE, 1));
}

static void it_finds_what_passes(void **state)
{
    (void)state;
    static const struct {
        size_t passes, found;
    } paths[] = {{BASE, BASE}, {600, BASE},  {800, 792},
                 {1200, 1192}, {1300, 1292}, {1500, LONGEST}};
    for (size_t i = 0; i < VN_ARRAY_LEN(paths); i++) {
        struct rig r;
        open_rig(&r, BASE, paths[i].passes);
        sctp_world_run(&r.w, 100 * MS); /* one round is enough where nothing else is lost */
        assert_int_equal(mtu(&r), paths[i].found);
        sctp_world_run(&r.w, SECOND);
        const uint64_t dropped = r.w.path[0].dropped;
        expect_passes(&r);
        assert_int_equal(r.w.path[0].dropped, dropped);
        /* And the packets are as long as that. */
        assert_true(r.w.path[0].bytes > 0);
        sctp_world_done(&r.w);
    }
}

static void a_lost_probe_is_sent_again(void **state)
{
    (void)state;
    struct rig r;
    open_rig(&r, BASE, BASE);
    sctp_world_run(&r.w, 100 * MS);
    assert_int_equal(mtu(&r), BASE);
    r.passes = 1500;
    sctp_world_run(&r.w, SECOND);
    assert_int_equal(mtu(&r), LONGEST);
    sctp_world_done(&r.w);
}

static void a_path_that_grows_is_noticed(void **state)
{
    (void)state;
    struct rig r;
    open_rig(&r, BASE, 1000);
    sctp_world_run(&r.w, 2 * SECOND);
    assert_int_equal(mtu(&r), 992);
    const uint64_t packets = r.w.path[0].packets;
    r.passes = 1500;
    sctp_world_run(&r.w, 60 * SECOND);
    assert_true(r.w.path[0].packets - packets < 10); /* it does not go on probing */
    assert_int_equal(mtu(&r), 992);
    sctp_world_run(&r.w, VN_SCTP_PMTU_RAISE_US);
    assert_int_equal(mtu(&r), LONGEST);
    expect_passes(&r);
    sctp_world_done(&r.w);
}

static bool is_over(void *arg)
{
    return sctp_end_state(&((struct rig *)arg)->w.end[0]) != VN_SCTP_OPEN;
}

static void a_black_hole_is_noticed(void **state)
{
    (void)state;
    struct rig r;
    open_rig(&r, LONGEST, 1500);
    expect_passes(&r);
    r.passes = 1000;
    assert_true(sctp_end_send(&r.w.end[0], 0, &unordered, MESSAGE, 2));
    assert_true(sctp_world_until(&r.w, is_over, &r, 6 * SECOND));
    assert_int_equal(sctp_end_state(&r.w.end[0]), VN_SCTP_FAILED);
    sctp_world_done(&r.w);
}

/* Short messages get through meanwhile, so there is never a timeout for all. */
static void a_black_hole_is_noticed_beside_short_messages(void **state)
{
    (void)state;
    struct rig r;
    open_rig(&r, LONGEST, 1500);
    expect_passes(&r);
    r.passes = 1000;
    assert_true(sctp_end_send(&r.w.end[0], 0, &unordered, 1300, 2));
    for (int i = 0; i < 600 && !is_over(&r); i++) {
        (void)sctp_end_send(&r.w.end[0], 1, &unordered, 10, 3);
        sctp_world_run(&r.w, 10 * MS);
    }
    assert_int_equal(sctp_end_state(&r.w.end[0]), VN_SCTP_FAILED);
    sctp_world_done(&r.w);
}

static void an_outage_is_no_black_hole(void **state)
{
    (void)state;
    struct rig r;
    open_rig(&r, LONGEST, 1500);
    r.passes = 0;
    assert_true(sctp_end_send(&r.w.end[0], 0, &unordered, MESSAGE, 2));
    sctp_world_run(&r.w, 20 * SECOND);
    assert_false(is_over(&r));
    r.passes = 1500;
    assert_true(sctp_world_until(&r.w, b_has_one, &r, 5 * SECOND));
    sctp_world_run(&r.w, SECOND);
    assert_int_equal(r.w.end[0].own->pmtu.suspicions, 0);
    sctp_world_done(&r.w);
}

static void random_loss_is_no_black_hole(void **state)
{
    (void)state;
    struct rig r;
    open_rig(&r, LONGEST, 1500);
    r.w.path[0].loss = r.w.path[1].loss = 3000;
    for (uint32_t i = 0; i < 20; i++) {
        (void)sctp_end_send(&r.w.end[0], 0, &unordered, MESSAGE, i);
        sctp_world_run(&r.w, SECOND);
        assert_false(is_over(&r));
    }
    sctp_world_done(&r.w);
}

static void others_are_not_probed(void **state)
{
    (void)state;
    struct sctp_world w;
    const struct sctp_world_config cfg = {.mtu = 1000};
    sctp_world_init(&w, &cfg);
    assert_true(sctp_world_open(&w, 3, 5 * SECOND));
    const uint64_t packets = w.path[0].packets;
    sctp_world_run(&w, SECOND);
    assert_true(w.path[0].packets - packets < 3);
    assert_int_equal(w.end[0].own->cfg.mtu, 1000);
    sctp_world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_finds_what_passes),
        cmocka_unit_test(a_lost_probe_is_sent_again),
        cmocka_unit_test(a_path_that_grows_is_noticed),
        cmocka_unit_test(a_black_hole_is_noticed),
        cmocka_unit_test(a_black_hole_is_noticed_beside_short_messages),
        cmocka_unit_test(an_outage_is_no_black_hole),
        cmocka_unit_test(random_loss_is_no_black_hole),
        cmocka_unit_test(others_are_not_probed),
    };
    vn_log_setup(VN_LOG_ERROR, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
