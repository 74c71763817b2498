#include "guardian/token.h"

#include "base/text.h"
#include "control/json_alloc.h"
#include "crypto/kdf.h"
#include "guardian/json.h"
#include "guardian/jwt.h"

static const struct {
    const char *typ;        /* claim, and info of the key derivation */
    const char *id_name;    /* claim that carries the id */
    const char *realm_name; /* claim of the second id */
    bool expires;
} TYPES[VN_TOKEN_TYPES] = {
    [VN_TOKEN_REGISTRATION] = {"reg", "jti", "rlm", true},
    [VN_TOKEN_CONFLUX] = {"cfx", "sub", "rlm", false},
    [VN_TOKEN_ACCESS] = {"usr", "sub", "sid", true},
    [VN_TOKEN_API] = {"api", "jti", "sub", true},
};

vn_status vn_token_keys_derive(const struct vn_secret32 *secret, struct vn_token_keys *ret)
{
    for (size_t i = 0; i < VN_TOKEN_TYPES; i++) {
        struct vn_span info[] = {VN_SPAN_LIT("veilnet-token "), VN_SPAN_STR(TYPES[i].typ)};
        vn_status st = vn_hkdf(VN_SHA256, VN_SPAN_NONE, VN_SPAN_ARRAY(secret->b), info,
                               VN_ARRAY_LEN(info), ret->key[i].b, sizeof(ret->key[i].b));
        if (st != VN_OK)
            return st;
    }
    return VN_OK;
}

vn_status vn_token_issue(const struct vn_token_keys *keys, const struct vn_token *t, char **ret)
{
    char id[VN_ID_TEXT], realm[VN_ID_TEXT];
    vn_id_format(&t->id, id);
    vn_id_format(&t->realm, realm);
    VN_CLEANUP(vn_json_freep)
    json_t *claims = json_pack("{s:s, s:s, s:I}", "typ", TYPES[t->type].typ, TYPES[t->type].id_name,
                               id, "iat", (json_int_t)(t->issued_ms / 1000));
    if (!claims || json_object_set_new(claims, TYPES[t->type].realm_name, json_string(realm)) ||
        (TYPES[t->type].expires &&
         json_object_set_new(claims, "exp", json_integer((json_int_t)(t->expires_ms / 1000)))))
        return VN_ERR_NOMEM;
    return vn_jwt_sign(&keys->key[t->type], claims, ret);
}

static bool id_claim(const json_t *claims, const char *name, struct vn_id *ret)
{
    const json_t *v = json_object_get(claims, name);
    return json_is_string(v) &&
           vn_id_parse(VN_SPAN(json_string_value(v), json_string_length(v)), ret) == VN_OK;
}

static bool time_claim(const json_t *claims, const char *name, uint64_t *ret_ms)
{
    const json_t *v = json_object_get(claims, name);
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return false;
    return vn_ckd_mul(ret_ms, (uint64_t)json_integer_value(v), 1000u);
}

vn_status vn_token_check(const struct vn_token_keys *keys, enum vn_token_type type,
                         const char *text, uint64_t now_ms, struct vn_token *ret)
{
    VN_CLEANUP(vn_json_freep) json_t *claims = NULL;
    vn_status st = vn_jwt_verify(&keys->key[type], text, &claims);
    if (st != VN_OK)
        return st;
    struct vn_token t = {.type = type};
    const char *typ = json_string_value(json_object_get(claims, "typ"));
    if (!typ || strcmp(typ, TYPES[type].typ) != 0 ||
        !id_claim(claims, TYPES[type].id_name, &t.id) ||
        !id_claim(claims, TYPES[type].realm_name, &t.realm) ||
        !time_claim(claims, "iat", &t.issued_ms) ||
        (TYPES[type].expires && !time_claim(claims, "exp", &t.expires_ms)))
        return VN_ERR_AUTH;
    if (TYPES[type].expires && t.expires_ms <= now_ms)
        return VN_ERR_EXPIRED;
    *ret = t;
    return VN_OK;
}

vn_status vn_token_hash(const char *text, uint8_t ret[32])
{
    struct vn_hash h;
    vn_status st = vn_hash(VN_SHA256, VN_PARTS(VN_SPAN_STR(text)), &h);
    if (st == VN_OK)
        memcpy(ret, h.b, 32);
    return st;
}

vn_status vn_join_token(const char *url, const uint8_t pin[32], const char *registration_jwt,
                        char **ret)
{
    VN_CLEANUP(vn_json_freep)
    json_t *o = json_pack("{s:[s], s:s}", "g", url, "r", registration_jwt);
    if (!o || (pin && json_object_set_new(o, "k", vn_json_b64(VN_SPAN(pin, 32)))))
        return VN_ERR_NOMEM;
    VN_CLEANUP(vn_secret_strp) char *text = vn_json_dump(o, JSON_COMPACT);
    if (!text)
        return VN_ERR_NOMEM;
    size_t n = strlen(text);
    char *out = calloc(1, 4 + VN_B64URL_LEN(n) + 1);
    if (!out)
        return VN_ERR_NOMEM;
    snprintf(out, 5, "vn1.");
    vn_b64url_encode(VN_SPAN(text, n), out + 4);
    *ret = out;
    return VN_OK;
}
