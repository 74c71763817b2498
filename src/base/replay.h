/*
 * Anti-replay window in the manner of RFC 6479: a ring of 64-bit words, cleared word by word as the
 * window moves, no shifting. One per lane; it grows while it would cover less than a second of
 * traffic, since reordering is a matter of time and not of frames.
 */
#pragma once

#include <stdbool.h>

#include "base/limits.h"
#include "base/status.h"

struct vn_replay {
    uint64_t next;               /* highest sequence number seen plus one; 0: none yet */
    uint64_t floor;              /* below: not known, hence refused */
    uint64_t *words;             /* bits / 64 and at least one more, a power of two */
    uint32_t bits;               /* width of the window */
    uint64_t mark_next, mark_us; /* where next stood when the rate was last looked at */
};

/** @param bits  a power of two, VN_REPLAY_BITS_MIN..VN_REPLAY_BITS_MAX */
VN_MUST_CHECK vn_status vn_replay_init(struct vn_replay *r, uint32_t bits);
/** Zeroed or half-built is fine. */
void vn_replay_done(struct vn_replay *r);
/** True if this number was not committed before, as far as the window reaches. */
VN_MUST_CHECK bool vn_replay_check(const struct vn_replay *r, uint64_t seq);
/**
 * At least so wide from now on. What it did not know any more it goes on refusing; without memory
 * it stays as it is.
 *
 * @param bits  at most VN_REPLAY_BITS_MAX
 */
void vn_replay_widen(struct vn_replay *r, uint32_t bits);
/** The lowest number of which it knows whether it was committed. */
static inline uint64_t vn_replay_known(const struct vn_replay *r)
{
    const uint64_t first = r->next > r->bits ? r->next - r->bits : 0;
    return first > r->floor ? first : r->floor;
}
/** After check said true and the frame proved authentic. */
void vn_replay_commit(struct vn_replay *r, uint64_t seq, uint64_t now_us);
