/*
 * Crypto suites, fixed per realm and never negotiated (SPEC A5).
 *   default: X25519MLKEM768 + ML-DSA-65 + SHA-256       cnsa: ML-KEM-1024 + ML-DSA-87 + SHA-384
 */
#pragma once

#include "crypto/kdf.h"
#include "crypto/kem.h"
#include "crypto/sig.h"

enum vn_suite { VN_SUITE_DEFAULT = 1, VN_SUITE_CNSA = 2 };

struct vn_suite_info {
    enum vn_suite id;
    const char *name; /* "default", "cnsa" */
    enum vn_kem_alg kem;
    enum vn_sig_alg sig;
    enum vn_hash_alg hash;
    size_t hash_len; /* H in DESIGN's notation */
    size_t ek_len, ct_len, ss_len;
    size_t pk_len, sig_len;
};

/** NULL for an unknown number. */
const struct vn_suite_info *vn_suite_get(unsigned id);
const struct vn_suite_info *vn_suite_by_name(const char *name);

#define VN_EK_MAX 1568
#define VN_CT_MAX 1568
#define VN_PK_MAX 2592
#define VN_SIG_MAX 4627
