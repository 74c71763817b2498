/* API tokens: for programs that act for a user. Who is signed in makes their own; superusers, such
 * as Guardian's host, make, see and end those of others. */
#include "crypto/rng.h"
#include "guardian/http.h"
#include "guardian/realm.h"
#include "guardian/routes.h"
#include "guardian/sign_in.h"

#define LIFE_DEFAULT_S (90ull * 86400)
#define LIFE_MAX_S (366ull * 86400)

static const struct {
    const char *name;
    unsigned scope;
} SCOPES[] = {{"read", VN_API_READ}, {"write", VN_API_WRITE}, {"metrics", VN_API_METRICS}};

static json_t *scopes_json(unsigned scopes)
{
    json_t *a = json_array();
    for (size_t i = 0; i < VN_ARRAY_LEN(SCOPES); i++)
        if (scopes & SCOPES[i].scope)
            json_array_append_new(a, json_string(SCOPES[i].name));
    return a;
}

static json_t *token_json(const struct vn_api_token *t)
{
    return json_pack("{s:o, s:s, s:o, s:o, s:I, s:I}", "id", vn_json_id(&t->id), "name", t->name,
                     "scopes", scopes_json(t->scopes), "realm",
                     t->has_realm ? vn_json_id(&t->realm) : json_null(), "created_at",
                     (json_int_t)t->created_ms, "expires_at", (json_int_t)t->expires_ms);
}

/* 0: none, or an unknown one. */
static unsigned read_scopes(const json_t *list)
{
    unsigned scopes = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        size_t k = 0;
        while (k < VN_ARRAY_LEN(SCOPES) && strcmp(SCOPES[k].name, name) != 0)
            k++;
        if (k == VN_ARRAY_LEN(SCOPES))
            return 0;
        scopes |= SCOPES[k].scope;
    }
    return scopes;
}

/* Returns false after answering. */
static bool read_wish(struct vn_request *r, const struct vn_user_record *u, struct vn_api_token *t)
{
    const char *name = vn_request_text(r, "name");
    const json_t *life = json_object_get(r->body, "expires_in_s");
    const uint64_t life_s = life ? (uint64_t)json_integer_value(life) : LIFE_DEFAULT_S;
    t->scopes = read_scopes(json_object_get(r->body, "scopes"));
    t->has_realm = json_object_get(r->body, "realm") != NULL;
    if (vn_id_is_zero(&u->id))
        vn_request_error(r, 409,
                         "Guardian's host needs no token: name a user (POST /users/ID/tokens)");
    else if (u->must_change || u->disabled)
        vn_request_error(r, 409, "user %s %s: a token of theirs would not count", u->name,
                         u->disabled ? "is disabled" : "has to change their password first");
    else if (!vn_label_valid(name))
        vn_request_error(r, 400,
                         "a token's name has 1 to 63 characters a-z 0-9 -, no hyphen at its ends");
    else if (!t->scopes)
        vn_request_error(r, 400, "scopes are one or more of read, write, metrics");
    else if (t->scopes & VN_API_METRICS && !u->superuser)
        vn_request_error(r, 403, "only a superuser's token may have the scope metrics: ask one");
    else if (life_s == 0 || life_s > LIFE_MAX_S)
        vn_request_error(r, 400, "the life of a token is 1 second to 366 days: choose another");
    else if (!t->has_realm || vn_request_body_id(r, "realm", &t->realm)) {
        snprintf(t->name, sizeof(t->name), "%s", name);
        t->expires_ms = (r->now_ms / 1000 + life_s) * 1000;
        return true;
    }
    return false;
}

static void audit(struct vn_request *r, const char *action, const struct vn_id *token,
                  const struct vn_user_record *u, const char *name)
{
    char actor[VN_USER_NAME_MAX + 8], id[VN_ID_TEXT],
        detail[sizeof(u->name) + VN_REALM_NAME_MAX + 8];
    vn_id_format(token, id);
    snprintf(detail, sizeof(detail), "%s%sof %s", name, *name ? " " : "", u->name);
    vn_guardian_audit(r->g, NULL, vn_request_actor(r, actor), action, id, detail);
}

void vn_route_api_token_create(struct vn_request *r)
{
    struct vn_user_record u;
    struct vn_api_token t = {.created_ms = r->now_ms};
    VN_CLEANUP(vn_secret_strp) char *jwt = NULL;
    if (!vn_request_about_user(r, &u) || !read_wish(r, &u, &t))
        return;
    t.user = u.id;
    vn_status st = vn_rng_bytes(t.id.b, sizeof(t.id.b));
    const struct vn_token claims = {.type = VN_TOKEN_API,
                                    .id = t.id,
                                    .realm = t.user,
                                    .issued_ms = r->now_ms,
                                    .expires_ms = t.expires_ms};
    if (st == VN_OK)
        st = vn_token_issue(&r->g->cfg.token_keys, &claims, &jwt);
    if (st == VN_OK)
        st = vn_token_hash(jwt, t.hash);
    if (st == VN_OK)
        st = vn_store_api_token_add(r->g->store, &t);
    if (st == VN_ERR_STATE) { /* foreign key */
        vn_request_error(r, 404, "there is no such realm: see GET /realms");
        return;
    }
    json_t *o = st == VN_OK ? token_json(&t) : NULL;
    if (!o) {
        vn_request_fail(r, st == VN_OK ? VN_ERR_NOMEM : st, "API token");
        return;
    }
    json_object_set_new(o, "token", json_string(jwt));
    audit(r, "api_token_created", &t.id, &u, t.name);
    vn_request_reply(r, 201, o);
}

static bool add(void *arg, const struct vn_api_token *t)
{
    return vn_items_add(arg, token_json(t), t->created_ms, &t->id);
}

void vn_route_api_token_list(struct vn_request *r)
{
    struct vn_user_record u;
    struct vn_items l;
    if (!vn_request_about_user(r, &u) || !vn_items_begin(r, &l))
        return;
    vn_status st = vn_store_api_token_list(r->g->store, &u.id, &l.page, add, &l);
    vn_items_reply(r, &l, st, "API tokens");
}

void vn_route_api_token_delete(struct vn_request *r)
{
    struct vn_user_record u;
    if (!vn_request_about_user(r, &u))
        return;
    const bool mine = r->route->role != VN_WEB_SUPERUSER;
    const struct vn_id *token = &r->path_id[mine ? 0 : 1];
    vn_status st = vn_store_api_token_delete(r->g->store, &u.id, token);
    if (st == VN_ERR_NOTFOUND) {
        vn_request_error(r, 404, "%s no such token: see GET %s",
                         mine ? "you have" : "this user has",
                         mine ? "/auth/tokens" : "/users/ID/tokens");
        return;
    }
    if (st != VN_OK) {
        vn_request_fail(r, st, "API token");
        return;
    }
    audit(r, "api_token_deleted", token, &u, "");
    vn_request_reply(r, 204, NULL);
}
