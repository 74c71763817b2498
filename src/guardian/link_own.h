/* What Guardian connects to its Master with: a user of a realm's account, or of the system account,
 * and a certificate of Guardian's own authority. */
#pragma once

#include "guardian/config.h"
#include "guardian/realm.h"

/* Life of the JWT and the certificate. */
#define VN_LINK_OWN_MS VN_PACED_MS(86400000ull, 600000ull)

struct vn_link_own {
    struct vn_secret32 seed; /* of the user's nkey */
    char *jwt, *key_pem, *cert_pem;
};

/** realm NULL: the system account, in which only account JWTs may be handed in. Whatever is
 * returned, the caller calls vn_link_own_done; before, ret is zero. */
VN_MUST_CHECK vn_status vn_link_own_make(const struct vn_guardian_config *cfg,
                                         const struct vn_realm *realm, struct vn_link_own *ret);
/** Wipes and frees. */
void vn_link_own_done(struct vn_link_own *o);
