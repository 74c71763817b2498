/* Identity providers whose tokens a realm accepts from nodes. */
#include "control/json_alloc.h"
#include "crypto/rng.h"
#include "guardian/claims.h"
#include "guardian/providers.h"
#include "guardian/routes.h"
#include "guardian/http.h"
#include "guardian/store_issuers.h"

static json_t *algorithms_json(unsigned algs)
{
    json_t *list = json_array();
    for (unsigned alg = 1; alg <= algs; alg <<= 1)
        if (algs & alg)
            json_array_append_new(list, json_string(vn_jws_alg_name(alg)));
    return list;
}

static json_t *issuer_json(const struct vn_issuer_record *i)
{
    json_t *o =
        json_pack("{s:o, s:s, s:s, s:s, s:s, s:o, s:I}", "id", vn_json_id(&i->id), "name", i->name,
                  "issuer", i->issuer, "audience", i->audience, "jwks_url", i->jwks_url,
                  "algorithms", algorithms_json(i->algs), "created_at", (json_int_t)i->created_ms);
    VN_CLEANUP(vn_json_freep) json_t *rules = vn_json_load(VN_SPAN_STR(i->rules), NULL);
    if (o && rules && json_object_update(o, rules) == 0)
        return o;
    json_decref(o);
    return NULL;
}

/* Each returns false after answering. */

static bool read_text(struct vn_request *r, const char *name, char *ret, size_t cap)
{
    const char *text = vn_request_text(r, name);
    bool plain = text[0] != 0;
    for (const char *p = text; *p; p++)
        plain &= *p > 0x20 && *p < 0x7f;
    if (plain && (size_t)snprintf(ret, cap, "%s", text) < cap)
        return true;
    vn_request_error(r, 400, "%s has 1 to %zu printable ASCII characters and no space", name,
                     cap - 1);
    return false;
}

static bool read_algorithms(struct vn_request *r, unsigned *ret)
{
    const json_t *list = json_object_get(r->body, "algorithms"), *name;
    size_t i;
    *ret = list ? 0 : VN_JWS_ALGS_ALL;
    json_array_foreach(list, i, name)
    {
        const unsigned alg = vn_jws_alg_of(json_string_value(name));
        *ret |= alg;
        if (!alg)
            *ret = 0;
        if (!alg)
            break;
    }
    if (!*ret)
        vn_request_error(r, 400,
                         "algorithms are some of RS256, PS256, ES256, ES384, EdDSA: correct them");
    return *ret != 0;
}

static bool read_rules(struct vn_request *r, char ret[VN_ISSUER_RULES_TEXT])
{
    char why[160];
    VN_CLEANUP(vn_json_freep) json_t *rules = NULL;
    vn_status st = vn_claim_rules_from_json(r->body, &rules, why, sizeof(why));
    if (st == VN_ERR_ARG) {
        vn_request_error(r, 400, "%s", why);
        return false;
    }
    VN_CLEANUP(vn_json_strp) char *text = st == VN_OK ? vn_json_dump(rules, JSON_COMPACT) : NULL;
    if (!text)
        vn_request_fail(r, VN_ERR_NOMEM, "rules");
    else if (strlen(text) >= VN_ISSUER_RULES_TEXT)
        vn_request_error(r, 400, "the rules have more than %d bytes together: leave some out",
                         VN_ISSUER_RULES_TEXT - 1);
    else
        memcpy(ret, text, strlen(text) + 1);
    return text && strlen(text) < VN_ISSUER_RULES_TEXT;
}

static bool read_issuer(struct vn_request *r, struct vn_issuer_record *ret)
{
    if (!read_text(r, "name", ret->name, sizeof(ret->name)) ||
        !read_text(r, "issuer", ret->issuer, sizeof(ret->issuer)) ||
        !read_text(r, "audience", ret->audience, sizeof(ret->audience)) ||
        !read_text(r, "jwks_url", ret->jwks_url, sizeof(ret->jwks_url)) ||
        !read_algorithms(r, &ret->algs) || !read_rules(r, ret->rules))
        return false;
    if (!vn_label_valid(ret->name)) {
        vn_request_error(r, 400, "name has 1 to %d characters a-z 0-9 -, no hyphen at its ends",
                         VN_ISSUER_NAME_MAX);
        return false;
    }
    if (!vn_provider_url_valid(ret->jwks_url, VN_ISSUER_URL_MAX)) {
        vn_request_error(r, 400,
                         "jwks_url must be https://HOST/…: see \"jwks_uri\" in the "
                         "issuer's /.well-known/openid-configuration");
        return false;
    }
    return true;
}

void vn_route_issuer_create(struct vn_request *r)
{
    struct vn_issuer_record i = {.realm = r->realm, .created_ms = r->now_ms};
    if (!read_issuer(r, &i))
        return;
    vn_status st = vn_rng_bytes(i.id.b, sizeof(i.id.b));
    if (st == VN_OK)
        st = vn_store_issuer_add(r->g->store, &i);
    if (st == VN_ERR_EXISTS) {
        vn_request_error(r, 409,
                         "the realm has an issuer of this name, or with this issuer and audience: "
                         "delete it first");
        return;
    }
    if (st == VN_ERR_LIMIT) {
        vn_request_error(r, 409, "a realm has at most %d issuers: delete one", VN_ISSUERS_MAX);
        return;
    }
    if (st != VN_OK) {
        vn_request_fail(r, st, "issuer");
        return;
    }
    char actor[VN_USER_NAME_MAX + 8];
    vn_guardian_audit(r->g, &i.realm, vn_request_actor(r, actor), "issuer_created", i.name,
                      i.jwks_url);
    vn_request_reply(r, 201, issuer_json(&i));
}

static bool add_issuer(void *arg, const struct vn_issuer_record *i)
{
    return vn_items_add(arg, issuer_json(i), i->created_ms, &i->id);
}

void vn_route_issuer_list(struct vn_request *r)
{
    struct vn_items l;
    if (!vn_items_begin(r, &l))
        return;
    vn_status st = vn_store_issuer_list(r->g->store, &r->realm, &l.page, add_issuer, &l);
    vn_items_reply(r, &l, st, "issuers");
}

void vn_route_issuer_delete(struct vn_request *r)
{
    struct vn_issuer_record i;
    vn_status st = vn_store_issuer_get(r->g->store, &r->realm, &r->path_id[1], &i);
    if (st == VN_OK)
        st = vn_store_issuer_delete(r->g->store, &r->realm, &i.id);
    if (st == VN_ERR_NOTFOUND) {
        vn_request_error(r, 404, "there is no such issuer: see GET /realms/ID/issuers");
        return;
    }
    if (st != VN_OK) {
        vn_request_fail(r, st, "issuer");
        return;
    }
    char actor[VN_USER_NAME_MAX + 8];
    vn_guardian_audit(r->g, &i.realm, vn_request_actor(r, actor), "issuer_deleted", i.name, "");
    vn_request_reply(r, 204, NULL);
}
