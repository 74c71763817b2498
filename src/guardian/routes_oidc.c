/* OpenID providers by which people sign in. */
#include "crypto/rng.h"
#include "guardian/http.h"
#include "guardian/providers.h"
#include "guardian/realm.h"
#include "guardian/routes.h"
#include "guardian/store_oidc.h"

static json_t *provider_json(const struct vn_oidc_provider *p)
{
    return json_pack("{s:o, s:s, s:s, s:s, s:b, s:b, s:b, s:I}", "id", vn_json_id(&p->id), "name",
                     p->name, "issuer", p->issuer, "client_id", p->client_id, "has_secret",
                     p->client_secret[0] != 0, "sign_up", p->sign_up, "supabase", p->supabase,
                     "created_at", (json_int_t)p->created_ms);
}

/* Returns false after answering. */
static bool read_text(struct vn_request *r, const char *name, char *ret)
{
    const char *text = vn_request_text(r, name);
    bool plain = true;
    for (const char *p = text ? text : ""; *p; p++)
        plain &= *p > 0x20 && *p < 0x7f;
    if (plain && (!text || strlen(text) <= VN_OIDC_TEXT_MAX)) {
        snprintf(ret, VN_OIDC_TEXT_MAX + 1, "%s", text ? text : "");
        return true;
    }
    vn_request_error(r, 400, "%s has at most %d printable ASCII characters and no space", name,
                     VN_OIDC_TEXT_MAX);
    return false;
}

static bool read_provider(struct vn_request *r, struct vn_oidc_provider *ret)
{
    const char *name = vn_request_text(r, "name");
    if (!read_text(r, "issuer", ret->issuer) || !read_text(r, "client_id", ret->client_id) ||
        !read_text(r, "client_secret", ret->client_secret))
        return false;
    if (!vn_label_valid(name) || strlen(name) > VN_OIDC_NAME_MAX) {
        vn_request_error(r, 400, "name has 1 to %d characters a-z 0-9 -, no hyphen at its ends",
                         VN_OIDC_NAME_MAX);
        return false;
    }
    snprintf(ret->name, sizeof(ret->name), "%s", name);
    if (!vn_provider_url_valid(ret->issuer, VN_OIDC_TEXT_MAX) || strchr(ret->issuer, '?')) {
        vn_request_error(r, 400, "issuer must be https://HOST/…, as the provider writes it");
        return false;
    }
    if (!ret->client_id[0]) {
        vn_request_error(r, 400, "client_id is what the provider calls Guardian: say it");
        return false;
    }
    ret->sign_up = json_is_true(json_object_get(r->body, "sign_up"));
    ret->supabase = json_is_true(json_object_get(r->body, "supabase"));
    return true;
}

void vn_route_oidc_create(struct vn_request *r)
{
    struct vn_oidc_provider p = {.created_ms = r->now_ms};
    if (!read_provider(r, &p)) {
        vn_wipe(&p, sizeof(p));
        return;
    }
    vn_status st = vn_rng_bytes(p.id.b, sizeof(p.id.b));
    if (st == VN_OK)
        st = vn_store_oidc_add(r->g->store, &p);
    char actor[VN_USER_NAME_MAX + 8];
    if (st == VN_ERR_EXISTS) {
        vn_request_error(r, 409, "there is a provider of this name or issuer: delete it first");
    } else if (st == VN_ERR_LIMIT) {
        vn_request_error(r, 409, "there are at most %d providers: delete one",
                         VN_OIDC_PROVIDERS_MAX);
    } else if (st != VN_OK) {
        vn_request_fail(r, st, "provider");
    } else {
        vn_guardian_audit(r->g, NULL, vn_request_actor(r, actor), "provider_created", p.name,
                          p.issuer);
        vn_request_reply(r, 201, provider_json(&p));
    }
    vn_wipe(&p, sizeof(p));
}

static bool add_provider(void *arg, const struct vn_oidc_provider *p)
{
    return vn_items_add(arg, provider_json(p), p->created_ms, &p->id);
}

void vn_route_oidc_list(struct vn_request *r)
{
    struct vn_items l;
    if (!vn_items_begin(r, &l))
        return;
    vn_status st = vn_store_oidc_list(r->g->store, &l.page, add_provider, &l);
    vn_items_reply(r, &l, st, "providers");
}

void vn_route_oidc_delete(struct vn_request *r)
{
    char actor[VN_USER_NAME_MAX + 8], id[VN_ID_TEXT];
    vn_status st = vn_store_oidc_delete(r->g->store, &r->path_id[0]);
    if (st == VN_ERR_NOTFOUND) {
        vn_request_error(r, 404, "there is no such provider: see GET /oidc/providers");
        return;
    }
    if (st != VN_OK) {
        vn_request_fail(r, st, "provider");
        return;
    }
    vn_id_format(&r->path_id[0], id);
    vn_guardian_audit(r->g, NULL, vn_request_actor(r, actor), "provider_deleted", id, "");
    vn_request_reply(r, 204, NULL);
}

static bool add_name(void *arg, const struct vn_oidc_provider *p)
{
    return json_array_append_new(arg, json_pack("{s:s, s:b, s:s}", "name", p->name, "password",
                                                p->supabase, "issuer", p->issuer)) == 0;
}

void vn_route_oidc_names(struct vn_request *r)
{
    json_t *items = json_array();
    vn_status st = vn_store_oidc_list(r->g->store, NULL, add_name, items);
    if (st == VN_OK)
        vn_request_reply(r, 200, json_pack("{s:o}", "items", items));
    else
        json_decref(items);
    if (st != VN_OK)
        vn_request_fail(r, st, "providers");
}
