/* Which relays a learner has an arm for, and what the settings say of them. */
#include "core/learn.h"
#include "core/node_i.h"

#define DISCOVER_MS 5000 /* doubles with each search, six times */

static bool is_relay(struct vn_node *n, const struct vn_id *relay)
{
    const struct vn_peer *r = vn_peer_get(n, relay);
    return r && vn_relaying_may(n, r->cert) && vn_relay_grade(n, r, NULL) >= VN_RELAY_ANY &&
           !vn_quarantine_refuses(n, r->cert);
}

void vn_learn_exclude_unwanted(struct vn_learner *l)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct vn_arm *a = &l->arms[i];
        if (a->key != VN_ARM_DIRECT)
            vn_ccx_exclude(&l->ccx, a->key, !is_relay(l->node, &a->relay));
    }
}

static size_t live_relays(const struct vn_learner *l)
{
    size_t count = 0;
    for (size_t i = 0; i < l->ccx.count; i++)
        count += l->ccx.arms[i].key != VN_ARM_DIRECT && l->ccx.arms[i].state == VN_CCX_LIVE;
    return count;
}

static void drop_arm(struct vn_learner *l, struct vn_arm *a)
{
    vn_arm_drop_circuit(l->node, a);
    vn_ccx_remove(&l->ccx, a->key);
    *a = l->arms[--l->count];
}

/* For a relay that the settings prefer: one that they do not, and nobody needs just now. */
static bool make_room(struct vn_learner *l, enum vn_relay_grade grade)
{
    struct vn_arm *worst = NULL;
    if (l->count <= VN_LEARN_RELAYS_MAX)
        return true;
    for (size_t i = 0; i < l->count; i++) {
        struct vn_arm *a = &l->arms[i];
        if (a->key == VN_ARM_DIRECT || vn_ccx_is_kept(&l->ccx, a->key) ||
            a->circuit == l->stream->circuit || vn_learn_spread_has(l, a->circuit) ||
            vn_relay_grade(l->node, vn_peer_get(l->node, &a->relay), NULL) >= grade)
            continue;
        if (!worst ||
            vn_ccx_find(&l->ccx, a->key)->loss_q16 > vn_ccx_find(&l->ccx, worst->key)->loss_q16)
            worst = a;
    }
    if (worst)
        drop_arm(l, worst);
    return worst != NULL;
}

void vn_learn_look_for_relays(struct vn_learner *l)
{
    struct vn_node *n = l->node;
    vn_learn_exclude_unwanted(l);
    for (size_t i = l->count; i-- > 0;) {
        struct vn_arm *a = &l->arms[i];
        if (!vn_ccx_find(&l->ccx, a->key)->excluded)
            continue;
        if (!a->circuit || a->circuit != l->stream->circuit) /* follow() leaves that first */
            drop_arm(l, a);
    }
    struct vn_place_candidate list[VN_CANDIDATES_MAX];
    size_t count = vn_places_candidates(n, l->stream->peer, list, VN_ARRAY_LEN(list));
    for (size_t i = 0; i < count; i++) {
        if (!vn_learn_arm(l, list[i].key) && !make_room(l, list[i].grade))
            continue;
        if (list[i].ready)
            (void)vn_learn_add_arm(l, &list[i].node);
        if (!list[i].ready || list[i].unproven)
            vn_places_want(n, &list[i].node);
    }
    if (live_relays(l) >= VN_CCX_STANDBYS_MAX || n->now_ms < l->discover_ms)
        return;
    l->discover_ms =
        n->now_ms + ((uint64_t)DISCOVER_MS << VN_MIN(l->discoveries++, VN_LEARN_DOUBLINGS_MAX));
    vn_places_sought(n);
}

void vn_learn_follow_rules(struct vn_learner *l)
{
    const struct vn_ccx_arm *best = NULL, *now = NULL;
    for (size_t i = 0; i < l->count; i++) {
        const struct vn_arm *a = &l->arms[i];
        const struct vn_ccx_arm *seen = vn_ccx_find(&l->ccx, a->key);
        const struct vn_peer *r = a->key == VN_ARM_DIRECT ? NULL : vn_peer_get(l->node, &a->relay);
        if (!r || seen->excluded || seen->state != VN_CCX_LIVE ||
            vn_relay_grade(l->node, r, NULL) != VN_RELAY_PINNED)
            continue;
        if (l->ccx.is_pinned && l->ccx.pinned == a->key)
            now = seen;
        if (!best || seen->cost_us < best->cost_us)
            best = seen;
    }
    if (now && !vn_ccx_is_worth_it(now->cost_us, best->cost_us))
        best = now;
    if (best)
        vn_ccx_pin(&l->ccx, best->key);
    else
        vn_ccx_unpin(&l->ccx);
}
