/*
 * Port: tethers, groups of WebRTC data channels to one next hop (SPEC section 7). Data worker
 * thread only. Implemented by src/transport (ICE, DTLS keyed with the hop secret, SCTP, DCEP) and
 * by memory tethers in tests.
 *
 * Life: open -> candidate* callbacks (at least one or `down`) -> start(remote parameters, psk) ->
 * up -> messages -> down or close. After `down` or close the handle makes no more calls; close
 * frees it, also after `down`. close may be called inside any callback of that tether.
 */
#pragma once

#include <stdbool.h>

#include "base/id.h"
#include "base/limits.h"
#include "base/pktbuf.h"
#include "base/secret.h"
#include "wire/hop.h"
#include "wire/ice_server.h"
#include "wire/member_stun.h"

enum vn_tether_class {
    VN_TETHER_BULK = 0,     /* unordered, reliable for 30 s */
    VN_TETHER_REALTIME = 1, /* unordered, never retransmitted */
    VN_TETHER_CONTROL = 2,  /* ordered, reliable */
};

#define VN_TETHER_MSG_MAX 66560  /* bytes of one message between Conflux nodes */
#define VN_ICE_CANDIDATES_MAX 16 /* of one peer connection */
#define VN_TETHER_CANDIDATES_MAX (VN_HOP_PCS * VN_ICE_CANDIDATES_MAX)

enum vn_candidate_type {
    VN_CAND_HOST = 1,
    VN_CAND_SRFLX = 2,
    VN_CAND_PRFLX = 3,
    VN_CAND_RELAY = 4
};

/** Which of its candidates a node tells its peers. */
enum vn_candidate_filter {
    VN_CANDIDATES_ALL,
    VN_CANDIDATES_REFLEXIVE, /* server-reflexive and relayed: not the machine's own addresses */
    VN_CANDIDATES_RELAY,     /* relayed: no address of this machine or its network; and no datagram
                                goes to a peer but through the relay */
};

struct vn_candidate {
    enum vn_candidate_type type;
    uint32_t priority; /* RFC 8445 section 5.1.2 */
    uint32_t foundation;
    struct vn_addr addr; /* UDP */
    uint8_t pc;          /* index of the peer connection, below VN_HOP_PCS */
};

struct vn_tether_config {
    struct vn_id tether; /* random id, named in the PSK identity */
    /* Of each peer connection; made by core, because the offer that carries them is signed. */
    struct vn_ice_params local[VN_HOP_PCS];
    bool controlling; /* ICE role; the offerer controls */
    bool dtls_client; /* the answerer is the DTLS client, as in JSEP's default (active answerer) */
    uint64_t tie_breaker; /* RFC 8445 section 16.1 */
};

struct vn_tether_start {
    struct vn_ice_params remote[VN_HOP_PCS];
    struct vn_secret32 psk[VN_HOP_PCS]; /* copied, and wiped by the implementation after use */
};

enum vn_tether_down {
    VN_TETHER_DOWN_CLOSED = 1, /* the peer closed */
    VN_TETHER_DOWN_ICE_FAILED, /* no pair worked within VN_TETHER_CONNECT_MS */
    VN_TETHER_DOWN_DTLS_FAILED,
    VN_TETHER_DOWN_SCTP_FAILED,
    VN_TETHER_DOWN_SILENT, /* consent or liveness lost */
    VN_TETHER_DOWN_NO_INTERFACE,
    VN_TETHER_DOWN_INTERNAL,
    VN_TETHER_DOWN_ADDRESS_GONE, /* this machine has another address now */
};

struct vn_tether_stats {
    uint64_t tx_bytes, rx_bytes, tx_msgs, rx_msgs;
    uint32_t srtt_us;             /* of ICE checks and SCTP */
    uint64_t rate;                /* bytes a second that bulk's path takes; 0: not known yet */
    size_t queued_bytes;          /* accepted, not yet acknowledged */
    struct vn_addr local, remote; /* selected pair of the first peer connection */
    enum vn_candidate_type local_type, remote_type;
};

/** Why a tether's datagram or message was dropped in silence. Names: vn_tether_drop_name (core). */
enum vn_tether_drop {
    VN_TDROP_STUN_MALFORMED,
    VN_TDROP_STUN_AUTH,
    VN_TDROP_STUN_UNKNOWN, /* no such transaction or attribute */
    VN_TDROP_STRANGER,     /* from a 5-tuple that passed no check */
    VN_TDROP_KIND,         /* not a protocol of a tether */
    VN_TDROP_EARLY,        /* before its time */
    VN_TDROP_RECORD,       /* a record that is forged, replayed or cut */
    VN_TDROP_CHANNEL,      /* a message on a channel that is none of ours */
    VN_TDROP_LIMIT,
    VN_TDROP_SEND,            /* the system did not take it */
    VN_TDROP_PUBLIC_STRANGER, /* at the port of a public node: no question of a member */
    VN_TDROP_PUBLIC_RATE,     /* there, too many of one source or of all */
    VN_TDROP_COUNT
};

struct vn_tether; /* one tether of the implementation */

struct vn_tether_handler {
    void *arg;
    void (*candidate)(void *arg, const struct vn_candidate *c);
    /** All local candidates are known. */
    void (*gathered)(void *arg);
    void (*up)(void *arg);
    void (*down)(void *arg, enum vn_tether_down why);
    /** This machine has lost the address that the tether runs from, and there is another way to the
     * peer: it wants a restart. */
    void (*stranded)(void *arg);
    /** What seals its messages is nearly used up, and then it goes down: another tether should take
     * its place. Once. */
    void (*worn)(void *arg);
    /** The restart is done: the tether runs over the pairs it found, or over those of before if it
     * was for better ones and there are none. */
    void (*restarted)(void *arg);
    /** There may be better pairs than those it runs over: it wants a restart for them. */
    void (*better)(void *arg);
    /** n messages of one class, in order of arrival; takes ownership of each buffer. */
    void (*messages)(void *arg, enum vn_tether_class cls, struct vn_pktbuf **bufs, size_t n);
    /** After a send returned fewer than asked: there is room again. */
    void (*writable)(void *arg, enum vn_tether_class cls);
    /** A message that was taken will not be sent any more, since its time is over or it was lost.
     * Borrowed; it may have arrived all the same. Must not call into the port. NULL: nobody asks.
     */
    void (*given_up)(void *arg, enum vn_tether_class cls, const struct vn_pktbuf *b);
};

struct vn_tether_port {
    void *self;
    /** Whom tethers opened later ask for server-reflexive and relayed candidates; copied, at most
     * VN_ICE_SERVERS_MAX. Replaces the former list. */
    void (*ice_servers)(void *self, const struct vn_ice_server *servers, size_t count);
    /** Public nodes of the realm that tethers opened later ask likewise, and the keys for it; a
     * public node answers under them. Copied, at most VN_MEMBER_STUN_MAX. Replaces the former. */
    void (*member_stun)(void *self, const struct vn_addr *servers, size_t count,
                        const struct vn_stun_keys *keys);
    /** Opens sockets, starts gathering; callbacks come later, never inside the call. */
    vn_status (*open)(void *self, const struct vn_tether_config *cfg,
                      const struct vn_tether_handler *h, struct vn_tether **ret);
    vn_status (*start)(struct vn_tether *t, const struct vn_tether_start *s);
    /**
     * ICE restart (RFC 8445 section 9) of a tether that is up: gathers anew under these
     * credentials, `candidate` and `gathered` follow; then the peer's, and `restarted` or nothing.
     * Messages, and what carries them, are as before. A restart under way is given up for it.
     * better: for none but better pairs, direct ones; that it finds none changes nothing.
     */
    vn_status (*restart)(struct vn_tether *t, const struct vn_ice_params local[VN_HOP_PCS],
                         bool better);
    vn_status (*restart_start)(struct vn_tether *t, const struct vn_ice_params remote[VN_HOP_PCS]);
    /** Before or after start (trickle); while a restart is under way, of that. Unusable ones are
     * ignored. */
    void (*add_remote_candidate)(struct vn_tether *t, const struct vn_candidate *c);
    /**
     * Hands over up to n messages; takes ownership of the first *ret_taken, the rest stay the
     * caller's and `writable` follows. VN_ERR_STATE before `up` or after `down` (none taken).
     * Nothing is sent later than the end of the batch.
     */
    vn_status (*send)(struct vn_tether *t, enum vn_tether_class cls, struct vn_pktbuf **bufs,
                      size_t n, size_t *ret_taken);
    void (*stats)(const struct vn_tether *t, struct vn_tether_stats *ret);
    /** What all tethers of this port dropped so far. */
    void (*drops)(const void *self, uint64_t ret[VN_TDROP_COUNT]);
    /** Tells the peer where possible, closes the sockets, frees. NULL is fine. */
    void (*close)(struct vn_tether *t);
};
