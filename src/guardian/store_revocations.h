/* Revocations in the store (store.h says how it works). */
#pragma once

#include "guardian/store.h"
#include "wire/revocation.h"

struct vn_revocation_row {
    struct vn_revocation e;
    bool has_nkey;
    uint8_t nkey[32];
    bool published;
};
/** Draws the number: above all before and not below the clock. Replaces what is older about the
 * same node, and forgets what has ended. */
VN_MUST_CHECK vn_status vn_store_revocation_add(struct vn_store *s, const struct vn_id *realm,
                                                const struct vn_revocation_row *row,
                                                uint64_t now_ms);
/** What has not ended and has a number beyond `after`, by number; *ret is malloc'ed (never NULL).
 */
VN_MUST_CHECK vn_status vn_store_revocation_load(struct vn_store *s, const struct vn_id *realm,
                                                 uint64_t after, uint64_t now_ms,
                                                 struct vn_revocation_row **ret, size_t *ret_n);
/** Of all realms: while these are the same, so are the rows, but for those that end. */
struct vn_revocation_marks {
    uint64_t added, removed; /* by us, or begun to be */
    int64_t outside;         /* changes of anything by another process */
};
/** Outside a transaction. */
VN_MUST_CHECK vn_status vn_store_revocation_marks(struct vn_store *s,
                                                  struct vn_revocation_marks *ret);
/** Realms with something to publish that has not ended, at most cap. VN_ERR_NOTFOUND: none. */
VN_MUST_CHECK vn_status vn_store_revocation_pending(struct vn_store *s, uint64_t now_ms,
                                                    struct vn_id *ret_realms, size_t cap,
                                                    size_t *ret_n);
VN_MUST_CHECK vn_status vn_store_revocation_published(struct vn_store *s, const struct vn_id *realm,
                                                      uint64_t to);
