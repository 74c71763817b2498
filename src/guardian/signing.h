/*
 * The key that signs nodes' JWTs in a realm's NATS account. An account JWT names every revoked user
 * until its own JWT has ended; when that are too many, Guardian changes the key, and the list
 * begins anew: JWTs under the old key are over, revoked or not. In steps, none of which ends a
 * connection of who is not revoked:
 *
 *   announced  Master takes JWTs under the next key as well        VN_SIGNING_ANNOUNCE_MS
 *   used       new JWTs are under it; every node with a session    VN_SIGNING_SPREAD_MS, and
 *              is sent one and connects anew with it               VN_SIGNING_GRACE_MS
 *   ended      Master takes no JWT under the old key any more
 *
 * None of them begins before Master has confirmed the one before.
 */
#pragma once

#include "guardian/guardian.h"

#define VN_SIGNING_ANNOUNCE_MS VN_PACED_MS(10000, 1000)
#define VN_SIGNING_SPREAD_MS VN_PACED_MS(600000, 3000)
#define VN_SIGNING_GRACE_MS VN_PACED_MS(60000, 3000)

VN_MUST_CHECK vn_status vn_signing_new(struct vn_guardian *g, struct vn_signing **ret);
/** In the loop's thread, before the loop ends. */
void vn_signing_free(struct vn_signing *s);

/** Users of this realm were revoked: begins a change when it is time. */
void vn_signing_check(struct vn_guardian *g, const struct vn_id *realm);
