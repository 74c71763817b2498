/*
 * options: --unwind 4
 * proves: a packet's path is one of those that there are, whatever the shares; no overflow
 * bound: any state of the table, one packet, then one tick's change of paths; a learner of 3 arms
 */
#include "harness.h"

#include "router/stripe.h"
#undef VN_STRIPE_SLOTS
#define VN_STRIPE_SLOTS 2
#include "router/stripe.c"

static struct vn_ccx learner;
static struct vn_ccx_arm others[VN_CCX_STANDBYS_MAX];

uint64_t vn_dice_below(struct vn_dice *d, uint64_t n)
{
    (void)d;
    uint64_t r = nondet_u64();
    assert(n > 0);
    __CPROVER_assume(r < n);
    return r;
}

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
    vn_stripe_init(&s, nondet_u64());
    for (size_t i = 0; i < VN_STRIPE_SLOTS; i++) {
        s.slots[i].key = nondet_u8();
        s.slots[i].last_us = nondet_u64();
    }
    learner.arms[0] = any_arm();
    vn_stripe_follow(&s, &learner, nondet_bool());
    uint64_t key, now_us = nondet_u64();
    bool found = vn_stripe_pick(&s, nondet_u32(), now_us, &key);
    assert(found == (s.count > 0));
    assert(s.count <= VN_STRIPE_PATHS_MAX);
    if (found)
        assert(has(&s, key));
    return 0;
}
