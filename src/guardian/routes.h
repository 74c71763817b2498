/* Handlers named in the route table, by area. Each answers its request exactly once
 * (guardian/http.h). */
#pragma once

struct vn_request;

/* openapi.c */
void vn_route_openapi(struct vn_request *r);
/* routes_auth.c */
void vn_route_health(struct vn_request *r);
void vn_route_login(struct vn_request *r);
void vn_route_token_create(struct vn_request *r);
void vn_route_token_list(struct vn_request *r);
void vn_route_token_revoke(struct vn_request *r);
/* routes_realm.c */
void vn_route_realm_create(struct vn_request *r);
void vn_route_realm_list(struct vn_request *r);
void vn_route_realm_get(struct vn_request *r);
void vn_route_realm_delete(struct vn_request *r);
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
void vn_route_node_delete(struct vn_request *r);
void vn_route_node_taints(struct vn_request *r);
void vn_route_node_revoke(struct vn_request *r);
/* routes_command.c */
void vn_route_node_command(struct vn_request *r);
