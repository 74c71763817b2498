/*
 * What a realm's owner lets an identity provider's claims mean. Rules are lines of text:
 *
 * - required: "CLAIM=VALUE", the claim is VALUE, or VALUE is in its list; or "CLAIM", there is one
 * - scopes: "CLAIM", each of its values counts
 * - taints, teams: "NAME", for every token; or "NAME if CLAIM=VALUE", for those
 *
 * CLAIM is a member of the token, or a path with dots into objects ("app_metadata.role").
 */
#pragma once

#include <jansson.h>

#include "guardian/store.h"

#define VN_CLAIM_RULES_MAX 16 /* of each kind */
#define VN_CLAIM_RULE_MAX 200 /* bytes */

/** {"required","scopes","taints","teams"}, each a list: a new reference, for the store. Members
 * that body lacks are empty lists. VN_ERR_ARG: why names the fix; VN_ERR_NOMEM. */
VN_MUST_CHECK vn_status vn_claim_rules_from_json(const json_t *body, json_t **ret, char *why,
                                                 size_t why_n);
/** The first required rule that the claims do not meet, borrowed from rules; NULL: all are met. */
const char *vn_claims_lack(const json_t *rules, const json_t *claims);

/** What a token gives its node. */
struct vn_grant {
    struct vn_scope_set scopes;
    struct vn_taint_set taints;
    json_t *teams; /* names or ids, if its owner is in them; the holder frees it */
    bool more;     /* it would give more than a node can carry */
};
/** issuer is its name in the realm, which begins the labels of its scopes. */
VN_MUST_CHECK vn_status vn_claims_grant(const json_t *rules, const char *issuer,
                                        const json_t *claims, struct vn_grant *ret);
