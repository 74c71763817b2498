/* vn.IdentityUpdate: how a node learns of a change that it did not ask for itself. */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "guardian/realm.h"

/**
 * Seals statement, identities and nats_jwt of a taints answer to the session's KEM key, signed with
 * the command key. 2 ms: for the pool.
 */
VN_MUST_CHECK vn_status vn_identity_update_seal(const struct vn_realm *realm,
                                                const struct vn_conflux_record *c,
                                                const json_t *answer, uint64_t now_ms,
                                                struct vn_buf *ret);
