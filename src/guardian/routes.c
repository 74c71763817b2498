#include "guardian/routes.h"

#include "guardian/http.h"
#include "guardian/schemas.h"

#define SESSION_BODY_MAX 24576 /* keys and signatures of the suite cnsa, and a request of 4 KB */

/* ---- queries ---- */

#define LIMIT {"limit", false, true, "at most so many items, 1 to 1000; default 100"}
#define AFTER {"after", false, false, "the \"next\" of the page before"}
#define REALM {"realm", true, false, "id of the realm"}

static const struct vn_query_param PAGE[] = {LIMIT, AFTER, {.name = NULL}};
static const struct vn_query_param REALM_PAGE[] = {REALM, LIMIT, AFTER, {.name = NULL}};

/* ---- the table ---- */

#define GET(p) .method = VN_WEB_GET, .path = (p), .rate = VN_RATE_READ, .status = 200
#define POST(p) .method = VN_WEB_POST, .path = (p), .rate = VN_RATE_WRITE, .status = 200
#define CREATE(p) .method = VN_WEB_POST, .path = (p), .rate = VN_RATE_WRITE, .status = 201
#define DELETE(p) .method = VN_WEB_DELETE, .path = (p), .rate = VN_RATE_WRITE, .status = 204
#define FOR(r) .role = VN_WEB_##r
#define BODY(s) .body = &vn_schema_##s
#define ANSWER(s) .answer = &vn_schema_##s
#define DO(f, text) .handle = vn_route_##f, .summary = (text)

const struct vn_route vn_routes[] = {
    {GET("/health"), FOR(PUBLIC), ANSWER(health), DO(health, "Is Guardian up, and its Master?")},
    {GET("/openapi.json"), FOR(PUBLIC), ANSWER(document), DO(openapi, "This document")},
    {.method = VN_WEB_POST,
     .path = "/auth/login",
     .rate = VN_RATE_PASSWORD,
     .status = 200,
     FOR(PUBLIC),
     BODY(login),
     ANSWER(access),
     DO(login, "Access token for a local account")},
    {CREATE("/auth/registration-tokens"), FOR(ADMIN), BODY(token_new), ANSWER(token_shown),
     DO(token_create, "Make a registration token")},
    {GET("/auth/registration-tokens"), FOR(USER), .query = REALM_PAGE, ANSWER(tokens),
     DO(token_list, "Registration tokens of a realm")},
    {DELETE("/auth/registration-tokens/{id}"), FOR(ADMIN),
     DO(token_revoke, "Revoke a registration token")},
    {CREATE("/realms"), FOR(ADMIN), BODY(realm_new), ANSWER(realm),
     DO(realm_create, "Make a realm")},
    {GET("/realms"), FOR(USER), .query = PAGE, ANSWER(realms), DO(realm_list, "All realms")},
    {GET("/realms/{id}"), FOR(USER), ANSWER(realm), DO(realm_get, "One realm")},
    {DELETE("/realms/{id}"), FOR(ADMIN), DO(realm_delete, "Delete a realm without nodes")},
    {.method = VN_WEB_POST,
     .path = "/conflux/register",
     .rate = VN_RATE_JOIN,
     .status = 201,
     FOR(REGISTRATION),
     BODY(register),
     ANSWER(registered),
     DO(register, "Enrol a node")},
    {DELETE("/conflux/register"), FOR(CONFLUX), DO(unregister, "Undo enrolling")},
    {.method = VN_WEB_GET,
     .path = "/conflux/session/nonce",
     .rate = VN_RATE_SESSION,
     .status = 200,
     FOR(CONFLUX),
     ANSWER(nonce),
     DO(nonce, "Nonce for a login on the same connection")},
    {.method = VN_WEB_POST,
     .path = "/conflux/session/login",
     .rate = VN_RATE_SESSION,
     .status = 200,
     FOR(CONFLUX),
     BODY(session_new),
     .body_max = SESSION_BODY_MAX,
     ANSWER(session),
     DO(session_login, "Session credentials for new keys")},
    {.method = VN_WEB_POST,
     .path = "/conflux/session/renew",
     .rate = VN_RATE_SESSION,
     .status = 200,
     FOR(CONFLUX),
     BODY(session_new),
     .body_max = SESSION_BODY_MAX,
     ANSWER(session),
     DO(session_renew, "Session credentials for the same keys")},
    {.method = VN_WEB_POST,
     .path = "/conflux/session/logout",
     .rate = VN_RATE_SESSION,
     .status = 204,
     FOR(CONFLUX),
     BODY(logout),
     DO(session_logout, "End the session")},
    {GET("/conflux/peers"), FOR(CONFLUX), ANSWER(peers), DO(peers, "Whom this node may reach")},
    {GET("/conflux/taints"), FOR(CONFLUX), ANSWER(taints), DO(taints_get, "This node's taints")},
    {POST("/conflux/taints"), FOR(CONFLUX), BODY(taints_change), ANSWER(taints_changed),
     DO(taints_change, "Change this node's taints")},
    {GET("/conflux"), FOR(USER), .query = REALM_PAGE, ANSWER(nodes),
     DO(node_list, "Nodes of a realm")},
    {GET("/conflux/{id}"), FOR(USER), ANSWER(node), DO(node_get, "One node")},
    {DELETE("/conflux/{id}"), FOR(ADMIN), DO(node_delete, "Remove a node")},
    {POST("/conflux/{id}/taints"), FOR(ADMIN), BODY(taints_change), ANSWER(done),
     DO(node_taints, "Change a node's taints")},
    {.method = VN_WEB_POST,
     .path = "/conflux/{id}/revoke",
     .rate = VN_RATE_WRITE,
     .status = 204,
     FOR(ADMIN),
     DO(node_revoke, "Cut a node off at once and for good")},
    {POST("/conflux/{id}/commands"), FOR(ADMIN), BODY(command), ANSWER(done),
     DO(node_command, "Order a node something, and hear what it says")},
};
const size_t vn_route_count = VN_ARRAY_LEN(vn_routes);

/* Literal segments win over {id} because the table lists them first. */
static bool path_matches(const char *pattern, const char *path, struct vn_id *ret_id)
{
    for (;;) {
        if (strncmp(pattern, "{id}", 4) == 0) {
            size_t n = strcspn(path, "/");
            if (vn_id_parse(VN_SPAN(path, n), ret_id) != VN_OK)
                return false;
            pattern += 4;
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
                                     struct vn_id *ret_id, unsigned *ret_allowed)
{
    *ret_allowed = 0;
    for (size_t i = 0; i < vn_route_count; i++) {
        if (!path_matches(vn_routes[i].path, path, ret_id))
            continue;
        if (vn_routes[i].method == method)
            return &vn_routes[i];
        *ret_allowed |= 1u << vn_routes[i].method;
    }
    return NULL;
}
