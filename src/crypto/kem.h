/* Key encapsulation: ML-KEM (FIPS 203), X25519 (RFC 7748) and the hybrid of
 * draft-ietf-tls-ecdhe-mlkem. */
#pragma once

#include "base/secret.h"
#include "base/status.h"

enum vn_kem_alg {
    VN_KEM_X25519MLKEM768 =
        1,                /* ek 1216 = ML-KEM 1184 then X25519 32; ct 1120 = 1088 then 32; ss 64 */
    VN_KEM_MLKEM768 = 2,  /* ek 1184, ct 1088, ss 32 */
    VN_KEM_MLKEM1024 = 3, /* ek 1568, ct 1568, ss 32 */
};

size_t vn_kem_ek_len(enum vn_kem_alg alg);
size_t vn_kem_ct_len(enum vn_kem_alg alg);
size_t vn_kem_ss_len(enum vn_kem_alg alg);

/** A decapsulation key; wiped when freed. May be used from several threads at once once made. */
struct vn_kem_dk;

VN_MUST_CHECK vn_status vn_kem_generate(enum vn_kem_alg alg, struct vn_kem_dk **ret);
/** FIPS 203 ML-KEM.KeyGen_internal from d then z (64 bytes); not for the hybrid
 * (VN_ERR_UNSUPPORTED). */
VN_MUST_CHECK vn_status vn_kem_from_seed(enum vn_kem_alg alg, struct vn_span seed,
                                         struct vn_kem_dk **ret);
/** From the expanded private form (FIPS 203 dk encoding; hybrid: dk then X25519 scalar).
 * VN_ERR_MALFORMED. */
VN_MUST_CHECK vn_status vn_kem_from_dk(enum vn_kem_alg alg, struct vn_span dk,
                                       struct vn_kem_dk **ret);
struct vn_kem_dk *vn_kem_free(struct vn_kem_dk *dk); /* returns NULL */
void vn_kem_freep(struct vn_kem_dk **dk);
enum vn_kem_alg vn_kem_alg_of(const struct vn_kem_dk *dk);
/** The encapsulation key, vn_kem_ek_len bytes; borrowed, lives as long as dk. */
struct vn_span vn_kem_ek(const struct vn_kem_dk *dk);
/** Expanded private form into ret (for tests and sealed memory); *ret_n set. */
VN_MUST_CHECK vn_status vn_kem_export_dk(const struct vn_kem_dk *dk, uint8_t *ret, size_t cap,
                                         size_t *ret_n);

/**
 * Derives a fresh shared secret for the holder of ek. Safe to call from any thread.
 * FIPS 203 section 7.2 (ML-KEM.Encaps).
 *
 * @param ek      peer's encapsulation key, exactly vn_kem_ek_len bytes, borrowed
 * @param ret_ct  vn_kem_ct_len bytes, caller's storage
 * @param ret_ss  shared secret; the caller wipes it
 * @return VN_OK; VN_ERR_MALFORMED if ek has the wrong length or fails the modulus check;
 *         VN_ERR_CRYPTO, also if its X25519 half is a point of low order. Outputs are untouched on
 *         error.
 */
VN_MUST_CHECK vn_status vn_kem_encapsulate(enum vn_kem_alg alg, struct vn_span ek, uint8_t *ret_ct,
                                           struct vn_secret *ret_ss);
/** As above with the 32 bytes m given (FIPS 203 ML-KEM.Encaps_internal); for vectors. Not for the
 * hybrid. */
VN_MUST_CHECK vn_status vn_kem_encapsulate_derand(enum vn_kem_alg alg, struct vn_span ek,
                                                  struct vn_span m, uint8_t *ret_ct,
                                                  struct vn_secret *ret_ss);
/**
 * FIPS 203 section 7.3; a wrong ciphertext of right length yields a secret nobody knows (implicit
 * rejection). VN_ERR_MALFORMED for another length; VN_ERR_CRYPTO, also if its X25519 half is a
 * point of low order: both are the peer's doing.
 */
VN_MUST_CHECK vn_status vn_kem_decapsulate(const struct vn_kem_dk *dk, struct vn_span ct,
                                           struct vn_secret *ret_ss);

/** RFC 7748 X25519(scalar, u). VN_ERR_CRYPTO when the result is all zero (section 6.1). */
VN_MUST_CHECK vn_status vn_x25519(const uint8_t scalar[32], const uint8_t u[32],
                                  struct vn_secret32 *ret);
