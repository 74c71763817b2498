/*
 * The messages of a TURN server (RFC 8656) for tests: one allocation, long-term credentials,
 * answers that a test may spoil. Sans-IO; what is relayed is the caller's business.
 */
#pragma once

#include "transport/stun.h"

#define TURN_USER "1700000000:somebody"
#define TURN_PASSWORD "not a secret"
#define TURN_REALM "example.org"

struct turn_server {
    const char *password;
    bool sha256, userhash; /* what it demands of its clients */
    const char *nonce;     /* NULL: one that fits */
    unsigned stale;        /* so many requests from now on have a stale nonce */
    unsigned refuse[16];   /* by method: this error code */
    bool unsigned_answers, wrong_integrity;
    uint32_t lifetime_s;
    bool no_lifetime, no_relayed;
    struct vn_addr relayed, mapped;

    unsigned asked[16];      /* by method */
    struct vn_stun_msg last; /* of the last request or indication; spans point into last_bytes */
    uint8_t last_bytes[2048];
    size_t last_len;
    uint8_t out[2048];
};

void turn_server_init(struct turn_server *s);
/** The answer to one message of a client; n = 0: none. Valid until the next call. */
struct vn_span turn_server_answer(struct turn_server *s, struct vn_span in);
/** A Data indication. */
struct vn_span turn_server_data(struct turn_server *s, const struct vn_addr *peer,
                                struct vn_span data);
