/* Accounts, administered by superusers. */
#include "crypto/rng.h"
#include "guardian/routes.h"
#include "guardian/sign_in.h"

static void audit(struct vn_request *r, const char *action, const char *subject, const char *detail)
{
    char actor[VN_USER_NAME_MAX + 8];
    vn_guardian_audit(r->g, NULL, vn_request_actor(r, actor), action, subject, detail);
}

bool vn_request_about_user(struct vn_request *r, struct vn_user_record *ret)
{
    if (r->route->role != VN_WEB_SUPERUSER) {
        *ret = r->user;
        return true;
    }
    vn_status st = vn_store_user_get(r->g->store, &r->path_id[0], ret);
    if (st == VN_ERR_NOTFOUND)
        vn_request_error(r, 404, "there is no such user: see GET /users");
    else if (st != VN_OK)
        vn_request_fail(r, st, "user");
    return st == VN_OK;
}

/* ---- making ---- */

/* A generated password is shown once, and must be changed. */
static json_t *shown(const struct vn_user_record *u, const char *password)
{
    json_t *o = vn_user_json(u);
    if (o && u->must_change)
        json_object_set_new(o, "password", json_string(password));
    return o;
}

static void create_then(struct vn_request *r, struct vn_password_job *j)
{
    snprintf(j->user.password, sizeof(j->user.password), "%s", j->hash);
    vn_status st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = r->g->store;
    if (st == VN_OK)
        st = vn_store_user_add(tx, &j->user);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st == VN_ERR_EXISTS) {
        vn_request_error(r, 409, "a user named %s exists: choose another name", j->user.name);
    } else if (st != VN_OK) {
        vn_request_fail(r, st, "user");
    } else {
        audit(r, "user_created", j->user.name, j->user.superuser ? "superuser" : "");
        vn_request_reply(r, 201, shown(&j->user, j->made));
    }
}

/* The given one, or a new one that must be changed. */
static vn_status choose(struct vn_password_job *j, const char *given)
{
    if (given) {
        snprintf(j->made, sizeof(j->made), "%s", given);
        return VN_OK;
    }
    char generated[21];
    vn_status st = vn_password_generate(generated);
    memcpy(j->made, generated, sizeof(generated));
    vn_wipe(generated, sizeof(generated));
    j->user.must_change = true;
    return st;
}

void vn_route_user_create(struct vn_request *r)
{
    const char *name = vn_request_text(r, "user"), *password = vn_request_text(r, "password"),
               *display = vn_request_text(r, "display_name");
    if (!vn_user_name_valid(name)) {
        vn_request_error(r, 400,
                         "a user's name has 1 to 64 characters a-z 0-9 . _ @ + -, and "
                         "begins with a letter or digit: choose another");
        return;
    }
    if (display && !vn_display_name_valid(display)) {
        vn_request_error(r, 400, "a display name has at most %d bytes and no control characters",
                         VN_DISPLAY_NAME_MAX);
        return;
    }
    const bool oidc = json_is_true(json_object_get(r->body, "oidc"));
    if (oidc && password) {
        vn_request_error(r, 400, "who signs in by a provider has no password here: leave it out");
        return;
    }
    if (password && !vn_password_fits(r, password))
        return;
    struct vn_password_job *j = vn_password_job(r);
    if (!j)
        return;
    j->then = create_then;
    j->user.created_ms = r->now_ms;
    j->user.superuser = json_is_true(json_object_get(r->body, "superuser"));
    snprintf(j->user.name, sizeof(j->user.name), "%s", name);
    snprintf(j->user.display_name, sizeof(j->user.display_name), "%s", display ? display : "");
    vn_status st = vn_rng_bytes(j->user.id.b, sizeof(j->user.id.b));
    if (st == VN_OK && !oidc)
        st = choose(j, password);
    if (st == VN_OK) {
        vn_password_run(r, j);
        return;
    }
    free(j);
    vn_request_fail(r, st, "user");
}

/* ---- reading ---- */

static bool add(void *arg, const struct vn_user_record *u)
{
    return vn_items_add(arg, vn_user_json(u), u->created_ms, &u->id);
}

void vn_route_user_list(struct vn_request *r)
{
    struct vn_items l;
    if (!vn_items_begin(r, &l))
        return;
    vn_status st = vn_store_user_list(r->g->store, &l.page, add, &l);
    vn_items_reply(r, &l, st, "users");
}

void vn_route_user_get(struct vn_request *r)
{
    struct vn_user_record u;
    if (vn_request_about_user(r, &u))
        vn_request_reply(r, 200, vn_user_json(&u));
}

/* ---- changing ---- */

/* In the transaction: whoever could administer the installation must not be the last who could.
 * VN_ERR_DENIED. */
static vn_status somebody_is_left(struct vn_store *tx)
{
    unsigned count = 0;
    vn_status st = vn_store_superuser_count(tx, &count);
    return st == VN_OK && count == 0 ? VN_ERR_DENIED : st;
}

static void refuse_last(struct vn_request *r, vn_status st)
{
    if (st == VN_ERR_DENIED)
        vn_request_error(r, 409, "this is the last superuser: make another one first");
    else
        vn_request_fail(r, st, "user");
}

void vn_route_user_change(struct vn_request *r)
{
    struct vn_user_record u;
    const char *display = vn_request_text(r, "display_name");
    const json_t *superuser = json_object_get(r->body, "superuser"),
                 *disabled = json_object_get(r->body, "disabled");
    if (!vn_request_about_user(r, &u))
        return;
    if (display && !vn_display_name_valid(display)) {
        vn_request_error(r, 400, "a display name has at most %d bytes and no control characters",
                         VN_DISPLAY_NAME_MAX);
        return;
    }
    if (display)
        snprintf(u.display_name, sizeof(u.display_name), "%s", display);
    if (superuser)
        u.superuser = json_is_true(superuser);
    if (disabled)
        u.disabled = json_is_true(disabled);
    vn_status st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = r->g->store;
    if (st == VN_OK)
        st = vn_store_user_set(tx, &u);
    if (st == VN_OK && u.disabled)
        st = vn_store_session_delete_all(tx, &u.id, NULL);
    if (st == VN_OK)
        st = somebody_is_left(tx);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st != VN_OK) {
        refuse_last(r, st);
        return;
    }
    char detail[64];
    snprintf(detail, sizeof(detail), "%s%s", u.superuser ? "superuser" : "",
             u.disabled ? " disabled" : "");
    audit(r, "user_changed", u.name, detail);
    vn_request_reply(r, 200, vn_user_json(&u));
}

void vn_route_user_delete(struct vn_request *r)
{
    struct vn_user_record u;
    if (!vn_request_about_user(r, &u))
        return;
    vn_status st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = r->g->store;
    if (st == VN_OK)
        st = vn_store_user_delete(tx, &u.id);
    if (st == VN_OK)
        st = somebody_is_left(tx);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st == VN_ERR_STATE) {
        vn_request_error(
            r, 409, "user %s still has nodes: remove them first, or disable the account", u.name);
        return;
    }
    if (st != VN_OK) {
        refuse_last(r, st);
        return;
    }
    audit(r, "user_deleted", u.name, "");
    vn_request_reply(r, 204, NULL);
}

static void reset_then(struct vn_request *r, struct vn_password_job *j)
{
    snprintf(j->user.password, sizeof(j->user.password), "%s", j->hash);
    vn_status st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = r->g->store;
    if (st == VN_OK)
        st = vn_store_user_set(tx, &j->user);
    if (st == VN_OK)
        st = vn_store_session_delete_all(tx, &j->user.id, NULL);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st != VN_OK) {
        vn_request_fail(r, st, "password");
        return;
    }
    audit(r, "password_reset", j->user.name, "");
    vn_request_reply(r, 200, shown(&j->user, j->made));
}

void vn_route_user_reset(struct vn_request *r)
{
    struct vn_user_record u;
    if (!vn_request_about_user(r, &u))
        return;
    struct vn_password_job *j = vn_password_job(r);
    if (!j)
        return;
    j->user = u;
    j->then = reset_then;
    vn_status st = choose(j, NULL);
    if (st == VN_OK) {
        vn_password_run(r, j);
        return;
    }
    free(j);
    vn_request_fail(r, st, "password");
}
