/* From what an operator writes to a realm that can be made: for the API, `init` and `realm create`
 * alike. */
#pragma once

#include "guardian/realm.h"

struct vn_realm_wish {
    const char *name;
    const char *suite, *ipv4, *access, *relay; /* NULL: default */
    int64_t session_lifetime_s;                /* -1: default */
};
/** VN_ERR_ARG: why holds a sentence that names the fix. ret borrows the name. */
VN_MUST_CHECK vn_status vn_realm_wish_check(struct vn_store *s, const struct vn_realm_wish *w,
                                            struct vn_realm_init *ret, char *why, size_t why_n);
