/* What the bodies and answers of the HTTP API look like; routes.c says which belongs where. */
#pragma once

#include "guardian/json.h"

/* ---- requests ---- */
extern const struct vn_schema vn_schema_login, vn_schema_token_new, vn_schema_realm_new,
    vn_schema_register, vn_schema_session_new, vn_schema_logout, vn_schema_taints_change,
    vn_schema_command, vn_schema_refresh, vn_schema_profile_change, vn_schema_password_change,
    vn_schema_user_new, vn_schema_user_change, vn_schema_user_id, vn_schema_name,
    vn_schema_member_put, vn_schema_invite, vn_schema_realm_change, vn_schema_teams_change,
    vn_schema_api_new, vn_schema_issuer_new, vn_schema_oidc_new, vn_schema_oidc_begin,
    vn_schema_oidc_password, vn_schema_oidc_finish, vn_schema_commands, vn_schema_rights_change,
    vn_schema_veil_new, vn_schema_setup, vn_schema_veil_change;

/* ---- answers ---- */
extern const struct vn_schema vn_schema_problem, vn_schema_health, vn_schema_access,
    vn_schema_token, vn_schema_token_shown, vn_schema_tokens, vn_schema_realm, vn_schema_realms,
    vn_schema_registered, vn_schema_nonce, vn_schema_session, vn_schema_peers, vn_schema_taints,
    vn_schema_taints_changed, vn_schema_node, vn_schema_nodes, vn_schema_done, vn_schema_document,
    vn_schema_profile, vn_schema_user, vn_schema_users, vn_schema_user_shown, vn_schema_org,
    vn_schema_orgs, vn_schema_members, vn_schema_member_now, vn_schema_invitation,
    vn_schema_invitations, vn_schema_team, vn_schema_teams, vn_schema_team_members,
    vn_schema_api_shown, vn_schema_api_tokens, vn_schema_audit, vn_schema_issuer, vn_schema_issuers,
    vn_schema_oidc, vn_schema_oidcs, vn_schema_oidc_names, vn_schema_oidc_begun,
    vn_schema_commands_done, vn_schema_identity_linked, vn_schema_identities, vn_schema_veil,
    vn_schema_veils, vn_schema_regions, vn_schema_setup_state, vn_schema_ice_given,
    vn_schema_ice_servers;
