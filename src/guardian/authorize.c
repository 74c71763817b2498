/* Who calls, and whether the route is for them. */
#include "guardian/http.h"

const char *vn_web_role_name(enum vn_web_role role)
{
    static const char *const NAMES[] = {
        [VN_WEB_PUBLIC] = "public",   [VN_WEB_USER] = "user",
        [VN_WEB_ADMIN] = "admin",     [VN_WEB_REGISTRATION] = "registration",
        [VN_WEB_CONFLUX] = "conflux",
    };
    return NAMES[role];
}

bool vn_request_authenticate(struct vn_request *r, const char *bearer)
{
    static const enum vn_token_type TYPE[] = {
        [VN_WEB_USER] = VN_TOKEN_ACCESS,
        [VN_WEB_ADMIN] = VN_TOKEN_ACCESS,
        [VN_WEB_REGISTRATION] = VN_TOKEN_REGISTRATION,
        [VN_WEB_CONFLUX] = VN_TOKEN_CONFLUX,
    };
    static const char *const NAME[] = {
        [VN_TOKEN_ACCESS] = "an access token of POST /auth/login",
        [VN_TOKEN_REGISTRATION] = "a registration token",
        [VN_TOKEN_CONFLUX] = "a conflux token",
    };
    if (r->route->role == VN_WEB_PUBLIC)
        return true;
    enum vn_token_type type = TYPE[r->route->role];
    if (!*bearer) {
        vn_request_error(r, 401, "send %s as \"Authorization: Bearer …\"", NAME[type]);
        return false;
    }
    struct vn_token t;
    vn_status st = vn_token_check(&r->g->cfg.token_keys, type, bearer, r->now_ms, &t);
    if (st == VN_ERR_EXPIRED) {
        vn_request_error(r, 401, "this token has expired: %s",
                         type == VN_TOKEN_ACCESS ? "log in again"
                                                 : "ask an administrator for a new one");
        return false;
    }
    if (st == VN_OK)
        st = vn_token_hash(bearer, r->token_hash);
    if (st == VN_OK) {
        switch (type) {
        case VN_TOKEN_ACCESS:
            if (vn_id_is_zero(&t.id)) /* made by who can read our secrets: cmd_node_order.c */
                r->user = (struct vn_user_record){.name = "host", .role = VN_ROLE_ADMIN};
            else
                st = vn_store_user_get(r->g->store, &t.id, &r->user);
            break;
        case VN_TOKEN_REGISTRATION:
            st = vn_store_token_get(r->g->store, &t.id, &r->registration);
            if (st == VN_OK && (!vn_ct_equal(r->registration.hash, r->token_hash, 32) ||
                                !vn_id_equal(&r->registration.realm, &t.realm)))
                st = VN_ERR_AUTH;
            break;
        case VN_TOKEN_CONFLUX:
            st = vn_store_conflux_get(r->g->store, &t.id, &r->conflux);
            if (st == VN_OK && !vn_id_equal(&r->conflux.realm, &t.realm))
                st = VN_ERR_AUTH;
            break;
        case VN_TOKEN_TYPES:
            st = VN_ERR_AUTH;
            break;
        }
    }
    if (st == VN_ERR_NOTFOUND && type == VN_TOKEN_CONFLUX) {
        vn_request_error(
            r, 401,
            "this node is not registered any more: register it again with a registration token");
        return false;
    }
    if (st == VN_ERR_AUTH || st == VN_ERR_NOTFOUND) {
        vn_request_error(r, 401, "this is not %s of this Guardian: check that it was copied whole",
                         NAME[type]);
        return false;
    }
    if (st != VN_OK) {
        vn_request_fail(r, st, "token");
        return false;
    }
    if (r->route->role == VN_WEB_ADMIN && r->user.role != VN_ROLE_ADMIN) {
        vn_request_error(r, 403, "only an administrator may do this: ask one");
        return false;
    }
    return true;
}
