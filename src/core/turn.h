/*
 * Who sends frames on a tether takes turns by bytes: streams of this node, and circuits of others
 * that pass through it. On a circuit with credit (DESIGN section 9) a sender has a turn only while
 * it has some; real-time frames need none, since the next hop drops what it cannot keep.
 */
#pragma once

#include "core/worker_i.h"

struct vn_turn;

struct vn_turn_kind {
    /** It has frames of that class, or what makes them. */
    bool (*waits)(const struct vn_turn *t, enum vn_tether_class cls);
    /** The next frame, hop header included; NULL: none just now. */
    struct vn_pktbuf *(*next)(struct vn_turn *t, enum vn_tether_class cls);
    /** The tether refused it: the very next to go. */
    void (*put_back)(struct vn_turn *t, enum vn_tether_class cls, struct vn_pktbuf *f);
    /** It is gone, with n bytes. May be NULL. */
    void (*sent)(struct vn_turn *t, enum vn_tether_class cls, size_t n);
};

/** What a sender may still send on its circuit, counted from SETUP on. */
struct vn_purse {
    bool on;
    uint64_t sent, limit; /* bytes of bulk frames; one begins while sent < limit */
};

struct vn_turn {
    const struct vn_turn_kind *kind;
    struct vn_end *end;                  /* NULL: its tether is gone, frames wait */
    struct vn_list of_ready[VN_CLASSES]; /* end.ready, while there is something to send */
    int64_t left[VN_CLASSES];            /* bytes of its turn */
    struct vn_purse purse;
};

void vn_turn_init(struct vn_turn *t, const struct vn_turn_kind *kind);
/** From now on it sends there, with a new purse; NULL: nowhere. */
void vn_turn_move(struct vn_turn *t, struct vn_end *end, bool credit);
/** The same to a circuit that it has left before, with the purse that it had there. */
void vn_turn_return(struct vn_turn *t, struct vn_end *end, const struct vn_purse *purse);
/** Its owner is freed, perhaps inside a call of the tether. */
void vn_turn_done(struct vn_turn *t);
/** It may have something to send of that class. */
void vn_turn_queue(struct vn_turn *t, enum vn_tether_class cls);
/** The next hop's grant. */
void vn_turn_credit(struct vn_turn *t, uint64_t limit);
/** No bulk frame may begin. */
static inline bool vn_purse_is_empty(const struct vn_purse *p)
{
    return p->on && p->sent >= p->limit;
}
/** Of a frame that the tether gave up: the next hop does not count it. */
static inline void vn_purse_return(struct vn_purse *p, size_t n)
{
    p->sent -= VN_MIN(p->sent, (uint64_t)n);
}
/** Sends what is ready on this tether, as far as it takes it. */
void vn_turn_flush(struct vn_end *end);
