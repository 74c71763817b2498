/* What the bodies and answers of the HTTP API look like; routes.c says which belongs where. */
#pragma once

#include "guardian/json.h"

/* ---- requests ---- */
extern const struct vn_schema vn_schema_login, vn_schema_token_new, vn_schema_realm_new,
    vn_schema_register, vn_schema_session_new, vn_schema_logout, vn_schema_taints_change,
    vn_schema_command;

/* ---- answers ---- */
extern const struct vn_schema vn_schema_problem, vn_schema_health, vn_schema_access,
    vn_schema_token, vn_schema_token_shown, vn_schema_tokens, vn_schema_realm, vn_schema_realms,
    vn_schema_registered, vn_schema_nonce, vn_schema_session, vn_schema_peers, vn_schema_taints,
    vn_schema_taints_changed, vn_schema_node, vn_schema_nodes, vn_schema_done, vn_schema_document;
