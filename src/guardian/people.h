/* What a person's leaving does to their nodes. In the transaction that changes memberships; the
 * caller publishes and pushes behind the commit (vn_people_tell). */
#pragma once

#include "guardian/http.h"

/** The node's teams are those of c from now on; it and its peers are told later, by the outbox. */
VN_MUST_CHECK vn_status vn_people_set_teams(struct vn_store *tx, struct vn_conflux_record *c,
                                            const struct vn_team_set *teams, uint64_t now_ms);
/** Nodes of user lose teams that they may not carry in their realm any more; those in realms in
 * which user is nothing any more are removed. realm NULL: in all realms. */
VN_MUST_CHECK vn_status vn_people_check_user(struct vn_store *tx, const struct vn_id *realm,
                                             const struct vn_id *user, uint64_t now_ms);
/** Behind the commit. */
void vn_people_tell(struct vn_guardian *g);
