/*
 * What is revoked in a realm, as a login needs it: read again when it changed, and signed once for
 * all who log in meanwhile. A login would else read and sign all of it anew.
 */
#pragma once

#include <jansson.h>

#include "guardian/guardian.h"
#include "guardian/store_revocations.h"

/* Constant once made, and counted. */
struct vn_revoked {
    struct vn_revocation_row *rows; /* by number */
    size_t n;
    /* private */
    unsigned refs; /* atomic */
    struct vn_revocation_marks marks;
    uint64_t until_ms; /* then the first of them ends */
    struct vn_revoked_lists *lists;
};

/** As it is now; a strong reference. Loop thread only, outside a transaction. */
VN_MUST_CHECK vn_status vn_revoked_get(struct vn_guardian *g, const struct vn_id *realm,
                                       uint64_t now_ms, struct vn_revoked **ret);
/** From any thread; NULL is fine. */
void vn_revoked_unref(struct vn_revoked *r);

/** "revocations" of the login answer: all rows, in as many signed lists as it takes; of more than
 * VN_REVOCATIONS_MAX the newest, as many as a node remembers. Lists that another answer had are
 * taken from there; who comes while somebody signs waits for it. For pool threads. */
VN_MUST_CHECK vn_status vn_revoked_answer(struct vn_revoked *r, const struct vn_realm *realm,
                                          json_t *answer);

/** Forgets what a realm has that was deleted. */
void vn_revoked_drop(struct vn_guardian *g, const struct vn_id *realm);
/** Frees what the realms of g have. */
void vn_revoked_done(struct vn_guardian *g);
