/*
 * Byte credit of a circuit, at the node that receives its frames (DESIGN section 9): one frame is
 * always granted, more comes from a pool that the circuits of a worker share, as much as 1.25 times
 * what passes in a round trip of the hop. So a circuit whose way on is blocked fills its own share
 * here and nobody else's, and its source learns it.
 */
#pragma once

#include "core/worker_i.h"

struct vn_meter {
    struct vn_end *end; /* where the frames come from; NULL: nothing is counted */
    uint32_t rev;       /* who sends them knows the circuit by this label */
    struct vn_list of_grants;
    uint64_t received, consumed, told; /* bytes; told: the limit that it knows */
    uint64_t window;
    size_t share; /* of worker.pool_used */
    uint64_t since_us, since_bytes;
};

void vn_meter_init(struct vn_meter *m, struct vn_end *end, uint32_t rev);
void vn_meter_done(struct vn_meter *m);
/** A frame of n bytes arrived. False: it had no credit. */
bool vn_meter_receive(struct vn_meter *m, size_t n);
/** It was passed on, or used up. */
void vn_meter_consume(struct vn_meter *m, size_t n);
/** Sends the grants that wait, as far as the control channel takes them. */
void vn_grants_flush(struct vn_end *end);
