/*
 * SCTP associations (RFC 9260, PR-SCTP RFC 3758) by libusrsctp, over packets that someone else
 * carries. A later issue replaces what is inside. libusrsctp keeps its state per process: all
 * associations live on one thread.
 *
 * Nothing calls back but the sink for packets; the owner polls state and messages after each input,
 * tick or send.
 */
#pragma once

#include <stdbool.h>

#include "base/pktbuf.h"
#include "transport/dgram.h"

enum vn_sctp_state {
    VN_SCTP_CONNECTING,
    VN_SCTP_OPEN,
    VN_SCTP_CLOSED, /* the peer ended it */
    VN_SCTP_FAILED, /* no answer, or the peer broke the rules */
};

enum vn_sctp_reliability {
    VN_SCTP_RELIABLE_ORDERED,
    VN_SCTP_RELIABLE_UNORDERED,
    VN_SCTP_TIMED_UNORDERED, /* for VN_BULK_LIFETIME_MS */
    VN_SCTP_ONCE_UNORDERED,  /* never retransmitted */
};

struct vn_sctp_config {
    void *arg;
    /** SCTP packets to seal and send; they may be written over. Must not call back into this
     * module. */
    void (*output)(void *arg, const struct vn_dgram *packets, size_t n);
    size_t mtu; /* bytes of the longest SCTP packet */
    size_t message_max;
};

/** A received message. */
struct vn_sctp_msg {
    uint16_t stream;
    uint32_t ppid;
    struct vn_pktbuf *buf; /* owned by who took it */
};

struct vn_sctp;

VN_MUST_CHECK vn_status vn_sctp_new(const struct vn_sctp_config *cfg, uint64_t now_us,
                                    struct vn_sctp **ret);
/** Sends ABORT if the association lives. Returns NULL. */
struct vn_sctp *vn_sctp_free(struct vn_sctp *s);
/** Sends INIT; both ends may (RFC 8831 section 6). */
VN_MUST_CHECK vn_status vn_sctp_connect(struct vn_sctp *s, uint64_t now_us);
enum vn_sctp_state vn_sctp_state(const struct vn_sctp *s);
/** Bounds what is sent or waiting, and so the congestion window. */
void vn_sctp_set_window(struct vn_sctp *s, size_t bytes);

void vn_sctp_input(struct vn_sctp *s, const struct vn_dgram *packets, size_t n, uint64_t now_us);
/** Up to cap complete messages, in order of arrival. Call until it returns 0. */
size_t vn_sctp_receive(struct vn_sctp *s, struct vn_sctp_msg *ret, size_t cap);

/** Copies the message. VN_ERR_AGAIN: the send buffer is full; VN_ERR_STATE: not connected (any
 * more). */
VN_MUST_CHECK vn_status vn_sctp_send(struct vn_sctp *s, uint16_t stream, uint32_t ppid,
                                     enum vn_sctp_reliability r, struct vn_span msg,
                                     uint64_t now_us);
/** Bytes sent or waiting, not acknowledged. */
size_t vn_sctp_outstanding(struct vn_sctp *s);
/** Smoothed round-trip time, in whole milliseconds; 0: none. */
uint32_t vn_sctp_srtt_us(struct vn_sctp *s);

/**
 * Runs the timers of all associations of the process. Whoever owns associations calls it when due.
 * @return microseconds until the next call is due; UINT64_MAX when there is none to serve
 */
uint64_t vn_sctp_tick(uint64_t now_us);

/** One user more of the process's SCTP; the last vn_sctp_global_done tears it down. */
VN_MUST_CHECK vn_status vn_sctp_global_init(void);
void vn_sctp_global_done(void);
