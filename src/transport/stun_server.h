/*
 * What a public node answers to STUN Binding requests: members of the realm the address they are
 * seen from, others nothing (wire/member_stun.h). Sans-IO. An answer is never longer than its
 * request, and goes nowhere but back.
 *
 * Work for strangers is bounded: so many requests a second of one source (an IPv4 address, an IPv6
 * /64) and of all are looked at, the others are dropped before their mac is computed. Sources share
 * a fixed table, by a secret hash.
 */
#pragma once

#include <stdbool.h>

#include "base/id.h"
#include "ports/random.h"
#include "transport/limits.h"
#include "wire/member_stun.h"

enum vn_stun_verdict {
    VN_STUN_ANSWER,
    VN_STUN_STRANGER, /* no request of a member: malformed, another key, wrong mac */
    VN_STUN_RATE,     /* too many of this source, or of all */
};

struct vn_stun_bucket {
    uint64_t at_us; /* when tokens were counted last */
    uint32_t milli; /* thousandths of a token */
};

struct vn_stun_server {
    struct vn_stun_keys keys;
    uint64_t salt;
    struct vn_stun_bucket all;
    struct vn_stun_bucket sources[VN_STUN_SERVER_SOURCES];
};

/** Without keys it answers nobody. VN_ERR_CRYPTO: no random bytes. */
VN_MUST_CHECK vn_status vn_stun_server_init(struct vn_stun_server *s,
                                            const struct vn_random *random, uint64_t now_us);
void vn_stun_server_wipe(struct vn_stun_server *s);

/**
 * A datagram.
 * @param room  VN_STUN_ANSWER_MAX bytes, where *ret is written
 * @param ret_other_port  the answer is wanted from the other of the two ports
 */
VN_MUST_CHECK enum vn_stun_verdict
vn_stun_server_input(struct vn_stun_server *s, const struct vn_addr *from, struct vn_span datagram,
                     uint64_t now_us, uint8_t *room, struct vn_span *ret, bool *ret_other_port);
