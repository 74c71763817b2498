/*
 * Guardian's tokens: HS256 JWTs under its own secret, each type under a key of its own, so that
 * none passes for another; and the forms in which people paste them.
 *
 *   registration {"typ":"reg","jti":token id,"rlm":realm,"iat","exp"}
 *   conflux      {"typ":"cfx","sub":conflux id,"rlm":realm,"iat"}
 *   access       {"typ":"usr","sub":user id,"sid":its sign-in,"iat","exp"}
 *   API          {"typ":"api","jti":token id,"sub":user id,"iat","exp"}
 */
#pragma once

#include "base/id.h"
#include "base/secret.h"
#include "base/status.h"

enum vn_token_type {
    VN_TOKEN_REGISTRATION,
    VN_TOKEN_CONFLUX,
    VN_TOKEN_ACCESS,
    VN_TOKEN_API,
    VN_TOKEN_TYPES
};

/** One key per type, derived from the installation's token secret. */
struct vn_token_keys {
    struct vn_secret32 key[VN_TOKEN_TYPES];
};
VN_MUST_CHECK vn_status vn_token_keys_derive(const struct vn_secret32 *secret,
                                             struct vn_token_keys *ret);

struct vn_token {
    enum vn_token_type type;
    struct vn_id id;    /* token id, conflux id or user id; access: zero for Guardian's own host */
    struct vn_id realm; /* access: the sign-in; API: the user */
    uint64_t issued_ms, expires_ms; /* whole seconds; 0: does not expire */
};
/** *ret malloc'ed; wipe it (vn_secret_strp). */
VN_MUST_CHECK vn_status vn_token_issue(const struct vn_token_keys *keys, const struct vn_token *t,
                                       char **ret);
/** VN_ERR_AUTH for whatever is wrong; VN_ERR_EXPIRED only for a genuine one. */
VN_MUST_CHECK vn_status vn_token_check(const struct vn_token_keys *keys, enum vn_token_type type,
                                       const char *text, uint64_t now_ms, struct vn_token *ret);
/** SHA-256 of the JWT text: what the store keeps, and what a proof of possession covers. */
VN_MUST_CHECK vn_status vn_token_hash(const char *text, uint8_t ret[32]);

/** "vn1." ‖ base64url({"g":[url],"k":pin,"r":jwt}); pin NULL leaves "k" out. */
VN_MUST_CHECK vn_status vn_join_token(const char *url, const uint8_t pin[32],
                                      const char *registration_jwt, char **ret);
