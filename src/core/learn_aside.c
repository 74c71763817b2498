/*
 * A second path for frames that are worth it (SPEC R4): those of the real-time class, which nobody
 * sends again, go by a standby as well while the path in use loses some of them.
 */
#include "core/learn.h"

#include "core/node_i.h"

/* Where a rule pins relays, others carry nothing. */
bool vn_learn_may_carry(struct vn_learner *l, const struct vn_arm *a)
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
        if (!vn_learn_may_carry(l, a))
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

static void add(struct vn_lossy *to, uint64_t frames, uint64_t lost)
{
    to->frames += frames;
    to->lost += lost;
    while (to->frames >= VN_LOSSY_FRAMES) {
        to->frames /= 2;
        to->lost /= 2;
    }
}

void vn_learn_lost(struct vn_learner *l, const struct vn_ev_sent *ev)
{
    add(&l->first_tether, ev->real_time, ev->real_time_lost);
    add(&l->whole_path, ev->tallied, ev->tallied_lost);
    vn_learn_choose_aside(l);
}

/* One that is there stays until only a half of that is lost. */
static bool is_lossy(const struct vn_learner *l, const struct vn_lossy *of)
{
    const uint64_t permille = l->aside ? VN_LOSSY_PERMILLE / 2 : VN_LOSSY_PERMILLE;
    return of->lost >= VN_LOSSY_LEAST && of->lost * 1000 > of->frames * permille;
}

/* The first tether tells at once; what is behind it the destination does, a little later. */
static bool loses(const struct vn_learner *l)
{
    return is_lossy(l, &l->first_tether) || is_lossy(l, &l->whole_path);
}

void vn_learn_choose_aside(struct vn_learner *l)
{
    const struct vn_circuit *c = l->stream->circuit;
    if (c && !c->path)
        l->whole_path = (struct vn_lossy){0}; /* its first tether is all of it */
    take(l, l->stream->circuit && l->stream->state == VN_TX_OPEN && loses(l) ? best(l) : NULL);
}

void vn_learn_detached(const struct vn_stream *s, const struct vn_circuit *c)
{
    if (!s->learner)
        return;
    vn_learn_spread_loses(s->learner, c);
    if (s->learner->aside == c)
        take(s->learner, NULL);
}
