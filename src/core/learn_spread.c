/*
 * timer                   armed by          disarmed by      fires
 * learner.spread.check    it is spread      it is not, end   every 500 ms: asks on each way beside
 *                                                            the stream's own; leaves those that
 *                                                            did not answer
 */
#include "core/learn_spread.h"

#include "core/node_i.h"
#include "router/stripe.h"

#define ASK_MS 500
#define SILENT_MS 1000   /* and four round trips */
#define LEAST_KBPS 1000  /* slower ones are not worth it */
#define TRIAL_TICKS 4    /* the first of them is for queues to fill and senders to notice */
#define GAIN_PERCENT 110 /* less is no gain */
#define AGAIN_MS 120000  /* doubles with each trial that showed none, six times */
#define DOUBLINGS_MAX 6u
#define QUIET_TICKS 5 /* that need no other way: it ends */
#define SHARE_LEAST 3 /* of the greatest, that part at least */

static void set_state(struct vn_learner *l, enum vn_spread_state state, const char *why)
{
    static const char *const names[] = {"alone", "tried", "kept"};
    struct vn_learn_spread *s = &l->spread;
    if (s->state == state)
        return;
    vn_log(VN_LOG_DEBUG, "route_spread", VN_KV_ID("peer", &l->stream->peer->id),
           VN_KV_STR("from", names[s->state]), VN_KV_STR("to", names[state]), VN_KV_STR("why", why),
           VN_KV_U64("kbps", s->last_kbps));
    s->state = state;
    s->ticks = 0;
    s->sum_kbps = 0;
}

static size_t side_count(const struct vn_learn_spread *s)
{
    size_t count = 0;
    for (size_t i = 1; i < VN_WAYS_MAX; i++)
        count += s->ways.circuit[i] != NULL;
    return count;
}

static void end(struct vn_learner *l, const char *why)
{
    struct vn_learn_spread *s = &l->spread;
    vn_timer_disarm(&l->node->timers, &s->check);
    if (side_count(s) > 0) {
        s->ways = (struct vn_tell_ways){.share = {1}};
        vn_tell_tx_spread(l->node, l->stream->handle, &s->ways, false);
    }
    set_state(l, VN_SPREAD_ALONE, why);
}

static void end_in_vain(struct vn_learner *l)
{
    struct vn_learn_spread *s = &l->spread;
    s->again_ms = l->node->now_ms + ((uint64_t)AGAIN_MS << VN_MIN(s->fails++, DOUBLINGS_MAX));
    end(l, "no_gain");
}

void vn_learn_spread_over(struct vn_learner *l)
{
    struct vn_learn_spread *s = &l->spread;
    vn_timer_disarm(&l->node->timers, &s->check);
    s->ways = (struct vn_tell_ways){0};
    set_state(l, VN_SPREAD_ALONE, "moved");
}

bool vn_learn_spread_has(const struct vn_learner *l, const struct vn_circuit *c)
{
    bool found = false;
    for (size_t i = 1; c && i < VN_WAYS_MAX; i++)
        found |= l->spread.ways.circuit[i] == c;
    return found;
}

void vn_learn_spread_loses(struct vn_learner *l, const struct vn_circuit *c)
{
    struct vn_learn_spread *s = &l->spread;
    if (!vn_learn_spread_has(l, c))
        return;
    for (size_t i = 1; i < VN_WAYS_MAX; i++) {
        if (s->ways.circuit[i] == c)
            s->ways.circuit[i] = NULL;
    }
    vn_tell_tx_spread(l->node, l->stream->handle, &s->ways, true);
    if (side_count(s) == 0)
        end(l, "lost");
}

void vn_learn_spread_renewed(struct vn_learner *l, const struct vn_circuit *from,
                             struct vn_circuit *to)
{
    struct vn_learn_spread *s = &l->spread;
    if (l->stream->circuit == from) {
        vn_learn_spread_over(l);
        return;
    }
    if (!vn_learn_spread_has(l, from))
        return;
    for (size_t i = 1; i < VN_WAYS_MAX; i++) {
        if (s->ways.circuit[i] == from)
            s->ways.circuit[i] = to;
    }
    vn_tell_tx_spread(l->node, l->stream->handle, &s->ways, false);
}

bool vn_learn_spread_keeps(struct vn_learner *l, const struct vn_arm *to)
{
    const struct vn_arm *now = vn_learn_arm_of(l, l->stream->circuit);
    const struct vn_ccx_arm *seen = now ? vn_ccx_find(&l->ccx, now->key) : NULL;
    if (!vn_learn_spread_has(l, to->circuit) || l->ccx.is_pinned || !seen || seen->excluded ||
        seen->state != VN_CCX_LIVE)
        return false;
    vn_ccx_use(&l->ccx, now->key);
    return true;
}

/* ---- the ways ---- */

/* It may carry what the stream's own way does not; whoever says that he has less room would only be
 * in the way. */
static bool has_room(struct vn_learner *l, const struct vn_arm *a)
{
    const uint64_t kbps = (uint64_t)vn_arm_headroom(l->node, a) * VN_RELAY_KBPS / VN_Q16;
    return kbps >= l->spread.before_kbps / 2;
}

/* No way takes less than a part of what the greatest does: a way that is in use costs more than
 * others by what it carries already. */
static void even_out(struct vn_tell_ways *w)
{
    uint32_t most = 0;
    for (size_t i = 0; i < VN_WAYS_MAX; i++)
        most = VN_MAX(most, w->share[i]);
    for (size_t i = 0; i < VN_WAYS_MAX; i++)
        w->share[i] = VN_MAX(w->share[i], most / SHARE_LEAST + 1);
}

/* False: there is but one. Arms have no relay in common, nor the first tether. */
static bool choose(struct vn_learner *l, struct vn_tell_ways *ret)
{
    struct vn_stripe_shares all;
    size_t count = 1;
    vn_stripe_follow(&all, &l->ccx, true);
    const struct vn_arm *own = all.count > 0 ? vn_learn_arm(l, all.paths[0].key) : NULL;
    if (!own || own->circuit != l->stream->circuit)
        return false;
    *ret = (struct vn_tell_ways){.gap_us = all.gap_us, .share = {all.paths[0].share}};
    for (size_t i = 1; i < all.count; i++) {
        const struct vn_arm *a = vn_learn_arm(l, all.paths[i].key);
        if (!vn_learn_may_carry(l, a) || !has_room(l, a))
            continue;
        ret->circuit[count] = a->circuit;
        ret->share[count++] = all.paths[i].share;
    }
    even_out(ret);
    return count > 1;
}

static void try(struct vn_learner *l)
{
    struct vn_learn_spread *s = &l->spread;
    struct vn_tell_ways ways;
    if (!choose(l, &ways))
        return;
    s->ways = ways;
    vn_tell_tx_spread(l->node, l->stream->handle, &s->ways, false);
    vn_timer_arm(&l->node->timers, &s->check, l->node->now_ms + ASK_MS);
    set_state(l, VN_SPREAD_TRIED, "held_back");
}

/* ---- those beside the stream's own live ---- */

static uint64_t oldest_out_ms(const struct vn_circuit *c)
{
    uint64_t oldest = 0;
    for (size_t i = 0; i < VN_ASKS_MAX; i++)
        if (c->asks[i].request && (!oldest || c->asks[i].sent_ms < oldest))
            oldest = c->asks[i].sent_ms;
    return oldest;
}

static void fail(struct vn_learner *l, struct vn_circuit *c)
{
    const struct vn_arm *a = vn_learn_arm_of(l, c);
    if (a)
        vn_ccx_died(&l->ccx, a->key);
    vn_learn_spread_loses(l, c);
}

static void on_check(void *arg)
{
    struct vn_learner *l = arg;
    struct vn_node *n = l->node;
    for (size_t i = 1; i < VN_WAYS_MAX; i++) {
        struct vn_circuit *c = l->spread.ways.circuit[i];
        const struct vn_arm *a = vn_learn_arm_of(l, c);
        if (!a)
            continue;
        const uint64_t oldest_ms = oldest_out_ms(c);
        const uint64_t rtt_ms = vn_answers_nth(&a->answers, 0) / 1000;
        if (oldest_ms && n->now_ms - oldest_ms > SILENT_MS + 4 * rtt_ms)
            fail(l, c);
        else
            vn_bind_ask(n, l->stream, c, true);
    }
    if (side_count(&l->spread) > 0)
        vn_timer_arm(&n->timers, &l->spread.check, n->now_ms + ASK_MS);
}

void vn_learn_spread_sent(struct vn_learner *l, const struct vn_ev_sent *ev)
{
    struct vn_learn_spread *s = &l->spread;
    s->bytes += ev->delivered;
    s->told_ms = l->node->now_ms;
    s->asked++;
    s->held += ev->waits && ev->flows > 1;
    for (size_t i = 1; i < VN_WAYS_MAX; i++) {
        struct vn_circuit *c = s->ways.circuit[i];
        if (!c)
            l->bulk[i] = (struct vn_lossy){0};
        else if (ev->ways[i].overdue_ms >= VN_OVERDUE_MS ||
                 (c->path &&
                  vn_live_drops_some(&l->bulk[i], ev->ways[i].arrived, ev->ways[i].missed)))
            fail(l, c);
    }
}

/* ---- a tick ---- */

static void alone(struct vn_learner *l, bool held, uint32_t kbps, uint32_t last_kbps)
{
    struct vn_learn_spread *s = &l->spread;
    s->ticks = held ? s->ticks + 1 : 0;
    s->before_kbps = VN_MAX(kbps, last_kbps);
    if (s->ticks >= 2 && kbps >= LEAST_KBPS && l->node->now_ms >= s->again_ms)
        try(l);
}

static void tried(struct vn_learner *l, uint32_t kbps)
{
    struct vn_learn_spread *s = &l->spread;
    if (++s->ticks == 1)
        return;
    s->sum_kbps += kbps;
    if (s->ticks < TRIAL_TICKS)
        return;
    if (s->sum_kbps / (TRIAL_TICKS - 1) * 100 < (uint64_t)s->before_kbps * GAIN_PERCENT) {
        end_in_vain(l);
        return;
    }
    s->fails = 0;
    set_state(l, VN_SPREAD_KEPT, "gain");
}

/* As long as the one way would not carry as much. */
static void kept(struct vn_learner *l, bool held, uint32_t kbps)
{
    struct vn_learn_spread *s = &l->spread;
    const bool gains = (uint64_t)kbps * 100 >= (uint64_t)s->before_kbps * GAIN_PERCENT;
    s->ticks = gains ? 0 : s->ticks + 1;
    if (s->ticks < QUIET_TICKS)
        return;
    if (held)
        end_in_vain(l);
    else
        end(l, "not_needed");
}

/* The settings may say now that others carry it. */
static void leave_unwanted(struct vn_learner *l)
{
    for (size_t i = 1; i < VN_WAYS_MAX; i++) {
        const struct vn_circuit *c = l->spread.ways.circuit[i];
        if (c && !vn_learn_may_carry(l, vn_learn_arm_of(l, c)))
            vn_learn_spread_loses(l, c);
    }
}

void vn_learn_spread_tick(struct vn_learner *l)
{
    struct vn_learn_spread *s = &l->spread;
    leave_unwanted(l);
    const uint64_t took_ms = VN_MAX(s->told_ms - s->from_ms, (uint64_t)1);
    const uint32_t last = s->last_kbps;
    const bool held = s->held * 2 > s->asked;
    s->last_kbps = (uint32_t)VN_MIN(s->bytes * 8 / took_ms, (uint64_t)UINT32_MAX);
    s->from_ms = s->told_ms;
    s->bytes = 0;
    s->asked = s->held = 0;
    switch (s->state) {
    case VN_SPREAD_ALONE:
        alone(l, held, s->last_kbps, last);
        break;
    case VN_SPREAD_TRIED:
        tried(l, s->last_kbps);
        break;
    case VN_SPREAD_KEPT:
        kept(l, held, s->last_kbps);
        break;
    }
}

/* ---- life ---- */

void vn_learn_spread_init(struct vn_learner *l)
{
    l->spread.from_ms = l->spread.told_ms = l->node->now_ms;
    vn_timer_init(&l->spread.check, on_check, l);
}

void vn_learn_spread_done(struct vn_learner *l)
{
    vn_timer_disarm(&l->node->timers, &l->spread.check);
}
