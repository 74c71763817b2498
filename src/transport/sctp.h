/*
 * SCTP associations over packets that someone else carries and protects (RFC 9260 as RFC 8831 uses
 * it): partial reliability (RFC 3758), stream reset (RFC 6525), SACK-IMMEDIATELY (RFC 7053), zero
 * checksum where both want it (RFC 9653).
 *
 * Sans-IO: packets and the time come in as arguments, packets go to one sink; but for that, and
 * messages given up, nothing calls back. An association has no state outside itself and belongs to
 * one thread. The owner polls state and messages after each input or tick, and calls vn_sctp_tick
 * when vn_sctp_due_us says so.
 */
#pragma once

#include <stdbool.h>

#include "base/pktbuf.h"
#include "ports/random.h"
#include "transport/dgram.h"

enum vn_sctp_state {
    VN_SCTP_CONNECTING,
    VN_SCTP_OPEN,
    VN_SCTP_CLOSED, /* the peer ended it, or a shutdown is complete */
    VN_SCTP_FAILED, /* no answer, or the peer broke the rules */
};

enum vn_sctp_limit {
    VN_SCTP_RELIABLE,
    VN_SCTP_RETRANSMITS,  /* at most .value retransmissions (RFC 7496 section 3.1) */
    VN_SCTP_MILLISECONDS, /* not after .value milliseconds (RFC 3758 section 4.1) */
};

struct vn_sctp_how {
    bool unordered;
    enum vn_sctp_limit limit;
    uint32_t value;
};

struct vn_sctp_config {
    void *arg;
    /**
     * SCTP packets to seal and send, in batches of a burst; they may be written over. Must not call
     * back into this module.
     */
    void (*output)(void *arg, const struct vn_dgram *packets, size_t n);
    /**
     * A message that is given up (RFC 3758), borrowed for the call; the peer may have it all the
     * same, if only its SACK was lost. Must not call back into this module. NULL: nobody asks.
     */
    void (*given_up)(void *arg, uint16_t stream, const struct vn_pktbuf *msg);
    const struct vn_random *random; /* borrowed; only during vn_sctp_new */
    /* Bytes of the longest SCTP packet, VN_SCTP_MTU_MIN to VN_SCTP_MTU_MAX: that is known to pass;
     * that surely passes, 0: mtu; to look for, 0: none, as towards others. */
    size_t mtu, mtu_base, mtu_max;
    size_t message_max; /* longest message to receive */
    uint16_t streams;   /* each way, to VN_SCTP_STREAMS_MAX; 0: VN_SCTP_STREAMS */
    /** The peer may be another implementation: wait as long for its SACKs as RFC 9260 lets it. */
    bool foreign;
    /** vn_sctp_end_turn is called when the owner has done all that came at once: acknowledgements
     * wait for it, or for data to ride on. */
    bool by_turns;
};

/** A received message; or, without a buffer, that the peer has started the stream anew. */
struct vn_sctp_msg {
    uint16_t stream;
    uint32_t ppid;
    struct vn_pktbuf *buf; /* owned by who took it; NULL: a reset */
};

/** Since vn_sctp_new. */
struct vn_sctp_counters {
    uint64_t rx_packets, tx_packets, rx_data, tx_data; /* data: DATA chunks */
    uint64_t retransmitted, lost, spurious;            /* chunks; marked lost, arrived after all */
    uint64_t abandoned;                                /* messages given up (RFC 3758) */
    uint64_t timeouts, probes;                         /* T3-rtx; tail loss probes */
    uint64_t duplicates;                               /* chunks that came again */
    uint64_t drop_packet; /* checksum, tag or form: the packet means nothing here */
    uint64_t drop_chunk;  /* against the rules of its state, or outside every window */
    uint64_t drop_memory; /* no memory or over the bound: the peer sends it again */
};

struct vn_sctp;

/** VN_ERR_NOMEM, VN_ERR_ARG: sizes; VN_ERR_CRYPTO: no random bytes. */
VN_MUST_CHECK vn_status vn_sctp_new(const struct vn_sctp_config *cfg, uint64_t now_us,
                                    struct vn_sctp **ret);
/** Sends ABORT if the association lives. Returns NULL. */
struct vn_sctp *vn_sctp_free(struct vn_sctp *s);
/** Sends INIT; both ends may (RFC 8831 section 6). VN_ERR_STATE: a second time. */
VN_MUST_CHECK vn_status vn_sctp_connect(struct vn_sctp *s, uint64_t now_us);
/** Ends it when all that was sent has arrived (RFC 9260 section 9.2); no more is taken to send. */
void vn_sctp_shutdown(struct vn_sctp *s, uint64_t now_us);
enum vn_sctp_state vn_sctp_state(const struct vn_sctp *s);
/** Bytes that may be sent and not acknowledged, or waiting. VN_SCTP_SNDBUF_BYTES at first. */
void vn_sctp_set_window(struct vn_sctp *s, size_t bytes);

/** Datagrams take another path now: what is in flight is taken for lost with the old one, what the
 * timers learned of it is forgotten, and it is sent again at once. */
void vn_sctp_path_changed(struct vn_sctp *s, uint64_t now_us);

/** All that arrived together: the answer is at most one SACK. */
void vn_sctp_input(struct vn_sctp *s, const struct vn_dgram *packets, size_t n, uint64_t now_us);
/** Up to cap complete messages and resets, in order of completion. Call until it returns 0. */
size_t vn_sctp_receive(struct vn_sctp *s, struct vn_sctp_msg *ret, size_t cap);

/**
 * Unordered messages that arrive on this stream wait up to hold_us for what was sent before them,
 * so that a retransmission does not reorder them. 0, as at first: not at all.
 */
void vn_sctp_hold(struct vn_sctp *s, uint16_t stream, uint64_t hold_us);

/**
 * Queues a message of at least one byte; takes ownership with VN_OK only. It is sent by the next
 * vn_sctp_flush, or any input or tick before. VN_ERR_AGAIN: the window is full and the stream has
 * messages waiting already; VN_ERR_STATE: not connecting or open; VN_ERR_ARG: empty, or no such
 * stream; VN_ERR_NOMEM.
 */
VN_MUST_CHECK vn_status vn_sctp_send(struct vn_sctp *s, uint16_t stream, uint32_t ppid,
                                     const struct vn_sctp_how *how, struct vn_pktbuf *msg,
                                     uint64_t now_us);
/** Sends what the windows and the pacing allow now. */
void vn_sctp_flush(struct vn_sctp *s, uint64_t now_us);
/** Sends what was held back until now. */
void vn_sctp_end_turn(struct vn_sctp *s, uint64_t now_us);
/** Something is held back. */
bool vn_sctp_waits_for_end(const struct vn_sctp *s);
/** Bytes per second that the path takes; 0: not known yet. */
uint64_t vn_sctp_rate(const struct vn_sctp *s);
/** Bytes sent or waiting, not acknowledged. */
size_t vn_sctp_outstanding(const struct vn_sctp *s);

/**
 * Asks to start the outgoing stream anew, once what it carries has arrived (RFC 6525 section
 * 5.1.2). Messages queued meanwhile follow the reset. VN_ERR_STATE: the peer cannot, or the
 * association is not open; VN_ERR_ARG: no such stream.
 */
VN_MUST_CHECK vn_status vn_sctp_reset(struct vn_sctp *s, uint16_t stream, uint64_t now_us);
/** From vn_sctp_reset until the peer has answered. */
bool vn_sctp_is_resetting(const struct vn_sctp *s, uint16_t stream);

/** Smoothed round-trip time; 0: none. */
uint32_t vn_sctp_srtt_us(const struct vn_sctp *s);
void vn_sctp_counters(const struct vn_sctp *s, struct vn_sctp_counters *ret);
/** When vn_sctp_tick is due; UINT64_MAX: never. Changes with every call above. */
uint64_t vn_sctp_due_us(const struct vn_sctp *s);
/** Runs the timers that are due. */
void vn_sctp_tick(struct vn_sctp *s, uint64_t now_us);
