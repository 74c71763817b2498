/*
 * Long-term credentials of STUN (RFC 8489 section 9.2) as a client: what a server's challenge said,
 * and the key that follows. A server that offers SHA-256 gets it, one that does not MD5 and
 * HMAC-SHA1; one that wants names hashed gets USERHASH in place of USERNAME.
 */
#pragma once

#include "base/secret.h"
#include "base/status.h"
#include "transport/limits.h"
#include "transport/stun.h"

struct vn_turn_text {
    uint8_t b[VN_STUN_TEXT_MAX];
    size_t n;
};

struct vn_turn_auth {
    char username[VN_TURN_USERNAME_MAX + 1];
    char password[VN_TURN_CREDENTIAL_MAX + 1];
    bool challenged; /* the rest is known */
    struct vn_turn_text realm, nonce, algorithms;
    bool hashed; /* the server wants USERHASH */
    uint8_t userhash[32];
    enum vn_stun_integrity integrity;
    uint8_t key[32];
    size_t key_len;
};

/** Copies both. VN_ERR_ARG: empty, too long, or not printable ASCII (then OpaqueString of RFC 8265
 * changes nothing). */
VN_MUST_CHECK vn_status vn_turn_auth_init(struct vn_turn_auth *a, const char *username,
                                          const char *password);
/** Wipes. For VN_CLEANUP too. */
void vn_turn_auth_done(struct vn_turn_auth *a);

/**
 * Takes realm, nonce and algorithms of an error answer 401 or 438.
 * @return VN_OK: ask again; VN_ERR_AUTH: the challenge is none, cannot be met, or hides the
 * algorithms that its nonce promises (section 9.2.5)
 */
VN_MUST_CHECK vn_status vn_turn_auth_challenge(struct vn_turn_auth *a, const struct vn_stun_msg *m);
/** USERNAME or USERHASH, REALM, NONCE and algorithms, once challenged. */
void vn_turn_auth_put(const struct vn_turn_auth *a, struct vn_writer *w);
/** Integrity, once challenged, and the end of the message. As vn_stun_end. */
VN_MUST_CHECK vn_status vn_turn_auth_end(const struct vn_turn_auth *a, struct vn_writer *w,
                                         struct vn_span *ret);
/** VN_ERR_AUTH unless the message carries the integrity of a server that knows the password. */
VN_MUST_CHECK vn_status vn_turn_auth_verify(const struct vn_turn_auth *a,
                                            const struct vn_stun_msg *m);
