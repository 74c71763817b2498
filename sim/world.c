#include "world.h"

#include <math.h>
#include <stdlib.h>

#include "base/attr.h"

#define HOUR_MS 3600000.0
/* A congested link takes so many times its usual time longer, evenly drawn. */
#define CONGESTION_MIN 0.5
#define CONGESTION_MAX 5.0

/* Up for a while, down for a while, both exponential. */
struct cycle {
    bool on;
    double until_ms;
};

struct link {
    size_t a, b;
    struct cycle congestion, outage;
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
    struct cycle *node; /* dynamic: outages */
    size_t from, to;
    uint32_t cost[SIM_ARMS];
};

static double draw(struct vn_dice *d)
{
    return (double)(vn_dice_next(d) >> 11) / 9007199254740992.0;
}

static double draw_exponential(struct vn_dice *d, double mean)
{
    return -mean * log(1.0 - draw(d));
}

/* In its long-run share of states, as if it had been running for ever. */
static struct cycle cycle_start(struct vn_dice *d, double on_ms, double off_ms)
{
    bool on = draw(d) < on_ms / (on_ms + off_ms);
    return (struct cycle){on, draw_exponential(d, on ? on_ms : off_ms)};
}

/* True when it came on anew. */
static bool cycle_run(struct cycle *c, struct vn_dice *d, double on_ms, double off_ms,
                      double now_ms)
{
    bool began = false;
    while (c->until_ms <= now_ms) {
        c->on = !c->on;
        began |= c->on;
        c->until_ms += draw_exponential(d, c->on ? on_ms : off_ms);
    }
    return began;
}

#define CONGESTION 90e3, 600e3
#define LINK_OUTAGE 120e3, 2 * HOUR_MS - 120e3
#define NODE_OUTAGE 90e3, 4 * HOUR_MS - 90e3

static double draw_factor(struct vn_dice *d)
{
    return 1 + CONGESTION_MIN + draw(d) * (CONGESTION_MAX - CONGESTION_MIN);
}

static struct link link_between(struct sim_world *w, size_t a, size_t b)
{
    struct link l = {.a = a, .b = b, .factor = draw_factor(&w->dice)};
    l.congestion = cycle_start(&w->dice, CONGESTION);
    l.outage = cycle_start(&w->dice, LINK_OUTAGE);
    return l;
}

static double link_ms(struct sim_world *w, struct link *l, double now_ms)
{
    double ms = (double)sim_rtt_ms(w->m, w->slice, l->a, l->b);
    if (w->model == SIM_TRACE)
        return ms;
    if (cycle_run(&l->congestion, &w->dice, CONGESTION, now_ms))
        l->factor = draw_factor(&w->dice);
    (void)cycle_run(&l->outage, &w->dice, LINK_OUTAGE, now_ms);
    return l->outage.on ? 0 : l->congestion.on ? ms * l->factor : ms;
}

static bool is_down(struct sim_world *w, size_t node, double now_ms)
{
    if (w->model == SIM_TRACE)
        return false;
    (void)cycle_run(&w->node[node], &w->dice, NODE_OUTAGE, now_ms);
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
    double ms = w->model == SIM_TRACE ? (double)w->slice_ms * (double)w->m->slices : HOUR_MS;
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
        w->node[n] = cycle_start(&w->dice, NODE_OUTAGE);
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
