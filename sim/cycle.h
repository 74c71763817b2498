/* Something that is on for a while and off for a while, both exponential: congestion, outages. */
#pragma once

#include <math.h>
#include <stdbool.h>

#include "router/fixed.h"

#define SIM_HOUR_MS 3600000.0
#define SIM_CONGESTION 90e3, 600e3
#define SIM_LINK_OUTAGE 120e3, 2 * SIM_HOUR_MS - 120e3
#define SIM_NODE_OUTAGE 90e3, 4 * SIM_HOUR_MS - 90e3

struct sim_cycle {
    bool on;
    double until_ms;
};

/** From 0 to 1. */
static inline double sim_draw(struct vn_dice *d)
{
    return (double)(vn_dice_next(d) >> 11) / 9007199254740992.0;
}

static inline double sim_draw_exponential(struct vn_dice *d, double mean)
{
    return -mean * log(1.0 - sim_draw(d));
}

/** About normal: a sum of twelve. */
static inline double sim_gauss(struct vn_dice *d)
{
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += sim_draw(d);
    return sum - 6;
}

/** A congested link takes so many times its usual time. */
static inline double sim_congestion_factor(struct vn_dice *d)
{
    return 1 + 0.5 + sim_draw(d) * (5.0 - 0.5);
}

/** In its long-run share of states, as if it had been running for ever. */
static inline struct sim_cycle sim_cycle_start(struct vn_dice *d, double on_ms, double off_ms)
{
    bool on = sim_draw(d) < on_ms / (on_ms + off_ms);
    return (struct sim_cycle){on, sim_draw_exponential(d, on ? on_ms : off_ms)};
}

/** True when it came on anew. */
static inline bool sim_cycle_run(struct sim_cycle *c, struct vn_dice *d, double on_ms,
                                 double off_ms, double now_ms)
{
    bool began = false;
    while (c->until_ms <= now_ms) {
        c->on = !c->on;
        began |= c->on;
        c->until_ms += sim_draw_exponential(d, c->on ? on_ms : off_ms);
    }
    return began;
}
