/*
 * timer           armed by                      disarmed by   fires
 * learner.tick    the stream was open first     its end       every 2 s: costs become weights, and
 *                                                             those a move; while it sends also
 *                                                             probes, set-ups and the search for
 *                                                             relays
 * learner.check   see learn_live.c
 */
#include "core/learn.h"

#include "core/node_i.h"

#define PROBE_WAIT_MS 2000   /* an arm that has not answered then is dead */
#define SETUP_AGAIN_MS 10000 /* doubles with each SETUP that comes to nothing, six times */

/* ---- arms ---- */

struct vn_arm *vn_learn_arm(struct vn_learner *l, uint64_t key)
{
    for (size_t i = 0; i < l->count; i++) {
        if (l->arms[i].key == key)
            return &l->arms[i];
    }
    return NULL;
}

struct vn_arm *vn_learn_arm_of(struct vn_learner *l, const struct vn_circuit *c)
{
    for (size_t i = 0; c && i < l->count; i++) {
        if (l->arms[i].circuit == c)
            return &l->arms[i];
    }
    return NULL;
}

struct vn_arm *vn_learn_add_arm(struct vn_learner *l, const struct vn_id *relay)
{
    uint64_t key = relay ? vn_place_key(relay) : VN_ARM_DIRECT;
    struct vn_arm *a = vn_learn_arm(l, key);
    if (a || l->count == VN_ARRAY_LEN(l->arms) || vn_ccx_add(&l->ccx, key) != VN_OK)
        return a;
    a = &l->arms[l->count++];
    *a = (struct vn_arm){.key = key};
    if (relay)
        a->relay = *relay;
    return a;
}

void vn_arm_drop_circuit(struct vn_node *n, struct vn_arm *a)
{
    struct vn_circuit *c = VN_TAKE(a->circuit);
    if (c)
        vn_circuit_close(n, c, true);
}

bool vn_arm_is_ready(const struct vn_arm *a)
{
    return a && a->circuit && a->circuit->state == VN_CIRCUIT_UP && a->circuit->bound;
}

/* ---- circuits for them ---- */

static bool direct_up(const struct vn_stream *s)
{
    const struct vn_hop *h = s->peer->hop;
    return h && h->state == VN_HOP_UP;
}

static vn_status open_relayed(struct vn_node *n, struct vn_stream *s, struct vn_arm *a)
{
    struct vn_id missing;
    const struct vn_id nodes[2] = {a->relay, s->peer->id};
    vn_status st = vn_circuit_open_path(n, s, &a->circuit, nodes, 2, &missing);
    if (st == VN_ERR_NOTFOUND)
        vn_query_peer(n, &missing);
    return st;
}

static void tries(const struct vn_node *n, struct vn_arm *a)
{
    a->again_ms =
        n->now_ms + ((uint64_t)SETUP_AGAIN_MS << VN_MIN(a->fails, VN_LEARN_DOUBLINGS_MAX));
    a->fails++;
}

static void set_up(struct vn_learner *l, struct vn_arm *a)
{
    struct vn_node *n = l->node;
    struct vn_stream *s = l->stream;
    bool direct = a->key == VN_ARM_DIRECT;
    if (a->circuit || (direct && !direct_up(s)) || (!direct && n->now_ms < a->again_ms))
        return;
    tries(n, a);
    vn_status st =
        direct ? vn_circuit_open(n, s->peer->hop, s, &a->circuit) : open_relayed(n, s, a);
    if (st != VN_OK)
        vn_log(VN_LOG_DEBUG, "route_failed", VN_KV_STATUS(st));
}

bool vn_learn_adopts(struct vn_stream *s, struct vn_circuit *c)
{
    struct vn_learner *l = s->learner;
    struct vn_arm *a = l ? vn_learn_add_arm(l, c->path ? &c->path->nodes[0] : NULL) : NULL;
    if (!a || a->circuit)
        return false;
    a->circuit = c;
    tries(l->node, a);
    return true;
}

static void probe(struct vn_learner *l, struct vn_arm *a)
{
    struct vn_circuit *c = a->circuit;
    if (!c) {
        set_up(l, a);
    } else if (c != l->stream->circuit && c->state == VN_CIRCUIT_UP) {
        l->node->routes.probes++;
        vn_bind_ask(l->node, l->stream, c, true);
    }
}

void vn_learn_probe(struct vn_learner *l, uint64_t key)
{
    struct vn_arm *a = vn_learn_arm(l, key);
    if (a)
        probe(l, a);
}

void vn_learn_advance(struct vn_node *n, struct vn_stream *s)
{
    struct vn_learner *l = s->learner;
    (void)n;
    for (size_t i = 0; l && i < l->count; i++) {
        struct vn_arm *a = &l->arms[i];
        if (a->circuit ? a->circuit->ask_count == 0 : a->key == VN_ARM_DIRECT)
            probe(l, a);
    }
}

/* ---- the stream's way ---- */

static void use(struct vn_learner *l, struct vn_arm *a)
{
    vn_ccx_use(&l->ccx, a->key);
    vn_live_begin(l, a);
    vn_learn_choose_aside(l);
}

static void move_to(struct vn_learner *l, struct vn_arm *a, const char *why)
{
    vn_learn_spread_over(l);
    struct vn_node *n = l->node;
    struct vn_stream *s = l->stream;
    vn_log(VN_LOG_DEBUG, "route_moved", VN_KV_ID("peer", &s->peer->id),
           VN_KV_ID("relay", &a->relay), VN_KV_STR("why", why));
    n->routes.moves++;
    s->circuit = a->circuit;
    vn_tell_tx_open(n, s);
    vn_bind_ask(n, s, s->circuit, false); /* answers and their control packets take it too */
    vn_route_took(n, s);
}

/* To where the router wants it. */
static void follow(struct vn_learner *l)
{
    const struct vn_ccx_arm *want = vn_ccx_current(&l->ccx);
    struct vn_arm *a = want ? vn_learn_arm(l, want->key) : NULL;
    if (!a || a->circuit == l->stream->circuit || vn_learn_spread_keeps(l, a))
        return;
    if (vn_arm_is_ready(a))
        move_to(l, a, "cheaper");
    else
        probe(l, a);
}

/* The one that the router drew, or another that is set up; NULL: none is. */
static struct vn_arm *rescuer(struct vn_learner *l)
{
    vn_learn_exclude_unwanted(l);
    const struct vn_ccx_arm *want = vn_ccx_current(&l->ccx);
    struct vn_arm *best = want ? vn_learn_arm(l, want->key) : NULL;
    if (vn_arm_is_ready(best) && best->circuit != l->stream->circuit)
        return best;
    best = NULL;
    uint32_t least_us = UINT32_MAX;
    for (size_t i = 0; i < l->count; i++) {
        struct vn_arm *a = &l->arms[i];
        const struct vn_ccx_arm *seen = vn_ccx_find(&l->ccx, a->key);
        if (vn_arm_is_ready(a) && a->circuit != l->stream->circuit && seen->state == VN_CCX_LIVE &&
            !seen->excluded && seen->cost_us < least_us) {
            best = a;
            least_us = seen->cost_us;
        }
    }
    return best;
}

bool vn_learn_rescue(struct vn_node *n, struct vn_stream *s)
{
    struct vn_learner *l = s->learner;
    struct vn_arm *a = l && s->state == VN_TX_OPEN ? rescuer(l) : NULL;
    if (!a)
        return false;
    n->routes.failovers++;
    move_to(l, a, "lost");
    return true;
}

void vn_learn_fail_over(struct vn_learner *l)
{
    const struct vn_arm *now = vn_learn_arm_of(l, l->stream->circuit);
    if (!now)
        return;
    vn_ccx_died(&l->ccx, now->key);
    struct vn_arm *a = rescuer(l);
    if (!a)
        return;
    l->node->routes.failovers++;
    move_to(l, a, "silent");
}

void vn_learn_renewed(struct vn_stream *s, const struct vn_circuit *from, struct vn_circuit *to)
{
    struct vn_arm *a = s->learner ? vn_learn_arm_of(s->learner, from) : NULL;
    if (!a)
        return;
    a->circuit = to;
    vn_learn_spread_renewed(s->learner, from, to);
}

void vn_learn_loses(struct vn_stream *s, const struct vn_circuit *c, bool failed)
{
    struct vn_learner *l = s->learner;
    struct vn_arm *a = l ? vn_learn_arm_of(l, c) : NULL;
    if (!a)
        return;
    a->circuit = NULL;
    if (failed)
        vn_ccx_died(&l->ccx, a->key);
}

void vn_learn_answered(struct vn_node *n, struct vn_stream *s, struct vn_circuit *c,
                       uint64_t sent_ms)
{
    struct vn_learner *l = s->learner;
    struct vn_arm *a = l ? vn_learn_arm_of(l, c) : NULL;
    if (!a)
        return;
    uint32_t rtt_us = (uint32_t)VN_MIN((n->now_ms - sent_ms) * 1000, (uint64_t)60000000);
    vn_answers_add(&a->answers, rtt_us);
    a->fails = 0;
    a->again_ms = 0; /* this SETUP came to something */
    vn_ccx_measured(&l->ccx, a->key, vn_arm_cost(l, a));
    if (c == s->circuit)
        vn_live_heard(l, rtt_us);
    else if (l->suspect_ms && sent_ms >= l->suspect_ms)
        l->answered = true;
    if (l->silent && l->answered)
        vn_learn_fail_over(l);
    vn_learn_choose_aside(l);
}

/* ---- a tick ---- */

/* Who did not answer in time is dead; the path in use has liveness for that. */
static void bury_silent(struct vn_learner *l)
{
    uint64_t now = l->node->now_ms;
    for (size_t i = 0; i < l->count; i++) {
        struct vn_arm *a = &l->arms[i];
        struct vn_circuit *c = a->circuit;
        bool silent = false;
        for (size_t k = 0; c && k < VN_ASKS_MAX; k++)
            silent |= c->asks[k].request && now - c->asks[k].sent_ms > PROBE_WAIT_MS;
        if (!silent || c == l->stream->circuit)
            continue;
        vn_ccx_died(&l->ccx, a->key);
        vn_arm_drop_circuit(l->node, a);
    }
}

static void set_active(struct vn_learner *l, bool active)
{
    struct vn_routes *r = &l->node->routes;
    if (l->active != active)
        r->budget.sharers += active ? 1u : -1u;
    l->active = active;
}

static void on_tick(void *arg)
{
    struct vn_learner *l = arg;
    struct vn_node *n = l->node;
    struct vn_ccx_budget none = {.at_ms = n->now_ms};
    vn_timer_arm(&n->timers, &l->tick, n->now_ms + VN_CCX_TICK_MS);
    if (l->stream->state != VN_TX_OPEN || !l->stream->circuit)
        return;
    if (n->now_ms - l->sent_ms > vn_live_slow_ms(l) + VN_CCX_TICK_MS)
        l->sents = 0;
    set_active(l, l->sents > 1); /* one packet is worth no search */
    bury_silent(l);
    if (l->active)
        vn_learn_look_for_relays(l);
    for (size_t i = 0; i < l->count; i++)
        vn_ccx_headroom(&l->ccx, l->arms[i].key, vn_arm_headroom(n, &l->arms[i]));
    vn_learn_follow_rules(l);
    struct vn_ccx_plan plan =
        vn_ccx_tick(&l->ccx, l->active ? &n->routes.budget : &none, n->now_ms);
    uint64_t wanted[VN_CCX_PROBES_MAX]; /* follow() may move arms */
    size_t count = 0;
    for (size_t i = 0; i < plan.probe_count; i++)
        wanted[count++] = plan.probes[i]->key;
    follow(l);
    for (size_t i = 0; i < count; i++) {
        vn_learn_probe(l, wanted[i]);
    }
    const struct vn_ccx_arm *standbys[VN_CCX_STANDBYS_MAX];
    count = l->active ? vn_ccx_standbys(&l->ccx, standbys) : 0;
    for (size_t i = 0; i < count; i++) {
        struct vn_arm *a = vn_learn_arm(l, standbys[i]->key);
        if (a)
            set_up(l, a);
    }
    vn_learn_choose_aside(l);
    vn_learn_spread_tick(l);
}

/* ---- life ---- */

static struct vn_learner *learner_new(struct vn_node *n, struct vn_stream *s)
{
    uint64_t seed;
    struct vn_learner *l =
        vn_random_fill(n, &seed, sizeof(seed)) == VN_OK ? calloc(1, sizeof(*l)) : NULL;
    if (!l)
        return NULL; /* the stream stays where it is while that works */
    l->node = n;
    l->stream = s;
    vn_ccx_init(&l->ccx, seed);
    vn_ccx_set_home(&l->ccx, VN_ARM_DIRECT);
    (void)vn_learn_add_arm(l, NULL);
    vn_timer_init(&l->tick, on_tick, l);
    vn_timer_init(&l->check, vn_live_on_check, l);
    vn_learn_spread_init(l);
    vn_timer_arm(&n->timers, &l->tick, n->now_ms + vn_jitter(n, VN_CCX_TICK_MS));
    return l;
}

void vn_learn_took(struct vn_node *n, struct vn_stream *s)
{
    if (!s->learner && !(s->learner = learner_new(n, s)))
        return;
    struct vn_learner *l = s->learner;
    struct vn_arm *a = vn_learn_add_arm(l, s->circuit->path ? &s->circuit->path->nodes[0] : NULL);
    if (!a)
        return;
    if (a->circuit != s->circuit)
        vn_arm_drop_circuit(n, a);
    a->circuit = s->circuit;
    use(l, a);
}

struct vn_learner *vn_learn_free(struct vn_node *n, struct vn_learner *l)
{
    if (!l)
        return NULL;
    set_active(l, false);
    vn_timer_disarm(&n->timers, &l->tick);
    vn_timer_disarm(&n->timers, &l->check);
    vn_learn_spread_done(l);
    free(l);
    return NULL;
}
