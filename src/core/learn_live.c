/*
 * Whether the path in use lives (SPEC A11). While the stream sends, BINDs go along as heartbeats,
 * one for 32 frames: the end answers each. A silence is looked into at half of its window, by
 * another one, and by one on each standby: only when a standby's answer shows that the peer is well
 * does the stream leave. A peer, or this machine, that is merely busy is no dead path.
 *
 * timer           armed by                        disarmed by      fires
 * learner.check   a heartbeat is out: half, then  its answer, end  asks again; then moves
 *                 the whole of the silence
 *                 that is borne
 */
#include "core/learn.h"

#include "core/node_i.h"

#define FRAMES_PER_BEAT 32
#define BEAT_SLOW_MS 1000 /* of all destinations together, where few frames are sent */
#define BEATS_OUT_MAX 4   /* then one in BEAT_SLOW_MS */

static uint64_t now_us(const struct vn_learner *l)
{
    return l->node->now_ms * 1000;
}

uint64_t vn_live_slow_ms(const struct vn_learner *l)
{
    return BEAT_SLOW_MS * (uint64_t)VN_MAX(l->node->routes.budget.sharers, 1u);
}

static void arm_check(struct vn_learner *l)
{
    uint64_t at_us = l->silent ? 0 : vn_liveness_deadline_us(&l->live);
    if (at_us)
        vn_timer_arm(&l->node->timers, &l->check, (at_us + 999) / 1000);
    else
        vn_timer_disarm(&l->node->timers, &l->check);
}

/* What is still out on the circuit in use. */
static void count_out(struct vn_learner *l, unsigned *ret_count, uint64_t *ret_oldest_ms)
{
    const struct vn_circuit *c = l->stream->circuit;
    *ret_count = 0;
    *ret_oldest_ms = 0;
    for (size_t i = 0; i < VN_ASKS_MAX; i++) {
        const struct vn_ask *a = &c->asks[i];
        if (!a->request)
            continue;
        ++*ret_count;
        if (!*ret_oldest_ms || a->sent_ms < *ret_oldest_ms)
            *ret_oldest_ms = a->sent_ms;
    }
}

static void look(struct vn_learner *l)
{
    unsigned count;
    uint64_t oldest_ms;
    count_out(l, &count, &oldest_ms);
    vn_liveness_unacked(&l->live, oldest_ms * 1000);
    arm_check(l);
}

static void beat(struct vn_learner *l)
{
    l->node->routes.heartbeats++;
    l->beat_ms = l->node->now_ms;
    vn_bind_ask(l->node, l->stream, l->stream->circuit, false);
    look(l);
}

static void watch(struct vn_learner *l, uint64_t after_ms)
{
    l->watch_ms = l->node->now_ms;
    vn_tell_tx_watch(l->node, l->stream->handle, (uint32_t)after_ms);
}

void vn_live_begin(struct vn_learner *l, const struct vn_arm *a)
{
    l->live = (struct vn_liveness){0};
    l->suspect_ms = 0;
    l->silent = false;
    l->bulk[0] = (struct vn_lossy){0};
    l->overdue_ms = l->node->now_ms;
    for (unsigned i = VN_MIN(a->answers.count, (unsigned)VN_ANSWERS_FASTEST); i-- > 0;)
        vn_liveness_rtt(&l->live, vn_answers_nth(&a->answers, i));
    vn_liveness_heard(&l->live, now_us(l));
    look(l);
    watch(l, 0);
}

void vn_live_heard(struct vn_learner *l, uint32_t rtt_us)
{
    vn_liveness_rtt(&l->live, rtt_us);
    vn_liveness_heard(&l->live, now_us(l));
    l->suspect_ms = 0;
    l->silent = false;
    look(l);
}

/* A relay that answers heartbeats in time, for the end does, and does not pass frames on: no report
 * tells of any. Without relays the tether itself tells. What the worker said of the path before
 * does not count against this one. */
static bool does_not_deliver(struct vn_learner *l, uint32_t overdue_ms)
{
    const uint64_t now = l->node->now_ms;
    if (!l->stream->circuit->path || overdue_ms < VN_OVERDUE_MS ||
        now - l->overdue_ms < VN_OVERDUE_MS)
        return false;
    l->overdue_ms = now;
    return true;
}

/* A relay that keeps some of the frames. Tethers repeat what they lose, so where they live it is
 * none of the network's doing. */
bool vn_live_drops_some(struct vn_lossy *t, uint64_t arrived, uint64_t missed)
{
    t->frames += arrived + missed;
    t->lost += missed;
    while (t->frames >= 2 * VN_MISSED_FRAMES) {
        t->frames /= 2;
        t->lost /= 2;
    }
    if (t->lost < VN_MISSED_LEAST || t->lost * 1000 <= t->frames * VN_MISSED_PERMILLE)
        return false;
    *t = (struct vn_lossy){0};
    return true;
}

static bool drops_some(struct vn_learner *l, const struct vn_ev_sent *ev)
{
    return l->stream->circuit->path &&
           vn_live_drops_some(&l->bulk[0], ev->ways[0].arrived, ev->ways[0].missed);
}

void vn_learn_event_sent(struct vn_node *n, const struct vn_ev_sent *ev)
{
    struct vn_stream *s = vn_stream_by_handle(n, ev->handle, true);
    struct vn_learner *l = s ? s->learner : NULL;
    if (!l || s->state != VN_TX_OPEN)
        return;
    unsigned out;
    uint64_t oldest_ms;
    l->sent_ms = n->now_ms;
    l->sents++;
    if (n->now_ms > l->watch_ms)
        l->sent_kbps =
            (uint32_t)VN_MIN(ev->bytes * 8 / (n->now_ms - l->watch_ms), (uint64_t)UINT32_MAX);
    vn_learn_lost(l, ev);
    vn_learn_spread_sent(l, ev);
    if (does_not_deliver(l, ev->overdue_ms) || drops_some(l, ev))
        vn_learn_fail_over(l);
    count_out(l, &out, &oldest_ms);
    if (out < BEATS_OUT_MAX || n->now_ms - l->beat_ms >= BEAT_SLOW_MS)
        beat(l);
    uint64_t frames = VN_MAX(ev->frames, 1u);
    uint64_t slow_ms = vn_live_slow_ms(l);
    uint64_t even_ms = (n->now_ms - l->watch_ms) * FRAMES_PER_BEAT / frames;
    uint64_t least_ms = vn_liveness_window_us(&l->live) / 2000;
    watch(l, VN_MAX(VN_MIN(even_ms, slow_ms), least_ms));
}

/* Is the peer there? One answer from elsewhere tells. */
static void ask_around(struct vn_learner *l)
{
    const struct vn_ccx_arm *standbys[VN_CCX_STANDBYS_MAX];
    size_t count = vn_ccx_standbys(&l->ccx, standbys);
    for (size_t i = 0; i < count; i++)
        vn_learn_probe(l, standbys[i]->key);
}

void vn_live_on_check(void *arg)
{
    struct vn_learner *l = arg;
    if (l->stream->state != VN_TX_OPEN || !l->stream->circuit)
        return;
    uint64_t late_ms = l->node->now_ms - l->check.at_ms;
    vn_liveness_loop(&l->live, now_us(l), late_ms * 1000);
    switch (vn_liveness_check(&l->live, now_us(l))) {
    case VN_ALIVE:
        break;
    case VN_ASK:
        l->suspect_ms = l->node->now_ms;
        l->answered = false;
        ask_around(l);
        beat(l);
        break;
    case VN_SILENT:
        l->silent = true;
        if (l->answered)
            vn_learn_fail_over(l);
        break;
    }
    arm_check(l);
}
