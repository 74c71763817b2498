/*
 * What is known of other nodes, all of it verified: certificate, semi-static key, statement with
 * the highest number; and the streams, the tether and the destinations that hang on them. Nodes
 * without those go when their life has ended, and else, least recently used first, for room.
 */
#pragma once

#include "base/limits.h"
#include "base/list.h"
#include "core/bucket.h"
#include "router/coord.h"
#include "wire/credentials.h"
#include "wire/descriptor.h"
#include "wire/envelope.h"
#include "wire/handshake.h"
#include "wire/path.h"
#include "wire/statement.h"

struct vn_node;
struct vn_map;
struct vn_stream;
struct vn_hop;

struct vn_peer {
    struct vn_id id;
    struct vn_list lru;

    struct vn_identity *cert;
    struct vn_hash cert_hash;
    struct vn_sig_pub *pub;

    uint8_t eks[VN_EK_MAX];
    size_t eks_len; /* 0: none */
    uint8_t kid[VN_KID_LEN];
    struct vn_hash eks_cert_hash; /* the certificate in the descriptor that brought ekS */
    uint64_t eks_until_ms;        /* own time */
    struct vn_hash desc_hash;  /* of the descriptor's bytes: the same one is not verified twice */
    struct vn_blob descriptor; /* those bytes, for relays that must reach it; may be missing */

    bool placed;                                 /* it has said where it is */
    struct vn_coord at;                          /* there */
    uint16_t headroom;                           /* of 65,535, as it said last */
    struct vn_id near[VN_DESCRIPTOR_RELAYS_MAX]; /* relays that its descriptor names */
    size_t near_count;

    bool has_statement;
    struct vn_statement statement;
    struct vn_hash statement_hash;
    uint32_t statement_generation; /* of its tags */
    uint32_t generation;           /* it was last heard under */

    uint8_t tai_in[12];            /* newest M1 accepted */
    uint64_t tai_in_at_ms;         /* own time; 0: never */
    uint64_t tai_out_ms;           /* newest M1 sent, protocol time */
    struct vn_hash knows_cert;     /* our certificate under which it completed a handshake */
    uint8_t cookie[VN_COOKIE_LEN]; /* for our M1s to it */
    uint64_t cookie_at_ms;         /* own time; 0: none */
    uint64_t signalled_ms;         /* newest offer or answer from it, protocol time */

    struct vn_bucket wants;    /* its requests for revocation lists */
    struct vn_bucket refusals; /* of its answers to offers that were given up */

    struct vn_id via;   /* the neighbour that it was last heard through, in-band; zero: Master */
    uint64_t via_ms;    /* own time */
    uint64_t lost_ms;   /* own time: it was unreachable first; 0: its stream was open since */
    uint64_t ended_ms;  /* own time: its life was seen to have ended; 0: not */
    uint64_t parted_ms; /* own time: its stream lost its last way; 0: it has one, or is away */
    uint64_t parted_seen_ms;  /* and there was still none */
    uint64_t relay_failed_ms; /* own time: a circuit through it was lost or refused; 0: never */
    unsigned losses; /* of circuits and half-bound streams, since its stream was last open */
    struct vn_stream *tx;
    struct vn_list rxs; /* struct vn_stream */
    struct vn_hop *hop;
    /* With that only, a second one: what is to take its place, or, once up, what it has replaced.
     */
    struct vn_hop *beside;
    struct vn_list dests; /* struct vn_dest */
};

struct vn_peers {
    struct vn_map *by_id, *by_ip;
    struct vn_list lru;
};

VN_MUST_CHECK vn_status vn_peers_init(struct vn_node *n);
void vn_peers_done(struct vn_node *n);
struct vn_peer *vn_peer_get(struct vn_node *n, const struct vn_id *id);
struct vn_peer *vn_peer_by_ip(struct vn_node *n, const struct vn_ip *ip);
/** True while nothing live hangs on it. */
bool vn_peer_unused(const struct vn_peer *p);
/** ekS may be used. */
bool vn_peer_fresh(const struct vn_node *n, const struct vn_peer *p);
void vn_peer_drop_descriptor(struct vn_peer *p);
/**
 * Forgets nodes that cannot come back: revoked, superseded or with an expired certificate. One that
 * had its addresses last is kept until its absence makes no difference any more to how its address
 * is looked for (reject_ms in dest.c). Not while a peer is held by a caller.
 */
void vn_peers_sweep(struct vn_node *n);

/** A certificate checked but not yet believed to matter: nothing is stored. */
struct vn_checked_cert {
    struct vn_identity *id; /* owned unless cached */
    struct vn_sig_pub *pub;
    struct vn_hash hash;
    bool cached;
};
void vn_checked_cert_done(struct vn_checked_cert *c);
/** Verifies, or finds it verified before: `src` names the node it must belong to. VN_ERR_AUTH and
 * the like. */
VN_MUST_CHECK vn_status vn_cert_check(struct vn_node *n, const struct vn_id *src,
                                      struct vn_span der, struct vn_checked_cert *ret);
/** The verified certificate with this hash, if we hold it. */
bool vn_cert_cached(struct vn_node *n, const struct vn_id *src, const struct vn_hash *hash,
                    struct vn_checked_cert *ret);

struct vn_checked_desc {
    struct vn_checked_cert cert;
    struct vn_hash hash;
    struct vn_span eks;   /* borrows; empty when cached */
    struct vn_span bytes; /* borrows: the descriptor itself */
    uint64_t until_ms;    /* own time */
    uint32_t generation;  /* of the hour key that it came under; 0: none */
    bool placed;          /* not when cached */
    struct vn_place place;
    struct vn_id near[VN_DESCRIPTOR_RELAYS_MAX];
    size_t near_count;
    bool cached;
};
VN_MUST_CHECK vn_status vn_desc_check(struct vn_node *n, const struct vn_id *src,
                                      struct vn_span bytes, struct vn_checked_desc *ret);

/**
 * Stores a checked certificate, takes it over, and drops an older node that had one of its
 * addresses. NULL: no memory, or an address belongs to a newer certificate.
 */
struct vn_peer *vn_peer_learn_cert(struct vn_node *n, struct vn_checked_cert *c);
struct vn_peer *vn_peer_learn_desc(struct vn_node *n, struct vn_checked_desc *d);

struct vn_checked_statement {
    struct vn_statement st;
    struct vn_hash hash;
};
/** Verifies (or finds verified), and that it is this key's with a number not below the highest
 * seen. */
VN_MUST_CHECK vn_status vn_peer_check_statement(struct vn_node *n, const struct vn_identity *id,
                                                struct vn_span bytes,
                                                struct vn_checked_statement *ret);
/** generation: of its tags. */
void vn_peer_learn_statement(struct vn_peer *p, const struct vn_checked_statement *s,
                             uint32_t generation);
