/* Login of users; registration tokens. */
#include "crypto/rng.h"
#include "guardian/http.h"
#include "guardian/master.h"
#include "guardian/password.h"
#include "guardian/regtoken.h"
#include "guardian/routes.h"

#define ACCESS_TOKEN_LIFE_S 3600
#define PASSWORDS_AT_ONCE 4 /* 19 MiB each */

void vn_route_health(struct vn_request *r)
{
    vn_request_reply(r, 200,
                     json_pack("{s:s, s:s, s:s}", "status", "ok", "version", VN_VERSION, "master",
                               vn_master_is_up(r->g->master) ? "up" : "down"));
}

/* ---- login ---- */

struct login {
    char password[VN_PASSWORD_MAX + 1];
    char stored[VN_PASSWORD_HASH_MAX];
    struct vn_id user;
    bool known;
    vn_status result;
};

static void login_work(void *arg)
{
    struct login *l = arg;
    l->result = vn_password_check(l->password, l->stored);
}

static void login_free(void *arg)
{
    vn_wipe(arg, sizeof(struct login));
    free(arg);
}

static void login_done(struct vn_request *r, void *arg)
{
    struct login *l = arg;
    r->g->passwords_running--;
    if (l->result != VN_OK && l->result != VN_ERR_AUTH) {
        vn_request_fail(r, l->result, "login");
    } else if (l->result != VN_OK || !l->known) {
        vn_request_error(r, 401, "user or password is wrong");
    } else {
        VN_CLEANUP(vn_secret_strp) char *token = NULL;
        const struct vn_token t = {
            .type = VN_TOKEN_ACCESS,
            .id = l->user,
            .issued_ms = r->now_ms,
            .expires_ms = r->now_ms + ACCESS_TOKEN_LIFE_S * 1000,
        };
        vn_status st = vn_token_issue(&r->g->cfg.token_keys, &t, &token);
        if (st != VN_OK)
            vn_request_fail(r, st, "access token");
        else
            vn_request_reply(r, 200,
                             json_pack("{s:s, s:i}", "access_token", token, "expires_in_s",
                                       ACCESS_TOKEN_LIFE_S));
    }
    login_free(l);
}

void vn_route_login(struct vn_request *r)
{
    const char *name = json_string_value(json_object_get(r->body, "user"));
    const char *password = json_string_value(json_object_get(r->body, "password"));
    if (strlen(password) > VN_PASSWORD_MAX || strlen(name) > VN_USER_NAME_MAX) {
        vn_request_error(r, 401, "user or password is wrong");
        return;
    }
    if (r->g->passwords_running >= PASSWORDS_AT_ONCE) {
        vn_request_error(r, 429, "too many logins at once: try again in a second");
        return;
    }
    struct vn_user_record user;
    vn_status st = vn_store_user_by_name(r->g->store, name, &user);
    if (st != VN_OK && st != VN_ERR_NOTFOUND) {
        vn_request_fail(r, st, "user");
        return;
    }
    struct login *l = calloc(1, sizeof(*l));
    if (!l) {
        vn_request_fail(r, VN_ERR_NOMEM, "login");
        return;
    }
    l->known = st == VN_OK;
    l->user = user.id;
    snprintf(l->password, sizeof(l->password), "%s", password);
    /* An unknown name costs as much as a wrong password, so the time tells nothing. */
    snprintf(l->stored, sizeof(l->stored), "%s",
             l->known
                 ? user.password
                 : "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA");
    r->g->passwords_running++;
    vn_request_work(r, login_work, login_done, login_free, l);
}

/* ---- registration tokens ---- */

static json_t *token_json(const struct vn_token_record *t)
{
    return json_pack("{s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:b}", "id", vn_json_id(&t->id), "realm",
                     vn_json_id(&t->realm), "created_at", (json_int_t)t->created_ms, "expires_at",
                     (json_int_t)t->expires_ms, "uses_left",
                     t->uses_left < 0 ? json_null() : json_integer(t->uses_left), "taints",
                     vn_taints_to_json(&t->taints), "allowed_taints",
                     vn_allowed_to_json(&t->allowed), "revoked", t->revoked);
}

void vn_route_token_create(struct vn_request *r)
{
    struct vn_regtoken_init init = {.owner = r->user.id, .uses = -1};
    const char *realm = json_string_value(json_object_get(r->body, "realm"));
    if (vn_id_parse(VN_SPAN_STR(realm), &init.realm) != VN_OK) {
        vn_request_error(r, 400, "realm must be a realm's id (22 characters): see GET /realms");
        return;
    }
    const json_t *v = json_object_get(r->body, "expires_in_s");
    init.expires_in_s = v ? (uint64_t)json_integer_value(v) : VN_REGTOKEN_LIFE_DEFAULT_S;
    v = json_object_get(r->body, "uses");
    if (v)
        init.uses = json_integer_value(v);
    v = json_object_get(r->body, "taints");
    vn_status st = vn_taints_from_json(v, &init.taints);
    const json_t *allowed = json_object_get(r->body, "allowed_taints");
    if (st == VN_OK && json_is_array(allowed))
        st = vn_taints_from_json(allowed, &init.allowed.set);
    else
        init.allowed.any = true;
    if (st != VN_OK) {
        vn_request_error(r, 400,
                         "taints are at most 16 labels of 1 to 64 characters a-z 0-9 . _ -");
        return;
    }
    char why[200];
    struct vn_regtoken t = {0};
    st = vn_regtoken_create(r->g->store, &r->g->cfg, &init, r->now_ms, &t, why, sizeof(why));
    if (st == VN_ERR_NOTFOUND)
        vn_request_error(r, 404, "there is no such realm: see GET /realms");
    else if (st == VN_ERR_ARG)
        vn_request_error(r, 400, "%s", why);
    else if (st != VN_OK)
        vn_request_fail(r, st, "registration token");
    else {
        char actor[VN_USER_NAME_MAX + 8], id[VN_ID_TEXT];
        vn_id_format(&t.record.id, id);
        vn_guardian_audit(r->g, &init.realm, vn_request_actor(r, actor),
                          "registration_token_created", id, "");
        json_t *o = token_json(&t.record);
        if (o) {
            json_object_set_new(o, "token", json_string(t.jwt));
            json_object_set_new(o, "join_token", json_string(t.join));
        }
        vn_request_reply(r, 201, o);
    }
    vn_regtoken_done(&t);
}

static bool token_append(void *arg, const struct vn_token_record *t)
{
    return vn_list_add(arg, token_json(t), t->created_ms, &t->id);
}

void vn_route_token_list(struct vn_request *r)
{
    struct vn_list l;
    if (!vn_list_begin(r, &l))
        return;
    vn_status st = vn_store_token_list(r->g->store, &r->realm, &l.page, token_append, &l);
    vn_list_reply(r, &l, st, "registration tokens");
}

void vn_route_token_revoke(struct vn_request *r)
{
    struct vn_token_record t;
    vn_status st = vn_store_token_get(r->g->store, &r->path_id, &t);
    if (st == VN_OK)
        st = vn_store_token_revoke(r->g->store, &r->path_id);
    if (st == VN_ERR_NOTFOUND) {
        vn_request_error(r, 404,
                         "there is no such registration token: see GET /auth/registration-tokens");
        return;
    }
    if (st != VN_OK) {
        vn_request_fail(r, st, "revoke");
        return;
    }
    char actor[VN_USER_NAME_MAX + 8], id[VN_ID_TEXT];
    vn_id_format(&t.id, id);
    vn_guardian_audit(r->g, &t.realm, vn_request_actor(r, actor), "registration_token_revoked", id,
                      "");
    vn_request_reply(r, 204, NULL);
}
