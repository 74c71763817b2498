/*
 * JSON Web Tokens (RFC 7519) signed with HMAC-SHA-256 (RFC 7518 section 3.2), for credentials that
 * only Guardian itself verifies. One algorithm and one header, compared as bytes: there is nothing
 * to negotiate and nothing to confuse.
 */
#pragma once

#include <jansson.h>

#include "base/secret.h"
#include "base/status.h"

#define VN_JWT_MAX 2048

/** Signs the claims. *ret is malloc'ed, NUL-terminated; a credential, so wipe it (vn_secret_strp).
 */
VN_MUST_CHECK vn_status vn_jwt_sign(const struct vn_secret32 *key, const json_t *claims,
                                    char **ret);
/**
 * Verifies header and signature, then parses. Times are the caller's to judge. VN_ERR_AUTH for
 * every kind of wrong token; VN_ERR_NOMEM.
 * @param ret  claims object, a new reference
 */
VN_MUST_CHECK vn_status vn_jwt_verify(const struct vn_secret32 *key, const char *text,
                                      json_t **ret);
