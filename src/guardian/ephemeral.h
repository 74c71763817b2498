/*
 * Ephemeral nodes (SPEC C12): removed when they log out, and when they have been silent. Their
 * sessions are short, so that silence shows: one that lives renews its own in time. Nodes that
 * nobody approves are removed by the same sweep.
 */
#pragma once

#include "guardian/guardian.h"

#define VN_EPHEMERAL_SESSION_MS VN_PACED_MS(600000, 15000)
/* From registration to the first login. */
#define VN_EPHEMERAL_GRACE_MS VN_PACED_MS(600000, 15000)

/** Of the node's session, in a realm whose sessions last so long. */
uint64_t vn_ephemeral_lifetime_ms(const struct vn_conflux_record *c, uint64_t realm_ms);

VN_MUST_CHECK vn_status vn_ephemerals_new(struct vn_guardian *g, struct vn_ephemerals **ret);
void vn_ephemerals_free(struct vn_ephemerals *e); /* the loop must run on; NULL is fine */
/** Removes those that are silent, or have waited for too long; *ret_n: how many. For tests too. */
VN_MUST_CHECK vn_status vn_ephemerals_sweep(struct vn_guardian *g, uint64_t now_ms, size_t *ret_n);
