#include "router/stripe.h"

#include "base/attr.h"
#include "router/explain.h"
#include "support/test.h"

static struct vn_ccx c;
static struct vn_ccx_budget budget;
static struct vn_stripe s;
static uint64_t now_us;

/* Four arms, 100 to 103, that cost 20, 22, 25 and 80 ms, settled on the first. */
static int begin(void **state)
{
    (void)state;
    static const uint32_t costs[] = {20000, 22000, 25000, 80000};
    vn_ccx_init(&c, 7);
    vn_ccx_budget_init(&budget, 0);
    for (uint64_t k = 0; k < 4; k++) {
        assert_ok(vn_ccx_add(&c, 100 + k));
        vn_ccx_measured(&c, 100 + k, costs[k]);
    }
    for (uint64_t t = 1; t < 20; t++)
        vn_ccx_tick(&c, &budget, t * VN_CCX_TICK_MS);
    assert_int_equal(100, vn_ccx_current(&c)->key);
    s = (struct vn_stripe){0};
    now_us = 1000000;
    return 0;
}

static void follow(bool several)
{
    struct vn_stripe_shares shares;
    vn_stripe_follow(&shares, &c, several);
    vn_stripe_share(&s, &shares);
}

static uint64_t pick(uint32_t flow)
{
    uint64_t key;
    assert_true(vn_stripe_pick(&s, flow, false, now_us, &key));
    return key;
}

static void one_path_when_one_is_wanted(void **state)
{
    (void)state;
    follow(false);
    for (uint32_t f = 0; f < 1000; f++)
        assert_int_equal(100, pick(f));
}

static void shares_follow_weights(void **state)
{
    (void)state;
    size_t taken[4] = {0};
    follow(true);
    for (uint32_t i = 0; i < 30000; i++) {
        now_us += 100000; /* each a flowlet of its own */
        taken[pick(i) - 100]++;
        int32_t all = 0, sum = 0;
        for (size_t k = 0; k < s.shares.count; k++)
            all += (int32_t)s.shares.paths[k].share;
        for (size_t k = 0; k < s.shares.count; k++) {
            assert_in_range(s.due[k] + all, 0, 3 * all);
            sum += s.due[k];
        }
        assert_int_equal(0, sum);
    }
    double total = 0;
    for (uint64_t k = 0; k < 3; k++)
        total += vn_ccx_find(&c, 100 + k)->weight_q16;
    for (uint64_t k = 0; k < 3; k++) {
        double want = 30000 * vn_ccx_find(&c, 100 + k)->weight_q16 / total;
        assert_true((double)taken[k] > want * 0.9 && (double)taken[k] < want * 1.1);
    }
    assert_int_equal(0, taken[3]); /* more than 1.5 times as costly */
}

/* A path that others crowd gets less of what could go elsewhere. */
static void shares_follow_headroom(void **state)
{
    (void)state;
    vn_ccx_headroom(&c, 101, 0);
    follow(true);
    for (uint32_t i = 0; i < 3000; i++) {
        now_us += 100000;
        assert_int_not_equal(101, pick(i));
    }
}

static void a_flowlet_stays(void **state)
{
    (void)state;
    follow(true);
    assert_int_equal(2000 + 5000, s.shares.gap_us); /* what the slowest is later by, and queues */
    bool moved = false;
    for (uint32_t f = 0; f < 200; f++) {
        uint64_t first = pick(f);
        for (int i = 0; i < 20; i++) {
            now_us += s.shares.gap_us;
            assert_int_equal(first, pick(f));
        }
        now_us += s.shares.gap_us + 1;
        moved |= pick(f) != first;
    }
    assert_true(moved);
}

/* What waits here yet would be overtaken by what goes elsewhere. */
static void a_flow_that_waits_stays(void **state)
{
    (void)state;
    uint64_t key;
    follow(true);
    for (uint32_t f = 0; f < VN_STRIPE_SLOTS; f++) {
        const uint64_t first = pick(f);
        for (int i = 0; i < 20; i++) {
            now_us += 2 * s.shares.gap_us;
            assert_true(vn_stripe_pick(&s, f, true, now_us, &key));
            assert_int_equal(first, key);
        }
    }
}

/* However few flows there are: paths get them in turn. */
static void few_flows_take_all_paths(void **state)
{
    (void)state;
    for (uint32_t start = 0; start < 50; start++) {
        size_t taken[4] = {0};
        follow(true);
        for (uint32_t f = 0; f < 4; f++) {
            now_us += 100000;
            taken[pick(start + f) - 100]++;
        }
        assert_true(taken[0] >= 1 && taken[1] >= 1 && taken[2] >= 1);
    }
}

static void a_path_that_ended_is_left_at_once(void **state)
{
    (void)state;
    follow(true);
    for (uint32_t f = 0; f < VN_STRIPE_SLOTS; f++)
        pick(f);
    vn_ccx_died(&c, 100);
    follow(true);
    for (uint32_t f = 0; f < VN_STRIPE_SLOTS; f++)
        assert_int_not_equal(100, pick(f));
    for (uint64_t k = 100; k < 104; k++)
        vn_ccx_exclude(&c, k, true);
    follow(true);
    uint64_t key;
    assert_false(vn_stripe_pick(&s, 1, false, now_us, &key));
}

/* ---- explain ---- */

static enum vn_arm_reason reason(uint64_t key)
{
    struct vn_arm_report rows[VN_CCX_ARMS_MAX];
    size_t n = vn_ccx_explain(&c, rows);
    assert_int_equal(c.count, n);
    for (size_t i = 0; i < n; i++)
        if (rows[i].key == key)
            return rows[i].reason;
    fail();
    return VN_ARM_IN_USE;
}

static void each_arm_has_its_reason(void **state)
{
    (void)state;
    assert_int_equal(VN_ARM_IN_USE, reason(100));
    assert_int_equal(VN_ARM_STANDBY, reason(101));
    assert_int_equal(VN_ARM_STANDBY, reason(102));
    assert_int_equal(VN_ARM_COSTLIER, reason(103));
    assert_ok(vn_ccx_add(&c, 104));
    assert_int_equal(VN_ARM_UNMEASURED, reason(104));
    vn_ccx_measured(&c, 104, 19000);
    assert_int_equal(VN_ARM_SMALL_GAIN, reason(104));
    vn_ccx_measured(&c, 104, 9000);
    assert_int_equal(VN_ARM_LOT, reason(104));
    vn_ccx_headroom(&c, 104, 100);
    assert_int_equal(VN_ARM_NO_HEADROOM, reason(104));
    vn_ccx_pin(&c, 100);
    assert_int_equal(VN_ARM_PINNED, reason(100));
    assert_int_equal(VN_ARM_OVERRULED, reason(104));
    vn_ccx_unpin(&c);
    vn_ccx_died(&c, 103);
    assert_int_equal(VN_ARM_DEAD, reason(103));
    vn_ccx_died(&c, 100);
    assert_int_equal(VN_ARM_HELD, reason(100));
    vn_ccx_exclude(&c, 100, true);
    assert_int_equal(VN_ARM_EXCLUDED, reason(100));
}

static void a_report_has_the_figures(void **state)
{
    (void)state;
    struct vn_arm_report rows[VN_CCX_ARMS_MAX];
    vn_ccx_headroom(&c, 101, 1234);
    assert_int_equal(4, vn_ccx_explain(&c, rows));
    assert_int_equal(22000, rows[1].cost_us);
    assert_int_equal(1234, rows[1].headroom_q16);
    assert_true(rows[0].weight_q16 > rows[1].weight_q16);
    assert_true(rows[3].loss_q16 > rows[1].loss_q16);
    assert_string_equal("in_use", vn_arm_reason_name(rows[0].reason));
    for (int r = VN_ARM_IN_USE; r <= VN_ARM_OVERRULED; r++)
        assert_non_null(vn_arm_reason_name((enum vn_arm_reason)r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_path_when_one_is_wanted, begin),
        cmocka_unit_test_setup(shares_follow_weights, begin),
        cmocka_unit_test_setup(shares_follow_headroom, begin),
        cmocka_unit_test_setup(a_flowlet_stays, begin),
        cmocka_unit_test_setup(a_flow_that_waits_stays, begin),
        cmocka_unit_test_setup(few_flows_take_all_paths, begin),
        cmocka_unit_test_setup(a_path_that_ended_is_left_at_once, begin),
        cmocka_unit_test_setup(each_arm_has_its_reason, begin),
        cmocka_unit_test_setup(a_report_has_the_figures, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
