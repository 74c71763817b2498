/* Scopes that a node has by verified claims of an identity provider: identities of the kind OAuth.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/status.h"
#include "wire/statement.h"

#define VN_NODE_TEAMS_MAX 8
/* What a statement has room for, less the node's user and its teams. */
#define VN_NODE_SCOPES_MAX (VN_SCOPES_MAX - 1 - VN_NODE_TEAMS_MAX)
#define VN_NODE_SCOPES_TEXT (VN_NODE_SCOPES_MAX * (VN_IDENTITY_LABEL_MAX + 1) + 1)

struct vn_scope_set {
    size_t n;
    char s[VN_NODE_SCOPES_MAX][VN_IDENTITY_LABEL_MAX + 1];
};

bool vn_scope_set_has(const struct vn_scope_set *s, const char *label);
/** One that is there already is no error. VN_ERR_MALFORMED: no label of 1 to 64 bytes in one line;
 * VN_ERR_LIMIT. */
VN_MUST_CHECK vn_status vn_scope_set_add(struct vn_scope_set *s, const char *label);
json_t *vn_scope_set_json(const struct vn_scope_set *s);
/** What the store keeps: a line each. */
void vn_scope_set_format(const struct vn_scope_set *s, char ret[VN_NODE_SCOPES_TEXT]);
VN_MUST_CHECK vn_status vn_scope_set_parse(const char *text, struct vn_scope_set *ret);
