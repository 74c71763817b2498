#include "guardian/routes.h"

#include "guardian/http.h"
#include "guardian/schemas.h"

#define REGISTER_BODY_MAX 12288 /* with a token of an identity provider */
#define SESSION_BODY_MAX 24576  /* keys and signatures of the suite cnsa, and a request of 4 KB */

/* ---- queries ---- */

#define LIMIT {"limit", false, true, "at most so many items, 1 to 1000; default 100"}
#define AFTER {"after", false, false, "the \"next\" of the page before"}
#define REALM {"realm", true, false, "id of the realm"}

static const struct vn_query_param PAGE[] = {LIMIT, AFTER, {.name = NULL}};
static const struct vn_query_param REALM_PAGE[] = {REALM, LIMIT, AFTER, {.name = NULL}};
static const struct vn_query_param NODES_PAGE[] = {
    REALM,
    {"approved", false, false, "false: those that wait for approval; true: the others"},
    LIMIT,
    AFTER,
    {.name = NULL}};

static const struct vn_query_param VEIL_PAGE[] = {
    {"region", false, false, "only of this region"}, LIMIT, AFTER, {.name = NULL}};

#define AUDIT                                                                                      \
    {"since", false, true, "entries since then, in milliseconds since 1970"},                      \
        {"until", false, true, "entries before then"},                                             \
        {"action", false, false, "only of this action"},                                           \
        {"actor", false, false, "only by this actor"}, LIMIT, AFTER,                               \
    {                                                                                              \
        .name = NULL                                                                               \
    }
static const struct vn_query_param AUDIT_PAGE[] = {AUDIT};

/* ---- the table ---- */

#define GET(p) .method = VN_WEB_GET, .path = (p), .rate = VN_RATE_READ, .status = 200
#define POST(p) .method = VN_WEB_POST, .path = (p), .rate = VN_RATE_WRITE, .status = 200
#define ACT(p) .method = VN_WEB_POST, .path = (p), .rate = VN_RATE_WRITE, .status = 204
#define CREATE(p) .method = VN_WEB_POST, .path = (p), .rate = VN_RATE_WRITE, .status = 201
#define DELETE(p) .method = VN_WEB_DELETE, .path = (p), .rate = VN_RATE_WRITE, .status = 204
#define SIGN_IN(p) .method = VN_WEB_POST, .path = (p), .rate = VN_RATE_PASSWORD, .status = 200
#define SESSION(m, p, s)                                                                           \
    .method = VN_WEB_##m, .path = (p), .rate = VN_RATE_SESSION, .status = (s),                     \
    .role = VN_WEB_CONFLUX
#define FOR(r) .role = VN_WEB_##r
#define BODY(s) .body = &vn_schema_##s
#define ANSWER(s) .answer = &vn_schema_##s
#define DO(f, text) .handle = vn_route_##f, .summary = (text)

#define ON(o) .on = VN_ON_##o
#define PASSWORD .rate = VN_RATE_PASSWORD

const struct vn_route vn_routes[] = {
    {GET("/health"), FOR(PUBLIC), ANSWER(health), DO(health, "Is Guardian up, and its Master?")},
    {GET("/openapi.json"), FOR(PUBLIC), ANSWER(document), DO(openapi, "This document")},

    {GET("/setup"), FOR(PUBLIC), ANSWER(setup_state), DO(setup_get, "Is there an administrator?")},
    {SIGN_IN("/setup"), FOR(PUBLIC), BODY(setup), ANSWER(access),
     DO(setup, "Become the first administrator, by the token of init --setup")},

    {SIGN_IN("/auth/login"), FOR(PUBLIC), BODY(login), ANSWER(access),
     DO(login, "Sign in to a local account")},
    {SIGN_IN("/auth/refresh"), FOR(PUBLIC), BODY(refresh), ANSWER(access),
     DO(refresh, "The next access token, and the next refresh token")},
    {GET("/auth/oidc"), FOR(PUBLIC), ANSWER(oidc_names),
     DO(oidc_names, "Providers by which people may sign in")},
    {SIGN_IN("/auth/oidc/begin"), FOR(PUBLIC), BODY(oidc_begin), ANSWER(oidc_begun),
     DO(oidc_begin, "Where to send the browser of who signs in by a provider")},
    {SIGN_IN("/auth/oidc/finish"), FOR(PUBLIC), BODY(oidc_finish), ANSWER(access),
     DO(oidc_finish, "Sign in with what the browser brought back")},
    {SIGN_IN("/auth/oidc/password"), FOR(PUBLIC), BODY(oidc_password), ANSWER(access),
     DO(oidc_password, "Sign in with address and password of a provider that takes them")},
    {ACT("/auth/logout"), FOR(USER), DO(sign_out, "End this sign-in")},
    {GET("/auth/profile"), FOR(USER), ANSWER(profile), DO(profile, "Who I am, and where")},
    {POST("/auth/profile"), FOR(USER), BODY(profile_change), ANSWER(profile),
     DO(profile_change, "Change my display name")},
    {.method = VN_WEB_POST,
     .path = "/auth/password",
     PASSWORD,
     .status = 204,
     FOR(USER),
     BODY(password_change),
     DO(password_change, "Change my password; ends my other sign-ins")},

    {CREATE("/auth/tokens"), FOR(USER), BODY(api_new), ANSWER(api_shown),
     DO(api_token_create, "Make an API token")},
    {GET("/auth/tokens"), FOR(USER), .query = PAGE, ANSWER(api_tokens),
     DO(api_token_list, "My API tokens")},
    {DELETE("/auth/tokens/{id}"), FOR(USER), DO(api_token_delete, "End one of my API tokens")},

    {GET("/auth/identities"), FOR(USER), .query = PAGE, ANSWER(identities),
     DO(identity_list, "What my account is linked to at OpenID providers")},
    {SIGN_IN("/auth/identities/begin"), FOR(USER), BODY(oidc_begin), ANSWER(oidc_begun),
     DO(oidc_begin, "Where to send my browser to link my account to a provider's")},
    {SIGN_IN("/auth/identities/finish"), FOR(USER), BODY(oidc_finish), ANSWER(identity_linked),
     DO(oidc_finish, "Link my account with what the browser brought back")},
    {SIGN_IN("/auth/identities/password"), FOR(USER), BODY(oidc_password), ANSWER(identity_linked),
     DO(oidc_password, "Link my account with address and password of a provider")},
    {DELETE("/auth/identities/{id}"), FOR(USER),
     DO(identity_delete, "Unlink one; ends my other sign-ins")},

    {GET("/audit"), FOR(SUPERUSER), .query = AUDIT_PAGE, ANSWER(audit),
     DO(audit, "Who did what, the newest first")},
    {GET("/realms/{id}/audit"), FOR(AUDITOR), ON(REALM), .query = AUDIT_PAGE, ANSWER(audit),
     DO(realm_audit, "Who did what in a realm")},
    {GET("/metrics"), FOR(METRICS), .media = "text/plain; version=0.0.4",
     DO(metrics, "Figures for Prometheus")},

    {CREATE("/oidc/providers"), FOR(SUPERUSER), BODY(oidc_new), ANSWER(oidc),
     DO(oidc_create, "Let people sign in by an OpenID provider")},
    {GET("/oidc/providers"), FOR(SUPERUSER), .query = PAGE, ANSWER(oidcs),
     DO(oidc_list, "OpenID providers")},
    {DELETE("/oidc/providers/{id}"), FOR(SUPERUSER),
     DO(oidc_delete, "Let nobody sign in by it any more; accounts stay")},

    {GET("/ice-servers"), FOR(SUPERUSER), ANSWER(ice_servers),
     DO(ice_list, "STUN and TURN servers that nodes are told of")},
    {CREATE("/veil"), FOR(SUPERUSER), BODY(veil_new), ANSWER(veil),
     DO(veil_create, "Tell nodes of one more entry point of Master")},
    {GET("/veil"), FOR(USER), .query = VEIL_PAGE, ANSWER(veils),
     DO(veil_list, "Master's entry points")},
    {GET("/veil/regions"), FOR(USER), ANSWER(regions),
     DO(veil_regions, "Regions that have entry points")},
    {GET("/veil/{id}"), FOR(USER), ANSWER(veil), DO(veil_get, "One entry point")},
    {POST("/veil/{id}"), FOR(SUPERUSER), BODY(veil_change), ANSWER(veil),
     DO(veil_change, "Change an entry point, or tell nodes of it no more")},
    {DELETE("/veil/{id}"), FOR(SUPERUSER), DO(veil_delete, "Forget an entry point")},

    {CREATE("/users"), FOR(SUPERUSER), BODY(user_new), ANSWER(user_shown),
     DO(user_create, "Make a local account")},
    {GET("/users"), FOR(SUPERUSER), .query = PAGE, ANSWER(users), DO(user_list, "All accounts")},
    {GET("/users/{id}"), FOR(SUPERUSER), ANSWER(user), DO(user_get, "One account")},
    {POST("/users/{id}"), FOR(SUPERUSER), BODY(user_change), ANSWER(user),
     DO(user_change, "Change an account: disable it, make it superuser")},
    {DELETE("/users/{id}"), FOR(SUPERUSER), DO(user_delete, "Delete an account without nodes")},
    {POST("/users/{id}/password"), FOR(SUPERUSER), ANSWER(user_shown),
     DO(user_reset, "A new password, to be changed at the next sign-in")},
    {CREATE("/users/{id}/tokens"), FOR(SUPERUSER), BODY(api_new), ANSWER(api_shown),
     DO(api_token_create, "Make an API token that acts for an account")},
    {GET("/users/{id}/tokens"), FOR(SUPERUSER), .query = PAGE, ANSWER(api_tokens),
     DO(api_token_list, "API tokens of an account")},
    {DELETE("/users/{id}/tokens/{token}"), FOR(SUPERUSER),
     DO(api_token_delete, "End an API token of an account")},

    {GET("/users/{id}/identities"), FOR(SUPERUSER), .query = PAGE, ANSWER(identities),
     DO(identity_list, "What an account is linked to")},
    {DELETE("/users/{id}/identities/{identity}"), FOR(SUPERUSER),
     DO(identity_delete, "Unlink one of an account; ends its sign-ins")},

    {CREATE("/orgs"), FOR(SUPERUSER), BODY(name), ANSWER(org),
     DO(org_create, "Make an organisation")},
    {GET("/orgs"), FOR(USER), .query = PAGE, ANSWER(orgs), DO(org_list, "My organisations")},
    {GET("/orgs/{id}"), FOR(MEMBER), ON(ORG), ANSWER(org), DO(org_get, "One organisation")},
    {POST("/orgs/{id}"), FOR(OWNER), ON(ORG), BODY(name), ANSWER(org),
     DO(org_rename, "Rename an organisation")},
    {DELETE("/orgs/{id}"), FOR(OWNER), ON(ORG),
     DO(org_delete, "Delete an organisation without realms")},
    {GET("/orgs/{id}/members"), FOR(MEMBER), ON(ORG), .query = PAGE, ANSWER(members),
     DO(member_list, "Members of an organisation")},
    {POST("/orgs/{id}/members"), FOR(ADMIN), ON(ORG), BODY(member_put), ANSWER(member_now),
     DO(member_put, "Change a member's role")},
    {DELETE("/orgs/{id}/members/{user}"), FOR(MEMBER), ON(ORG),
     DO(member_remove, "Remove a member, with their nodes; or leave")},
    {CREATE("/orgs/{id}/invitations"), FOR(ADMIN), ON(ORG), BODY(invite), ANSWER(invitation),
     DO(invite, "Invite an account")},
    {GET("/orgs/{id}/invitations"), FOR(AUDITOR), ON(ORG), .query = PAGE, ANSWER(invitations),
     DO(invitations_sent, "Invitations that wait for an answer")},
    {DELETE("/orgs/{id}/invitations/{invitation}"), FOR(ADMIN), ON(ORG),
     DO(invitation_cancel, "Withdraw an invitation")},
    {GET("/invitations"), FOR(USER), .query = PAGE, ANSWER(invitations),
     DO(invitations_received, "Invitations to me")},
    {POST("/invitations/{id}/accept"), FOR(USER), ANSWER(member_now),
     DO(invitation_accept, "Join the organisation")},
    {ACT("/invitations/{id}/reject"), FOR(USER), DO(invitation_reject, "Decline")},

    {CREATE("/orgs/{id}/teams"), FOR(ADMIN), ON(ORG), BODY(name), ANSWER(team),
     DO(team_create, "Make a team")},
    {GET("/orgs/{id}/teams"), FOR(MEMBER), ON(ORG), .query = PAGE, ANSWER(teams),
     DO(team_list, "Teams of an organisation")},
    {POST("/teams/{id}"), FOR(ADMIN), ON(TEAM), BODY(name), ANSWER(team),
     DO(team_rename, "Rename a team")},
    {DELETE("/teams/{id}"), FOR(ADMIN), ON(TEAM),
     DO(team_delete, "Delete a team; its nodes lose it at once")},
    {GET("/teams/{id}/members"), FOR(MEMBER), ON(TEAM), .query = PAGE, ANSWER(team_members),
     DO(team_member_list, "Members of a team")},
    {ACT("/teams/{id}/members"), FOR(ADMIN), ON(TEAM), BODY(user_id),
     DO(team_member_put, "Add a member")},
    {DELETE("/teams/{id}/members/{user}"), FOR(MEMBER), ON(TEAM),
     DO(team_member_remove, "Remove a member, or leave; their nodes lose the team at once")},

    {CREATE("/auth/registration-tokens"), FOR(ADMIN), ON(REALM_BODY), BODY(token_new),
     ANSWER(token_shown), DO(token_create, "Make a registration token")},
    {GET("/auth/registration-tokens"), FOR(AUDITOR), ON(REALM_QUERY), .query = REALM_PAGE,
     ANSWER(tokens), DO(token_list, "Registration tokens of a realm")},
    {DELETE("/auth/registration-tokens/{id}"), FOR(ADMIN), ON(TOKEN),
     DO(token_revoke, "Revoke a registration token")},

    {CREATE("/realms"), FOR(USER), BODY(realm_new), ANSWER(realm),
     DO(realm_create, "Make a realm; for administrators of its organisation")},
    {GET("/realms"), FOR(USER), .query = PAGE, ANSWER(realms), DO(realm_list, "My realms")},
    {GET("/realms/{id}"), FOR(MEMBER), ON(REALM), ANSWER(realm), DO(realm_get, "One realm")},
    {POST("/realms/{id}"), FOR(ADMIN), ON(REALM), BODY(realm_change), ANSWER(realm),
     DO(realm_change, "Rename a realm; change who may talk to whom, its sessions, who sees it")},
    {DELETE("/realms/{id}"), FOR(OWNER), ON(REALM),
     DO(realm_delete, "Delete a realm without nodes")},
    {GET("/realms/{id}/teams"), FOR(MEMBER), ON(REALM), ANSWER(teams),
     DO(realm_teams, "Teams that may use the realm")},
    {POST("/realms/{id}/teams"), FOR(ADMIN), ON(REALM), BODY(teams_change), ANSWER(teams),
     DO(realm_teams_change, "Let teams use the realm, or no more")},

    {CREATE("/realms/{id}/issuers"), FOR(OWNER), ON(REALM), BODY(issuer_new), ANSWER(issuer),
     DO(issuer_create, "Accept an identity provider's tokens from nodes")},
    {GET("/realms/{id}/issuers"), FOR(AUDITOR), ON(REALM), .query = PAGE, ANSWER(issuers),
     DO(issuer_list, "Identity providers whose tokens count")},
    {DELETE("/realms/{id}/issuers/{issuer}"), FOR(OWNER), ON(REALM),
     DO(issuer_delete, "Accept its tokens no more; its nodes stay")},

    {.method = VN_WEB_POST,
     .path = "/conflux/register",
     .rate = VN_RATE_JOIN,
     .status = 201,
     FOR(REGISTRATION),
     BODY(register),
     .body_max = REGISTER_BODY_MAX,
     ANSWER(registered),
     DO(register, "Enrol a node")},
    {DELETE("/conflux/register"), FOR(CONFLUX), DO(unregister, "Undo enrolling")},
    {SESSION(GET, "/conflux/session/nonce", 200), ANSWER(nonce),
     DO(nonce, "Nonce for a login on the same connection")},
    {SESSION(POST, "/conflux/session/login", 200), BODY(session_new), .body_max = SESSION_BODY_MAX,
     ANSWER(session), DO(session_login, "Session credentials for new keys")},
    {SESSION(POST, "/conflux/session/renew", 200), BODY(session_new), .body_max = SESSION_BODY_MAX,
     ANSWER(session), DO(session_renew, "Session credentials for the same keys")},
    {SESSION(POST, "/conflux/session/logout", 204), BODY(logout),
     DO(session_logout, "End the session")},
    {GET("/conflux/peers"), FOR(CONFLUX), .query = PAGE, ANSWER(peers),
     DO(peers, "Whom this node may reach")},
    {GET("/conflux/ice-servers"), FOR(CONFLUX), ANSWER(ice_given),
     DO(conflux_ice, "STUN and TURN servers for this node, with fresh credentials")},
    {GET("/conflux/taints"), FOR(CONFLUX), ANSWER(taints), DO(taints_get, "This node's taints")},
    {POST("/conflux/taints"), FOR(CONFLUX), BODY(taints_change), ANSWER(taints_changed),
     DO(taints_change, "Change this node's taints")},

    {GET("/conflux"), FOR(MEMBER), ON(REALM_QUERY), .query = NODES_PAGE, ANSWER(nodes),
     DO(node_list, "Nodes of a realm; for members: their own")},
    {GET("/conflux/{id}"), FOR(HOLDER), ON(NODE), ANSWER(node), DO(node_get, "One node")},
    {DELETE("/conflux/{id}"), FOR(HOLDER), ON(NODE), DO(node_delete, "Remove a node")},
    {POST("/conflux/{id}/taints"), FOR(HOLDER), ON(NODE), BODY(taints_change), ANSWER(done),
     DO(node_taints, "Change a node's taints")},
    {POST("/conflux/{id}/teams"), FOR(HOLDER), ON(NODE), BODY(teams_change), ANSWER(done),
     DO(node_teams, "Change a node's teams; only its owner's own can be added")},
    {POST("/conflux/{id}/rights"), FOR(ADMIN), ON(NODE), BODY(rights_change), ANSWER(done),
     DO(node_rights, "Let a node relay, be a conduit, or a portal of networks; or no more")},
    {POST("/conflux/{id}/approve"), FOR(ADMIN), ON(NODE), ANSWER(node),
     DO(node_approve, "Let a node in that waits for it")},
    {ACT("/conflux/{id}/deny"), FOR(ADMIN), ON(NODE),
     DO(node_deny, "Remove a node that waits for approval")},
    {ACT("/conflux/{id}/revoke"), FOR(HOLDER), ON(NODE),
     DO(node_revoke, "Cut a node off at once and for good")},
    {POST("/conflux/{id}/commands"), FOR(ADMIN), ON(NODE), BODY(command), ANSWER(done),
     DO(node_command, "Order a node something, and hear what it says")},
    {POST("/realms/{id}/commands"), FOR(ADMIN), ON(REALM), .query = PAGE, BODY(commands),
     ANSWER(commands_done), DO(realm_commands, "Order many nodes something, page by page")},
};
const size_t vn_route_count = VN_ARRAY_LEN(vn_routes);

/* Literal segments win over {id} because the table lists them first. */
static bool path_matches(const char *pattern, const char *path, struct vn_id ret_ids[2])
{
    size_t ids = 0;
    for (;;) {
        if (*pattern == '{') {
            size_t n = strcspn(path, "/");
            if (ids == 2 || vn_id_parse(VN_SPAN(path, n), &ret_ids[ids++]) != VN_OK)
                return false;
            pattern += strcspn(pattern, "}") + 1;
            path += n;
        } else if (*pattern != *path) {
            return false;
        } else if (!*pattern) {
            return true;
        } else {
            pattern++;
            path++;
        }
    }
}

const struct vn_route *vn_route_find(enum vn_web_method method, const char *path,
                                     struct vn_id ret_ids[2], unsigned *ret_allowed)
{
    *ret_allowed = 0;
    for (size_t i = 0; i < vn_route_count; i++) {
        if (!path_matches(vn_routes[i].path, path, ret_ids))
            continue;
        if (vn_routes[i].method == method)
            return &vn_routes[i];
        *ret_allowed |= 1u << vn_routes[i].method;
    }
    return NULL;
}
