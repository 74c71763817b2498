/*
 * The TURN servers that Guardian names to nodes, and the credentials it makes for them: user name
 * and password as they were given, or time-limited ones of a secret that the servers share
 * (draft-uberti-behave-turn-rest: username = expiry ":" id, password = base64(HMAC-SHA1(secret,
 * username)); coturn's use-auth-secret).
 */
#pragma once

#include <jansson.h>

#include "base/limits.h"
#include "guardian/store.h"
#include "wire/ice_server.h"

#define VN_TURN_URLS_MAX 4
#define VN_TURN_SECRET_MAX 128 /* bytes of the shared secret */
/* Time-limited credentials outlive the session by so much: the server's clock is its own. */
#define VN_TURN_SLACK_MS 600000ull

struct vn_turn_config {
    struct vn_ice_server urls[VN_TURN_URLS_MAX]; /* no credentials; pin where one is set */
    size_t url_count;
    struct vn_ice_server servers[VN_ICE_SERVERS_MAX]; /* the same by address: vn_turn_resolve */
    size_t server_count;
    char username[VN_TURN_USERNAME_MAX + 1]; /* "": time-limited */
    char secret[VN_TURN_SECRET_MAX + 1];     /* shared secret, or the password */
};

/** What `run` was told; each may be NULL: it stays as it is. */
struct vn_turn_settings {
    const char *urls;                /* separated by commas; "none": forget all of it */
    const char *username, *password; /* both, or secret */
    const char *secret;
    const char *cert_pem; /* of the TLS servers: their key is pinned */
};

/** Keeps them. VN_ERR_ARG: ret_why says what is wrong, in words for whoever typed it. */
VN_MUST_CHECK vn_status vn_turn_set(struct vn_store *s, const struct vn_turn_settings *t,
                                    char ret_why[256]);
VN_MUST_CHECK vn_status vn_turn_load(struct vn_store *s, struct vn_turn_config *ret);
/** Looks names up, which may block for seconds; those that have no address are left out and logged.
 * Keeps at most `room` addresses. */
void vn_turn_resolve(struct vn_turn_config *c, size_t room);

/** Credentials for a node, good until its session ends and VN_TURN_SLACK_MS more. */
VN_MUST_CHECK vn_status vn_turn_credentials(const struct vn_turn_config *c,
                                            const struct vn_id *node, uint64_t expires_ms,
                                            char ret_username[VN_TURN_USERNAME_MAX + 1],
                                            char ret_credential[VN_TURN_CREDENTIAL_MAX + 1]);
