/*
 * A second path for frames that are worth it (SPEC R4): those of the real-time class, which nobody
 * sends again, go by a standby as well while the path in use loses some of them.
 */
#include "core/learn.h"

#include "core/node_i.h"

/* Where a rule pins relays, others carry nothing. */
static bool may_carry(struct vn_learner *l, const struct vn_arm *a)
{
    if (!vn_arm_is_ready(a) || a->circuit == l->stream->circuit)
        return false;
    const struct vn_peer *r = a->key == VN_ARM_DIRECT ? NULL : vn_peer_get(l->node, &a->relay);
    return !l->ccx.is_pinned || (r && vn_relay_grade(l->node, r, NULL) == VN_RELAY_PINNED);
}

/* The one there is, while it is a standby; else the cheapest. Arms have no relay in common. */
static struct vn_circuit *best(struct vn_learner *l)
{
    const struct vn_ccx_arm *standbys[VN_CCX_STANDBYS_MAX], *least = NULL;
    const size_t count = vn_ccx_standbys(&l->ccx, standbys);
    struct vn_circuit *found = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct vn_arm *a = vn_learn_arm(l, standbys[i]->key);
        if (!may_carry(l, a))
            continue;
        if (a->circuit == l->aside)
            return a->circuit;
        if (!least || standbys[i]->cost_us < least->cost_us) {
            least = standbys[i];
            found = a->circuit;
        }
    }
    return found;
}

static void take(struct vn_learner *l, struct vn_circuit *c)
{
    if (l->aside == c)
        return;
    l->aside = c;
    vn_tell_tx_aside(l->node, l->stream->handle, c);
}

void vn_learn_lost(struct vn_learner *l, uint64_t sent, uint64_t lost)
{
    l->real_time += sent;
    l->real_time_lost += lost;
    while (l->real_time >= VN_LOSSY_FRAMES) {
        l->real_time /= 2;
        l->real_time_lost /= 2;
    }
    vn_learn_choose_aside(l);
}

/* One that is there stays until only a half of that is lost. */
static bool loses(const struct vn_learner *l)
{
    const uint64_t permille = l->aside ? VN_LOSSY_PERMILLE / 2 : VN_LOSSY_PERMILLE;
    return l->real_time_lost >= VN_LOSSY_LEAST &&
           l->real_time_lost * 1000 > l->real_time * permille;
}

void vn_learn_choose_aside(struct vn_learner *l)
{
    take(l, l->stream->circuit && l->stream->state == VN_TX_OPEN && loses(l) ? best(l) : NULL);
}

void vn_learn_detached(const struct vn_stream *s, const struct vn_circuit *c)
{
    if (s->learner && s->learner->aside == c)
        take(s->learner, NULL);
}
