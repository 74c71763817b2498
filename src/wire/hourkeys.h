/* Hour keys K(g,e) (DESIGN section 4.7): they keep outsiders out and the broker blind; they are
 * never an authority. */
#pragma once

#include <stdbool.h>

#include "base/id.h"
#include "base/limits.h"
#include "base/secret.h"
#include "base/status.h"
#include "crypto/kdf.h"

#define VN_HOURS_MAX 16

struct vn_hour_keys {
    uint32_t generation;
    uint32_t first_hour;
    size_t count;
    struct vn_secret32 keys[VN_HOURS_MAX];
    /* Borrowed: another generation that is accepted too, while the realm changes keys; NULL. */
    const struct vn_hour_keys *other;
};

/** Guardian's side: K(g,e) = HMAC(hour root, g4 ‖ e4)[0..32). */
VN_MUST_CHECK vn_status vn_hour_key_derive(enum vn_hash_alg alg, const struct vn_secret32 *root,
                                           uint32_t generation, uint32_t hour,
                                           struct vn_secret32 *ret);
/** The hour of protocol time. */
uint32_t vn_hour_of(uint64_t now_ms);
/**
 * The key of (generation, hour) if we hold it and the hour is acceptable at now_ms (the present
 * one, or a neighbour within VN_HOUR_GRACE_MS of the boundary); else NULL. Looks in k->other too.
 * Borrowed.
 */
const struct vn_secret32 *vn_hour_keys_find(const struct vn_hour_keys *k, uint32_t generation,
                                            uint32_t hour, uint64_t now_ms);
/** The key to send with; NULL if the present hour is not among them. */
const struct vn_secret32 *vn_hour_keys_now(const struct vn_hour_keys *k, uint64_t now_ms,
                                           uint32_t *ret_hour);
void vn_hour_keys_wipe(struct vn_hour_keys *k);

/*
 * What refuses messages of outsiders: the mac keys of an hour, HKDF(K(g,e), "env-mac") and
 * HKDF(K(g,e), "mac1" ‖ id of self). Deriving costs more than the mac, so those of the two hours
 * that may be acceptable at once are kept, of both generations.
 */
struct vn_hour_mac_keys {
    bool set;
    uint32_t generation, hour;
    struct vn_secret32 env, mac1;
};
struct vn_hour_macs {
    const struct vn_hour_keys *keys; /* borrowed; whoever replaces them wipes this */
    const struct vn_id *self;
    struct vn_hour_mac_keys kept[4]; /* two hours of keys, two of keys->other */
};
/** VN_ERR_EXPIRED when vn_hour_keys_find finds none. Borrowed, until the next call. */
VN_MUST_CHECK vn_status vn_hour_macs_find(struct vn_hour_macs *m, enum vn_hash_alg alg,
                                          uint32_t generation, uint32_t hour, uint64_t now_ms,
                                          const struct vn_hour_mac_keys **ret);
VN_MUST_CHECK vn_status vn_hour_mac1_key(enum vn_hash_alg alg, const struct vn_secret32 *k,
                                         const struct vn_id *responder, struct vn_secret32 *ret);
VN_MUST_CHECK vn_status vn_hour_env_key(enum vn_hash_alg alg, const struct vn_secret32 *k,
                                        struct vn_secret32 *ret);
/** Wipes the kept keys, and stays usable: the hour keys behind it change. */
void vn_hour_macs_forget(struct vn_hour_macs *m);
void vn_hour_macs_wipe(struct vn_hour_macs *m);
