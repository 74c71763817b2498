/*
 * Bulk frames that a stream has sent and whose arrival its destination has not reported (DESIGN
 * section 7): what a tether acknowledged may still be lost at a relay behind it. After a change of
 * path they go again, as the same bytes. Buffers are shared with the tether, which has them anyway
 * until its neighbour acknowledges them.
 */
#pragma once

#include "base/pktbuf.h"
#include "core/commands.h"

struct vn_retained; /* one frame */

/** Positions count frames from the stream's first; slot = position modulo `room`. Zeroed: empty. */
struct vn_retain {
    struct vn_retained *slots;
    size_t room;         /* a power of two, or 0 */
    uint64_t head, tail; /* [head, tail) */
    uint64_t again;      /* from here on they go again; tail: none does */
    size_t bytes;        /* of memory */
    size_t *node_bytes;  /* of all streams of the worker */
    uint64_t sent;       /* bytes of memory of all frames there were */
    uint64_t under_way;  /* most of that between a frame and word of it; sinks slowly */
    struct {             /* a frame that word is awaited of, kept or not */
        bool set;
        uint64_t seq, sent;
    } mark;
    uint64_t arrived, missed;    /* frames of the present path that were reported; or others were,
                                    and they were not for VN_MISSED_US. The owner takes them */
    uint64_t delivered;          /* bytes of frames that arrived; the owner takes them */
    bool news;                   /* something has arrived since the last frame */
    uint64_t last_us, waited_us; /* the last frame; and see vn_retain_overdue_us */
};

void vn_retain_init(struct vn_retain *r, size_t *node_bytes);
void vn_retain_done(struct vn_retain *r);
/** A new frame of this number, above all before; one that is not is told of with those. How many
 * older ones, or this one, had to be let go for want of room. */
size_t vn_retain_add(struct vn_retain *r, struct vn_pktbuf *frame, uint64_t seq, uint64_t now_us);
/** The tether leads to the destination: what it has not any more, from the oldest on, has arrived.
 * Not after it went down. */
void vn_retain_acked(struct vn_retain *r);
/** What has arrived is let go, and what nobody will know of. */
void vn_retain_report(struct vn_retain *r, const struct vn_delivery *d, uint64_t now_us);
/** How long frames have been sent by the present path and nothing new was reported. A pause counts
 * for VN_OVERDUE_PAUSE_US at most: who sends nothing waits for nothing. */
uint64_t vn_retain_overdue_us(const struct vn_retain *r);
/** Another path: all that is here goes again, but what nobody waits for by now. */
void vn_retain_move(struct vn_retain *r, uint64_t now_us);
/** The tether has not taken this one, nor those behind it that went again: they do. */
void vn_retain_unsent(struct vn_retain *r, const struct vn_pktbuf *frame);
static inline bool vn_retain_waits(const struct vn_retain *r)
{
    return r->again < r->tail;
}
/** The next one to go again, which nobody else has; borrowed. NULL: none. */
struct vn_pktbuf *vn_retain_next(struct vn_retain *r);
