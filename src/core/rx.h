/*
 * The receiving side of streams: label -> stream -> lane. Frames that come before the label is
 * bound (VN_CMD_RX_OPEN) are held, a few per label and for a short time.
 */
#pragma once

#include "base/replay.h"
#include "core/credit.h"
#include "core/rx_keys.h"
#include "core/turn.h"
#include "core/worker_i.h"
#include "wire/frame.h"

/* Held frames of one tether: a neighbour need not be a friend. */
#define VN_EARLY_LABELS_MAX 64
#define VN_EARLY_BYTES_MAX (2u << 20)

struct vn_rx_lane {
    /* One window for all epochs, since sequence numbers go on; made with the first frame. */
    struct vn_replay replay;
    /* as reported: see struct vn_delivery; and up to where */
    uint64_t known, all_below, told_next;
};

struct vn_rx_tally;

struct vn_rx {
    struct vn_worker *worker;
    uint32_t handle;
    struct vn_rx_keys keys;
    struct vn_rx_lane lanes[VN_LANES_MAX];
    struct vn_list labels;
    struct vn_ip addrs[VN_CERT_ADDRS_MAX];
    size_t addr_count;
    struct vn_prefix prefixes[VN_CERT_PREFIXES_MAX];
    size_t prefix_count;

    /* bulk frames that its source has not been told of */
    struct vn_list of_reporting; /* worker.reporting, while there are any */
    uint16_t unreported_lanes;   /* bits */
    size_t unreported_bytes, unreported_frames;
    uint64_t report_us; /* when the report is due, or a tally */

    struct vn_rx_tally *tallies; /* of real-time frames; NULL: none yet */
    size_t tally_count;

    bool first_told, lost_told;
    uint32_t told_epoch; /* of a hand: what the first worker has heard */
    uint64_t packets, bytes, frames;
    uint64_t active_us;
};

struct vn_forward;

/** A label of a tether: bound to a stream, or with frames that wait for that; or a circuit's that
 * passes through; or where credit comes on. */
struct vn_label {
    uint8_t key[8]; /* tether4 label4 */
    struct vn_end *end;
    struct vn_list of_end; /* end.labels */
    struct vn_rx *rx;      /* NULL: early */
    struct vn_list of_rx;
    uint32_t bind;              /* of rx: what its source calls the circuit */
    struct vn_meter meter;      /* of frames for rx, on circuits with credit */
    struct vn_forward *forward; /* who frees it before */
    uint32_t fwd;               /* what the frames have that need the credit; 0: none do */
    struct vn_turn *turn;       /* gets the credit */
    struct vn_label **owner;    /* cleared when the tether is gone; may be NULL */
    bool kept;                  /* its stream sends elsewhere and may come back */
    struct vn_purse purse;      /* meanwhile */
    struct vn_pktqueue early;
    uint64_t early_until_us;
};

/** NULL: not known. */
struct vn_label *vn_label_find(const struct vn_end *end, uint32_t label);
/** For what is no stream to us; frames that came before are dropped. NULL without memory. */
struct vn_label *vn_label_claim(struct vn_end *end, uint32_t label);
void vn_label_release(struct vn_label *l);
/** A circuit of a stream is gone. */
void vn_label_close(struct vn_worker *w, const struct vn_cmd_label *cmd);

void vn_rx_open(struct vn_worker *w, const struct vn_cmd_rx_open *cmd);
/** A KEM step is under way: tells the control keys it brings. */
void vn_rx_kem(struct vn_worker *w, const struct vn_cmd_kem *cmd);
void vn_rx_close(struct vn_worker *w, struct vn_rx *rx);
/* rx_report.c */
/** A frame with that header opened, that came that way. */
void vn_rx_arrived(struct vn_rx *rx, const struct vn_rx_way *way, const struct vn_e2e_header *head,
                   size_t bytes);
/** Tells the source now, also what it was told before. */
void vn_rx_report_all(struct vn_rx *rx);
/** worker.report_us has come. */
void vn_rx_report_due(struct vn_worker *w);
/** vn_rx_tallies_due is called then, or before. */
void vn_rx_report_at(struct vn_rx *rx, uint64_t at_us);

/* rx_tally.c */
/** Whether a frame that came that way counts there, though it may have come by another already. */
bool vn_rx_tally_wants(const struct vn_rx *rx, const struct vn_rx_way *way,
                       const struct vn_e2e_header *head);
/** One that it wants opened. */
void vn_rx_tally(struct vn_rx *rx, const struct vn_rx_way *way, const struct vn_e2e_header *head);
/** Tells the source of those that are due; when the next one is. */
uint64_t vn_rx_tallies_due(struct vn_rx *rx);
void vn_rx_tallies_free(struct vn_rx *rx);

/** Messages of the bulk or real-time channel; takes ownership. */
void vn_rx_input(struct vn_end *end, enum vn_tether_class cls, struct vn_pktbuf **bufs, size_t n);
/** A frame of it; takes ownership. */
void vn_rx_frame(struct vn_rx *rx, const struct vn_rx_way *way, struct vn_pktbuf *b);
/** Frames of it open; in a new epoch, or in that of before. */
void vn_rx_opened(struct vn_rx *rx, bool new_epoch);
void vn_rx_epoch_began(struct vn_rx *rx);
/** The tether is gone. */
void vn_rx_end_gone(struct vn_end *end);
/** Lets held frames and old keys go whose time is over; returns when to look again. */
uint64_t vn_rx_tick(struct vn_worker *w);
void vn_rx_free_all(struct vn_worker *w);
