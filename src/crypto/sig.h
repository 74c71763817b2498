/* Signatures: ML-DSA (FIPS 204, pure, with a context string) and Ed25519 (RFC 8032; for NATS nkeys
 * and identity providers' tokens only). */
#pragma once

#include "base/secret.h"
#include "base/status.h"

enum vn_sig_alg { VN_SIG_MLDSA65 = 1, VN_SIG_MLDSA87 = 2, VN_SIG_ED25519 = 3 };

size_t vn_sig_pk_len(enum vn_sig_alg alg); /* 1952, 2592, 32 */
size_t vn_sig_len(enum vn_sig_alg alg);    /* 3309, 4627, 64 */

/** A signing key; wiped when freed. May sign from several threads at once. */
struct vn_sig_key;

VN_MUST_CHECK vn_status vn_sig_generate(enum vn_sig_alg alg, struct vn_sig_key **ret);
/** From the 32-byte seed (FIPS 204 xi; RFC 8032 private key). */
VN_MUST_CHECK vn_status vn_sig_from_seed(enum vn_sig_alg alg, struct vn_span seed,
                                         struct vn_sig_key **ret);
/** The 32-byte seed, to be stored by Guardian. VN_ERR_CRYPTO for a key of vn_sig_from_sk. */
VN_MUST_CHECK vn_status vn_sig_seed(const struct vn_sig_key *key, struct vn_secret32 *ret);
/** From the encoded private key (FIPS 204 skEncode; Ed25519: the seed); for vectors.
 * VN_ERR_MALFORMED. */
VN_MUST_CHECK vn_status vn_sig_from_sk(enum vn_sig_alg alg, struct vn_span sk,
                                       struct vn_sig_key **ret);
/** The encoded private key, at most VN_SIG_SK_MAX bytes; for vectors. */
VN_MUST_CHECK vn_status vn_sig_export_sk(const struct vn_sig_key *key, uint8_t *ret, size_t cap,
                                         size_t *ret_n);
#define VN_SIG_SK_MAX 4896
struct vn_sig_key *vn_sig_free(struct vn_sig_key *key); /* returns NULL */
void vn_sig_freep(struct vn_sig_key **key);
enum vn_sig_alg vn_sig_alg_of(const struct vn_sig_key *key);
/** Public key bytes; borrowed, live as long as key. */
struct vn_span vn_sig_pk(const struct vn_sig_key *key);

/**
 * @param context  context string of FIPS 204 section 5.2, such as "anchor-env-v1"; NULL for none;
 * ignored for Ed25519
 * @param ret      vn_sig_len bytes, caller's storage
 */
VN_MUST_CHECK vn_status vn_sig_sign(const struct vn_sig_key *key, const char *context,
                                    struct vn_span msg, uint8_t *ret);
/** Same with the context as bytes. */
VN_MUST_CHECK vn_status vn_sig_sign_ctx(const struct vn_sig_key *key, struct vn_span context,
                                        struct vn_span msg, uint8_t *ret);
/** Deterministic variant (rnd = 0^32), for recorded vectors. */
VN_MUST_CHECK vn_status vn_sig_sign_deterministic(const struct vn_sig_key *key, const char *context,
                                                  struct vn_span msg, uint8_t *ret);

/** A parsed verification key; immutable, usable from any thread. */
struct vn_sig_pub;

VN_MUST_CHECK vn_status vn_sig_pub_new(enum vn_sig_alg alg, struct vn_span pk,
                                       struct vn_sig_pub **ret);
struct vn_sig_pub *vn_sig_pub_free(struct vn_sig_pub *pub); /* returns NULL */
void vn_sig_pub_freep(struct vn_sig_pub **pub);
struct vn_span vn_sig_pub_bytes(const struct vn_sig_pub *pub);
/** VN_OK or VN_ERR_AUTH (also for a wrong length). */
VN_MUST_CHECK vn_status vn_sig_verify(const struct vn_sig_pub *pub, const char *context,
                                      struct vn_span msg, struct vn_span sig);
/** Same with the context as bytes (vectors have contexts that are no text). */
VN_MUST_CHECK vn_status vn_sig_verify_ctx(const struct vn_sig_pub *pub, struct vn_span context,
                                          struct vn_span msg, struct vn_span sig);
/**
 * ML-DSA.Verify_internal (FIPS 204 algorithm 8) of a formatted message M'; for vectors, since
 * without the context's prefix a signature says nothing about what it was made for.
 */
VN_MUST_CHECK vn_status vn_sig_verify_internal(const struct vn_sig_pub *pub, struct vn_span msg,
                                               struct vn_span sig);
