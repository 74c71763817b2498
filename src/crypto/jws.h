/*
 * Signatures of JSON Web Signatures (RFC 7515), made by identity providers. Asymmetric algorithms
 * only, so that a public key can never pass for a secret. libjose verifies; Ed25519 (RFC 8037),
 * which it does not know, is verified here.
 */
#pragma once

#include "base/span.h"
#include "base/status.h"

/* RFC 7518 section 3.1, RFC 8037 section 3.1; bits of a set */
enum vn_jws_alg {
    VN_JWS_RS256 = 1,
    VN_JWS_PS256 = 2,
    VN_JWS_ES256 = 4,
    VN_JWS_ES384 = 8,
    VN_JWS_EDDSA = 16, /* with Ed25519 */
};
#define VN_JWS_ALGS_ALL 31u

/** The bit of a name as in "alg"; 0: none of these. */
unsigned vn_jws_alg_of(const char *name);
/** The name of one of them; NULL when it is none. */
const char *vn_jws_alg_name(unsigned alg);

enum vn_jws_key_kind { VN_JWS_RSA, VN_JWS_P256, VN_JWS_P384, VN_JWS_ED25519 };
#define VN_JWS_RSA_MIN 256  /* bytes of a modulus: RFC 7518 section 3.3 */
#define VN_JWS_RSA_MAX 1024 /* more would only cost time */
#define VN_JWS_E_MAX 8

/** A public key; parts in base64url, as a JWK has them. */
struct vn_jws_key {
    enum vn_jws_key_kind kind;
    char a[VN_JWS_RSA_MAX * 4 / 3 + 3]; /* n, or x */
    char b[68];                         /* e, or y; Ed25519 has none */
};
/** The algorithms that a kind of key is for. */
unsigned vn_jws_key_algs(enum vn_jws_key_kind kind);

/**
 * @param alg          one of them
 * @param signed_part  "header.payload" as received
 * @param sig          in base64url
 * @return VN_OK; VN_ERR_AUTH for whatever is wrong, a key of another kind too; VN_ERR_NOMEM
 */
VN_MUST_CHECK vn_status vn_jws_verify(unsigned alg, const struct vn_jws_key *key,
                                      struct vn_span signed_part, struct vn_span sig);
