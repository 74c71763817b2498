#include "guardian/routes.h"

#include "guardian/http.h"

#define STR(n, required) {n, VN_MEMBER_STRING, required}
#define INT(n, required) {n, VN_MEMBER_INTEGER, required}
#define STRS(n, required) {n, VN_MEMBER_STRINGS, required}

static const struct vn_member LOGIN[] = {STR("user", true), STR("password", true), {.name = NULL}};
static const struct vn_member TOKEN_NEW[] = {STR("realm", true),
                                             INT("expires_in_s", false),
                                             INT("uses", false),
                                             STRS("taints", false),
                                             {"allowed_taints", VN_MEMBER_STRINGS_STAR, false},
                                             {.name = NULL}};
static const struct vn_member REALM_NEW[] = {STR("name", true),
                                             STR("suite", false),
                                             STR("ipv4", false),
                                             STR("access", false),
                                             INT("session_lifetime_s", false),
                                             {.name = NULL}};
static const struct vn_member REGISTER[] = {STR("tag", false),
                                            STR("ip", false),
                                            STRS("taints", false),
                                            STRS("teams", false),
                                            {.name = NULL}};
static const struct vn_member SESSION[] = {
    STR("nonce", true), STR("sig_pk", true), STR("session_ek", true), STR("nkey", true),
    STR("csr", true),   STR("sig", true),    STR("nkey_sig", true),   {.name = NULL}};
static const struct vn_member LOGOUT[] = {STR("node", true), {.name = NULL}};
static const struct vn_member TAINTS[] = {
    STRS("add", false), STRS("remove", false), {.name = NULL}};

static const struct vn_member COMMAND[] = {
    STR("command", true), INT("offset", false),  STRS("add", false),    STRS("remove", false),
    STRS("peers", false), STRS("scopes", false), STRS("taints", false), {.name = NULL}};

const struct vn_route vn_routes[] = {
    {VN_WEB_GET, "/health", VN_WEB_PUBLIC, NULL, vn_route_health,
     "Is Guardian up, and its Master?"},
    {VN_WEB_POST, "/auth/login", VN_WEB_PUBLIC, LOGIN, vn_route_login,
     "Access token for a local account"},
    {VN_WEB_POST, "/auth/registration-tokens", VN_WEB_ADMIN, TOKEN_NEW, vn_route_token_create,
     "Make a registration token"},
    {VN_WEB_GET, "/auth/registration-tokens", VN_WEB_USER, NULL, vn_route_token_list,
     "Registration tokens of a realm"},
    {VN_WEB_DELETE, "/auth/registration-tokens/{id}", VN_WEB_ADMIN, NULL, vn_route_token_revoke,
     "Revoke a registration token"},
    {VN_WEB_POST, "/realms", VN_WEB_ADMIN, REALM_NEW, vn_route_realm_create, "Make a realm"},
    {VN_WEB_GET, "/realms", VN_WEB_USER, NULL, vn_route_realm_list, "All realms"},
    {VN_WEB_GET, "/realms/{id}", VN_WEB_USER, NULL, vn_route_realm_get, "One realm"},
    {VN_WEB_DELETE, "/realms/{id}", VN_WEB_ADMIN, NULL, vn_route_realm_delete,
     "Delete a realm without nodes"},
    {VN_WEB_POST, "/conflux/register", VN_WEB_REGISTRATION, REGISTER, vn_route_register,
     "Enrol a node"},
    {VN_WEB_DELETE, "/conflux/register", VN_WEB_CONFLUX, NULL, vn_route_unregister,
     "Undo enrolling"},
    {VN_WEB_GET, "/conflux/session/nonce", VN_WEB_CONFLUX, NULL, vn_route_nonce,
     "Nonce for a login on the same connection"},
    {VN_WEB_POST, "/conflux/session/login", VN_WEB_CONFLUX, SESSION, vn_route_session_login,
     "Session credentials for new keys"},
    {VN_WEB_POST, "/conflux/session/renew", VN_WEB_CONFLUX, SESSION, vn_route_session_renew,
     "Session credentials for the same keys"},
    {VN_WEB_POST, "/conflux/session/logout", VN_WEB_CONFLUX, LOGOUT, vn_route_session_logout,
     "End the session"},
    {VN_WEB_GET, "/conflux/peers", VN_WEB_CONFLUX, NULL, vn_route_peers,
     "Whom this node may reach"},
    {VN_WEB_GET, "/conflux/taints", VN_WEB_CONFLUX, NULL, vn_route_taints_get,
     "This node's taints"},
    {VN_WEB_POST, "/conflux/taints", VN_WEB_CONFLUX, TAINTS, vn_route_taints_change,
     "Change this node's taints"},
    {VN_WEB_GET, "/conflux", VN_WEB_USER, NULL, vn_route_node_list, "Nodes of a realm"},
    {VN_WEB_GET, "/conflux/{id}", VN_WEB_USER, NULL, vn_route_node_get, "One node"},
    {VN_WEB_DELETE, "/conflux/{id}", VN_WEB_ADMIN, NULL, vn_route_node_delete, "Remove a node"},
    {VN_WEB_POST, "/conflux/{id}/taints", VN_WEB_ADMIN, TAINTS, vn_route_node_taints,
     "Change a node's taints"},
    {VN_WEB_POST, "/conflux/{id}/revoke", VN_WEB_ADMIN, NULL, vn_route_node_revoke,
     "Cut a node off at once and for good"},
    {VN_WEB_POST, "/conflux/{id}/commands", VN_WEB_ADMIN, COMMAND, vn_route_node_command,
     "Order a node something, and hear what it says"},
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
