/* Changes of an account's signing key in the store (store.h says how it works). */
#pragma once

#include "guardian/store.h"

struct vn_signing_change {
    struct vn_id realm;
    bool announced; /* the next key waits to be used; else the one before to end */
    uint64_t step_ms;
};
/** Those under way, at most cap. */
VN_MUST_CHECK vn_status vn_store_signing_list(struct vn_store *s, struct vn_signing_change *ret,
                                              size_t cap, size_t *ret_n);
VN_MUST_CHECK vn_status vn_store_signing_announce(struct vn_store *s, const struct vn_id *realm,
                                                  const struct vn_secret32 *next, uint64_t now_ms,
                                                  uint64_t step_ms);
/** The announced key is the signing key; `before`, its public text, was until now. In a
 * transaction. */
VN_MUST_CHECK vn_status vn_store_signing_use(struct vn_store *s, const struct vn_id *realm,
                                             const char *before, uint64_t now_ms, uint64_t step_ms);
VN_MUST_CHECK vn_status vn_store_signing_end(struct vn_store *s, const struct vn_id *realm,
                                             uint64_t now_ms);
/** Revoked users whose JWTs count but for that. */
VN_MUST_CHECK vn_status vn_store_signing_revoked(struct vn_store *s, const struct vn_id *realm,
                                                 uint64_t now_ms, uint64_t *ret);
/** Part of vn_store_realm_get. */
VN_MUST_CHECK vn_status vn_store_realm_signing(struct vn_store *s, struct vn_realm_record *r);
