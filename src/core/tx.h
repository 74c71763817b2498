/*
 * The sending side of a stream on this worker: its lane. Builds frames from what its egressers hold
 * when the tether takes them, seals them, hands them over.
 */
#pragma once

#include "core/aside.h"
#include "core/egress.h"
#include "core/retain.h"
#include "core/tally.h"
#include "core/spread.h"
#include "core/tx_keys.h"
#include "core/turn.h"
#include "core/worker_i.h"
#include "wire/frame.h"

/** Longest packet that fits in a frame. */
#define VN_TX_PACKET_MAX                                                                           \
    (VN_FRAME_MAX - VN_FRAME_OVERHEAD - VN_FRAME_PACKET_OVERHEAD - VN_FRAME_OFFLOAD_OVERHEAD)

struct vn_tx {
    struct vn_worker *worker;
    uint32_t handle;
    uint32_t label;
    struct vn_turn turn;      /* on its tether; without one packets wait */
    struct vn_list of_end;    /* end.txs */
    struct vn_label *rev;     /* where credit comes on; NULL: none does */
    struct vn_aside *aside;   /* NULL: there is none */
    struct vn_spread *spread; /* NULL: it was never spread over several ways */
    struct vn_list egressers;
    struct vn_list ready[VN_OUTLETS]; /* egressers with packets, next in turn first */

    struct vn_tx_keys keys;
    struct vn_pktbuf *sealed[VN_CLASSES]; /* refused by the tether: the very next to go */
    struct vn_retain retain;              /* of bulk frames */
    struct vn_tx_hand *hands;             /* of the first worker: one for each hand */
    size_t sealed_count[VN_OUTLETS];      /* frames that they have */
    struct vn_tally *tallies;             /* of each lane; NULL: none yet */
    size_t lane_in_turn[VN_OUTLETS];
    size_t way_in_turn;      /* of a hand */
    struct vn_list of_taken; /* worker.taken */

    uint64_t packets, bytes, frames;
    uint64_t real_time, real_time_lost; /* frames since the node was told */
    uint64_t active_us;
    bool idle_told;
    uint64_t watch_us;                  /* when to tell of the next frame; 0: not asked */
    uint64_t watch_frames, watch_bytes; /* `frames` and `bytes` when that was asked */
    struct vn_dry dry;
};

void vn_tx_open(struct vn_worker *w, const struct vn_cmd_tx_open *cmd);
void vn_tx_aside(struct vn_worker *w, const struct vn_cmd_tx_aside *cmd);
void vn_tx_spread(struct vn_worker *w, const struct vn_cmd_tx_spread *cmd);
void vn_tx_watch(struct vn_worker *w, const struct vn_cmd_watch *cmd);
/** The answer to VN_EV_TX_KEM_DUE. */
void vn_tx_kem(struct vn_worker *w, const struct vn_cmd_kem *cmd);
void vn_tx_close(struct vn_worker *w, struct vn_tx *tx);
/** Its destination tells what has arrived. */
void vn_tx_report(struct vn_worker *w, const struct vn_delivery_msg *cmd);
/** Its destination tells what has come by the circuit in use. */
void vn_tx_on_tally(struct vn_worker *w, const struct vn_tally_msg *cmd);
/** Of a hand: makes the lane on this end, or gives it other keys. */
void vn_tx_follow(struct vn_worker *w, struct vn_end *end, const struct vn_crew_lane *cmd);
/** It has something to send of that class. */
void vn_tx_active(struct vn_tx *tx, enum vn_tether_class cls);
/** e, one of tx's, has packets for that outlet now. */
void vn_tx_ready(struct vn_tx *tx, struct vn_egresser *e, size_t outlet);
/** A sealed frame of what waits for that outlet, and its lane; NULL: there is none just now. Lanes
 * take turns. */
struct vn_pktbuf *vn_tx_build(struct vn_tx *tx, size_t outlet, size_t *ret_lane);
/** Bulk flows whose packets wait, or have just left; whether any wait. */
uint32_t vn_tx_flows(const struct vn_tx *tx, bool *ret_waits);
/** The next of those that go again, with that label; NULL: none does. */
struct vn_pktbuf *vn_tx_again(struct vn_tx *tx, struct vn_retain *r, uint32_t label);
/** The tether is gone. */
void vn_tx_detach(struct vn_tx *tx);
/** Tells of idle ones; returns when to look again. */
uint64_t vn_tx_tick(struct vn_worker *w);
size_t vn_tx_queued(const struct vn_tx *tx);
void vn_tx_free_all(struct vn_worker *w);

/* tx_tally.c */
/** A real-time frame of that lane goes by the circuit in use, which has relays. */
void vn_tx_tally(struct vn_tx *tx, size_t lane, const struct vn_pktbuf *f);
/** Another circuit is in use. */
void vn_tx_tally_move(struct vn_tx *tx);
/** What the tallies say, since it was told. */
void vn_tx_tally_tell(const struct vn_tx *tx, struct vn_ev_sent *ev);
void vn_tx_tally_told(struct vn_tx *tx);
void vn_tx_tally_free(struct vn_tx *tx);
