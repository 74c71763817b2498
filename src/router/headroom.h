/*
 * How much room a relay says it has: what it could forward and does not. It counts what it
 * forwards, smoothed, against what it can. Others read it as "do not come now", never as "come".
 */
#pragma once

#include "router/fixed.h"

struct vn_headroom {
    uint64_t at_us;        /* of the last look; 0: none yet */
    uint64_t bytes;        /* forwarded, ever, at that look */
    uint32_t rate_kbps;    /* smoothed */
    uint32_t headroom_q16; /* 1: idle; 0: nine tenths of the capacity are in use, or more */
};

void vn_headroom_init(struct vn_headroom *h);
/**
 * A look at the counter of forwarded bytes, about once a second.
 *
 * @param capacity_kbps  what it can forward: measured or set; 0: unknown, then there is none
 */
void vn_headroom_look(struct vn_headroom *h, uint64_t bytes, uint32_t capacity_kbps,
                      uint64_t now_us);
