#include "guardian/jwks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "control/json_alloc.h"
#include "control/json_read.h"
#include "guardian/json.h"

/* ---- sets ---- */

struct key {
    char kid[VN_JWKS_KID_MAX + 1];
    unsigned algs; /* that it is for */
    struct vn_jws_key k;
};
struct vn_jwks {
    size_t n;
    struct key keys[];
};

/* base64url of from to to bytes, as text. */
static bool read_part(const json_t *o, const char *name, size_t from, size_t to, char *ret,
                      size_t cap)
{
    uint8_t bytes[VN_JWS_RSA_MAX];
    size_t n;
    return vn_jread_text(o, name, ret, cap) &&
           vn_b64url_decode(VN_SPAN_STR(ret), bytes, to, &n) == VN_OK && n >= from &&
           (from == to || bytes[0] != 0); /* a number without leading zeros is as long as it says */
}

static bool read_kind(const json_t *o, struct vn_jws_key *ret)
{
    char kty[8], crv[16] = "";
    if (!vn_jread_text(o, "kty", kty, sizeof(kty)))
        return false;
    if (strcmp(kty, "RSA") == 0) {
        ret->kind = VN_JWS_RSA;
        return read_part(o, "n", VN_JWS_RSA_MIN, VN_JWS_RSA_MAX, ret->a, sizeof(ret->a)) &&
               read_part(o, "e", 1, VN_JWS_E_MAX, ret->b, sizeof(ret->b));
    }
    if (!vn_jread_text(o, "crv", crv, sizeof(crv)))
        return false;
    if (strcmp(kty, "EC") == 0 && (strcmp(crv, "P-256") == 0 || strcmp(crv, "P-384") == 0)) {
        const size_t n = strcmp(crv, "P-256") == 0 ? 32 : 48;
        ret->kind = n == 32 ? VN_JWS_P256 : VN_JWS_P384;
        return read_part(o, "x", n, n, ret->a, sizeof(ret->a)) &&
               read_part(o, "y", n, n, ret->b, sizeof(ret->b));
    }
    ret->kind = VN_JWS_ED25519;
    return strcmp(kty, "OKP") == 0 && strcmp(crv, "Ed25519") == 0 &&
           read_part(o, "x", 32, 32, ret->a, sizeof(ret->a));
}

static bool is_for_verifying(const json_t *o)
{
    const char *use = json_string_value(json_object_get(o, "use"));
    const json_t *ops = json_object_get(o, "key_ops"), *op;
    if (use && strcmp(use, "sig") != 0)
        return false;
    bool found = ops == NULL;
    size_t i;
    json_array_foreach(ops, i, op) found |=
        json_is_string(op) && strcmp(json_string_value(op), "verify") == 0;
    return found;
}

/* Returns false for a key that is none for us. */
static bool read_key(const json_t *o, struct key *ret)
{
    char alg[16];
    memset(ret, 0, sizeof(*ret));
    if (!json_is_object(o) || !is_for_verifying(o) || !read_kind(o, &ret->k))
        return false;
    if (json_object_get(o, "kid") && !vn_jread_text(o, "kid", ret->kid, sizeof(ret->kid)))
        return false;
    ret->algs = vn_jws_key_algs(ret->k.kind);
    if (json_object_get(o, "alg"))
        ret->algs &= vn_jread_text(o, "alg", alg, sizeof(alg)) ? vn_jws_alg_of(alg) : 0;
    return ret->algs != 0;
}

vn_status vn_jwks_parse(struct vn_span text, struct vn_jwks **ret)
{
    if (text.n > VN_JWKS_BYTES_MAX)
        return VN_ERR_LIMIT;
    VN_CLEANUP(vn_json_freep) json_t *o = vn_jread_parse(text);
    const json_t *list = json_object_get(o, "keys"), *item;
    if (!json_is_array(list))
        return vn_jread_why();
    const size_t n = json_array_size(list);
    if (n > VN_JWKS_KEYS_MAX)
        return VN_ERR_LIMIT;
    struct vn_jwks *k = calloc(1, sizeof(*k) + n * sizeof(k->keys[0]));
    if (!k)
        return VN_ERR_NOMEM;
    size_t i;
    json_array_foreach(list, i, item) k->n += read_key(item, &k->keys[k->n]);
    *ret = k;
    return VN_OK;
}

struct vn_jwks *vn_jwks_free(struct vn_jwks *k)
{
    free(k);
    return NULL;
}

void vn_jwks_freep(struct vn_jwks **k)
{
    *k = vn_jwks_free(*k);
}

size_t vn_jwks_count(const struct vn_jwks *k)
{
    return k->n;
}

bool vn_jwks_has(const struct vn_jwks *k, const char *kid)
{
    for (size_t i = 0; i < k->n; i++)
        if (strcmp(k->keys[i].kid, kid) == 0)
            return true;
    return false;
}

/* ---- tokens ---- */

static vn_status read_json(struct vn_span text, json_t **ret)
{
    uint8_t bytes[VN_OAUTH_JWT_MAX];
    size_t n;
    if (vn_b64url_decode(text, bytes, sizeof(bytes), &n) != VN_OK)
        return VN_ERR_MALFORMED;
    *ret = vn_jread_parse(VN_SPAN(bytes, n));
    return *ret ? VN_OK : vn_jread_why();
}

static vn_status read_header(struct vn_span text, unsigned algs, struct vn_oauth_jwt *ret)
{
    VN_CLEANUP(vn_json_freep) json_t *o = NULL;
    char alg[16];
    vn_status st = read_json(text, &o);
    if (st != VN_OK)
        return st;
    /* RFC 7515 section 4.1.11: extensions that must be understood; we understand none. */
    if (json_object_get(o, "crit") || json_object_get(o, "b64"))
        return VN_ERR_UNSUPPORTED;
    if (!json_object_get(o, "alg"))
        return VN_ERR_MALFORMED;
    ret->alg = vn_jread_text(o, "alg", alg, sizeof(alg)) ? vn_jws_alg_of(alg) & algs : 0;
    if (!ret->alg)
        return VN_ERR_UNSUPPORTED;
    if (json_object_get(o, "kid") && !vn_jread_text(o, "kid", ret->kid, sizeof(ret->kid)))
        return VN_ERR_MALFORMED;
    return VN_OK;
}

vn_status vn_oauth_jwt_read(const char *text, unsigned algs, struct vn_oauth_jwt *ret)
{
    const size_t n = strnlen(text, VN_OAUTH_JWT_MAX + 1);
    if (n > VN_OAUTH_JWT_MAX)
        return VN_ERR_LIMIT;
    const char *first = memchr(text, '.', n), *second = first ? strchr(first + 1, '.') : NULL;
    uint8_t sig[VN_JWS_RSA_MAX];
    size_t sig_n;
    if (!second)
        return VN_ERR_MALFORMED;
    *ret = (struct vn_oauth_jwt){
        .signed_part = VN_SPAN(text, (size_t)(second - text)),
        .payload = VN_SPAN(first + 1, (size_t)(second - first - 1)),
        .sig = VN_SPAN_STR(second + 1),
    };
    /* A third dot, as in an encrypted token, is no base64url. */
    if (vn_b64url_decode(ret->sig, sig, sizeof(sig), &sig_n) != VN_OK)
        return VN_ERR_MALFORMED;
    return read_header(VN_SPAN(text, (size_t)(first - text)), algs, ret);
}

vn_status vn_oauth_jwt_claims(const struct vn_oauth_jwt *t, json_t **ret)
{
    return read_json(t->payload, ret);
}

vn_status vn_oauth_jwt_verify(const struct vn_oauth_jwt *t, const struct vn_jwks *keys)
{
    const struct key *meant = NULL;
    for (size_t i = 0; i < keys->n; i++) {
        const struct key *k = &keys->keys[i];
        if (!(k->algs & t->alg) || (t->kid[0] && strcmp(k->kid, t->kid) != 0))
            continue;
        if (meant) /* nobody can say which */
            return VN_ERR_NOTFOUND;
        meant = k;
    }
    /* What is signed is text in base64url from here on. */
    uint8_t bytes[VN_OAUTH_JWT_MAX];
    size_t n;
    if (vn_b64url_decode(t->payload, bytes, sizeof(bytes), &n) != VN_OK)
        return VN_ERR_AUTH;
    return meant ? vn_jws_verify(t->alg, &meant->k, t->signed_part, t->sig) : VN_ERR_NOTFOUND;
}

bool vn_oauth_is_for(const json_t *claims, const char *audience)
{
    const json_t *aud = json_object_get(claims, "aud"), *one;
    if (json_is_string(aud))
        return strcmp(json_string_value(aud), audience) == 0;
    size_t i;
    json_array_foreach(aud, i, one) if (json_is_string(one) &&
                                        strcmp(json_string_value(one), audience) == 0) return true;
    return false;
}

/* NumericDate (RFC 7519 section 2), in milliseconds. */
static bool read_time(const json_t *claims, const char *name, double *ret_ms)
{
    const json_t *v = json_object_get(claims, name);
    *ret_ms = json_number_value(v) * 1000;
    return json_is_number(v) && isfinite(*ret_ms);
}

vn_status vn_oauth_jwt_check(const json_t *claims, const char *issuer, const char *audience,
                             uint64_t now_ms, const char **ret_why)
{
    const double now = (double)now_ms, leeway = VN_OAUTH_LEEWAY_S * 1000.0;
    double exp, nbf = 0, iat = 0;
    const char *iss = json_string_value(json_object_get(claims, "iss"));
    vn_status st = VN_ERR_AUTH;
    if (!iss || strcmp(iss, issuer) != 0)
        *ret_why = "it is of another issuer";
    else if (!vn_oauth_is_for(claims, audience))
        *ret_why = "it is for another audience";
    else if (!read_time(claims, "exp", &exp))
        *ret_why = "it does not say when it ends (exp)";
    else if ((json_object_get(claims, "nbf") && !read_time(claims, "nbf", &nbf)) ||
             (json_object_get(claims, "iat") && !read_time(claims, "iat", &iat)))
        *ret_why = "its times (nbf, iat) are no numbers";
    else if (nbf > now + leeway || iat > now + leeway)
        *ret_why = "it is not valid yet: check the clocks";
    else if (exp + leeway <= now) {
        *ret_why = "it has expired: get a new one from the identity provider";
        st = VN_ERR_EXPIRED;
    } else {
        st = VN_OK;
    }
    return st;
}
