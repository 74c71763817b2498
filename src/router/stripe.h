/*
 * Which of several paths a packet takes: the decision made for every packet. A flow stays on its
 * path while its packets follow closely; after a pause longer than the paths differ in delay it may
 * be given another one without overtaking itself (a flowlet). Paths get flowlets in turn, in
 * proportion to their shares.
 * Pure; one thread at a time.
 */
#pragma once

#include <stddef.h>

#include "router/ccx.h"

#define VN_STRIPE_PATHS_MAX 3 /* the one in use and two standbys */
#ifndef VN_STRIPE_SLOTS       /* a proof has fewer */
#define VN_STRIPE_SLOTS 128   /* flows that share a slot share a path */
#endif

/** What the learner says, and who picks goes by. */
struct vn_stripe_shares {
    uint32_t gap_us; /* a pause longer than that starts a flowlet */
    size_t count;
    struct {
        uint64_t key;
        uint32_t share; /* 1 at least */
    } paths[VN_STRIPE_PATHS_MAX];
};

struct vn_stripe {
    struct vn_stripe_shares shares;
    int32_t due[VN_STRIPE_PATHS_MAX]; /* of flowlets, in shares: who is due most gets the next */
    struct {
        uint64_t key;     /* of its path */
        uint64_t last_us; /* 0: never used */
    } slots[VN_STRIPE_SLOTS];
};

/**
 * Takes paths from the learner: the one in use, and with several also the standbys that cost at
 * most 1.5 times as much, in proportion to weight and headroom. Call it after each tick and each
 * end of a path. Without a path to use, none is left.
 */
void vn_stripe_follow(struct vn_stripe_shares *s, const struct vn_ccx *c, bool several);
/** Goes by these from now on; flows whose path is among them stay. */
void vn_stripe_share(struct vn_stripe *s, const struct vn_stripe_shares *shares);
/**
 * The path of a packet of this flow; false: there is none. now_us is not 0.
 *
 * @param waits  packets of the flow have not left yet: it goes on, however long the pause
 */
bool vn_stripe_pick(struct vn_stripe *s, uint32_t flow_hash, bool waits, uint64_t now_us,
                    uint64_t *ret_key);
