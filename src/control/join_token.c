#include "control/join_token.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "control/json_alloc.h"
#include "control/json_read.h"

#define PREFIX_LEN 4

void vn_join_wipe(struct vn_join *t)
{
    vn_wipe(t, sizeof(*t));
}

vn_status vn_guardian_url_parse(const char *text, char *ret)
{
    const char *rest = text;
    if (strncmp(text, "https://", 8) == 0)
        rest = text + 8;
    else if (strstr(text, "://"))
        return VN_ERR_MALFORMED;
    size_t n = strlen(rest);
    if (n > 0 && rest[n - 1] == '/')
        n--;
    if (n == 0 || n + 8 > VN_GUARDIAN_URL_MAX)
        return VN_ERR_MALFORMED;
    for (size_t i = 0; i < n; i++) {
        /* What a host, an IPv6 literal in brackets and a port are made of. */
        if (!isalnum((unsigned char)rest[i]) && !strchr(".-:[]_", rest[i]))
            return VN_ERR_MALFORMED;
    }
    snprintf(ret, VN_GUARDIAN_URL_MAX + 1, "https://%.*s", (int)n, rest);
    return VN_OK;
}

/* header.payload.signature, each base64url */
static bool looks_like_jwt(const char *p, size_t n)
{
    size_t dots = 0, run = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '.') {
            if (run == 0)
                return false;
            dots++;
            run = 0;
        } else if (isalnum((unsigned char)p[i]) || p[i] == '-' || p[i] == '_') {
            run++;
        } else {
            return false;
        }
    }
    return dots == 2 && run > 0;
}

static vn_status take_jwt(const char *p, size_t n, char ret[VN_JOIN_JWT_MAX + 1])
{
    if (n > VN_JOIN_JWT_MAX || !looks_like_jwt(p, n))
        return VN_ERR_MALFORMED;
    memcpy(ret, p, n);
    ret[n] = 0;
    return VN_OK;
}

static vn_status take_address(const json_t *root, struct vn_guardian_address *ret)
{
    const json_t *urls = json_object_get(root, "g");
    const size_t count = json_array_size(urls);
    if (!json_is_array(urls) || count == 0 || count > VN_GUARDIAN_URLS_MAX)
        return VN_ERR_MALFORMED;
    for (size_t i = 0; i < count; i++) {
        const json_t *u = json_array_get(urls, i);
        if (!json_is_string(u) || strlen(json_string_value(u)) != json_string_length(u) ||
            vn_guardian_url_parse(json_string_value(u), ret->urls[i]) != VN_OK)
            return VN_ERR_MALFORMED;
    }
    ret->url_count = count;
    const json_t *k = json_object_get(root, "k");
    if (!k)
        return VN_OK;
    size_t n;
    if (!json_is_string(k) ||
        vn_b64url_decode(VN_SPAN(json_string_value(k), json_string_length(k)), ret->pin,
                         sizeof(ret->pin), &n) != VN_OK ||
        n != sizeof(ret->pin))
        return VN_ERR_MALFORMED;
    ret->pinned = true;
    return VN_OK;
}

static vn_status parse_json(struct vn_span json, struct vn_join *t)
{
    VN_CLEANUP(vn_jread_freep) json_t *root = vn_jread_parse(json);
    if (!root)
        return vn_jread_why();
    const json_t *jwt = json_object_get(root, t->kind == VN_JOIN_REGISTRATION ? "r" : "c");
    if (!json_is_string(jwt))
        return VN_ERR_MALFORMED;
    const json_t *suite = json_object_get(root, "s");
    if (suite) {
        if (t->kind != VN_JOIN_CONFLUX || !json_is_string(suite))
            return VN_ERR_MALFORMED;
        t->cnsa = strcmp(json_string_value(suite), "cnsa") == 0;
        if (!t->cnsa && strcmp(json_string_value(suite), "default") != 0)
            return VN_ERR_UNSUPPORTED;
    }
    const vn_status st = take_jwt(json_string_value(jwt), json_string_length(jwt), t->jwt);
    return st == VN_OK ? take_address(root, &t->guardian) : st;
}

vn_status vn_join_parse(struct vn_span text, struct vn_join *ret)
{
    const char *p = (const char *)text.p;
    size_t n = text.n;
    while (n > 0 && isspace((unsigned char)p[0])) {
        p++;
        n--;
    }
    while (n > 0 && isspace((unsigned char)p[n - 1]))
        n--;
    if (n < PREFIX_LEN || n > VN_JOIN_TEXT_MAX)
        return VN_ERR_MALFORMED;

    VN_CLEANUP(vn_join_wipe) struct vn_join t = {0};
    vn_status st;
    if (memcmp(p, "vn1.", PREFIX_LEN) == 0 || memcmp(p, "vc1.", PREFIX_LEN) == 0) {
        t.kind = p[1] == 'n' ? VN_JOIN_REGISTRATION : VN_JOIN_CONFLUX;
        uint8_t json[VN_JOIN_TEXT_MAX];
        size_t json_n = 0;
        st = vn_b64url_decode(VN_SPAN(p + PREFIX_LEN, n - PREFIX_LEN), json, sizeof(json), &json_n);
        if (st == VN_OK)
            st = parse_json(VN_SPAN(json, json_n), &t);
        vn_wipe(json, sizeof(json));
    } else if (p[0] == 'v' && (p[1] == 'n' || p[1] == 'c') && isdigit((unsigned char)p[2]) &&
               p[3] == '.') {
        st = VN_ERR_UNSUPPORTED;
    } else {
        t.kind = VN_JOIN_BARE;
        st = take_jwt(p, n, t.jwt);
    }
    if (st != VN_OK)
        return st;
    *ret = t;
    return VN_OK;
}

static vn_status id_claim(const json_t *claims, const char *name, struct vn_id *ret)
{
    const json_t *v = json_object_get(claims, name);
    if (!json_is_string(v))
        return VN_ERR_MALFORMED;
    return vn_id_parse(VN_SPAN(json_string_value(v), json_string_length(v)), ret);
}

vn_status vn_join_ids(const char *jwt, struct vn_id *ret_conflux, struct vn_id *ret_realm)
{
    const char *payload = strchr(jwt, '.');
    const char *end = payload ? strchr(payload + 1, '.') : NULL;
    if (!end)
        return VN_ERR_MALFORMED;
    uint8_t json[VN_JOIN_JWT_MAX];
    size_t n;
    vn_status st =
        vn_b64url_decode(VN_SPAN(payload + 1, (size_t)(end - payload - 1)), json, sizeof(json), &n);
    if (st != VN_OK)
        return st;
    VN_CLEANUP(vn_jread_freep) json_t *claims = vn_jread_parse(VN_SPAN(json, n));
    if (!claims)
        return vn_jread_why();
    struct vn_id conflux, realm;
    st = id_claim(claims, "sub", &conflux);
    if (st == VN_OK)
        st = id_claim(claims, "rlm", &realm);
    if (st != VN_OK)
        return st;
    *ret_conflux = conflux;
    *ret_realm = realm;
    return VN_OK;
}

vn_status vn_join_format(const struct vn_join *t, char **ret)
{
    if (t->kind == VN_JOIN_BARE)
        return VN_ERR_ARG;
    VN_CLEANUP(vn_jread_freep) json_t *root = json_object();
    json_t *urls = json_array();
    bool ok = root && urls;
    for (size_t i = 0; ok && i < t->guardian.url_count; i++)
        ok = json_array_append_new(urls, json_string(t->guardian.urls[i])) == 0;
    ok = json_object_set_new(root, "g", urls) == 0 && ok;
    if (ok && t->guardian.pinned) {
        char pin[VN_B64URL_LEN(32) + 1];
        vn_b64url_encode(VN_SPAN_ARRAY(t->guardian.pin), pin);
        ok = json_object_set_new(root, "k", json_string(pin)) == 0;
    }
    ok = ok && json_object_set_new(root, t->kind == VN_JOIN_REGISTRATION ? "r" : "c",
                                   json_string(t->jwt)) == 0;
    if (ok && t->cnsa)
        ok = json_object_set_new(root, "s", json_string("cnsa")) == 0;
    VN_CLEANUP(vn_secret_strp) char *json = ok ? vn_json_dump(root, JSON_COMPACT) : NULL;
    if (!json)
        return VN_ERR_NOMEM;
    const size_t n = strlen(json);
    char *text = malloc(PREFIX_LEN + VN_B64URL_LEN(n) + 1);
    if (!text)
        return VN_ERR_NOMEM;
    memcpy(text, t->kind == VN_JOIN_REGISTRATION ? "vn1." : "vc1.", PREFIX_LEN);
    vn_b64url_encode(VN_SPAN(json, n), text + PREFIX_LEN);
    *ret = text;
    return VN_OK;
}
