/* What nodes may do beside talking for themselves: relay, conduit, portal. Tokens say it for the
 * nodes that they enrol, administrators for one; certificates carry it. */
#pragma once

#include <jansson.h>

#include "crypto/x509.h"

struct vn_request;

#define VN_PORTAL_TEXT (VN_CERT_PREFIXES_MAX * VN_PREFIX_TEXT)

struct vn_rights {
    uint32_t bits; /* enum vn_cert_right; PORTAL where there are networks */
    struct vn_prefix portal[VN_CERT_PREFIXES_MAX];
    size_t portal_n;
};

/** "relay" and "conduit", booleans, and "portal", a list of networks, over what is in force.
 * Returns false after answering. */
bool vn_rights_read(struct vn_request *r, const struct vn_id *realm, struct vn_rights *io);
/** {"relay", "conduit", "portal"}; NULL without memory. */
json_t *vn_rights_json(const struct vn_rights *r);
bool vn_rights_equal(const struct vn_rights *a, const struct vn_rights *b);

/** The networks as a comma list. */
void vn_portal_format(const struct vn_rights *r, char ret[VN_PORTAL_TEXT]);
/** Adds a network that a realm of these ranges may have a portal for. VN_ERR_ARG: it is none;
 * VN_ERR_EXISTS: it is the realm's own; VN_ERR_LIMIT. why then holds a sentence that names the fix.
 */
VN_MUST_CHECK vn_status vn_portal_add(const char *text, const struct vn_prefix *range4,
                                      const struct vn_prefix *range6, struct vn_rights *io,
                                      char *why, size_t why_n);
/** Adds them as they are. VN_ERR_MALFORMED, VN_ERR_LIMIT. */
VN_MUST_CHECK vn_status vn_portal_parse(const char *list, struct vn_rights *ret);
