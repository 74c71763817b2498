#include <math.h>

#include "base/attr.h"
#include "router/ccx.h"
#include "support/test.h"

static struct vn_ccx c;
static struct vn_ccx_budget budget;
static uint64_t now;

static void begin(size_t arms, uint64_t seed)
{
    vn_ccx_init(&c, seed);
    now = 0;
    vn_ccx_budget_init(&budget, now);
    for (uint64_t i = 0; i < arms; i++)
        assert_ok(vn_ccx_add(&c, 100 + i));
}

static struct vn_ccx_plan tick(void)
{
    now += VN_CCX_TICK_MS;
    return vn_ccx_tick(&c, &budget, now);
}

/* A tick in which the traffic and the probes measure these costs. */
static struct vn_ccx_plan measure_tick(const uint32_t *costs)
{
    struct vn_ccx_plan p = tick();
    vn_ccx_measured(&c, p.current->key, costs[p.current->key - 100]);
    for (size_t i = 0; i < p.probe_count; i++)
        vn_ccx_measured(&c, p.probes[i]->key, costs[p.probes[i]->key - 100]);
    return p;
}

static void exp_is_close(void **state)
{
    (void)state;
    for (uint32_t x = 0; x < 20 * VN_Q16; x += 37) {
        double want = exp(-(double)x / VN_Q16);
        double got = (double)vn_q16_exp_neg(x) / VN_Q16;
        assert_true(fabs(want - got) < 0.5 / (1 << 10));
        assert_true(x == 0 || vn_q16_exp_neg(x) <= vn_q16_exp_neg(x - 37 < x ? x - 37 : 0));
    }
    assert_int_equal(VN_Q16, vn_q16_exp_neg(0));
    assert_int_equal(0, vn_q16_exp_neg(UINT32_MAX));
}

static void ratios_saturate(void **state)
{
    (void)state;
    assert_int_equal(VN_Q16 / 2, vn_q16_ratio(1, 2, UINT32_MAX));
    assert_int_equal(7, vn_q16_ratio(1, 0, 7));
    assert_int_equal(9, vn_q16_ratio(UINT32_MAX, 1, 9));
    assert_int_equal(UINT32_MAX, vn_q16_ratio(UINT32_MAX, 1, UINT32_MAX));
}

static void dice_are_fair_and_repeat(void **state)
{
    (void)state;
    struct vn_dice a = {42}, b = {42};
    size_t seen[7] = {0};
    for (int i = 0; i < 70000; i++) {
        uint64_t x = vn_dice_below(&a, 7);
        assert_int_equal(x, vn_dice_below(&b, 7));
        seen[x]++;
    }
    for (size_t i = 0; i < 7; i++)
        assert_in_range(seen[i], 9500, 10500);
    assert_int_equal(0, vn_dice_below(&a, 1));
}

static void cost_counts_delay_jitter_loss_and_rate(void **state)
{
    (void)state;
    struct vn_ccx_sample s = {.delay_us = 10000};
    assert_int_equal(10000, vn_ccx_cost(&s, 1500));
    s.jitter_us = 2000;
    assert_int_equal(13000, vn_ccx_cost(&s, 1500));
    s.loss_q16 = VN_Q16 / 2; /* one lost for each that arrives */
    assert_int_equal(213000, vn_ccx_cost(&s, 1500));
    s.available_kbps = 1000;
    assert_int_equal(225000, vn_ccx_cost(&s, 1500));
    s = (struct vn_ccx_sample){UINT32_MAX, UINT32_MAX, UINT32_MAX, 1};
    assert_in_range(vn_ccx_cost(&s, UINT32_MAX), 1, 60000000);
}

static void it_finds_the_best_arm_and_stays(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        uint32_t costs[17];
        for (size_t i = 0; i < 17; i++)
            costs[i] = 50000 + (uint32_t)vn_test_below(200000);
        size_t best = vn_test_below(17);
        costs[best] = 30000;
        begin(17, seed);
        unsigned switches = 0;
        for (int t = 0; t < 40; t++)
            switches += measure_tick(costs).switched;
        assert_int_equal(100 + best, c.arms[c.current].key);
        assert_true(switches <= 8);
        for (int t = 0; t < 100; t++)
            assert_false(measure_tick(costs).switched);
    }
}

/* Noise of 10 % is no reason to move between arms that are 5 % apart. */
static void small_gains_are_left_alone(void **state)
{
    (void)state;
    const uint32_t costs[3] = {100000, 95000, 97000};
    begin(3, 1);
    measure_tick(costs);
    for (int t = 0; t < 1000; t++)
        measure_tick(costs);
    uint64_t before = c.arms[c.current].key;
    for (int t = 0; t < 1000; t++)
        assert_false(measure_tick(costs).switched);
    assert_int_equal(before, c.arms[c.current].key);
}

static void it_follows_when_things_change(void **state)
{
    (void)state;
    uint32_t costs[5] = {50000, 60000, 70000, 80000, 90000};
    begin(5, 3);
    for (int t = 0; t < 30; t++)
        measure_tick(costs);
    assert_int_equal(100, c.arms[c.current].key);
    costs[0] = 300000; /* congestion */
    for (int t = 0; t < 15; t++)
        measure_tick(costs);
    assert_int_equal(101, c.arms[c.current].key);
    costs[0] = 40000;
    for (int t = 0; t < 60; t++)
        measure_tick(costs);
    assert_int_equal(100, c.arms[c.current].key);
}

static void a_dead_arm_is_left_at_once_for_a_standby(void **state)
{
    (void)state;
    const uint32_t costs[6] = {30000, 60000, 61000, 500000, 500000, 500000};
    size_t went[6] = {0};
    for (uint64_t seed = 0; seed < 200; seed++) {
        begin(6, seed);
        struct vn_ccx_plan p = {0};
        for (int t = 0; t < 40; t++)
            p = measure_tick(costs);
        assert_int_equal(2, p.standby_count);
        vn_ccx_died(&c, 100);
        assert_true(c.arms[c.current].key == 101 || c.arms[c.current].key == 102);
        went[c.current]++;
        /* Not before it was measured again. */
        for (int t = 0; t < 20; t++) {
            p = tick();
            assert_int_not_equal(100, p.current->key);
            vn_ccx_measured(&c, p.current->key, 60000);
        }
        vn_ccx_measured(&c, 100, 30000);
        for (int t = 0; t < 30; t++)
            measure_tick(costs);
        assert_int_equal(100, c.arms[c.current].key);
    }
    assert_true(went[1] > 60 && went[2] > 60); /* by lot */
}

static void without_headroom_nobody_moves_there(void **state)
{
    (void)state;
    const uint32_t costs[2] = {100000, 50000};
    begin(2, 1);
    vn_ccx_headroom(&c, 101, 0);
    measure_tick(costs);
    for (int t = 0; t < 200; t++)
        measure_tick(costs);
    assert_int_equal(100, c.arms[c.current].key);
    vn_ccx_headroom(&c, 101, VN_Q16 / 4);
    int t = 0;
    for (; c.arms[c.current].key == 100; t++)
        measure_tick(costs);
    assert_true(t < 300);
    vn_ccx_died(&c, 101); /* headroom is no reason to stay without a path */
    vn_ccx_headroom(&c, 100, 0);
    assert_int_equal(100, c.arms[c.current].key);
}

static void the_herd_spreads_out(void **state)
{
    (void)state;
    static struct vn_ccx herd[500];
    size_t moved[4] = {0};
    for (size_t i = 0; i < 500; i++) {
        begin(2, i);
        vn_ccx_headroom(&c, 101, VN_Q16 / 2);
        vn_ccx_measured(&c, 100, 100000);
        vn_ccx_measured(&c, 101, 80000);
        herd[i] = c;
    }
    for (size_t t = 0; t < 4; t++)
        for (size_t i = 0; i < 500; i++)
            moved[t] += vn_ccx_tick(&herd[i], &budget, now).switched;
    /* gain 0.2, headroom 0.5: one in ten each time */
    assert_in_range(moved[0], 25, 80);
    assert_true(moved[0] + moved[1] + moved[2] + moved[3] < 250);
}

static void policy_is_obeyed(void **state)
{
    (void)state;
    const uint32_t costs[4] = {100000, 10000, 50000, 20000};
    begin(4, 5);
    vn_ccx_exclude(&c, 101, true);
    for (int t = 0; t < 100; t++) {
        struct vn_ccx_plan p = measure_tick(costs);
        assert_int_not_equal(101, p.current->key);
        for (size_t i = 0; i < p.probe_count; i++)
            assert_int_not_equal(101, p.probes[i]->key);
        for (size_t i = 0; i < p.standby_count; i++)
            assert_int_not_equal(101, p.standbys[i]->key);
    }
    assert_int_equal(103, c.arms[c.current].key);
    vn_ccx_exclude(&c, 103, true); /* in use */
    assert_true(c.arms[c.current].key == 100 || c.arms[c.current].key == 102);
    vn_ccx_pin(&c, 100);
    for (int t = 0; t < 50; t++)
        assert_int_equal(100, measure_tick(costs).current->key);
    vn_ccx_died(&c, 100);
    assert_int_equal(102, tick().current->key); /* a pin is no reason to stand still */
    tick();
    vn_ccx_measured(&c, 100, 100000); /* after it was held off for two ticks */
    assert_int_equal(100, tick().current->key);
    vn_ccx_unpin(&c);
    for (int t = 0; t < 50; t++)
        measure_tick(costs);
    assert_int_equal(102, c.arms[c.current].key);
    for (uint64_t key = 100; key < 104; key++)
        vn_ccx_exclude(&c, key, true);
    assert_null(tick().current);
}

/* Where the caller went by itself is where the learner is, until it knows better. */
static void what_the_caller_took_is_in_use(void **state)
{
    (void)state;
    const uint32_t costs[3] = {10000, 10100, 50000};
    begin(3, 5);
    measure_tick(costs);
    assert_int_equal(100, vn_ccx_current(&c)->key);
    vn_ccx_use(&c, 101);
    for (int t = 0; t < 20; t++)
        assert_int_equal(101, measure_tick(costs).current->key); /* 1 % is not worth a move */
    vn_ccx_use(&c, 102);
    for (int t = 0; t < 50; t++)
        measure_tick(costs);
    assert_int_not_equal(102, vn_ccx_current(&c)->key);
    vn_ccx_use(&c, 999);
    assert_int_not_equal(102, vn_ccx_current(&c)->key);
}

/* A relay that answers probes and drops traffic takes the traffic again and again, but each time
 * only after twice as long; whoever lives on is forgiven. */
static void what_fails_under_traffic_is_held_off(void **state)
{
    (void)state;
    begin(2, 3);
    uint64_t fallen[16] = {0};
    size_t falls = 0;
    for (uint64_t t = 0; t < 3000 && falls < 10; t++) {
        struct vn_ccx_plan p = tick();
        if (p.current->key == 101) {
            vn_ccx_died(&c, 101);
            fallen[falls++] = t;
            assert_int_equal(100, vn_ccx_current(&c)->key);
        }
        vn_ccx_measured(&c, 100, 100000);
        vn_ccx_measured(&c, 101, 10000);
    }
    assert_int_equal(10, falls);
    for (size_t i = 1; i < falls; i++)
        assert_in_range(fallen[i] - fallen[i - 1], 1u << VN_MIN(i, (size_t)8),
                        (1u << VN_MIN(i, (size_t)8)) + 8);
    for (int t = 0; t < 2500; t++) { /* it works now */
        tick();
        vn_ccx_measured(&c, 100, 100000);
        vn_ccx_measured(&c, 101, 10000);
    }
    assert_int_equal(101, vn_ccx_current(&c)->key);
    assert_int_equal(0, vn_ccx_find(&c, 101)->faults);
}

/* With nothing else left, any answer will do. */
static void held_is_better_than_dead(void **state)
{
    (void)state;
    begin(2, 3);
    vn_ccx_measured(&c, 100, 10000);
    vn_ccx_measured(&c, 101, 20000);
    tick();
    vn_ccx_died(&c, 100);
    assert_int_equal(101, vn_ccx_current(&c)->key);
    vn_ccx_measured(&c, 100, 10000);
    assert_int_equal(VN_CCX_DEAD, vn_ccx_find(&c, 100)->state);
    vn_ccx_died(&c, 101);
    vn_ccx_measured(&c, 100, 10000);
    assert_int_equal(VN_CCX_LIVE, vn_ccx_find(&c, 100)->state);
    assert_int_equal(100, tick().current->key);
}

/* Twenty destinations with the node's one budget: 7 probes a second, and each has its share though
 * they always come in the same order. */
static void probes_are_capped_per_node(void **state)
{
    (void)state;
    static struct vn_ccx many[20];
    size_t probes[20] = {0}, all = 0;
    begin(0, 0);
    budget.sharers = 20;
    for (size_t i = 0; i < 20; i++) {
        vn_ccx_init(&many[i], i);
        for (uint64_t k = 0; k < 17; k++)
            assert_ok(vn_ccx_add(&many[i], k));
    }
    for (int t = 0; t < 1000; t++) {
        now += VN_CCX_TICK_MS;
        for (size_t i = 0; i < 20; i++)
            probes[i] += vn_ccx_tick(&many[i], &budget, now).probe_count;
    }
    for (size_t i = 0; i < 20; i++) {
        all += probes[i];
        assert_in_range(probes[i], 350, 700);
    }
    assert_in_range(all, 8000, 14020);
    budget.sharers = 1; /* wrong: the bucket holds all the same */
    all = 0;
    for (int t = 0; t < 100; t++) {
        now += VN_CCX_TICK_MS;
        for (size_t i = 0; i < 20; i++)
            all += vn_ccx_tick(&many[i], &budget, now).probe_count;
    }
    assert_in_range(all, 1300, 1420);
}

/* A relay that saves next to nothing is left for the direct path, one that saves a little is not.
 */
static void relays_that_save_nothing_are_left(void **state)
{
    (void)state;
    const uint32_t costs[] = {100000, 93000};
    begin(2, 5);
    vn_ccx_measured(&c, 100, 300000);
    vn_ccx_measured(&c, 101, 93000);
    while (tick().current->key == 100)
        ;
    vn_ccx_set_home(&c, 100);
    vn_ccx_measured(&c, 100, 100000);
    for (int t = 0; t < 50; t++)
        assert_int_equal(101, measure_tick(costs).current->key);
    const uint32_t less[] = {96500, 93000};
    size_t ticks = 0;
    while (measure_tick(less).current->key != 100)
        assert_true(ticks++ < 20);
}

static void every_arm_is_looked_at(void **state)
{
    (void)state;
    uint32_t costs[19];
    for (size_t i = 0; i < 19; i++)
        costs[i] = i == 0 ? 10000 : 900000; /* hopeless, but things change */
    begin(19, 11);
    for (int t = 0; t < 2000; t++) {
        measure_tick(costs);
        for (size_t i = 0; t > 30 && i < 19; i++)
            assert_true(c.arms[i].age < 80);
    }
}

/* Relays that cannot be asked, or never answer, take nothing from one that would. */
static void who_never_answers_is_no_reason_to_ask_less(void **state)
{
    (void)state;
    begin(4, 3);
    vn_ccx_measured(&c, 100, 10000);
    vn_ccx_measured(&c, 101, 9500);
    for (int t = 0; t < 500; t++) {
        struct vn_ccx_plan plan = tick();
        vn_ccx_measured(&c, 100, 10000);
        for (size_t i = 0; i < plan.probe_count; i++) {
            if (plan.probes[i]->key == 101)
                vn_ccx_measured(&c, 101, 9500);
        }
        assert_true(vn_ccx_find(&c, 101)->age < 12);
    }
}

static void limits(void **state)
{
    (void)state;
    begin(VN_CCX_ARMS_MAX, 1);
    assert_status(VN_ERR_EXISTS, vn_ccx_add(&c, 100));
    assert_status(VN_ERR_LIMIT, vn_ccx_add(&c, 99));
    assert_null(vn_ccx_find(&c, 99));
    begin(0, 1);
    assert_null(tick().current);
    begin(1, 1);
    vn_ccx_remove(&c, 100);
    assert_null(tick().current);
}

/* Whatever comes, in whatever order: the same from the same seed, and nothing out of bounds. */
static void any_order_of_events(void **state)
{
    (void)state;
    static struct vn_ccx twin;
    for (int round = 0; round < 200; round++) {
        struct vn_ccx_budget twin_budget;
        begin(0, (uint64_t)round);
        vn_ccx_init(&twin, (uint64_t)round);
        vn_ccx_budget_init(&twin_budget, now);
        for (int step = 0; step < 400; step++) {
            uint64_t key = 100 + vn_test_below(22);
            uint32_t value = (uint32_t)vn_test_random() >> vn_test_below(32);
            bool flag = vn_test_below(2);
            struct vn_ccx *both[] = {&c, &twin};
            size_t what = vn_test_below(9);
            for (size_t i = 0; i < 2; i++)
                switch (what) {
                case 0:
                    (void)!vn_ccx_add(both[i], key);
                    break;
                case 1:
                    vn_ccx_remove(both[i], key);
                    break;
                case 2:
                case 3:
                    vn_ccx_measured(both[i], key, value);
                    break;
                case 4:
                    vn_ccx_died(both[i], key);
                    break;
                case 5:
                    vn_ccx_headroom(both[i], key, value);
                    break;
                case 6:
                    vn_ccx_exclude(both[i], key, flag && value % 4 == 0);
                    break;
                case 7:
                    if (flag)
                        vn_ccx_pin(both[i], key);
                    else
                        vn_ccx_unpin(both[i]);
                    break;
                default:
                    break;
                }
            struct vn_ccx_plan p = tick(), q = vn_ccx_tick(&twin, &twin_budget, now);
            assert_int_equal(c.count, twin.count);
            assert_true(c.count == 0 || c.current < c.count);
            assert_int_equal(c.current, twin.current);
            assert_int_equal(p.probe_count, q.probe_count);
            bool usable = false;
            for (size_t i = 0; i < c.count; i++) {
                const struct vn_ccx_arm *a = &c.arms[i];
                usable |= a->state == VN_CCX_LIVE && !a->excluded;
                assert_true(a->weight_q16 <= VN_Q16 && a->headroom_q16 <= VN_Q16);
                assert_true(a->loss_q16 <= 8 * VN_Q16);
            }
            /* With something usable it is never on what is not, unless pinned to the unknown. */
            if (usable && !c.is_pinned)
                assert_true(p.current->state == VN_CCX_LIVE && !p.current->excluded);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_close),
        cmocka_unit_test(ratios_saturate),
        cmocka_unit_test(dice_are_fair_and_repeat),
        cmocka_unit_test(cost_counts_delay_jitter_loss_and_rate),
        cmocka_unit_test(it_finds_the_best_arm_and_stays),
        cmocka_unit_test(small_gains_are_left_alone),
        cmocka_unit_test(it_follows_when_things_change),
        cmocka_unit_test(a_dead_arm_is_left_at_once_for_a_standby),
        cmocka_unit_test(without_headroom_nobody_moves_there),
        cmocka_unit_test(the_herd_spreads_out),
        cmocka_unit_test(policy_is_obeyed),
        cmocka_unit_test(what_the_caller_took_is_in_use),
        cmocka_unit_test(what_fails_under_traffic_is_held_off),
        cmocka_unit_test(held_is_better_than_dead),
        cmocka_unit_test(probes_are_capped_per_node),
        cmocka_unit_test(relays_that_save_nothing_are_left),
        cmocka_unit_test(every_arm_is_looked_at),
        cmocka_unit_test(who_never_answers_is_no_reason_to_ask_less),
        cmocka_unit_test(limits),
        cmocka_unit_test(any_order_of_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
