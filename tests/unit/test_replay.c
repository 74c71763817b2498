#include "base/replay.h"

#include <stdlib.h>

#include "support/test.h"

static void first_numbers(void **state)
{
    (void)state;
    struct vn_replay r;
    assert_ok(vn_replay_init(&r, VN_REPLAY_BITS_MIN));
    assert_true(vn_replay_check(&r, 0));
    vn_replay_commit(&r, 0, 1);
    assert_false(vn_replay_check(&r, 0));
    assert_true(vn_replay_check(&r, 1));
    vn_replay_commit(&r, 5, 1);
    assert_false(vn_replay_check(&r, 5));
    assert_true(vn_replay_check(&r, 1));
    assert_true(vn_replay_check(&r, 4));
    vn_replay_done(&r);
    vn_replay_done(&r);
}

static void edges_of_the_window(void **state)
{
    (void)state;
    struct vn_replay r;
    assert_ok(vn_replay_init(&r, VN_REPLAY_BITS_MIN));
    vn_replay_commit(&r, 100000, 1);
    assert_true(vn_replay_check(&r, 100001 - VN_REPLAY_BITS_MIN));
    assert_false(vn_replay_check(&r, 100000 - VN_REPLAY_BITS_MIN));
    assert_false(vn_replay_check(&r, 0));
    /* Far ahead: everything before it is outside. */
    vn_replay_commit(&r, UINT64_C(1) << 40, 1);
    assert_false(vn_replay_check(&r, 100001));
    assert_true(vn_replay_check(&r, (UINT64_C(1) << 40) - 1));
    assert_false(vn_replay_check(&r, UINT64_MAX));
    assert_true(vn_replay_check(&r, UINT64_MAX - 1));
    vn_replay_commit(&r, UINT64_MAX - 1, 1);
    assert_false(vn_replay_check(&r, UINT64_MAX - 1));
    assert_false(vn_replay_check(&r, UINT64_MAX));
    vn_replay_done(&r);
}

/* What it knew it goes on knowing, and what it did not it goes on refusing. */
static void is_widened_when_asked(void **state)
{
    (void)state;
    struct vn_replay r;
    const uint32_t wide = 8 * VN_REPLAY_BITS_MIN;
    assert_ok(vn_replay_init(&r, VN_REPLAY_BITS_MIN));
    assert_int_equal(0, vn_replay_known(&r));
    for (uint64_t seq = 0; seq < 3000; seq += 2)
        vn_replay_commit(&r, seq, 0); /* which does not tell a rate */
    const uint64_t known = vn_replay_known(&r);
    assert_int_equal(2999 - VN_REPLAY_BITS_MIN, known);
    vn_replay_widen(&r, wide);
    vn_replay_widen(&r, VN_REPLAY_BITS_MIN);
    assert_int_equal(wide, r.bits);
    assert_int_equal(known, vn_replay_known(&r));
    for (uint64_t seq = 0; seq < 3000; seq++)
        assert_int_equal(seq >= known && seq % 2, vn_replay_check(&r, seq));
    vn_replay_commit(&r, known + wide, 0);
    assert_int_equal(known + 1, vn_replay_known(&r));
    assert_true(vn_replay_check(&r, known + 2 - known % 2 + 1));
    vn_replay_done(&r);
}

static void grows_with_the_rate_and_not_without(void **state)
{
    (void)state;
    struct vn_replay r;
    assert_ok(vn_replay_init(&r, VN_REPLAY_BITS_MIN));
    uint64_t now_us = 1;
    for (uint64_t seq = 0; seq < 100000; seq++)
        vn_replay_commit(&r, seq, now_us += 10000); /* 100 per second */
    assert_int_equal(VN_REPLAY_BITS_MIN, r.bits);
    for (uint64_t seq = 100000; seq < 400000; seq++)
        vn_replay_commit(&r, seq, now_us += 10); /* 100,000 per second */
    assert_int_equal(VN_REPLAY_BITS_MAX, r.bits);
    for (uint64_t seq = 0; seq < 400000; seq++)
        assert_false(vn_replay_check(&r, seq));
    vn_replay_done(&r);
}

#define SPACE (1u << 18)

/* Against one flag per number: never accepts twice; refuses a new number only below the window. */
static void against_a_naive_model(void **state)
{
    (void)state;
    uint8_t *seen = malloc(SPACE);
    assert_non_null(seen);
    for (int round = 0; round < 40; round++) {
        memset(seen, 0, SPACE);
        struct vn_replay r;
        assert_ok(vn_replay_init(&r, VN_REPLAY_BITS_MIN));
        uint64_t next = 0, floor = 0, now_us = 1;
        uint32_t bits = r.bits;
        size_t spread = 1 + vn_test_below(round % 2 ? 200 : 70000);
        uint64_t step_us = 1 + vn_test_below(2000);
        size_t forward = 1 + vn_test_below(round % 3 ? 20 : 3000);
        for (int i = 0; i < 20000; i++) {
            now_us += step_us;
            uint64_t seq = vn_test_below(3) ? next + vn_test_below(forward)
                                            : (next > spread ? next - vn_test_below(spread)
                                                             : vn_test_below(spread));
            if (seq >= SPACE)
                break;
            bool expected = seq >= next || (next - seq <= bits && seq >= floor && !seen[seq]);
            assert_int_equal(expected, vn_replay_check(&r, seq));
            if (!expected) {
                continue;
            }
            seen[seq] = 1;
            next = seq + 1 > next ? seq + 1 : next;
            vn_replay_commit(&r, seq, now_us);
            assert_false(vn_replay_check(&r, seq));
            if (r.bits != bits) {
                assert_int_equal(2 * bits, r.bits);
                /* What the narrow window had forgotten stays refused. */
                if (next > bits && next - bits > floor)
                    floor = next - bits;
                bits = r.bits;
            }
        }
        vn_replay_done(&r);
    }
    free(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_numbers),
        cmocka_unit_test(edges_of_the_window),
        cmocka_unit_test(is_widened_when_asked),
        cmocka_unit_test(grows_with_the_rate_and_not_without),
        cmocka_unit_test(against_a_naive_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
