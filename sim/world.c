#include "world.h"

#include <stdlib.h>

#include "base/attr.h"
#include "cycle.h"

struct link {
    size_t a, b;
    struct sim_cycle congestion, outage;
    double factor;
};

struct arm {
    size_t relay; /* not of arm 0 */
    size_t links;
    struct link link[2];
};

struct sim_world {
    const struct sim_matrix *m;
    enum sim_model model;
    uint32_t slice_ms;
    struct vn_dice dice;
    size_t tick, slice;
    struct arm arm[SIM_ARMS];
    struct sim_cycle *node; /* dynamic: outages */
    size_t from, to;
    uint32_t cost[SIM_ARMS];
};

static struct link link_between(struct sim_world *w, size_t a, size_t b)
{
    struct link l = {.a = a, .b = b, .factor = sim_congestion_factor(&w->dice)};
    l.congestion = sim_cycle_start(&w->dice, SIM_CONGESTION);
    l.outage = sim_cycle_start(&w->dice, SIM_LINK_OUTAGE);
    return l;
}

static double link_ms(struct sim_world *w, struct link *l, double now_ms)
{
    double ms = (double)sim_rtt_ms(w->m, w->slice, l->a, l->b);
    if (w->model == SIM_TRACE)
        return ms;
    if (sim_cycle_run(&l->congestion, &w->dice, SIM_CONGESTION, now_ms))
        l->factor = sim_congestion_factor(&w->dice);
    (void)sim_cycle_run(&l->outage, &w->dice, SIM_LINK_OUTAGE, now_ms);
    return l->outage.on ? 0 : l->congestion.on ? ms * l->factor : ms;
}

static bool is_down(struct sim_world *w, size_t node, double now_ms)
{
    if (w->model == SIM_TRACE)
        return false;
    (void)sim_cycle_run(&w->node[node], &w->dice, SIM_NODE_OUTAGE, now_ms);
    return w->node[node].on;
}

static uint32_t arm_cost(struct sim_world *w, size_t i, double now_ms)
{
    struct arm *a = &w->arm[i];
    double total = 0;
    bool dead = i > 0 && is_down(w, a->relay, now_ms);
    for (size_t k = 0; k < a->links; k++) {
        double ms = link_ms(w, &a->link[k], now_ms);
        dead |= ms <= 0;
        total += ms;
    }
    return dead ? SIM_DEAD : (uint32_t)VN_MAX(total * 1000, 1.0);
}

static void look(struct sim_world *w)
{
    double now_ms = (double)w->tick * VN_CCX_TICK_MS;
    if (w->model == SIM_TRACE)
        w->slice = (size_t)(now_ms / w->slice_ms);
    for (size_t i = 0; i < SIM_ARMS; i++)
        w->cost[i] = arm_cost(w, i, now_ms);
}

struct sim_world *sim_world_new(const struct sim_matrix *m, enum sim_model model, uint32_t slice_ms,
                                uint64_t seed)
{
    struct sim_world *w = calloc(1, sizeof(*w));
    if (!w || !(w->node = calloc(m->nodes, sizeof(*w->node))))
        abort();
    w->m = m;
    w->model = model;
    w->slice_ms = slice_ms;
    w->dice.state = seed;
    w->slice = model == SIM_DYNAMIC ? vn_dice_below(&w->dice, m->slices) : 0;
    return w;
}

void sim_world_free(struct sim_world *w)
{
    free(w->node);
    free(w);
}

size_t sim_world_ticks(const struct sim_world *w)
{
    double ms = w->model == SIM_TRACE ? (double)w->slice_ms * (double)w->m->slices : SIM_HOUR_MS;
    return (size_t)(ms / VN_CCX_TICK_MS);
}

static bool is_taken(const struct sim_world *w, size_t node, size_t arms)
{
    bool taken = node == w->from || node == w->to;
    for (size_t i = 1; i < arms; i++)
        taken |= w->arm[i].relay == node;
    return taken;
}

void sim_world_next_pair(struct sim_world *w)
{
    w->tick = 0;
    w->from = vn_dice_below(&w->dice, w->m->nodes);
    do
        w->to = vn_dice_below(&w->dice, w->m->nodes);
    while (w->to == w->from);
    for (size_t n = 0; n < w->m->nodes; n++)
        w->node[n] = sim_cycle_start(&w->dice, SIM_NODE_OUTAGE);
    w->arm[0] = (struct arm){.links = 1, .link = {link_between(w, w->from, w->to)}};
    for (size_t i = 1; i < SIM_ARMS; i++) {
        size_t relay;
        do
            relay = vn_dice_below(&w->dice, w->m->nodes);
        while (is_taken(w, relay, i));
        w->arm[i] = (struct arm){.relay = relay, .links = 2};
        w->arm[i].link[0] = link_between(w, w->from, relay);
        w->arm[i].link[1] = link_between(w, relay, w->to);
    }
    look(w);
}

const uint32_t *sim_world_costs(const struct sim_world *w)
{
    return w->cost;
}

void sim_world_advance(struct sim_world *w)
{
    w->tick++;
    look(w);
}
