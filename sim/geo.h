/*
 * A network's ground: nodes at sites, an access line each, and links between sites that get
 * congested and go down. A pure function of seed and time, whatever anybody chooses, so that every
 * policy is tried on the same world; times must not go back.
 */
#pragma once

#include <stddef.h>

#include "cycle.h"
#include "matrix.h"

struct sim_geo;

/**
 * @param sites     times between sites, borrowed; nodes are put there by lot
 * @param still     nothing gets congested or goes down
 */
struct sim_geo *sim_geo_new(const struct sim_matrix *sites, size_t nodes, uint64_t seed,
                            bool still);
void sim_geo_free(struct sim_geo *g);
/** The round trip at this moment, in microseconds; 0: nothing passes. */
uint32_t sim_geo_rtt_us(struct sim_geo *g, uint32_t a, uint32_t b, double now_ms);
bool sim_geo_is_up(struct sim_geo *g, uint32_t node, double now_ms);
/** Parts the sites into two halves, or joins them. */
void sim_geo_part(struct sim_geo *g, bool parted);
bool sim_geo_is_parted(const struct sim_geo *g, uint32_t a, uint32_t b);
/** Another machine in this node's place: other site, other line. */
void sim_geo_move(struct sim_geo *g, uint32_t node);
