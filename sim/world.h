/*
 * What the paths of one pair of nodes cost over time: a measured trace, or a matrix with
 * congestion and outages. Time goes in ticks of VN_CCX_TICK_MS.
 *
 *   trace    slices follow each other as they were measured
 *   dynamic  one slice; each link is congested for 90 s after 600 s without (both exponential) and
 *            down for 120 s every 2 h; each node is down for 90 s every 4 h
 */
#pragma once

#include <stdbool.h>

#include "matrix.h"
#include "router/ccx.h"

#define SIM_RELAYS 16
#define SIM_ARMS (SIM_RELAYS + 1) /* arm 0 is the direct path */
#define SIM_DEAD UINT32_MAX

enum sim_model { SIM_TRACE, SIM_DYNAMIC };

struct sim_world;

/** @param slice_ms  how long a slice of the trace lasts; the dynamic model runs for an hour */
struct sim_world *sim_world_new(const struct sim_matrix *m, enum sim_model model, uint32_t slice_ms,
                                uint64_t seed);
void sim_world_free(struct sim_world *w);
size_t sim_world_ticks(const struct sim_world *w);

/** Draws another pair and its relays, and starts its time anew. */
void sim_world_next_pair(struct sim_world *w);
/** The true costs, in microseconds, of all arms at the present tick; SIM_DEAD: nothing passes. */
const uint32_t *sim_world_costs(const struct sim_world *w);
void sim_world_advance(struct sim_world *w);
