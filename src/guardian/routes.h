/* Handlers named in the route table, by area. Each answers its request exactly once
 * (guardian/http.h). */
#pragma once

struct vn_request;

/* openapi.c */
void vn_route_openapi(struct vn_request *r);
/* routes_account.c */
void vn_route_login(struct vn_request *r);
void vn_route_refresh(struct vn_request *r);
void vn_route_sign_out(struct vn_request *r);
void vn_route_profile(struct vn_request *r);
void vn_route_profile_change(struct vn_request *r);
void vn_route_password_change(struct vn_request *r);
/* routes_tokens.c */
void vn_route_api_token_create(struct vn_request *r);
void vn_route_api_token_list(struct vn_request *r);
void vn_route_api_token_delete(struct vn_request *r);
/* routes_audit.c */
void vn_route_audit(struct vn_request *r);
void vn_route_realm_audit(struct vn_request *r);
void vn_route_metrics(struct vn_request *r);
/* routes_users.c */
void vn_route_user_create(struct vn_request *r);
void vn_route_user_list(struct vn_request *r);
void vn_route_user_get(struct vn_request *r);
void vn_route_user_change(struct vn_request *r);
void vn_route_user_delete(struct vn_request *r);
void vn_route_user_reset(struct vn_request *r);
/* routes_orgs.c */
void vn_route_org_create(struct vn_request *r);
void vn_route_org_list(struct vn_request *r);
void vn_route_org_get(struct vn_request *r);
void vn_route_org_rename(struct vn_request *r);
void vn_route_org_delete(struct vn_request *r);
void vn_route_member_list(struct vn_request *r);
void vn_route_member_put(struct vn_request *r);
void vn_route_member_remove(struct vn_request *r);
/* routes_invitations.c */
void vn_route_invite(struct vn_request *r);
void vn_route_invitations_sent(struct vn_request *r);
void vn_route_invitation_cancel(struct vn_request *r);
void vn_route_invitations_received(struct vn_request *r);
void vn_route_invitation_accept(struct vn_request *r);
void vn_route_invitation_reject(struct vn_request *r);
/* routes_teams.c */
void vn_route_team_create(struct vn_request *r);
void vn_route_team_list(struct vn_request *r);
void vn_route_team_rename(struct vn_request *r);
void vn_route_team_delete(struct vn_request *r);
void vn_route_team_member_list(struct vn_request *r);
void vn_route_team_member_put(struct vn_request *r);
void vn_route_team_member_remove(struct vn_request *r);
void vn_route_realm_teams(struct vn_request *r);
void vn_route_realm_teams_change(struct vn_request *r);
void vn_route_node_teams(struct vn_request *r);
/* routes_auth.c */
void vn_route_health(struct vn_request *r);
void vn_route_token_create(struct vn_request *r);
void vn_route_token_list(struct vn_request *r);
void vn_route_token_revoke(struct vn_request *r);
/* routes_realm.c */
void vn_route_realm_create(struct vn_request *r);
void vn_route_realm_list(struct vn_request *r);
void vn_route_realm_get(struct vn_request *r);
void vn_route_realm_change(struct vn_request *r);
void vn_route_realm_delete(struct vn_request *r);
/* routes_ice.c */
void vn_route_conflux_ice(struct vn_request *r);
void vn_route_ice_list(struct vn_request *r);
/* setup.c */
void vn_route_setup_get(struct vn_request *r);
void vn_route_setup(struct vn_request *r);
/* routes_veil.c */
void vn_route_veil_create(struct vn_request *r);
void vn_route_veil_list(struct vn_request *r);
void vn_route_veil_get(struct vn_request *r);
void vn_route_veil_change(struct vn_request *r);
void vn_route_veil_delete(struct vn_request *r);
void vn_route_veil_regions(struct vn_request *r);
/* routes_oidc.c */
void vn_route_oidc_create(struct vn_request *r);
void vn_route_oidc_list(struct vn_request *r);
void vn_route_oidc_delete(struct vn_request *r);
void vn_route_oidc_names(struct vn_request *r);
/* oidc_sign_in.c */
void vn_route_oidc_begin(struct vn_request *r);
void vn_route_oidc_finish(struct vn_request *r);
void vn_route_oidc_password(struct vn_request *r);
/* routes_identities.c */
void vn_route_identity_list(struct vn_request *r);
void vn_route_identity_delete(struct vn_request *r);
/* routes_issuers.c */
void vn_route_issuer_create(struct vn_request *r);
void vn_route_issuer_list(struct vn_request *r);
void vn_route_issuer_delete(struct vn_request *r);
/* routes_register.c */
void vn_route_register(struct vn_request *r);
void vn_route_unregister(struct vn_request *r);
/* routes_session.c */
void vn_route_nonce(struct vn_request *r);
void vn_route_session_login(struct vn_request *r);
void vn_route_session_renew(struct vn_request *r);
void vn_route_session_logout(struct vn_request *r);
/* routes_conflux.c */
void vn_route_peers(struct vn_request *r);
void vn_route_taints_get(struct vn_request *r);
void vn_route_taints_change(struct vn_request *r);
void vn_route_node_list(struct vn_request *r);
void vn_route_node_get(struct vn_request *r);
void vn_route_node_approve(struct vn_request *r);
void vn_route_node_deny(struct vn_request *r);
void vn_route_node_delete(struct vn_request *r);
void vn_route_node_taints(struct vn_request *r);
void vn_route_node_revoke(struct vn_request *r);
/* routes_command.c */
void vn_route_node_command(struct vn_request *r);
/* rights.c */
void vn_route_node_rights(struct vn_request *r);
/* routes_commands.c */
void vn_route_realm_commands(struct vn_request *r);
