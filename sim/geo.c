#include "geo.h"

#include <stdlib.h>

#include "base/attr.h"

struct link {
    struct vn_dice dice;
    struct sim_cycle congestion, outage;
    double factor;
};

struct place {
    struct vn_dice dice;
    struct sim_cycle outage;
    uint32_t site;
    float access_ms; /* both ways */
};

struct sim_geo {
    const struct sim_matrix *sites;
    struct vn_dice dice;
    bool still, parted;
    struct link *links; /* [greater site][smaller] */
    struct place *places;
};

static void settle(struct sim_geo *g, struct place *p)
{
    p->site = (uint32_t)vn_dice_below(&g->dice, g->sites->nodes);
    p->access_ms = (float)(0.5 + 8 * sim_draw(&g->dice) * sim_draw(&g->dice));
}

struct sim_geo *sim_geo_new(const struct sim_matrix *sites, size_t nodes, uint64_t seed, bool still)
{
    struct sim_geo *g = calloc(1, sizeof(*g));
    size_t links = sites->nodes * sites->nodes;
    if (!g || !(g->links = calloc(links, sizeof(*g->links))) ||
        !(g->places = calloc(nodes, sizeof(*g->places))))
        abort();
    g->sites = sites;
    g->still = still;
    g->dice.state = seed ^ 0x67656f;
    struct vn_dice seeds = {seed ^ 0x6c696e6b73};
    for (size_t i = 0; i < links; i++) {
        struct link *l = &g->links[i];
        l->dice.state = vn_dice_next(&seeds);
        l->factor = sim_congestion_factor(&l->dice);
        l->congestion = sim_cycle_start(&l->dice, SIM_CONGESTION);
        l->outage = sim_cycle_start(&l->dice, SIM_LINK_OUTAGE);
    }
    for (size_t i = 0; i < nodes; i++) {
        struct place *p = &g->places[i];
        p->dice.state = vn_dice_next(&seeds);
        p->outage = sim_cycle_start(&p->dice, SIM_NODE_OUTAGE);
        settle(g, p);
    }
    return g;
}

void sim_geo_free(struct sim_geo *g)
{
    free(g->links);
    free(g->places);
    free(g);
}

/* Between two sites, there and back; 0: down. Within a site it is always up. */
static double link_ms(struct sim_geo *g, uint32_t a, uint32_t b, double now_ms)
{
    if (a == b)
        return 0.3;
    struct link *l = &g->links[VN_MAX(a, b) * g->sites->nodes + VN_MIN(a, b)];
    double ms = (double)sim_rtt_ms(g->sites, 0, a, b);
    if (g->still)
        return ms;
    if (sim_cycle_run(&l->congestion, &l->dice, SIM_CONGESTION, now_ms))
        l->factor = sim_congestion_factor(&l->dice);
    (void)sim_cycle_run(&l->outage, &l->dice, SIM_LINK_OUTAGE, now_ms);
    return l->outage.on ? 0 : l->congestion.on ? ms * l->factor : ms;
}

bool sim_geo_is_up(struct sim_geo *g, uint32_t node, double now_ms)
{
    struct place *p = &g->places[node];
    if (g->still)
        return true;
    (void)sim_cycle_run(&p->outage, &p->dice, SIM_NODE_OUTAGE, now_ms);
    return !p->outage.on;
}

bool sim_geo_is_parted(const struct sim_geo *g, uint32_t a, uint32_t b)
{
    return g->parted && g->places[a].site % 2 != g->places[b].site % 2;
}

uint32_t sim_geo_rtt_us(struct sim_geo *g, uint32_t a, uint32_t b, double now_ms)
{
    if (sim_geo_is_parted(g, a, b) || !sim_geo_is_up(g, a, now_ms) || !sim_geo_is_up(g, b, now_ms))
        return 0;
    const struct place *p = &g->places[a], *q = &g->places[b];
    double ms = link_ms(g, p->site, q->site, now_ms);
    return ms > 0 ? (uint32_t)(1000 * (ms + (double)p->access_ms + (double)q->access_ms)) : 0;
}

void sim_geo_part(struct sim_geo *g, bool parted)
{
    g->parted = parted;
}

void sim_geo_move(struct sim_geo *g, uint32_t node)
{
    settle(g, &g->places[node]);
}
