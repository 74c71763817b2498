/* What the routes of organisations and of invitations share. */
#pragma once

#include "guardian/http.h"

/** Owners are made and unmade by owners. Returns false after answering. */
bool vn_org_may_give(struct vn_request *r, enum vn_role before, enum vn_role after);
/** Of a name that the schema let through; NULL: member. */
enum vn_role vn_org_role_of(const char *name);
/** {"org","user","role"} */
json_t *vn_org_member_json(const struct vn_id *org, const struct vn_id *user, enum vn_role role);
