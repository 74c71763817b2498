/*
 * A WebRTC peer connection ("pc"): sockets, ICE, DTLS, SCTP and data channels, tied together. Knows
 * nothing of tethers or of what its channels are for. All of it on the transport's thread.
 *
 * Life: open -> candidate*, gathered -> start -> open callback -> channel, messages, writable ->
 * down or close. Callbacks come later than the call that causes them, never inside it; after `down`
 * or close there are none. close may be called inside any of them, and frees also after `down`.
 */
#pragma once

#include "base/pktbuf.h"
#include "base/secret.h"
#include "ports/tether.h"
#include "transport/dcep.h"
#include "transport/dtls.h"
#include "transport/ice.h"
#include "transport/transport.h"

/** What both ends must agree on, but for priority and queue_bytes. Zeroed: reliable and ordered. */
struct vn_pc_channel_config {
    const char *label;    /* lives as long as the connection */
    uint8_t type;         /* enum vn_dcep_channel */
    uint32_t reliability; /* retransmissions or milliseconds, by type */
    uint16_t priority;    /* RFC 8831 section 6.4: the channel with more sends first */
    size_t queue_bytes;   /* accepted and not yet given to SCTP */
    /** Unordered messages that arrive wait a little for what was sent before them, so that a
     * retransmission does not reorder them. */
    bool in_turn;
    /** Takes no more than the path does in a few milliseconds, once its rate is known. */
    bool shallow;
};

struct vn_pc_handler {
    void *arg;
    void (*candidate)(void *arg, const struct vn_candidate *c);
    /** All host candidates are known. */
    void (*gathered)(void *arg);
    /** The peer is verified: channels may be opened. */
    void (*open)(void *arg);
    /**
     * The peer asks for a channel that was not expected: true accepts it with what *cfg says, which
     * is filled in from m (valid during the call) but for label and queue_bytes. NULL: no such
     * channels.
     */
    bool (*offer)(void *arg, uint16_t stream, const struct vn_dcep_msg *m,
                  struct vn_pc_channel_config *cfg);
    /** The peer opened a channel, expected or accepted. */
    void (*channel)(void *arg, uint16_t stream);
    /** n messages of one channel, in order of arrival; takes ownership of each buffer. */
    void (*messages)(void *arg, uint16_t stream, struct vn_pktbuf **bufs, size_t n);
    /** After a send took fewer than asked: there is room again. */
    void (*writable)(void *arg, uint16_t stream);
    void (*down)(void *arg, enum vn_tether_down why);
    /** A channel that either end closed is no more, and its stream free again. NULL: a peer that
     * closes one takes the connection down. */
    void (*closed)(void *arg, uint16_t stream);
    /** The address of its pair is not this machine's any more, and there is another way to the
     * peer: an ICE restart is wanted. NULL: goes down instead. */
    void (*stranded)(void *arg);
    /** The last eighth of what its key may seal has begun: when that is used up it goes down. Once.
     * NULL: nobody minds. */
    void (*worn)(void *arg);
    /** An ICE restart has selected a pair: datagrams take it from now on. */
    void (*restarted)(void *arg);
    /** There may be a better pair by now: a restart for one is wanted. NULL: none. */
    void (*better)(void *arg);
    /** Such a restart has found none: the pair stays. */
    void (*stayed)(void *arg);
    /** See vn_sctp_config; must not call back into the connection. NULL: nobody asks. */
    void (*given_up)(void *arg, uint16_t stream, const struct vn_pktbuf *msg);
};

struct vn_pc_config {
    const char *identity; /* PSK identity, and the name in the log; copied; VN_DTLS_IDENTITY_MAX */
    const struct vn_dtls_cert *cert; /* ours: a peer with a certificate, no PSK; outlives the
                                        connection */
    struct vn_ice_params local;
    bool controlling; /* ICE role */
    struct vn_ice_than
        than; /* of a restart for a better pair, which asks no relays; else not set */
    uint64_t tie_breaker;
    bool dtls_client;
    bool foreign;       /* the peer may be another implementation (see vn_sctp_config) */
    uint16_t streams;   /* see there */
    size_t message_max; /* bytes of the longest message, each way */
};

/** What proves who the peer is. */
struct vn_pc_keys {
    struct vn_secret32 psk;
    struct vn_dtls_fingerprint peer; /* instead, if we have a certificate */
};

struct vn_pc_stats {
    uint64_t tx_bytes, rx_bytes, tx_msgs, rx_msgs; /* of messages of channels */
    uint32_t srtt_us;                              /* of ICE checks and SCTP */
    uint64_t rate;                                 /* bytes a second; 0: not known yet */
    size_t queued_bytes;                           /* accepted, not yet acknowledged */
    struct vn_addr local, remote;                  /* selected pair */
    enum vn_candidate_type local_type, remote_type;
};

struct vn_pc;

/** Opens sockets and starts gathering. VN_ERR_ARG: credentials or identity of another length. */
VN_MUST_CHECK vn_status vn_pc_open(struct vn_transport *tp, const struct vn_pc_config *cfg,
                                   const struct vn_pc_handler *h, struct vn_pc **ret);
/** The peer's parameters are known. keys are copied, and wiped after use. VN_ERR_STATE: twice. */
VN_MUST_CHECK vn_status vn_pc_start(struct vn_pc *pc, const struct vn_ice_params *remote,
                                    const struct vn_pc_keys *keys);
/**
 * ICE restart (RFC 8445 section 9): gathers anew under these credentials; `candidate` and
 * `gathered` follow. The pair that is selected carries on until the restart has another one; when
 * the restart fails it still does, if it can. A restart under way is given up for this one.
 * better: for none but a better pair, without relays; `restarted` or `stayed` follows.
 * VN_ERR_STATE: not open.
 */
VN_MUST_CHECK vn_status vn_pc_restart(struct vn_pc *pc, const struct vn_ice_params *local,
                                      bool better);
/** The peer's new parameters: checks begin, at most 10 s. VN_ERR_STATE: no restart awaits them. */
VN_MUST_CHECK vn_status vn_pc_restart_start(struct vn_pc *pc, const struct vn_ice_params *remote);
/** Of the restart, while there is one. Before or after start (trickle). Unusable ones are ignored.
 */
void vn_pc_add_remote_candidate(struct vn_pc *pc, const struct vn_candidate *c);

/**
 * The peer will open a channel of exactly this kind on that stream; messages may be sent on it as
 * soon as the connection is open. A connection that expects channels fails as one without SCTP when
 * none of them was opened in time. VN_ERR_ARG: no such stream, or the stream is taken.
 */
VN_MUST_CHECK vn_status vn_pc_expect_channel(struct vn_pc *pc, uint16_t stream,
                                             const struct vn_pc_channel_config *cfg);
/** Opens a channel: from the open callback on. The DTLS client's streams are even, the server's odd
 * (RFC 8832 section 6). VN_ERR_ARG as above, VN_ERR_STATE; VN_ERR_NOMEM: the connection goes down.
 */
VN_MUST_CHECK vn_status vn_pc_open_channel(struct vn_pc *pc, uint16_t stream,
                                           const struct vn_pc_channel_config *cfg);
/**
 * Hands over up to n messages; takes ownership of the first *ret_taken, the rest stay the caller's
 * and `writable` follows. VN_ERR_STATE before `open`, after `down`, and on streams without a
 * channel; VN_ERR_ARG: a message is too long.
 */
VN_MUST_CHECK vn_status vn_pc_send(struct vn_pc *pc, uint16_t stream, struct vn_pktbuf **bufs,
                                   size_t n, size_t *ret_taken);
/** The peer takes no longer messages than that (a=max-message-size, RFC 8841 section 6). */
void vn_pc_limit_messages(struct vn_pc *pc, size_t bytes);
/**
 * Sends what waits, then ends the channel at both ends (RFC 8831 section 6.7); `closed` follows
 * when the peer has done its part. Nothing of the channel is sent or handed up from now on.
 * VN_ERR_STATE: no such channel is open.
 */
VN_MUST_CHECK vn_status vn_pc_close_channel(struct vn_pc *pc, uint16_t stream);
/** The lowest stream that we may open a channel on; VN_ERR_LIMIT: none. */
VN_MUST_CHECK vn_status vn_pc_free_stream(const struct vn_pc *pc, uint16_t *ret);
/** While held, what arrives stays in SCTP, bounded by its window; in force at once when called by
 * `open` or the first `channel`. */
void vn_pc_hold(struct vn_pc *pc, bool held);
void vn_pc_stats(const struct vn_pc *pc, struct vn_pc_stats *ret);
/** Tells the peer where possible, closes the sockets, frees. NULL is fine; returns NULL. */
struct vn_pc *vn_pc_close(struct vn_pc *pc);
