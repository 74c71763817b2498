#include "router/liveness.h"

#include "base/attr.h"
#include "router/headroom.h"
#include "support/test.h"

#define MS 1000ull

static struct vn_liveness l;

/* A hop with a steady round trip, heard of at t = 10 s, and a packet sent then. */
static int begin_20ms(void **state)
{
    (void)state;
    l = (struct vn_liveness){0};
    for (int i = 0; i < 100; i++)
        vn_liveness_rtt(&l, 20 * MS);
    vn_liveness_heard(&l, 10000 * MS);
    vn_liveness_unacked(&l, 10000 * MS);
    return 0;
}

static void round_trips_are_smoothed_as_in_the_rfc(void **state)
{
    (void)state;
    struct vn_liveness r = {0};
    vn_liveness_rtt(&r, 100000);
    assert_int_equal(100000, r.srtt_us);
    assert_int_equal(50000, r.rttvar_us);
    vn_liveness_rtt(&r, 180000);
    assert_int_equal(110000, r.srtt_us);                        /* 7/8 of 100 and 1/8 of 180 ms */
    assert_int_equal(57500, r.rttvar_us);                       /* 3/4 of 50 and 1/4 of 80 ms */
    assert_in_range(vn_liveness_window_us(&r), 165000, 165000); /* 1.5 srtt */
}

static void the_window_has_bounds(void **state)
{
    (void)state;
    struct vn_liveness r = {0};
    assert_int_equal(60 * MS, vn_liveness_window_us(&r));
    r.srtt_us = 1;
    assert_int_equal(60 * MS, vn_liveness_window_us(&r));
    r.srtt_us = 100 * MS;
    assert_int_equal(150 * MS, vn_liveness_window_us(&r));
    r.srtt_us = 60000 * MS;
    assert_int_equal(200 * MS, vn_liveness_window_us(&r));
}

/* The packet is due 20 ms (and 4 rttvar, which is nearly none) after it was sent; then 60 ms. */
static void silence_is_asked_about_and_then_it_is_death(void **state)
{
    (void)state;
    uint64_t due = 10020 * MS + 4 * l.rttvar_us;
    assert_int_equal(VN_ALIVE, vn_liveness_check(&l, due));
    assert_int_equal(due + 30 * MS, vn_liveness_deadline_us(&l));
    assert_int_equal(VN_ALIVE, vn_liveness_check(&l, due + 30 * MS - 1));
    assert_int_equal(VN_ASK, vn_liveness_check(&l, due + 30 * MS));
    assert_int_equal(VN_ALIVE, vn_liveness_check(&l, due + 31 * MS)); /* once */
    assert_int_equal(due + 60 * MS, vn_liveness_deadline_us(&l));
    assert_int_equal(VN_ALIVE, vn_liveness_check(&l, due + 60 * MS - 1));
    assert_int_equal(VN_SILENT, vn_liveness_check(&l, due + 60 * MS));
}

static void whatever_comes_back_is_life(void **state)
{
    (void)state;
    assert_int_equal(VN_ASK, vn_liveness_check(&l, 10055 * MS));
    vn_liveness_heard(&l, 10070 * MS); /* of another packet: the oldest is still unacknowledged */
    assert_int_equal(VN_ALIVE, vn_liveness_check(&l, 10099 * MS));
    assert_int_equal(VN_ASK, vn_liveness_check(&l, 10101 * MS)); /* a new silence */
    assert_int_equal(VN_SILENT, vn_liveness_check(&l, 10131 * MS));
}

static void without_traffic_nothing_is_expected(void **state)
{
    (void)state;
    vn_liveness_unacked(&l, 0);
    assert_int_equal(0, vn_liveness_deadline_us(&l));
    assert_int_equal(VN_ALIVE, vn_liveness_check(&l, 99999 * MS));
}

static void our_own_lateness_is_no_silence(void **state)
{
    (void)state;
    vn_liveness_loop(&l, 10500 * MS, 20 * MS); /* that much is usual */
    assert_int_equal(VN_SILENT, vn_liveness_check(&l, 10500 * MS));
    vn_liveness_loop(&l, 10500 * MS, 20 * MS + 1);
    assert_int_equal(VN_ALIVE, vn_liveness_check(&l, 10500 * MS));
    assert_int_equal(VN_ASK, vn_liveness_check(&l, 10530 * MS));
    assert_int_equal(VN_SILENT, vn_liveness_check(&l, 10560 * MS));
}

/* However round trips vary, death is never said sooner than 60 ms after the packet was due. */
static void never_too_early(void **state)
{
    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct vn_liveness r = {0};
        uint64_t now = 1000 * MS + vn_test_below(1000000);
        for (int i = 0; i < 20; i++)
            vn_liveness_rtt(&r, (uint32_t)(vn_test_random() >> (32 + vn_test_below(32))));
        vn_liveness_heard(&r, now);
        vn_liveness_unacked(&r, now + 1 + vn_test_below(1000));
        uint64_t due = r.oldest_us + r.srtt_us + 4 * (uint64_t)r.rttvar_us;
        uint64_t at = vn_liveness_deadline_us(&r);
        assert_int_equal(VN_ASK, vn_liveness_check(&r, at));
        at = vn_liveness_deadline_us(&r);
        assert_in_range(at - due, 60 * MS, 200 * MS);
        assert_int_equal(VN_ALIVE, vn_liveness_check(&r, at - 1));
        assert_int_equal(VN_SILENT, vn_liveness_check(&r, at));
    }
}

static void headroom_follows_the_load(void **state)
{
    (void)state;
    struct vn_headroom h;
    uint64_t bytes = 0, now = 5000000;
    vn_headroom_init(&h);
    assert_int_equal(VN_Q16, h.headroom_q16);
    vn_headroom_look(&h, bytes, 10000, now);
    assert_int_equal(VN_Q16, h.headroom_q16);
    vn_headroom_look(&h, bytes += 562500, 10000, now += 1000000); /* 4.5 of 9 Mbit/s */
    assert_in_range(h.headroom_q16, VN_Q16 / 2 - 8, VN_Q16 / 2 + 8);
    vn_headroom_look(&h, bytes += 1125000, 10000, now += 1000000); /* at once */
    assert_int_equal(0, h.headroom_q16);
    vn_headroom_look(&h, bytes, 10000, now += 1000000); /* a pause is believed by halves */
    assert_in_range(h.headroom_q16, VN_Q16 / 2 - 8, VN_Q16 / 2 + 8);
    vn_headroom_look(&h, 7, 10000, now += 1000000); /* the counter began anew */
    assert_in_range(h.headroom_q16, VN_Q16 / 2 - 8, VN_Q16 / 2 + 8);
    vn_headroom_look(&h, 8, 0, now + 1000000); /* nobody knows what it can */
    assert_int_equal(0, h.headroom_q16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips_are_smoothed_as_in_the_rfc),
        cmocka_unit_test(the_window_has_bounds),
        cmocka_unit_test_setup(silence_is_asked_about_and_then_it_is_death, begin_20ms),
        cmocka_unit_test_setup(whatever_comes_back_is_life, begin_20ms),
        cmocka_unit_test_setup(without_traffic_nothing_is_expected, begin_20ms),
        cmocka_unit_test_setup(our_own_lateness_is_no_silence, begin_20ms),
        cmocka_unit_test(never_too_early),
        cmocka_unit_test(headroom_follows_the_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
