#include "router/stripe.h"

#include "base/attr.h"

#define GAP_MIN_US 2000 /* what a queue may add */

static void add(struct vn_stripe_shares *s, const struct vn_ccx_arm *a,
                const struct vn_ccx_arm *first)
{
    uint64_t weight = (uint64_t)a->weight_q16 * a->headroom_q16 / VN_Q16;
    if (a == first)
        weight = VN_MAX(weight, UINT64_C(1));
    else if (weight == 0)
        return;
    s->paths[s->count].key = a->key;
    s->paths[s->count++].share = (uint32_t)weight;
    uint32_t off =
        a->cost_us > first->cost_us ? a->cost_us - first->cost_us : first->cost_us - a->cost_us;
    s->gap_us = VN_MAX(s->gap_us, GAP_MIN_US + off);
}

void vn_stripe_follow(struct vn_stripe_shares *s, const struct vn_ccx *c, bool several)
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

void vn_stripe_share(struct vn_stripe *s, const struct vn_stripe_shares *shares)
{
    s->shares = *shares;
    for (size_t i = 0; i < VN_STRIPE_PATHS_MAX; i++)
        s->due[i] = 0;
}

static bool has(const struct vn_stripe *s, uint64_t key)
{
    for (size_t i = 0; i < s->shares.count; i++)
        if (s->shares.paths[i].key == key)
            return true;
    return false;
}

/* Each is due its share more; who is due most gets it, and is due that much less. */
static uint64_t next_path(struct vn_stripe *s)
{
    const struct vn_stripe_shares *by = &s->shares;
    size_t best = 0;
    int32_t all = 0;
    for (size_t i = 0; i < by->count; i++) {
        s->due[i] += (int32_t)by->paths[i].share;
        all += (int32_t)by->paths[i].share;
        if (s->due[i] > s->due[best])
            best = i;
    }
    s->due[best] -= all;
    return by->paths[best].key;
}

bool vn_stripe_pick(struct vn_stripe *s, uint32_t flow_hash, bool waits, uint64_t now_us,
                    uint64_t *ret_key)
{
    if (s->shares.count == 0)
        return false;
    size_t at = flow_hash % VN_STRIPE_SLOTS;
    bool goes_on =
        s->slots[at].last_us != 0 && (waits || now_us - s->slots[at].last_us <= s->shares.gap_us);
    if (!goes_on || !has(s, s->slots[at].key))
        s->slots[at].key = next_path(s);
    s->slots[at].last_us = now_us;
    *ret_key = s->slots[at].key;
    return true;
}
