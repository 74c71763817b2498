#include "transport/consent.h"

#include "support/test.h"
#include "support/test_io.h"
#include "transport/limits.h"

#define SECOND 1000000ull
#define START (1000 * SECOND)

/* Runs the clock as the tether does, from deadline to deadline. Returns when the peer was given up;
 * 0: not until `end`. */
static uint64_t run(struct vn_consent *c, uint64_t now, uint64_t end, bool outstanding,
                    bool answers, unsigned *ret_checks)
{
    *ret_checks = 0;
    while ((now = VN_MAX(now, vn_consent_deadline(c))) < end) {
        switch (vn_consent_tick(c, outstanding, now)) {
        case VN_CONSENT_WAIT:
            break;
        case VN_CONSENT_CHECK:
            ++*ret_checks;
            if (answers)
                vn_consent_answered(c, now + 1000);
            break;
        case VN_CONSENT_LOST:
            return now;
        }
    }
    return 0;
}

static void idle_and_answering_lives_on(void **state)
{
    (void)state;
    struct vn_consent c;
    unsigned checks;
    vn_consent_init(&c, test_random(), START);
    assert_true(run(&c, START, START + 600 * SECOND, false, true, &checks) == 0);
    assert_in_range(checks, 600 / 6, 600 / 4 + 1);
}

static void idle_and_silent_ends_after_15_s(void **state)
{
    (void)state;
    struct vn_consent c;
    unsigned checks;
    vn_consent_init(&c, test_random(), START);
    uint64_t lost = run(&c, START, START + 60 * SECOND, false, false, &checks);
    assert_true(lost == START + VN_CONSENT_EXPIRES_US);
    assert_in_range(checks, 8, 12);
}

static void sending_into_silence_ends_after_3_s(void **state)
{
    (void)state;
    struct vn_consent c;
    unsigned checks;
    vn_consent_init(&c, test_random(), START);
    vn_consent_sending(&c, START + SECOND / 10);
    uint64_t lost = run(&c, START + SECOND / 10, START + 60 * SECOND, true, false, &checks);
    assert_true(lost == START + SECOND / 10 + VN_LIVE_DOWN_US);
    assert_int_equal(checks, VN_LIVE_DOWN_US / VN_LIVE_PROBE_US - 1);
}

/* Answers to checks alone keep a tether alive whose data is stuck. */
static void sending_with_answers_lives_on(void **state)
{
    (void)state;
    struct vn_consent c;
    unsigned checks;
    vn_consent_init(&c, test_random(), START);
    vn_consent_sending(&c, START);
    assert_true(run(&c, START, START + 60 * SECOND, true, true, &checks) == 0);
    assert_in_range(checks, 10, 121);
}

static void traffic_needs_few_checks(void **state)
{
    (void)state;
    struct vn_consent c;
    unsigned checks = 0;
    vn_consent_init(&c, test_random(), START);
    for (uint64_t now = START; now < START + 60 * SECOND; now += SECOND / 100) {
        vn_consent_sending(&c, now);
        if (now >= vn_consent_deadline(&c) && vn_consent_tick(&c, true, now) == VN_CONSENT_CHECK) {
            checks++;
            vn_consent_answered(&c, now);
        }
        vn_consent_heard(&c, now + 1);
    }
    assert_in_range(checks, 10, 15);
}

static void a_closed_port_ends_after_two_checks(void **state)
{
    (void)state;
    struct vn_consent c;
    vn_consent_init(&c, test_random(), START);
    vn_consent_refused(&c);
    vn_consent_refused(&c); /* of the same burst: once */
    assert_true(vn_consent_deadline(&c) <= START);
    assert_int_equal(vn_consent_tick(&c, false, START), VN_CONSENT_CHECK);
    vn_consent_refused(&c);
    assert_int_equal(vn_consent_tick(&c, false, START + 1000), VN_CONSENT_LOST);

    /* An answer in between clears it: someone spoofed the ICMP error. */
    vn_consent_init(&c, test_random(), START);
    vn_consent_refused(&c);
    assert_int_equal(vn_consent_tick(&c, false, START), VN_CONSENT_CHECK);
    vn_consent_answered(&c, START + 500);
    vn_consent_refused(&c);
    assert_int_equal(vn_consent_tick(&c, false, START + 1000), VN_CONSENT_CHECK);
}

static void a_late_loop_counts_anew(void **state)
{
    (void)state;
    struct vn_consent c;
    unsigned checks;
    vn_consent_init(&c, test_random(), START);
    vn_consent_sending(&c, START);
    (void)vn_consent_deadline(&c);
    /* Suspended for an hour: the peer is asked before it is given up. */
    uint64_t now = START + 3600 * SECOND;
    assert_int_not_equal(vn_consent_tick(&c, true, now), VN_CONSENT_LOST);
    uint64_t lost = run(&c, now, now + 60 * SECOND, true, false, &checks);
    assert_true(lost == now + VN_LIVE_DOWN_US);
    assert_true(checks > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_and_answering_lives_on),
        cmocka_unit_test(idle_and_silent_ends_after_15_s),
        cmocka_unit_test(sending_into_silence_ends_after_3_s),
        cmocka_unit_test(sending_with_answers_lives_on),
        cmocka_unit_test(traffic_needs_few_checks),
        cmocka_unit_test(a_closed_port_ends_after_two_checks),
        cmocka_unit_test(a_late_loop_counts_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
