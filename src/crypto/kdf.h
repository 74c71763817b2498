/* Hashes (FIPS 180-4, FIPS 202), HMAC (RFC 2104), HKDF (RFC 5869), TLS 1.2's PRF (RFC 5246),
 * Argon2id (RFC 9106). */
#pragma once

#include "base/secret.h"
#include "base/status.h"

enum vn_hash_alg { VN_SHA256 = 1, VN_SHA384 = 2, VN_SHA3_256 = 3 };

#define VN_HASH_MAX 48
#define VN_MAC_LEN 16 /* every mac of the protocol is cut to this */

struct vn_hash {
    uint8_t b[VN_HASH_MAX];
    size_t n;
};
static inline struct vn_span vn_hash_span(const struct vn_hash *h)
{
    return (struct vn_span){h->b, h->n};
}
static inline int vn_hash_equal(const struct vn_hash *a, const struct vn_hash *b)
{
    return a->n == b->n && memcmp(a->b, b->b, a->n) == 0;
}

size_t vn_hash_len(enum vn_hash_alg alg);

/* Inputs come as arrays of spans and are hashed as their concatenation: no copying to glue them. */
VN_MUST_CHECK vn_status vn_hash(enum vn_hash_alg alg, const struct vn_span *parts, size_t count,
                                struct vn_hash *ret);
VN_MUST_CHECK vn_status vn_hmac(enum vn_hash_alg alg, struct vn_span key,
                                const struct vn_span *parts, size_t count, struct vn_hash *ret);
/** First VN_MAC_LEN bytes of the HMAC. */
VN_MUST_CHECK vn_status vn_mac16(enum vn_hash_alg alg, struct vn_span key,
                                 const struct vn_span *parts, size_t count,
                                 uint8_t ret[VN_MAC_LEN]);
#define VN_PARTS(...)                                                                              \
    ((const struct vn_span[]){__VA_ARGS__}),                                                       \
        (sizeof((struct vn_span[]){__VA_ARGS__}) / sizeof(struct vn_span))

/**
 * DESIGN's HKDF(salt, ikm, info): extract, then expand to n bytes. salt may be empty. Safe from any
 * thread.
 * @param ret  n bytes, n <= 255 * hash length
 */
VN_MUST_CHECK vn_status vn_hkdf(enum vn_hash_alg alg, struct vn_span salt, struct vn_span ikm,
                                const struct vn_span *info, size_t info_count, uint8_t *ret,
                                size_t n);
VN_MUST_CHECK vn_status vn_hkdf_extract(enum vn_hash_alg alg, struct vn_span salt,
                                        struct vn_span ikm, struct vn_hash *ret);
VN_MUST_CHECK vn_status vn_hkdf_expand(enum vn_hash_alg alg, struct vn_span prk,
                                       const struct vn_span *info, size_t info_count, uint8_t *ret,
                                       size_t n);

/**
 * PRF of TLS 1.2 (RFC 5246 section 5) with that hash. Safe from any thread.
 * @param seed  label and seed, hashed as their concatenation; at most VN_TLS12_PRF_SEED_MAX bytes
 */
VN_MUST_CHECK vn_status vn_tls12_prf(enum vn_hash_alg alg, struct vn_span secret,
                                     const struct vn_span *seed, size_t seed_count, uint8_t *ret,
                                     size_t n);
#define VN_TLS12_PRF_SEED_MAX 128

/** Argon2id, version 0x13. @param m_kib memory @param t passes @param p lanes */
VN_MUST_CHECK vn_status vn_argon2id(struct vn_span password, struct vn_span salt, uint32_t m_kib,
                                    uint32_t t, uint32_t p, uint8_t *ret, size_t n);
