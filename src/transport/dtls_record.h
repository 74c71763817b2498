/*
 * Records of epoch 1 of DTLS 1.2 (RFC 6347 section 4.1) under AES-256-GCM or AES-128-GCM (RFC
 * 5288), one direction each. Seals and opens in place or from one buffer to another, without
 * copies.
 *
 *     0          1          3        5              11        13                21
 *     | type u8 | version  | epoch  | sequence u48 | length  | explicit nonce 8 | ciphertext | tag
 * 16
 */
#pragma once

#include <stdbool.h>

#include "base/replay.h"
#include "base/secret.h"
#include "crypto/aead.h"
#include "crypto/kdf.h"
#include "transport/dgram.h"

enum vn_dtls_type {
    VN_DTLS_CCS = 20,
    VN_DTLS_ALERT = 21,
    VN_DTLS_HANDSHAKE_MSG = 22,
    VN_DTLS_DATA = 23,
};

#define VN_DTLS_VERSION_1_2 0xfefd
#define VN_DTLS_HEADER_LEN 13
#define VN_DTLS_NONCE_LEN 8
#define VN_DTLS_SALT_LEN 4

/** A record as it came; all of it is borrowed from the datagram. */
struct vn_dtls_record {
    uint8_t type;
    uint16_t version, epoch;
    uint64_t seq;          /* 48 bits */
    struct vn_dgram whole; /* with its header */
    struct vn_dgram body;
};

/** Cuts the next record off *rest. False: no whole one is left, and *rest means nothing. */
VN_MUST_CHECK bool vn_dtls_record_cut(struct vn_dgram *rest, struct vn_dtls_record *ret);
/** Whether it is of epoch 1 and long enough to be a sealed one. */
VN_MUST_CHECK bool vn_dtls_record_is_sealed(const struct vn_dtls_record *r);
/** The explicit nonce of a sealed record. */
uint64_t vn_dtls_record_nonce(const struct vn_dtls_record *r);

/** What the key block holds for one direction. */
struct vn_dtls_key {
    size_t len; /* of key: 32, or 16 */
    struct vn_secret32 key;
    uint8_t salt[VN_DTLS_SALT_LEN];
};

struct vn_dtls_keys {
    struct vn_dtls_key client, server; /* who writes under it */
};
void vn_dtls_keys_wipe(struct vn_dtls_keys *k);
/** RFC 5246 section 6.3 for AES-GCM with keys of key_len bytes, under the PRF with that hash. */
VN_MUST_CHECK vn_status vn_dtls_keys_derive(enum vn_hash_alg prf, size_t key_len,
                                            struct vn_span master_secret,
                                            struct vn_span client_random,
                                            struct vn_span server_random, struct vn_dtls_keys *ret);

/* ---- writing ---- */

struct vn_dtls_tx {
    struct vn_aead *aead;
    uint8_t salt[VN_DTLS_SALT_LEN];
    uint64_t nonce; /* explicit, of the next record */
    uint64_t seq;   /* of the next record */
    uint64_t bytes; /* sealed so far */
};

/** Records get explicit nonces from `nonce` and numbers from `seq` on, both rising by one. */
VN_MUST_CHECK vn_status vn_dtls_tx_init(struct vn_dtls_tx *tx, const struct vn_dtls_key *key,
                                        uint64_t seq, uint64_t nonce);
/** Wipes; zeroed is fine. */
void vn_dtls_tx_done(struct vn_dtls_tx *tx);
/** Writes plain.n + VN_DTLS_OVERHEAD_BYTES to out, which does not overlap plain, or only as
 * plain.p == out + VN_DTLS_HEADER_LEN + VN_DTLS_NONCE_LEN. At most VN_DTLS_PLAIN_MAX bytes. */
VN_MUST_CHECK vn_status vn_dtls_tx_seal(struct vn_dtls_tx *tx, enum vn_dtls_type type,
                                        struct vn_span plain, uint8_t *out);

/* ---- reading ---- */

struct vn_dtls_rx {
    struct vn_aead *aead;
    uint8_t salt[VN_DTLS_SALT_LEN];
    struct vn_replay window; /* over records of all types */
};

VN_MUST_CHECK vn_status vn_dtls_rx_init(struct vn_dtls_rx *rx, const struct vn_dtls_key *key);
/** Wipes; zeroed is fine. */
void vn_dtls_rx_done(struct vn_dtls_rx *rx);
/** Opens in place. False: not of this epoch and version, forged, cut, or seen before. */
VN_MUST_CHECK bool vn_dtls_rx_open(struct vn_dtls_rx *rx, const struct vn_dtls_record *r,
                                   struct vn_dgram *ret_plain);
