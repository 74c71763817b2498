/*
 * Revocation (DESIGN sections 4.6 and 4.8): what binds nodes that do not cooperate. Entries are
 * stored with the change that they belong to, published on a.rev after it, and part of every login
 * answer until their end.
 */
#pragma once

#include "guardian/guardian.h"
#include "guardian/store_revocations.h"

/** In the transaction that ends the record's session: its node id is over. Nothing without one. */
VN_MUST_CHECK vn_status vn_revoke_session(struct vn_store *s, const struct vn_conflux_record *c,
                                          uint64_t now_ms);
/** In the transaction that changes its identities: older statements are over. */
VN_MUST_CHECK vn_status vn_revoke_statements(struct vn_store *s, const struct vn_conflux_record *c,
                                             uint64_t minimum, uint64_t now_ms);

/** Publishes revocations: one list, then none for VN_REVOCATION_PAUSE_MS. Loop thread only. */
VN_MUST_CHECK vn_status vn_revoker_new(struct vn_guardian *g, struct vn_revoker **ret);
/** NULL is fine. */
void vn_revoker_free(struct vn_revoker *v);
/** Publishes what waits for it, at once or when the pause is over; signs on the pool. After the
 * commit, at start, and after changes by a command on the host. Nothing when Guardian stops. Loop
 * thread only. */
void vn_revoke_publish(struct vn_guardian *g);

/** One signed list of n rows (1 to VN_REVOCATION_ENTRIES_MAX): what is in force among the numbers
 * beyond `after` up to theirs. ret: VN_REVOCATION_LIST_MAX bytes. Callable from pool threads. */
VN_MUST_CHECK vn_status vn_revoke_sign(const struct vn_realm *realm,
                                       const struct vn_revocation_row *rows, size_t n,
                                       uint64_t after, uint8_t *ret, size_t *ret_n);
