/* Whether a node that is registered may log in: after an administrator's approval, and from where
 * its realm says. */
#pragma once

#include "guardian/realm.h"

struct vn_request;

/** 423 Locked: not now, and not for a reason that the node could mend. It asks again. */
#define VN_WEB_WAIT 423
/** Nodes of one realm that wait at once; and how long one does before it is removed. */
#define VN_WAITING_MAX 1000
#define VN_WAITING_MS (14ull * 86400 * 1000)

/** What the body says over what is in force: "approval", "countries", "unknown_country",
 * "country_shown". Returns false after answering. */
bool vn_admission_read(struct vn_request *r, struct vn_admission *a);
/** Those members of a realm's JSON. 0 on success, as jansson has it. */
int vn_admission_json(const struct vn_admission *a, json_t *o);
/** Where the caller is, and whether its realm lets anybody in from there. Returns false after
 * answering. */
bool vn_admission_check(struct vn_request *r, const struct vn_realm *realm,
                        char ret_country[VN_COUNTRY_TEXT]);
