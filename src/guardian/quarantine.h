/*
 * Quarantine (SPEC G9): kept with the registration, so that a restart and a new login keep it.
 *
 * From all: the node's statements have no tags any more, and older ones are over (revoke.h), which
 * binds it whether it cooperates or not. From some: each of the two ends gets the other's address
 * on its list, by command and with each login; one that cooperates is enough.
 */
#pragma once

#include "guardian/guardian.h"

/** True when an administrator keeps these two apart. */
bool vn_quarantine_between(const struct vn_conflux_record *a, const struct vn_conflux_record *b);
/**
 * In the transaction that changes a node's rules or taints (before: as it was, NULL for a new one):
 * whose lists change with it gets a new number and is told by vn_quarantine_push. The node itself
 * too, unless told_otherwise.
 */
VN_MUST_CHECK vn_status vn_quarantine_changed(struct vn_store *s,
                                              const struct vn_conflux_record *before,
                                              const struct vn_conflux_record *after,
                                              bool told_otherwise, uint64_t now_ms);
/** The list of a node, as it is now; free ret->addrs. At most VN_QUARANTINE_ADDRS_MAX addresses:
 * beyond, the other ends refuse alone. ret_total (may be NULL) counts all. */
VN_MUST_CHECK vn_status vn_quarantine_list(struct vn_store *s, const struct vn_conflux_record *c,
                                           struct vn_quarantine_list *ret, size_t *ret_total);
/** "quarantine" of the login answer. */
json_t *vn_quarantine_list_json(const struct vn_quarantine_list *l);
/** Tells those whose lists changed, as many at a time as there is room for. After the commit, at
 * start, and after changes by a command on the host. Loop thread only. */
void vn_quarantine_push(struct vn_guardian *g);
