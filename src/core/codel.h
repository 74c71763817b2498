/*
 * CoDel (RFC 8289): when a packet has waited too long for too long, and how often to say so then.
 * Pure: a queue's state, a packet's wait, and now.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"

struct vn_codel_params {
    uint64_t target_us;   /* a wait that is fine */
    uint64_t interval_us; /* about the longest round trip of who sends into the queue */
};

struct vn_codel {
    uint64_t above_until_us; /* end of the first interval above target; 0: not above */
    uint64_t next_us;        /* dropping: the next one */
    uint32_t count, count_before;
    bool dropping;
};

/** For a path of that round-trip time: the interval covers it, the target is a twentieth
 * (RFC 8289 section 4.3), neither below the defaults. */
struct vn_codel_params vn_codel_params_for(uint32_t srtt_us);

/**
 * Judges the packet at the head of the queue, once.
 * @param waited_us  since it was queued
 * @param last       nothing waits behind it: a queue of one is no queue
 * @return true: drop it, or mark it
 */
bool vn_codel_hit(struct vn_codel *c, const struct vn_codel_params *p, uint64_t waited_us,
                  bool last, uint64_t now_us);
