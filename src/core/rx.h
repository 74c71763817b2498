/*
 * The receiving side of streams: label (rx_label.h) -> stream -> lane -> packets for the device.
 */
#pragma once

#include "base/replay.h"
#include "core/rx_keys.h"
#include "core/worker_i.h"
#include "wire/frame.h"

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

void vn_rx_open(struct vn_worker *w, const struct vn_cmd_rx_open *cmd);
/** A KEM step is under way: tells the control keys it brings. */
void vn_rx_kem(struct vn_worker *w, const struct vn_cmd_kem *cmd);
void vn_rx_close(struct vn_worker *w, struct vn_rx *rx);
/** Messages of the bulk or real-time channel; takes ownership. */
void vn_rx_input(struct vn_end *end, enum vn_tether_class cls, struct vn_pktbuf **bufs, size_t n);
/** The tether is gone. */
void vn_rx_end_gone(struct vn_end *end);
/** Lets held frames and old keys go whose time is over; returns when to look again. */
uint64_t vn_rx_tick(struct vn_worker *w);
void vn_rx_free_all(struct vn_worker *w);

/* rx_frame.c */
/** A frame of it; takes ownership. */
void vn_rx_frame(struct vn_rx *rx, const struct vn_rx_way *way, struct vn_pktbuf *b);
/** Frames of it open; in a new epoch, or in that of before. */
void vn_rx_opened(struct vn_rx *rx, bool new_epoch);
void vn_rx_epoch_began(struct vn_rx *rx);

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
