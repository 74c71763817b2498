/*
 * A way of a stream beside the one that it takes (SPEC R4): a circuit that its learner has set up,
 * through other nodes. While the path in use loses some, frames of the real-time class go there as
 * well, the same sealed bytes; the destination's replay window lets in whichever comes first.
 * Belongs to the first worker's half of a stream (core/tx.h).
 */
#pragma once

#include "core/turn.h"

struct vn_aside {
    struct vn_end *end; /* NULL: its tether is gone */
    uint32_t label;
    struct vn_turn turn;
    struct vn_list of_end;     /* end.asides */
    struct vn_pktqueue copies; /* at most VN_COPIES_MAX; newer ones push out the oldest */
    uint64_t paid_us;          /* the copies so far are within their share up to then */
};

/** NULL without memory, and for a tether that is not there. */
struct vn_aside *vn_aside_new(struct vn_worker *w, const struct vn_cmd_tx_aside *cmd);
/** Also from inside a call of the tether. Returns NULL. */
struct vn_aside *vn_aside_free(struct vn_aside *a);
/** A sealed real-time frame of the stream goes there too, if that is within the share of such
 * copies; it stays the caller's. */
void vn_aside_copy(struct vn_aside *a, const struct vn_pktbuf *frame);
/** The tether is gone. */
void vn_aside_detach(struct vn_aside *a);
