/*
 * sources: router/fixed.c
 * options: --unwind 3
 * proves: the router's arithmetic: no overflow, no division by zero, results in their range
 * bound: none
 */
#include "harness.h"

#include "router/ccx.c"

static void fractions(void)
{
    uint32_t e = vn_q16_exp_neg(nondet_u32());
    assert(e <= VN_Q16);
    uint32_t max = nondet_u32();
    assert(vn_q16_ratio(nondet_u32(), nondet_u32(), max) <= max);
}

static void costs(void)
{
    struct vn_ccx_sample s = {nondet_u32(), nondet_u32(), nondet_u32(), nondet_u32()};
    assert(vn_ccx_cost(&s, nondet_u32()) <= COST_MAX_US);
}

/* Two arms in any state that measurements and ticks can bring about. */
static void two_arms(void)
{
    struct vn_ccx c = {.count = 2, .current = nondet_bool(), .has_home = nondet_bool()};
    for (size_t i = 0; i < 2; i++) {
        struct vn_ccx_arm *a = &c.arms[i];
        *a = (struct vn_ccx_arm){.key = i,
                                 .state = nondet_u8() % 3,
                                 .excluded = nondet_bool(),
                                 .cost_us = nondet_u32(),
                                 .loss_q16 = nondet_u32(),
                                 .headroom_q16 = nondet_u32(),
                                 .age = nondet_u32(),
                                 .waits = nondet_u32(),
                                 .asked = nondet_bool(),
                                 .hold = nondet_u16(),
                                 .faults = nondet_u8(),
                                 .sound = nondet_u8()};
        __CPROVER_assume(a->cost_us <= COST_MAX_US && (a->state != VN_CCX_LIVE || a->cost_us > 0));
        __CPROVER_assume(a->loss_q16 <= 8 * VN_Q16 && a->headroom_q16 <= VN_Q16);
        __CPROVER_assume(a->faults <= FAULTS_MAX && a->sound < SOUND_TICKS);
    }
    uint32_t cost = nondet_u32();
    vn_ccx_measured(&c, 0, cost);
    assert(c.arms[0].state != VN_CCX_LIVE ||
           (c.arms[0].cost_us >= 1 && c.arms[0].cost_us <= COST_MAX_US));
    size_t used = c.current;
    vn_ccx_died(&c, used);
    assert(c.arms[used].hold >= 2 && c.arms[used].faults <= FAULTS_MAX);
    remember(&c.arms[1]);
    assert(c.arms[1].faults <= FAULTS_MAX && c.arms[1].sound < SOUND_TICKS);
    learn(&c);
    for (size_t i = 0; i < 2; i++) {
        assert(c.arms[i].loss_q16 <= 8 * VN_Q16 && c.arms[i].weight_q16 <= VN_Q16);
        assert(urgency(&c, &c.arms[i], nondet_bool()) <= UINT64_C(1) << 48);
    }
    choose(&c);
    assert(c.current < 2);
}

static void budget(void)
{
    struct vn_ccx_budget b = {nondet_u32(), nondet_u32(), nondet_u64()};
    __CPROVER_assume(b.tokens_q16 <= BUDGET_BURST * VN_Q16);
    uint64_t now_ms = nondet_u64();
    __CPROVER_assume(now_ms >= b.at_ms);
    refill(&b, now_ms);
    assert(b.tokens_q16 <= BUDGET_BURST * VN_Q16);
    uint32_t before = b.tokens_q16;
    struct vn_dice dice = {nondet_u64()};
    if (take_token(&b, &dice))
        assert(b.tokens_q16 == before - VN_Q16);
}

int main(void)
{
    fractions();
    costs();
    two_arms();
    budget();
    return 0;
}
