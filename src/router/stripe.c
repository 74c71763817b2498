#include "router/stripe.h"

#include "base/attr.h"

#define GAP_MIN_US 2000 /* what a queue may add */

void vn_stripe_init(struct vn_stripe *s, uint64_t seed)
{
    *s = (struct vn_stripe){.dice = {seed}};
}

static void add(struct vn_stripe *s, const struct vn_ccx_arm *a, const struct vn_ccx_arm *first)
{
    uint64_t weight = (uint64_t)a->weight_q16 * a->headroom_q16 / VN_Q16;
    if (a == first)
        weight = VN_MAX(weight, UINT64_C(1));
    else if (weight == 0)
        return;
    uint32_t before = s->count ? s->paths[s->count - 1].until_q16 : 0;
    s->paths[s->count].key = a->key;
    s->paths[s->count++].until_q16 = before + (uint32_t)weight;
    uint32_t off =
        a->cost_us > first->cost_us ? a->cost_us - first->cost_us : first->cost_us - a->cost_us;
    s->gap_us = VN_MAX(s->gap_us, GAP_MIN_US + off);
}

void vn_stripe_follow(struct vn_stripe *s, const struct vn_ccx *c, bool several)
{
    s->count = 0;
    s->gap_us = GAP_MIN_US;
    const struct vn_ccx_arm *first = vn_ccx_current(c);
    if (!first)
        return;
    add(s, first, first);
    const struct vn_ccx_arm *others[VN_CCX_STANDBYS_MAX];
    size_t n = several ? vn_ccx_standbys(c, others) : 0;
    for (size_t i = 0; i < n; i++)
        if (others[i]->cost_us <= (uint64_t)first->cost_us * 3 / 2)
            add(s, others[i], first);
}

static bool has(const struct vn_stripe *s, uint64_t key)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->paths[i].key == key)
            return true;
    return false;
}

bool vn_stripe_pick(struct vn_stripe *s, uint32_t flow_hash, uint64_t now_us, uint64_t *ret_key)
{
    if (s->count == 0)
        return false;
    size_t at = flow_hash % VN_STRIPE_SLOTS;
    bool goes_on = s->slots[at].last_us != 0 && now_us - s->slots[at].last_us <= s->gap_us;
    if (!goes_on || !has(s, s->slots[at].key)) {
        size_t i = 0;
        if (s->count > 1) {
            uint64_t lot = vn_dice_below(&s->dice, s->paths[s->count - 1].until_q16);
            while (lot >= s->paths[i].until_q16)
                i++;
        }
        s->slots[at].key = s->paths[i].key;
    }
    s->slots[at].last_us = now_us;
    *ret_key = s->slots[at].key;
    return true;
}
