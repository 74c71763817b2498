/*
 * Key sets of identity providers (RFC 7517 section 5), and the JSON Web Tokens that they sign
 * (RFC 7519, RFC 8725). Everything here comes from outside: sizes are checked before anything is
 * parsed, duplicate members are refused, and a token says which of the allowed algorithms it used,
 * never which may be used. What Guardian signs for itself is guardian/jwt.h.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "crypto/jws.h"

#define VN_JWKS_BYTES_MAX 65536 /* a set */
#define VN_JWKS_KEYS_MAX 32
#define VN_JWKS_KID_MAX 128
#define VN_OAUTH_JWT_MAX 8192 /* a token; what is longer is refused unseen */
#define VN_OAUTH_LEEWAY_S 60  /* two clocks may differ by so much */

/** Keys for signatures, of kinds that we know; immutable. */
struct vn_jwks;
/** VN_ERR_MALFORMED, VN_ERR_LIMIT (bytes, keys), VN_ERR_NOMEM. Keys of other kinds, for encryption,
 * or too weak are left out. */
VN_MUST_CHECK vn_status vn_jwks_parse(struct vn_span text, struct vn_jwks **ret);
struct vn_jwks *vn_jwks_free(struct vn_jwks *k); /* returns NULL */
void vn_jwks_freep(struct vn_jwks **k);
size_t vn_jwks_count(const struct vn_jwks *k);
bool vn_jwks_has(const struct vn_jwks *k, const char *kid);

/** A token as it came; nothing in it is to be believed before vn_oauth_jwt_verify. */
struct vn_oauth_jwt {
    struct vn_span signed_part, payload, sig; /* in the text, borrowed */
    unsigned alg;                             /* one of crypto/jws.h */
    char kid[VN_JWKS_KID_MAX + 1];            /* "": names none */
};
/** Takes the text apart and reads its header. VN_ERR_MALFORMED; VN_ERR_LIMIT: too long;
 * VN_ERR_UNSUPPORTED: its algorithm is none of algs, or it asks for extensions; VN_ERR_NOMEM. */
VN_MUST_CHECK vn_status vn_oauth_jwt_read(const char *text, unsigned algs,
                                          struct vn_oauth_jwt *ret);
/** The claims as they are written. A new reference. VN_ERR_MALFORMED, VN_ERR_NOMEM. */
VN_MUST_CHECK vn_status vn_oauth_jwt_claims(const struct vn_oauth_jwt *t, json_t **ret);
/** VN_OK: signed by the one key of the set that it means. VN_ERR_NOTFOUND: no key, or more than
 * one, of that name and kind. VN_ERR_AUTH: the signature is wrong. VN_ERR_NOMEM. */
VN_MUST_CHECK vn_status vn_oauth_jwt_verify(const struct vn_oauth_jwt *t,
                                            const struct vn_jwks *keys);
/** Issuer and audience are these exactly, and now is within its times. VN_ERR_AUTH, VN_ERR_EXPIRED:
 * *ret_why says what is wrong (constant text). */
VN_MUST_CHECK vn_status vn_oauth_jwt_check(const json_t *claims, const char *issuer,
                                           const char *audience, uint64_t now_ms,
                                           const char **ret_why);
/** audience is "aud", or one in its list. */
bool vn_oauth_is_for(const json_t *claims, const char *audience);
