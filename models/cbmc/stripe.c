/*
 * options: --unwind 4
 * proves: a packet's path is one of those that there are, whatever the shares; no overflow
 * bound: any state of the table, what paths are due within three times all shares
 * (unit/router_stripe)
 */
#include "harness.h"

#define VN_STRIPE_SLOTS 2
#include "router/stripe.c"

static struct vn_ccx learner;
static struct vn_ccx_arm others[VN_CCX_STANDBYS_MAX];

static struct vn_ccx_arm any_arm(void)
{
    struct vn_ccx_arm a = {.key = nondet_u8(),
                           .cost_us = nondet_u32(),
                           .weight_q16 = nondet_u32(),
                           .headroom_q16 = nondet_u32()};
    __CPROVER_assume(a.weight_q16 <= VN_Q16 && a.headroom_q16 <= VN_Q16);
    return a;
}

const struct vn_ccx_arm *vn_ccx_current(const struct vn_ccx *c)
{
    return nondet_bool() ? &c->arms[0] : NULL;
}

size_t vn_ccx_standbys(const struct vn_ccx *c, const struct vn_ccx_arm *ret[VN_CCX_STANDBYS_MAX])
{
    (void)c;
    size_t n = nondet_size();
    __CPROVER_assume(n <= VN_CCX_STANDBYS_MAX);
    for (size_t i = 0; i < n; i++) {
        others[i] = any_arm();
        ret[i] = &others[i];
    }
    return n;
}

int main(void)
{
    static struct vn_stripe s;
    for (size_t i = 0; i < VN_STRIPE_SLOTS; i++) {
        s.slots[i].key = nondet_u8();
        s.slots[i].last_us = nondet_u64();
    }
    learner.arms[0] = any_arm();
    struct vn_stripe_shares shares;
    vn_stripe_follow(&shares, &learner, nondet_bool());
    vn_stripe_share(&s, &shares);
    int32_t all = 0, sum = 0;
    for (size_t i = 0; i < s.shares.count; i++) {
        assert(s.shares.paths[i].share >= 1 && s.shares.paths[i].share <= VN_Q16);
        s.shares.paths[i].share = nondet_u32(); /* any such, whatever the arms were */
        __CPROVER_assume(s.shares.paths[i].share >= 1 && s.shares.paths[i].share <= VN_Q16);
        all += (int32_t)s.shares.paths[i].share;
    }
    for (size_t i = 0; i < s.shares.count; i++) {
        s.due[i] = (int32_t)nondet_u32();
        __CPROVER_assume(s.due[i] > -all && s.due[i] < 3 * all);
        sum += s.due[i];
    }
    __CPROVER_assume(sum == 0);
    uint64_t key, now_us = nondet_u64();
    bool found = vn_stripe_pick(&s, nondet_u32(), nondet_bool(), now_us, &key);
    assert(found == (s.shares.count > 0));
    assert(s.shares.count <= VN_STRIPE_PATHS_MAX);
    if (found)
        assert(has(&s, key));
    return 0;
}
