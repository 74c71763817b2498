/* Changes of key generation in the store (store.h says how it works). */
#pragma once

#include "guardian/store.h"

struct vn_key_change {
    struct vn_id realm;
    uint64_t due_ms, due_spread_ms; /* the next one; due 0: none is wanted */
    uint32_t other;                 /* 0: none is under way */
    uint64_t began_ms, spread_ms;
    uint64_t until_ms; /* 0: `other` is being handed out; else the one before, until then */
};
/** Somebody lost it: it gets a new key with the next change. Kind 0 with an empty label: all do. */
VN_MUST_CHECK vn_status vn_store_identity_lost(struct vn_store *s, const struct vn_id *realm,
                                               int kind, const char *label);
/** A change is wanted at due_ms; of several wishes the most urgent counts. */
VN_MUST_CHECK vn_status vn_store_key_change_want(struct vn_store *s, const struct vn_id *realm,
                                                 uint64_t due_ms, uint64_t spread_ms);
/** Those wanted or under way, at most cap. */
VN_MUST_CHECK vn_status vn_store_key_change_list(struct vn_store *s, struct vn_key_change *ret,
                                                 size_t cap, size_t *ret_n);
/** Begins the one wanted: a generation above all before, and new keys for what was lost. In a
 * transaction. */
VN_MUST_CHECK vn_status vn_store_key_change_begin(struct vn_store *s, const struct vn_id *realm,
                                                  uint64_t now_ms, uint32_t *ret_generation);
/** In a transaction. */
VN_MUST_CHECK vn_status vn_store_key_change_in_force(struct vn_store *s, const struct vn_id *realm,
                                                     uint32_t now, uint32_t before,
                                                     uint64_t until_ms);
/** In a transaction. */
VN_MUST_CHECK vn_status vn_store_key_change_end(struct vn_store *s, const struct vn_id *realm);
/** Part of vn_store_realm_get: the other generation and the raised identities. */
VN_MUST_CHECK vn_status vn_store_realm_raised(struct vn_store *s, struct vn_realm_record *r);
/** Nodes with a session that were not given this generation: at most cap, and how many in all. */
VN_MUST_CHECK vn_status vn_store_conflux_behind(struct vn_store *s, const struct vn_id *realm,
                                                uint32_t generation, uint64_t now_ms,
                                                struct vn_id *ret, size_t cap, size_t *ret_n,
                                                size_t *ret_all);
/** It was given this generation, in this session. */
VN_MUST_CHECK vn_status vn_store_conflux_reached(struct vn_store *s, const struct vn_id *conflux,
                                                 const struct vn_id *node, uint32_t generation);
