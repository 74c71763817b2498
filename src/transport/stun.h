/*
 * STUN messages (RFC 8489) with the attributes ICE (RFC 8445 section 16.1) and TURN (RFC 8656
 * section 18) use. Encoding is in stun_put.c.
 *
 *   0                   1                   2                   3
 *   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |0 0|  type: method and class   |     length after these 20     |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |                   magic cookie 0x2112a442                     |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |                    transaction id, 12 bytes                   |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |  attributes: type 2, length 2, value, padding to 4 bytes ...  |
 */
#pragma once

#include <stdbool.h>

#include "base/id.h"
#include "base/writer.h"

enum vn_stun_class {
    VN_STUN_REQUEST = 0,
    VN_STUN_INDICATION = 1,
    VN_STUN_SUCCESS = 2,
    VN_STUN_ERROR = 3
};
enum {
    VN_STUN_BINDING = 1,
    /* RFC 8656 section 17 */
    VN_TURN_ALLOCATE = 3,
    VN_TURN_REFRESH = 4,
    VN_TURN_SEND = 6,
    VN_TURN_DATA = 7,
    VN_TURN_CREATE_PERMISSION = 8,
    VN_TURN_CHANNEL_BIND = 9,
};
/** MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256. */
enum vn_stun_integrity { VN_STUN_SHA1, VN_STUN_SHA256 };
/** PASSWORD-ALGORITHM, RFC 8489 section 18.5. */
enum { VN_STUN_ALG_MD5 = 1, VN_STUN_ALG_SHA256 = 2 };
/* Flags of CHANGE-REQUEST. */
enum { VN_STUN_CHANGE_PORT = 2, VN_STUN_CHANGE_IP = 4 };
enum vn_stun_role { VN_STUN_NO_ROLE, VN_STUN_CONTROLLING, VN_STUN_CONTROLLED };

#define VN_STUN_TXID_LEN 12
#define VN_STUN_UNKNOWN_MAX 8 /* unknown attributes listed in a 420 answer */

struct vn_stun_txid {
    uint8_t b[VN_STUN_TXID_LEN];
};

/** A decoded message; spans point into the input. */
struct vn_stun_msg {
    struct vn_span whole;
    enum vn_stun_class cls;
    uint16_t method;
    struct vn_stun_txid txid;
    struct vn_span username; /* n = 0: absent */
    bool has_mapped;         /* XOR-MAPPED-ADDRESS */
    struct vn_addr mapped;
    bool has_priority;
    uint32_t priority;
    bool use_candidate;
    enum vn_stun_role role;
    uint64_t tie_breaker;
    uint32_t change;                         /* CHANGE-REQUEST (RFC 5780 section 7.2); 0: none */
    unsigned error;                          /* 0: no ERROR-CODE; else 300..699 */
    struct vn_span realm, nonce, algorithms; /* n = 0: absent; PASSWORD-ALGORITHMS as it came */
    uint16_t algorithm;                      /* PASSWORD-ALGORITHM; 0: absent */
    bool has_relayed, has_peer;              /* XOR-RELAYED-ADDRESS, the first XOR-PEER-ADDRESS */
    struct vn_addr relayed, peer;
    bool has_lifetime;
    uint32_t lifetime_s;
    uint16_t channel;          /* 0: absent */
    uint8_t transport, family; /* REQUESTED-TRANSPORT, REQUESTED-ADDRESS-FAMILY; 0: absent */
    bool has_data;
    struct vn_span data;
    bool has_integrity, has_integrity256;
    size_t integrity_at, integrity256_at; /* offsets of the attributes' headers */
    bool has_fingerprint;
    uint16_t unknown[VN_STUN_UNKNOWN_MAX]; /* comprehension-required ones */
    size_t unknown_count;
};

/** True when a datagram can only be STUN here: RFC 7983 section 7 and the magic cookie. */
bool vn_stun_looks(struct vn_span in);

/**
 * Reads any well-formed message; checks the FINGERPRINT if there is one, not the MESSAGE-INTEGRITY.
 * Attributes after MESSAGE-INTEGRITY are ignored except FINGERPRINT (RFC 8489 section 14.5).
 * VN_ERR_MALFORMED.
 */
VN_MUST_CHECK vn_status vn_stun_decode(struct vn_span in, struct vn_stun_msg *ret);

/** VN_ERR_AUTH when there is no MESSAGE-INTEGRITY or it is wrong under key (the password's bytes).
 */
VN_MUST_CHECK vn_status vn_stun_verify(const struct vn_stun_msg *m, struct vn_span key);

/** The same for either of the two. */
VN_MUST_CHECK vn_status vn_stun_verify_with(const struct vn_stun_msg *m, enum vn_stun_integrity how,
                                            struct vn_span key);

/* ---- encoding: begin, attributes, then end ---- */

void vn_stun_begin(struct vn_writer *w, enum vn_stun_class cls, uint16_t method,
                   const struct vn_stun_txid *txid);
void vn_stun_put_username(struct vn_writer *w, struct vn_span username);
void vn_stun_put_priority(struct vn_writer *w, uint32_t priority);
void vn_stun_put_role(struct vn_writer *w, enum vn_stun_role role, uint64_t tie_breaker);
void vn_stun_put_use_candidate(struct vn_writer *w);
void vn_stun_put_mapped(struct vn_writer *w, const struct vn_addr *addr,
                        const struct vn_stun_txid *txid);
/** flags: VN_STUN_CHANGE_… */
void vn_stun_put_change(struct vn_writer *w, uint32_t flags);
/** reason: short ASCII text */
void vn_stun_put_error(struct vn_writer *w, unsigned code, const char *reason);
void vn_stun_put_unknown(struct vn_writer *w, const uint16_t *types, size_t count);
/** n zero bytes in an attribute others ignore (0xC061, from the comprehension-optional range):
 * fills a probe. */
void vn_stun_put_filler(struct vn_writer *w, size_t n);
/**
 * Adds MESSAGE-INTEGRITY under key and FINGERPRINT and sets the length; *ret is the whole message
 * in w's storage. VN_ERR_LIMIT if it did not fit, VN_ERR_CRYPTO. key.n = 0: no MESSAGE-INTEGRITY.
 */
VN_MUST_CHECK vn_status vn_stun_end(struct vn_writer *w, struct vn_span key, struct vn_span *ret);
/** The same with the integrity that is asked for. */
VN_MUST_CHECK vn_status vn_stun_end_with(struct vn_writer *w, enum vn_stun_integrity how,
                                         struct vn_span key, struct vn_span *ret);
/** Sets the length and adds nothing: for indications that carry data. */
VN_MUST_CHECK vn_status vn_stun_end_bare(struct vn_writer *w, struct vn_span *ret);

/* ---- of TURN ---- */

/** 32 bytes: SHA-256(username ":" realm), RFC 8489 section 14.4. */
void vn_stun_put_userhash(struct vn_writer *w, struct vn_span hash);
void vn_stun_put_realm(struct vn_writer *w, struct vn_span realm);
void vn_stun_put_nonce(struct vn_writer *w, struct vn_span nonce);
/** PASSWORD-ALGORITHMS, as the server sent it. */
void vn_stun_put_algorithms(struct vn_writer *w, struct vn_span list);
void vn_stun_put_algorithm(struct vn_writer *w, uint16_t algorithm);
void vn_stun_put_relayed(struct vn_writer *w, const struct vn_addr *addr,
                         const struct vn_stun_txid *txid);
void vn_stun_put_peer(struct vn_writer *w, const struct vn_addr *addr,
                      const struct vn_stun_txid *txid);
void vn_stun_put_data(struct vn_writer *w, struct vn_span data);
void vn_stun_put_lifetime(struct vn_writer *w, uint32_t seconds);
void vn_stun_put_channel(struct vn_writer *w, uint16_t channel);
/** REQUESTED-TRANSPORT: UDP. */
void vn_stun_put_transport_udp(struct vn_writer *w);
void vn_stun_put_family(struct vn_writer *w, bool v6);
