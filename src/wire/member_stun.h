/*
 * STUN between members of a realm (RFC 8489, Binding only): nodes registered as public tell others
 * from where their datagrams seem to come, and stay silent towards everybody else.
 *
 *   key      = HMAC(K(g,e), "stun")[0..32)                MESSAGE-INTEGRITY, both ways
 *   USERNAME = g ‖ e, each as eight hexadecimal digits: which key it is
 *
 * The port above the one that Guardian names answers as well, and with CHANGE-REQUEST (RFC 5780
 * section 7.2, "change port") each answers from the other: that tells how a NAT behaves.
 */
#pragma once

#include "wire/hourkeys.h"

#define VN_STUN_USERNAME_LEN 16
/* Two hours that count at once, of two generations. */
#define VN_STUN_KEYS_MAX 4

struct vn_stun_key {
    uint32_t generation, hour;
    struct vn_secret32 key;
};

/** Zeroed: none. The first is the one to ask with; all are accepted. */
struct vn_stun_keys {
    struct vn_stun_key keys[VN_STUN_KEYS_MAX];
    size_t count;
};

/**
 * The keys that count at now_ms (protocol time); none without the present hour's.
 * @param ret_until_ms  when others count: call again then
 */
VN_MUST_CHECK vn_status vn_stun_keys_make(enum vn_hash_alg alg, const struct vn_hour_keys *hours,
                                          uint64_t now_ms, struct vn_stun_keys *ret,
                                          uint64_t *ret_until_ms);
/** The key that a request names; NULL: none that counts. Borrowed. */
const struct vn_stun_key *vn_stun_keys_find(const struct vn_stun_keys *k, struct vn_span username);
/** Not NUL-terminated. */
void vn_stun_key_username(const struct vn_stun_key *k, uint8_t ret[VN_STUN_USERNAME_LEN]);
void vn_stun_keys_wipe(struct vn_stun_keys *k);
