/*
 * The tokens a user pastes (SPEC G2): "vn1." (join) or "vc1." (conflux) and base64url of JSON
 *     {"g": [Guardian URLs], "k": SHA-256 of the DER SubjectPublicKeyInfo of its HTTPS key, "r" or
 * "c": JWT} "k" is absent when Guardian's certificate is to be checked against the system's CAs. A
 * conflux token of a cnsa realm has "s": "cnsa" besides. A bare JWT is a token too; it names no
 * Guardian.
 */
#pragma once

#include <stdbool.h>

#include "base/id.h"
#include "base/secret.h"
#include "base/span.h"
#include "base/status.h"

#define VN_JOIN_TEXT_MAX 8192
#define VN_JOIN_JWT_MAX 4096
#define VN_GUARDIAN_URLS_MAX 4
#define VN_GUARDIAN_URL_MAX 256

enum vn_join_kind { VN_JOIN_REGISTRATION, VN_JOIN_CONFLUX, VN_JOIN_BARE };

/** Where Guardian is and how it is recognised. */
struct vn_guardian_address {
    char urls[VN_GUARDIAN_URLS_MAX]
             [VN_GUARDIAN_URL_MAX + 1]; /* "https://host:port", no path, no final slash */
    size_t url_count;
    bool pinned;
    uint8_t pin[32];
};

struct vn_join {
    enum vn_join_kind kind;
    bool cnsa; /* "s": "cnsa", conflux tokens only: the suite of its realm */
    struct vn_guardian_address guardian; /* no URLs in a bare token */
    char jwt[VN_JOIN_JWT_MAX + 1];       /* a secret */
};

/** Surrounding white space is ignored. VN_ERR_MALFORMED; VN_ERR_UNSUPPORTED for a token of a later
 * version. */
VN_MUST_CHECK vn_status vn_join_parse(struct vn_span text, struct vn_join *ret);
/**
 * Conflux and realm that a conflux token's JWT names, without verifying anything: a hint that the
 * login must confirm.
 */
VN_MUST_CHECK vn_status vn_join_ids(const char *jwt, struct vn_id *ret_conflux,
                                    struct vn_id *ret_realm);
/** Text of a conflux token, malloc'ed; a secret, freed with vn_secret_strp. */
VN_MUST_CHECK vn_status vn_join_format(const struct vn_join *t, char **ret);
/** For VN_CLEANUP. */
void vn_join_wipe(struct vn_join *t);
/** Checks "https://HOST[:PORT][/]"; "HOST:PORT" alone is taken as https. ret: VN_GUARDIAN_URL_MAX +
 * 1 bytes. */
VN_MUST_CHECK vn_status vn_guardian_url_parse(const char *text, char *ret);
