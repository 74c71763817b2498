/*
 * Egressers: one per inner destination address, with bounded fair queues (SPEC A7). The first
 * packet makes it and asks the node for a stream; packets of a flow wait in order.
 *
 *   wanted ──verdict──> use(tx) <──> wait          reject(until)
 *
 * State machine: vn_egress_verdict. Every egresser goes after idle time, or when its verdict ends.
 */
#pragma once

#include "core/fq.h"
#include "core/packet.h"
#include "core/worker_i.h"

enum vn_egress_state {
    VN_EGRESS_EXPECT_VERDICT, /* the node was asked */
    VN_EGRESS_USE,
    VN_EGRESS_WAIT, /* its stream is being made anew */
    VN_EGRESS_REJECT,
};

struct vn_egresser {
    struct vn_ip ip;
    enum vn_egress_state state;
    bool asked; /* VN_EV_DEST_WANTED got through */
    struct vn_fq queue[VN_CLASSES];
    struct vn_tx *tx;                 /* USE: not NULL */
    struct vn_list of_tx;             /* tx.egressers */
    struct vn_list ready[VN_OUTLETS]; /* tx.ready, while the queue holds something for it */
    uint64_t active_us;
    uint64_t reject_until_us;
};

/** A packet from the TUN; takes ownership. */
void vn_egress_input(struct vn_worker *w, struct vn_pktbuf *b);
/** A hand has packets for it. True: the verdict is known, and *ret has it (all but ret->msg). */
bool vn_egress_wanted(struct vn_worker *w, const struct vn_ip *ip, struct vn_cmd_dest *ret);
void vn_egress_verdict(struct vn_worker *w, const struct vn_cmd_dest *cmd);
/** The stream is gone: what waits asks for another, the rest goes. */
void vn_egress_lost_tx(struct vn_worker *w, struct vn_egresser *e);
/** Removes what is idle; returns when to look again. */
uint64_t vn_egress_tick(struct vn_worker *w);
void vn_egress_free_all(struct vn_worker *w);
