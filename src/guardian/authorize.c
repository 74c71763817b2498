/* Who calls, and whether the route is for them: the only place that decides it. */
#include "guardian/admission.h"
#include "guardian/http.h"

const char *vn_web_role_name(enum vn_web_role role)
{
    static const char *const NAMES[] = {
        [VN_WEB_PUBLIC] = "public",   [VN_WEB_REGISTRATION] = "registration",
        [VN_WEB_CONFLUX] = "conflux", [VN_WEB_USER] = "user",
        [VN_WEB_MEMBER] = "member",   [VN_WEB_HOLDER] = "holder",
        [VN_WEB_AUDITOR] = "auditor", [VN_WEB_ADMIN] = "admin",
        [VN_WEB_OWNER] = "owner",     [VN_WEB_SUPERUSER] = "superuser",
        [VN_WEB_METRICS] = "metrics",
    };
    return NAMES[role];
}

/* ---- who ---- */

static enum vn_token_type type_of(enum vn_web_role role)
{
    return role == VN_WEB_REGISTRATION ? VN_TOKEN_REGISTRATION
           : role == VN_WEB_CONFLUX    ? VN_TOKEN_CONFLUX
                                       : VN_TOKEN_ACCESS;
}

/* A sign-in ends at once, whatever its access token says. */
static vn_status load_user(struct vn_request *r, const struct vn_token *t)
{
    struct vn_user_session session;
    if (vn_id_is_zero(&t->id)) { /* made by who can read our secrets: cmd_node_order.c */
        r->user = (struct vn_user_record){.name = "host", .superuser = true};
        return VN_OK;
    }
    vn_status st = vn_store_session_get(r->g->store, &t->realm, &session);
    if (st == VN_OK)
        st = vn_store_user_get(r->g->store, &t->id, &r->user);
    if (st == VN_OK && (r->user.disabled || !vn_id_equal(&session.user, &r->user.id)))
        st = VN_ERR_AUTH;
    r->session = t->realm;
    return st == VN_ERR_NOTFOUND ? VN_ERR_EXPIRED : st;
}

static vn_status load_api_token(struct vn_request *r, const struct vn_token *t)
{
    vn_status st = vn_store_api_token_get(r->g->store, &t->id, &r->api);
    if (st == VN_OK && !vn_ct_equal(r->api.hash, r->token_hash, sizeof(r->token_hash)))
        return VN_ERR_AUTH;
    if (st == VN_OK)
        st = vn_store_user_get(r->g->store, &r->api.user, &r->user);
    return st == VN_OK && (r->user.disabled || r->user.must_change) ? VN_ERR_AUTH : st;
}

static vn_status load_caller(struct vn_request *r, const struct vn_token *t)
{
    vn_status st;
    switch (t->type) {
    case VN_TOKEN_ACCESS:
        return load_user(r, t);
    case VN_TOKEN_REGISTRATION:
        st = vn_store_token_get(r->g->store, &t->id, &r->registration);
        if (st == VN_OK && (!vn_ct_equal(r->registration.hash, r->token_hash, 32) ||
                            !vn_id_equal(&r->registration.realm, &t->realm)))
            return VN_ERR_AUTH;
        return st;
    case VN_TOKEN_CONFLUX:
        st = vn_store_conflux_get(r->g->store, &t->id, &r->conflux);
        return st == VN_OK && !vn_id_equal(&r->conflux.realm, &t->realm) ? VN_ERR_AUTH : st;
    case VN_TOKEN_API:
        return load_api_token(r, t);
    case VN_TOKEN_TYPES:
        break;
    }
    return VN_ERR_AUTH;
}

static void refuse_token(struct vn_request *r, enum vn_token_type type, const char *name,
                         vn_status st)
{
    if (st == VN_ERR_EXPIRED)
        vn_request_error(r, 401, "this token has expired: %s",
                         type == VN_TOKEN_ACCESS ? "log in again"
                                                 : "ask an administrator for a new one");
    else if (st == VN_ERR_NOTFOUND && type == VN_TOKEN_CONFLUX)
        vn_request_error(
            r, 401,
            "this node is not registered any more: register it again with a registration token");
    else if (st == VN_ERR_AUTH || st == VN_ERR_NOTFOUND)
        vn_request_error(r, 401, "this is not %s of this Guardian: check that it was copied whole",
                         name);
    else
        vn_request_fail(r, st, "token");
}

/* One's own account. */
static bool is_account(const struct vn_route *route)
{
    return route->role == VN_WEB_USER && strncmp(route->path, "/auth/", 6) == 0;
}

/* What is left to do for who has a password that others know. */
static bool may_before_change(const struct vn_route *route)
{
    return is_account(route) && strncmp(route->path, "/auth/tokens", 12) != 0 &&
           strncmp(route->path, "/auth/identities", 16) != 0;
}

bool vn_request_authenticate(struct vn_request *r, const char *bearer)
{
    static const char *const NAME[] = {
        [VN_TOKEN_ACCESS] = "an access token of POST /auth/login",
        [VN_TOKEN_REGISTRATION] = "a registration token",
        [VN_TOKEN_CONFLUX] = "a conflux token",
    };
    if (r->route->role == VN_WEB_PUBLIC)
        return true;
    enum vn_token_type type = type_of(r->route->role);
    if (!*bearer) {
        vn_request_error(r, 401, "send %s as \"Authorization: Bearer …\"", NAME[type]);
        return false;
    }
    struct vn_token t;
    vn_status st = vn_token_check(&r->g->cfg.token_keys, type, bearer, r->now_ms, &t);
    if (st == VN_ERR_AUTH && type == VN_TOKEN_ACCESS)
        st = vn_token_check(&r->g->cfg.token_keys, VN_TOKEN_API, bearer, r->now_ms, &t);
    if (st == VN_OK)
        st = vn_token_hash(bearer, r->token_hash);
    if (st == VN_OK)
        st = load_caller(r, &t);
    if (st != VN_OK) {
        refuse_token(r, type, NAME[type], st);
        return false;
    }
    /* Who waits may only give up. */
    if (type == VN_TOKEN_CONFLUX && r->conflux.waiting && r->route->method != VN_WEB_DELETE) {
        vn_request_error(r, VN_WEB_WAIT,
                         "node %s waits for the approval of an administrator: veilnet-guardian "
                         "node approve %s",
                         r->conflux.tag, r->conflux.tag);
        return false;
    }
    if (r->user.must_change && !may_before_change(r->route)) {
        vn_request_error(r, 403, "change your password first: POST /auth/password");
        return false;
    }
    return true;
}

/* ---- on what ---- */

static vn_status load_realm(struct vn_request *r, const struct vn_id *id)
{
    struct vn_realm_place place;
    r->realm = *id;
    vn_status st = vn_store_realm_place(r->g->store, id, &place);
    r->org = place.org;
    return st;
}

static vn_status load_object(struct vn_request *r)
{
    struct vn_store *s = r->g->store;
    struct vn_org_record org;
    const char *text;
    vn_status st = VN_OK;
    switch (r->route->on) {
    case VN_ON_NOTHING:
        break;
    case VN_ON_REALM:
        return load_realm(r, &r->path_id[0]);
    case VN_ON_REALM_QUERY:
        return load_realm(r, &r->realm);
    case VN_ON_REALM_BODY:
        text = vn_request_text(r, "realm");
        if (!text || vn_id_parse(VN_SPAN_STR(text), &r->realm) != VN_OK)
            return VN_ERR_ARG;
        return load_realm(r, &r->realm);
    case VN_ON_TOKEN:
        st = vn_store_token_get(s, &r->path_id[0], &r->registration);
        return st == VN_OK ? load_realm(r, &r->registration.realm) : st;
    case VN_ON_NODE:
        st = vn_store_conflux_get(s, &r->path_id[0], &r->conflux);
        return st == VN_OK ? load_realm(r, &r->conflux.realm) : st;
    case VN_ON_ORG:
        r->org = r->path_id[0];
        return vn_store_org_get(s, &r->org, &org);
    case VN_ON_TEAM:
        st = vn_store_team_get(s, &r->path_id[0], &r->team);
        r->org = r->team.org;
        return st;
    }
    return st;
}

static const char *not_found(enum vn_web_on on)
{
    switch (on) {
    case VN_ON_TOKEN:
        return "there is no such registration token: see GET /auth/registration-tokens";
    case VN_ON_NODE:
        return "there is no such node: see GET /conflux?realm=ID";
    case VN_ON_ORG:
        return "there is no such organisation: see GET /orgs";
    case VN_ON_TEAM:
        return "there is no such team: see GET /orgs/ID/teams";
    default:
        return "there is no such realm: see GET /realms";
    }
}

/* ---- whether ---- */

static vn_status load_role(struct vn_request *r)
{
    const bool in_org = r->route->on == VN_ON_ORG || r->route->on == VN_ON_TEAM;
    r->role = VN_ROLE_NONE;
    if (r->user.superuser) {
        r->role = VN_ROLE_SUPERUSER;
        return VN_OK;
    }
    if (r->route->on == VN_ON_NOTHING)
        return VN_OK;
    return in_org ? vn_store_member_role(r->g->store, &r->org, &r->user.id, &r->role)
                  : vn_store_realm_role(r->g->store, &r->realm, &r->user.id, &r->role);
}

/* What an API token cannot, though its user could. Returns NULL, or what would be needed. */
static const char *token_lacks(const struct vn_request *r)
{
    const struct vn_route *route = r->route;
    if (!r->api.scopes)
        return NULL;
    if (route->role == VN_WEB_METRICS)
        return r->api.scopes & VN_API_METRICS ? NULL : "this token lacks the scope metrics";
    if (!(r->api.scopes & (route->method == VN_WEB_GET ? VN_API_READ : VN_API_WRITE)))
        return route->method == VN_WEB_GET ? "this token lacks the scope read"
                                           : "this token lacks the scope write";
    if (route->method != VN_WEB_GET &&
        (is_account(route) || strncmp(route->path, "/users", 6) == 0))
        return "accounts and tokens are for who signs in, not for a token";
    const bool in_realm = route->on >= VN_ON_REALM && route->on <= VN_ON_NODE;
    if (r->api.has_realm && !(in_realm && vn_id_equal(&r->api.realm, &r->realm)))
        return "this token is good for another realm only";
    return NULL;
}

/* Returns NULL, or what would be needed. */
static const char *lacks(const struct vn_request *r)
{
    const bool reads = r->route->method == VN_WEB_GET;
    const bool own = vn_id_equal(&r->conflux.owner, &r->user.id);
    if (r->role == VN_ROLE_AUDITOR && !reads && r->route->role != VN_WEB_USER)
        return "an auditor only reads: ask an administrator";
    switch (r->route->role) {
    case VN_WEB_MEMBER:
        return r->role >= VN_ROLE_MEMBER ? NULL
                                         : "you have no part in this: ask its owner to invite you";
    case VN_WEB_HOLDER:
        return (own && r->role >= VN_ROLE_MEMBER) ||
                       r->role >= (reads ? VN_ROLE_AUDITOR : VN_ROLE_ADMIN)
                   ? NULL
                   : "this is not your node: ask an administrator";
    case VN_WEB_AUDITOR:
        return r->role >= VN_ROLE_AUDITOR ? NULL
                                          : "only auditors and administrators see this: ask one";
    case VN_WEB_ADMIN:
        return r->role >= VN_ROLE_ADMIN ? NULL : "only an administrator may do this: ask one";
    case VN_WEB_OWNER:
        return r->role >= VN_ROLE_OWNER ? NULL : "only an owner may do this: ask one";
    case VN_WEB_METRICS:
    case VN_WEB_SUPERUSER:
        return r->user.superuser ? NULL : "only a superuser of this Guardian may do this: ask one";
    default:
        return NULL;
    }
}

bool vn_request_authorize(struct vn_request *r)
{
    if (r->route->role < VN_WEB_USER)
        return true;
    vn_status st = load_object(r);
    if (st == VN_ERR_NOTFOUND) {
        vn_request_error(r, 404, "%s", not_found(r->route->on));
        return false;
    }
    if (st == VN_ERR_ARG) {
        vn_request_error(r, 400, "realm must be a realm's id (22 characters): see GET /realms");
        return false;
    }
    if (st == VN_OK)
        st = load_role(r);
    if (st != VN_OK) {
        vn_request_fail(r, st, "role");
        return false;
    }
    const char *needed = token_lacks(r);
    if (!needed)
        needed = lacks(r);
    if (needed)
        vn_request_error(r, 403, "%s", needed);
    return !needed;
}
