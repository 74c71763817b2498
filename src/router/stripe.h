/*
 * Which of several paths a packet takes: the decision made for every packet. A flow stays on its
 * path while its packets follow closely; after a pause longer than the paths differ in delay it may
 * be drawn anew without overtaking itself (a flowlet), in proportion to the paths' shares.
 * Pure; one thread at a time.
 */
#pragma once

#include <stddef.h>

#include "router/ccx.h"

#define VN_STRIPE_PATHS_MAX 3 /* the one in use and two standbys */
#define VN_STRIPE_SLOTS 256   /* flows that share a slot share a path */

struct vn_stripe {
    struct vn_dice dice;
    uint32_t gap_us; /* a pause longer than that starts a flowlet */
    size_t count;
    struct {
        uint64_t key;
        uint32_t until_q16; /* shares of this and all before it */
    } paths[VN_STRIPE_PATHS_MAX];
    struct {
        uint64_t key;     /* of its path */
        uint64_t last_us; /* 0: never used */
    } slots[VN_STRIPE_SLOTS];
};

void vn_stripe_init(struct vn_stripe *s, uint64_t seed);
/**
 * Takes paths from the learner: the one in use, and with several also the standbys that cost at
 * most 1.5 times as much, in proportion to weight and headroom. Call it after each tick and each
 * end of a path. Without a path to use, none is left.
 */
void vn_stripe_follow(struct vn_stripe *s, const struct vn_ccx *c, bool several);
/** The path of a packet of this flow; false: there is none. now_us is not 0. */
bool vn_stripe_pick(struct vn_stripe *s, uint32_t flow_hash, uint64_t now_us, uint64_t *ret_key);
