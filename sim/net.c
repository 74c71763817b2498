#include "net.h"

#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "heap.h"
#include "net_i.h"

#define NOISE 0.1 /* of a measurement, relative standard deviation */
#define LIFE_MS 600000.0
#define DEAD_TRIES 8

enum event { TICK, REPLACE, PART, JOIN, MASTER_AWAY, COUNT };

static double counted_ms(const struct sim_net *n)
{
    return n->now_ms - SIM_WARM_UP_S * 1000.0;
}

static uint32_t noisy(struct sim_net *n, uint32_t cost)
{
    return (uint32_t)fmax(1, cost * (1 + NOISE * sim_gauss(&n->dice)));
}

/* ---- flows ---- */

static void flow_begin(struct sim_net *n, struct sim_flow *f, uint32_t from)
{
    sim_carry(n, f, 0);
    *f = (struct sim_flow){.from = from};
    do
        f->to = (uint32_t)vn_dice_below(&n->dice, n->c.nodes);
    while (f->to == from);
    f->to_generation = n->nodes[f->to].generation;
    f->kbps = 1000 + (uint32_t)vn_dice_below(&n->dice, 4000);
    n->nodes[from].sends = n->nodes[f->to].serves = true;
    vn_ccx_init(&f->ccx, vn_dice_next(&n->dice));
    if (vn_ccx_add(&f->ccx, SIM_DIRECT_KEY) != VN_OK)
        abort();
    vn_ccx_set_home(&f->ccx, SIM_DIRECT_KEY);
}

/* A measurement of an arm, by traffic or probe. */
static void measured(struct sim_net *n, struct sim_flow *f, uint64_t key, bool probe)
{
    uint32_t first;
    uint32_t cost = sim_cost(n, f, key, probe, &first);
    uint32_t relay = key == SIM_DIRECT_KEY ? f->to : sim_node_of(key);
    if (cost == SIM_DEAD) {
        vn_ccx_died(&f->ccx, key);
        if (n->nodes[f->from].book && key != SIM_DIRECT_KEY && !first)
            vn_book_failed(n->nodes[f->from].book, key);
        return;
    }
    vn_ccx_measured(&f->ccx, key, noisy(n, cost));
    if (n->c.how == SIM_CCX && key != SIM_DIRECT_KEY)
        vn_ccx_headroom(&f->ccx, key, sim_headroom(n, key));
    sim_learn_rtt(n, f->from, relay, noisy(n, first));
}

static void probe(struct sim_net *n, struct sim_flow *f, uint64_t key)
{
    n->probes += n->counts;
    if (key == SIM_DIRECT_KEY) {
        sim_send(n, f->from, f->to, SIM_PROBE_BYTES);
        sim_send(n, f->to, f->from, SIM_ANSWER_BYTES);
    } else {
        uint32_t relay = sim_node_of(key);
        sim_send(n, f->from, relay, SIM_PROBE_BYTES);
        sim_send(n, relay, f->to, SIM_PROBE_BYTES);
        sim_send(n, f->to, relay, SIM_ANSWER_BYTES);
        sim_send(n, relay, f->from, SIM_ANSWER_BYTES);
    }
    measured(n, f, key, true);
}

/* Greedy: two probes by lot, and always to the lowest estimate. */
static void choose_greedily(struct vn_ccx *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->arms[i].state == VN_CCX_LIVE && (c->arms[c->current].state != VN_CCX_LIVE ||
                                                c->arms[i].cost_us < c->arms[c->current].cost_us))
            c->current = i;
}

/* Until the end of the path in use is noticed, and another one works; at most a tick. */
static double fail_over(struct sim_net *n, struct sim_flow *f)
{
    double dead_ms = 0;
    uint32_t first;
    for (int i = 0; i < DEAD_TRIES && dead_ms < VN_CCX_TICK_MS; i++) {
        uint64_t key = vn_ccx_current(&f->ccx)->key;
        if (sim_cost(n, f, key, false, &first) != SIM_DEAD)
            return dead_ms;
        if (n->c.how == SIM_DIRECT)
            return VN_CCX_TICK_MS;
        dead_ms += (f->live.srtt_us + 4.0 * f->live.rttvar_us) / 1000 +
                   vn_liveness_window_us(&f->live) / 1000.0;
        vn_ccx_died(&f->ccx, key);
        if (n->c.how == SIM_GREEDY)
            choose_greedily(&f->ccx);
        if (vn_ccx_current(&f->ccx)->key == key)
            return VN_CCX_TICK_MS; /* nothing else is known */
    }
    return fmin(dead_ms, VN_CCX_TICK_MS);
}

static void digest(struct sim_result *r, uint64_t value)
{
    r->digest = (r->digest ^ value) * UINT64_C(0x100000001b3);
}

/* What this tick was worth, against the best of the same arms at this moment. */
static void count_tick(struct sim_net *n, struct sim_flow *f, uint32_t cost, uint32_t direct,
                       double dead_ms)
{
    struct sim_result *r = n->result;
    uint32_t best = UINT32_MAX, first;
    for (size_t i = 0; i < f->ccx.count; i++)
        best = VN_MIN(best, sim_cost(n, f, f->ccx.arms[i].key, false, &first));
    if (!n->counts || best == SIM_DEAD)
        return;
    size_t at = (size_t)(counted_ms(n) / (SIM_SAMPLE_S * 1000));
    struct sim_sample *to[] = {&r->all, &r->samples[VN_MIN(at, (size_t)SIM_SAMPLES_MAX - 1)]};
    double alive = (VN_CCX_TICK_MS - dead_ms) / VN_CCX_TICK_MS;
    for (size_t i = 0; i < 2; i++) {
        to[i]->dead_ms += dead_ms;
        to[i]->direct_dead_ms += direct == SIM_DEAD ? VN_CCX_TICK_MS : 0;
        if (cost == SIM_DEAD || direct == SIM_DEAD)
            continue;
        to[i]->cost += alive * cost;
        to[i]->direct += alive * direct;
        to[i]->best += alive * best;
        to[i]->ticks += alive;
    }
    n->ticks++;
    n->relayed_ticks += vn_ccx_current(&f->ccx)->key != SIM_DIRECT_KEY;
    if (cost == SIM_DEAD)
        return;
    r->over += alive * ((double)cost / best - 1);
    if (direct != SIM_DEAD) {
        f->cost += alive * cost;
        f->direct += alive * direct;
    }
}

static void flow_tick(struct sim_net *n, struct sim_flow *f)
{
    if (!sim_geo_is_up(n->geo, f->from, n->now_ms))
        return;
    if (n->nodes[f->to].generation != f->to_generation)
        flow_begin(n, f, f->from);
    if (n->c.how != SIM_DIRECT)
        sim_find(n, f);
    uint64_t before = vn_ccx_current(&f->ccx)->key;
    struct vn_ccx_plan plan = vn_ccx_tick(&f->ccx, &n->nodes[f->from].budget, (uint64_t)n->now_ms);
    if (n->c.how == SIM_GREEDY)
        choose_greedily(&f->ccx);
    double dead_ms = fail_over(n, f);
    uint64_t key = vn_ccx_current(&f->ccx)->key;
    n->switches += n->counts && key != before;
    digest(n->result, key + (uint64_t)n->now_ms);
    uint32_t first, rtt;
    uint32_t cost = sim_cost(n, f, key, false, &rtt);
    sim_carry(n, f, cost == SIM_DEAD ? 0 : key);
    count_tick(n, f, cost, sim_cost(n, f, SIM_DIRECT_KEY, false, &first), dead_ms);
    if (cost != SIM_DEAD) {
        vn_liveness_rtt(&f->live, 2 * noisy(n, cost));
        measured(n, f, key, false);
    }
    for (size_t i = 0; n->c.how != SIM_DIRECT && i < VN_CCX_PROBES_MAX; i++) {
        if (n->c.how == SIM_GREEDY)
            probe(n, f, f->ccx.arms[vn_dice_below(&n->dice, f->ccx.count)].key);
        else if (i < plan.probe_count)
            probe(n, f, plan.probes[i]->key);
    }
    f->age++;
}

/* ---- nodes ---- */

static void node_begin(struct sim_net *n, uint32_t i)
{
    static const uint32_t capacities[] = {10000, 20000, 50000, 100000};
    struct sim_node *k = &n->nodes[i];
    vn_coord_init(&k->at);
    vn_headroom_init(&k->headroom);
    vn_ccx_budget_init(&k->budget, (uint64_t)n->now_ms);
    k->budget.sharers = n->c.destinations;
    k->capacity_kbps = capacities[vn_dice_below(&n->dice, VN_ARRAY_LEN(capacities))];
    uint64_t lot = vn_dice_below(&n->dice, 100);
    k->liar = lot < n->c.liars_percent;
    k->hole = lot >= n->c.liars_percent && lot < n->c.liars_percent + n->c.holes_percent;
}

/* The machine goes for good and another one comes, with another name, elsewhere. */
static void node_replace(struct sim_net *n, uint32_t i)
{
    struct sim_node *k = &n->nodes[i];
    free(k->book);
    k->book = NULL;
    k->generation++;
    node_begin(n, i);
    sim_geo_move(n->geo, i);
    for (size_t d = 0; k->sends && d < n->c.destinations; d++)
        flow_begin(n, &n->flows[i / n->c.active_share * n->c.destinations + d], i);
}

static void net_begin(struct sim_net *n, struct sim_heap *q)
{
    size_t senders = n->c.nodes / n->c.active_share;
    n->flow_count = senders * n->c.destinations;
    n->nodes = calloc(n->c.nodes, sizeof(*n->nodes));
    n->flows = calloc(n->flow_count, sizeof(*n->flows));
    if (!n->nodes || !n->flows)
        abort();
    for (uint32_t i = 0; i < n->c.nodes; i++) {
        node_begin(n, i);
        if (n->c.churn)
            sim_heap_put(q, sim_draw_exponential(&n->dice, LIFE_MS), REPLACE, i);
    }
    for (uint32_t i = 0; i < n->flow_count; i++) {
        flow_begin(n, &n->flows[i], (uint32_t)(i / n->c.destinations * n->c.active_share));
        sim_heap_put(q, sim_draw(&n->dice) * VN_CCX_TICK_MS, TICK, i);
    }
    double begin = SIM_WARM_UP_S * 1000.0, length = n->c.seconds * 1000.0;
    sim_heap_put(q, begin, COUNT, 0);
    if (n->c.partition) {
        sim_heap_put(q, begin + length / 3, PART, 0);
        sim_heap_put(q, begin + length * 2 / 3, JOIN, 0);
    }
    if (n->c.master_away)
        sim_heap_put(q, begin + length / 2, MASTER_AWAY, 0);
}

static void happen(struct sim_net *n, struct sim_heap *q, const struct sim_event *e)
{
    switch ((enum event)e->type) {
    case TICK:
        flow_tick(n, &n->flows[e->id]);
        sim_heap_put(q, e->at_ms + VN_CCX_TICK_MS, TICK, e->id);
        break;
    case REPLACE:
        node_replace(n, e->id);
        sim_heap_put(q, e->at_ms + sim_draw_exponential(&n->dice, LIFE_MS), REPLACE, e->id);
        break;
    case PART:
    case JOIN:
        sim_geo_part(n->geo, e->type == PART);
        break;
    case MASTER_AWAY:
        n->master_is_away = true;
        break;
    case COUNT:
        n->counts = true;
        break;
    }
}

/* ---- results ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void sum_up(struct sim_net *n)
{
    struct sim_result *r = n->result;
    double s = n->c.seconds, worse = 0, compared = 0;
    double sums[3] = {0}, counts[3] = {0}, received = 0;
    for (size_t i = 0; i < n->flow_count; i++) {
        compared += n->flows[i].direct > 0;
        worse += n->flows[i].cost > 1.02 * n->flows[i].direct;
    }
    for (size_t i = 0; i < n->c.nodes; i++) {
        const struct sim_node *k = &n->nodes[i];
        size_t kind = k->sends ? 2 : k->serves ? 1 : 0;
        sums[kind] += (double)k->sent / s + SIM_PRESENCE_BYTES_S;
        counts[kind]++;
        received += k->sends ? (double)k->received / s : 0;
        sim_account(n, &n->nodes[i]);
    }
    qsort(n->errors, n->error_count, sizeof(*n->errors), by_value);
    double ticks = (double)VN_MAX(n->ticks, UINT64_C(1));
    r->flows = n->flow_count;
    r->over /= fmax(1, ticks - r->all.dead_ms / VN_CCX_TICK_MS);
    r->worse_than_direct = worse / fmax(1, compared);
    r->mean_cost_us = r->all.cost / fmax(1, r->all.ticks);
    r->relayed = (double)n->relayed_ticks / ticks;
    r->crowded = n->crowded_ms / fmax(1, n->relay_ms);
    r->overloaded = n->overloaded_ms / fmax(1, n->relay_ms);
    r->idle_bytes_s = sums[0] / fmax(1, counts[0]);
    r->relay_bytes_s = sums[1] / fmax(1, counts[1]);
    r->active_bytes_s = sums[2] / fmax(1, counts[2]);
    r->received_bytes_s = received / fmax(1, counts[2]);
    r->probes_s = (double)n->probes / s / fmax(1, counts[2]);
    r->queries_s = (double)n->queries / s / fmax(1, counts[2]);
    r->switches_h = (double)n->switches * 3600 / s / (double)n->flow_count;
    r->sample_count = VN_MIN((size_t)n->c.seconds / SIM_SAMPLE_S, (size_t)SIM_SAMPLES_MAX);
    r->coord_error = n->error_count ? n->errors[n->error_count / 2] : 0;
}

struct sim_result sim_net_run(const struct sim_config *c, const struct sim_matrix *sites)
{
    static struct sim_net n; /* large; one run at a time */
    struct sim_result result = {.digest = UINT64_C(0xcbf29ce484222325)};
    n = (struct sim_net){.c = *c, .dice = {c->seed}, .result = &result};
    n.geo = sim_geo_new(sites, c->nodes, c->seed, c->still);
    struct sim_heap *q = sim_heap_new();
    net_begin(&n, q);
    double end_ms = (SIM_WARM_UP_S + c->seconds) * 1000.0;
    struct sim_event e;
    while (sim_heap_take(q, &e) && e.at_ms < end_ms) {
        n.now_ms = e.at_ms;
        result.events++;
        happen(&n, q, &e);
    }
    n.now_ms = end_ms;
    sum_up(&n);
    for (size_t i = 0; i < c->nodes; i++)
        free(n.nodes[i].book);
    free(n.nodes);
    free(n.flows);
    sim_heap_free(q);
    sim_geo_free(n.geo);
    return result;
}
