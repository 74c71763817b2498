/* Telling a node of a change that it did not ask for: vn.IdentityUpdate on a.adm.<node>. Loop
 * thread only. */
#pragma once

#include "guardian/guardian.h"

/** Signs and seals on the pool, then sends; nothing without a live session. A node that misses it
 * learns of the change at its next login. */
void vn_push_identity(struct vn_guardian *g, const struct vn_conflux_record *c);
/** The same for every node marked in the store by a command on the host. */
void vn_push_outbox(struct vn_guardian *g);
