/*
 * Revocation (DESIGN sections 4.6 and 4.8): what binds nodes that do not cooperate. Entries are
 * stored with the change that they belong to, published on a.rev after it, and part of every login
 * answer until their end.
 */
#pragma once

#include <jansson.h>

#include "guardian/guardian.h"

/** In the transaction that ends the record's session: its node id is over. Nothing without one. */
VN_MUST_CHECK vn_status vn_revoke_session(struct vn_store *s, const struct vn_conflux_record *c,
                                          uint64_t now_ms);
/** In the transaction that changes its identities: older statements are over. */
VN_MUST_CHECK vn_status vn_revoke_statements(struct vn_store *s, const struct vn_conflux_record *c,
                                             uint64_t minimum, uint64_t now_ms);

/** Publishes what waits for it; signs on the pool. After the commit, at start, and after changes by
 * a command on the host. Loop thread only. */
void vn_revoke_publish(struct vn_guardian *g);

/** Hands Master the realm's account JWT: which keys sign in it, and who is revoked. Loop thread
 * only.
 */
void vn_revoke_tell_broker(struct vn_guardian *g, const struct vn_realm *realm);

/** "revocations" of the login answer: all rows, in as many signed lists as it takes; of more than
 * VN_REVOCATIONS_MAX the newest, as many as a node remembers. Callable from pool threads. */
VN_MUST_CHECK vn_status vn_revoke_answer(const struct vn_realm *realm,
                                         const struct vn_revocation_row *rows, size_t n,
                                         json_t *answer);
