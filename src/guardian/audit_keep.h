/* How long the audit is kept: entries that are too old, or too many, are removed piece by piece. */
#pragma once

#include "guardian/guardian.h"

struct vn_audit_keeper;

VN_MUST_CHECK vn_status vn_audit_keeper_new(struct vn_guardian *g, struct vn_audit_keeper **ret);
void vn_audit_keeper_free(struct vn_audit_keeper *k); /* the loop must run on; NULL is fine */
/** Removes a piece of what may go; *ret_more: there may be more. For tests too. */
VN_MUST_CHECK vn_status vn_audit_sweep(struct vn_guardian *g, uint64_t now_ms, bool *ret_more);
