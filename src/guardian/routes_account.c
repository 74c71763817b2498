/* What people do with their own account. */
#include "guardian/routes.h"
#include "guardian/sign_in.h"

static void login_then(struct vn_request *r, struct vn_password_job *j)
{
    if (j->user.disabled) {
        vn_request_error(r, 403, "this account is disabled: ask an administrator");
        return;
    }
    vn_guardian_audit(r->g, NULL, j->user.name, "signed_in", j->user.name, "");
    vn_sign_in(r, &j->user);
}

void vn_route_login(struct vn_request *r)
{
    const char *name = vn_request_text(r, "user"), *password = vn_request_text(r, "password");
    if (strlen(password) > VN_PASSWORD_MAX || strlen(name) > VN_USER_NAME_MAX) {
        vn_request_error(r, 401, "user or password is wrong");
        return;
    }
    struct vn_password_job *j = vn_password_job(r);
    if (!j)
        return;
    vn_status st = vn_store_user_by_name(r->g->store, name, &j->user);
    if (st != VN_OK && st != VN_ERR_NOTFOUND) {
        free(j);
        vn_request_fail(r, st, "user");
        return;
    }
    j->known = st == VN_OK && j->user.password[0]; /* who signs in by a provider has none */
    j->check = true;
    j->then = login_then;
    snprintf(j->given, sizeof(j->given), "%s", password);
    vn_password_run(r, j);
}

/* Guardian's own host has neither account nor sign-in. Returns false after answering. */
static bool has_account(struct vn_request *r)
{
    if (!vn_id_is_zero(&r->user.id))
        return true;
    vn_request_error(r, 409, "this token is no sign-in: log in with a user's name");
    return false;
}

void vn_route_sign_out(struct vn_request *r)
{
    if (!has_account(r))
        return;
    vn_status st = vn_store_session_delete(r->g->store, &r->session);
    if (st != VN_OK)
        vn_request_fail(r, st, "sign-out");
    else
        vn_request_reply(r, 204, NULL);
}

/* ---- profile ---- */

struct orgs {
    struct vn_request *r;
    json_t *list;
    vn_status st;
};

static bool add_org(void *arg, const struct vn_org_record *o)
{
    struct orgs *l = arg;
    enum vn_role role;
    l->st = vn_store_member_role(l->r->g->store, &o->id, &l->r->user.id, &role);
    return l->st == VN_OK &&
           json_array_append_new(l->list, json_pack("{s:o, s:s, s:s}", "id", vn_json_id(&o->id),
                                                    "name", o->name, "role", vn_role_name(role))) ==
               0;
}

void vn_route_profile(struct vn_request *r)
{
    if (!has_account(r))
        return;
    struct orgs l = {.r = r, .list = json_array()};
    vn_status st = vn_store_org_list(r->g->store, &r->user.id, NULL, add_org, &l);
    json_t *o = st == VN_OK && l.st == VN_OK ? vn_user_json(&r->user) : NULL;
    if (!o) {
        json_decref(l.list);
        vn_request_fail(r, st != VN_OK ? st : l.st != VN_OK ? l.st : VN_ERR_NOMEM, "profile");
        return;
    }
    json_object_set_new(o, "orgs", l.list);
    vn_request_reply(r, 200, o);
}

void vn_route_profile_change(struct vn_request *r)
{
    const char *name = vn_request_text(r, "display_name");
    if (!has_account(r))
        return;
    if (!vn_display_name_valid(name)) {
        vn_request_error(r, 400, "a display name has at most %d bytes and no control characters",
                         VN_DISPLAY_NAME_MAX);
        return;
    }
    snprintf(r->user.display_name, sizeof(r->user.display_name), "%s", name);
    vn_status st = vn_store_user_set(r->g->store, &r->user);
    if (st != VN_OK)
        vn_request_fail(r, st, "profile");
    else
        vn_route_profile(r);
}

/* ---- password ---- */

static void password_then(struct vn_request *r, struct vn_password_job *j)
{
    struct vn_user_record u;
    vn_status st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = r->g->store;
    if (st == VN_OK)
        st = vn_store_user_get(tx, &j->user.id, &u);
    if (st == VN_OK) {
        snprintf(u.password, sizeof(u.password), "%s", j->hash);
        u.must_change = false;
        st = vn_store_user_set(tx, &u);
    }
    if (st == VN_OK)
        st = vn_store_session_delete_all(tx, &u.id, &r->session);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st != VN_OK) {
        vn_request_fail(r, st, "password");
        return;
    }
    char actor[VN_USER_NAME_MAX + 8];
    vn_guardian_audit(r->g, NULL, vn_request_actor(r, actor), "password_changed", u.name, "");
    vn_request_reply(r, 204, NULL);
}

void vn_route_password_change(struct vn_request *r)
{
    const char *old = vn_request_text(r, "old"), *new = vn_request_text(r, "new");
    if (!has_account(r) || !vn_password_fits(r, new))
        return;
    if (strcmp(old, new) == 0) {
        vn_request_error(r, 400, "this is the password that you have: choose another");
        return;
    }
    if (strlen(old) > VN_PASSWORD_MAX) {
        vn_request_error(r, 401, "user or password is wrong");
        return;
    }
    struct vn_password_job *j = vn_password_job(r);
    if (!j)
        return;
    j->user = r->user;
    j->known = r->user.password[0] != 0;
    j->check = true;
    j->then = password_then;
    snprintf(j->given, sizeof(j->given), "%s", old);
    snprintf(j->made, sizeof(j->made), "%s", new);
    vn_password_run(r, j);
}
