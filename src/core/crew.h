/*
 * Several data workers of a node. The first has the tethers, the labels, the circuits of others and
 * the chain keys. The others are its hands: each reads and writes a queue of the TUN of its own and
 * seals what it read as a lane of its own; the lanes of peers are shared out, lane l is opened by
 * worker l mod N, so a replay window has one owner.
 *
 *   hand:   TUN -> egresser -> seal ──SEALED──> first: stream's turn -> label -> tether
 *   first:  tether -> label -> stream ──TO_OPEN──> hand: replay, open -> checks -> TUN
 *
 * The node talks to the first alone, which passes on what concerns the hands. A hand wants an
 * egresser of the first where the node would be asked, so the node hears of an address once.
 */
#pragma once

#include "core/retain.h"
#include "core/turn.h"
#include "core/worker_i.h"
#include "router/stripe.h"

struct vn_rx;
struct vn_tx;

/** Of a stream that the first worker sends: what one hand has sealed for it. */
struct vn_tx_hand {
    struct vn_pktqueue sealed[VN_OUTLETS];
    struct vn_retain retain;    /* of bulk frames of its lane, on the stream's own way */
    uint16_t taken[VN_OUTLETS]; /* that the hand does not know yet */
    uint32_t flows;             /* as it told last, since the node was */
    bool waits;                 /* likewise */
};

/** What a frame on the way to a hand counts for. */
static inline size_t vn_crew_memory(const struct vn_pktbuf *b)
{
    return sizeof(*b) + b->cap;
}

/** Of a frame between a hand and the first worker: where it leaves by. One more than its way stands
 * where its label will. */
size_t vn_crew_outlet(enum vn_tether_class cls, const struct vn_pktbuf *b);

/* ---- of the first worker, crew.c; nothing without hands ---- */

/** Of a command of the node: what hands need of it, before the first does its own. */
void vn_crew_pass_on(struct vn_worker *w, const struct vn_post_msg *m);
/** A stream begins; VN_ERR_NOMEM. */
VN_MUST_CHECK vn_status vn_crew_tx_init(struct vn_tx *tx);
void vn_crew_tx_done(struct vn_tx *tx);
/** Gives the hands their keys of the stream's present epoch. */
void vn_crew_lanes(struct vn_tx *tx);
/** The next frame for that outlet that this hand has sealed, or NULL. */
struct vn_pktbuf *vn_crew_next(struct vn_tx *tx, size_t number, size_t outlet);
/** Of a way of bulk frames that the stream has no more: what hands have sealed for it goes by way
 * 0. */
void vn_crew_leave(struct vn_tx *tx, size_t outlet);
/** Flows share the ways otherwise from now on; the keys of paths are their ways. */
void vn_crew_shares(struct vn_tx *tx, const struct vn_stripe_shares *shares);
/** Adds what hands have of bulk flows. */
void vn_crew_flows(const struct vn_tx *tx, struct vn_ev_sent *ev);
void vn_crew_flows_told(struct vn_tx *tx);
/** A frame that arrived; true: a hand's to open, and taken. */
bool vn_crew_to_open(struct vn_rx *rx, const struct vn_rx_way *way, struct vn_pktbuf *b);
/** The present epoch of a stream to us is another one. */
void vn_crew_epoch(struct vn_rx *rx);
/** Answers with the counters of all; takes ev. */
void vn_crew_stats(struct vn_worker *w, struct vn_ev_stats *ev);
void vn_crew_flush(struct vn_worker *w);
void vn_crew_done(struct vn_worker *w);

/* ---- of a hand, hand.c ---- */

/** Of a stream: seals what there is room for with the first worker. */
const struct vn_turn_kind *vn_hand_turn(void);
/** Stands for the tether of a stream: hands frames to the first worker, a few ahead. */
const struct vn_tether_port *vn_hand_port(void);
/** True: it was one of enum vn_crew_type. */
bool vn_hand_command(struct vn_worker *w, struct vn_post_msg *m);
/** A frame of it opened. */
void vn_hand_opened(struct vn_rx *rx);
void vn_hand_flush(struct vn_worker *w);
