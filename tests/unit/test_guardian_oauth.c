/* Tokens of identity providers: what passes, what does not, and what claims are made into. */
#include <jose/b64.h>
#include <jose/jwk.h>
#include <jose/jws.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/kdf.h"
#include "crypto/sig.h"
#include "guardian/claims.h"
#include "guardian/jwks.h"
#include "guardian/json.h"
#include "guardian/providers.h"
#include "support/test.h"

#define NOW_S 1700000000
#define NOW_MS (NOW_S * 1000ull)
#define ISSUER "https://idp.example"

/* ---- keys and tokens, made by libjose ---- */

static json_t *rsa, *other_rsa, *p256, *p384; /* private */

static json_t *generate(const char *how)
{
    json_t *jwk = json_loads(how, 0, NULL);
    assert_non_null(jwk);
    assert_true(jose_jwk_gen(NULL, jwk));
    json_object_del(jwk, "alg"); /* of any algorithm of its kind */
    json_object_del(jwk, "key_ops");
    return jwk;
}

static int make_keys(void **state)
{
    (void)state;
    rsa = generate("{\"kty\":\"RSA\",\"bits\":2048}");
    other_rsa = generate("{\"kty\":\"RSA\",\"bits\":2048}");
    p256 = generate("{\"kty\":\"EC\",\"crv\":\"P-256\"}");
    p384 = generate("{\"kty\":\"EC\",\"crv\":\"P-384\"}");
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    json_decref(rsa);
    json_decref(other_rsa);
    json_decref(p256);
    json_decref(p384);
    return 0;
}

/* A public JWK, with members added. */
static json_t *public(const json_t *jwk, const char *more)
{
    json_t *copy = json_deep_copy(jwk);
    VN_CLEANUP(vn_json_freep) json_t *extra = json_loads(more, 0, NULL);
    assert_non_null(extra);
    assert_true(jose_jwk_pub(NULL, copy));
    assert_int_equal(json_object_update(copy, extra), 0);
    return copy;
}

/* Takes the keys; NULL ends them. */
static struct vn_jwks *set_of(json_t *first, ...)
{
    va_list ap;
    va_start(ap, first);
    json_t *list = json_array();
    for (json_t *k = first; k; k = va_arg(ap, json_t *))
        json_array_append_new(list, k);
    va_end(ap);
    VN_CLEANUP(vn_json_freep) json_t *o = json_pack("{s:o}", "keys", list);
    VN_CLEANUP(vn_json_strp) char *text = json_dumps(o, 0);
    struct vn_jwks *keys = NULL;
    assert_ok(vn_jwks_parse(VN_SPAN_STR(text), &keys));
    return keys;
}

static void b64_of(const char *text, char *ret)
{
    vn_b64url_encode(VN_SPAN_STR(text), ret);
}

/* Header and claims as they are written, signed by libjose. */
static char *token(const json_t *jwk, const char *header, const char *claims)
{
    VN_CLEANUP(vn_json_freep) json_t *jws = json_object();
    VN_CLEANUP(vn_json_freep) json_t *sig = json_object();
    char *text = malloc(32768), part[16384];
    assert_non_null(text);
    b64_of(claims, part);
    json_object_set_new(jws, "payload", json_string(part));
    b64_of(header, part);
    json_object_set_new(sig, "protected", json_string(part));
    assert_true(jose_jws_sig(NULL, jws, sig, jwk));
    snprintf(text, 32768, "%s.%s.%s", json_string_value(json_object_get(jws, "protected")),
             json_string_value(json_object_get(jws, "payload")),
             json_string_value(json_object_get(jws, "signature")));
    return text;
}

static char *with_signature(const char *header, const char *claims, const char *sig)
{
    char *text = malloc(65536), h[16384], c[16384];
    assert_non_null(text);
    b64_of(header, h);
    b64_of(claims, c);
    snprintf(text, 65536, "%s.%s.%s", h, c, sig);
    return text;
}

static vn_status verdict(const char *text, unsigned algs, const struct vn_jwks *keys)
{
    struct vn_oauth_jwt t;
    VN_CLEANUP(vn_json_freep) json_t *claims = NULL;
    vn_status st = vn_oauth_jwt_read(text, algs, &t);
    if (st == VN_OK)
        st = vn_oauth_jwt_claims(&t, &claims);
    return st == VN_OK ? vn_oauth_jwt_verify(&t, keys) : st;
}

static void refused(vn_status how, char *take_text, const struct vn_jwks *keys)
{
    assert_status(how, verdict(take_text, VN_JWS_ALGS_ALL, keys));
    free(take_text);
}

#define CLAIMS "{\"iss\":\"" ISSUER "\",\"aud\":\"net\",\"exp\":1700000600}"

/* ---- recorded ---- */

static const char BILBO[] =
    "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"bilbo.baggins@hobbiton.example\",\"use\":\"sig\",\"n\":"
    "\"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_"
    "AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-"
    "oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-"
    "tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw\","
    "\"e\":\"AQAB\"}]}";
#define FRODO                                                                                      \
    "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250" \
    "byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hl" \
    "cmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4"
/* RFC 7520 sections 4.1 to 4.4: RS256, and three algorithms that are none of ours. */
static const char RS256[] =
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." FRODO
    ".MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xu"
    "glII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE"
    "6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQ"
    "SE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg";
static const char PS384[] =
    "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." FRODO
    ".cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8"
    "TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBq"
    "rYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRH"
    "tfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw";
static const char ES512[] =
    "eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." FRODO
    ".AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy"
    "3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2";
static const char HS256[] =
    "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9." FRODO
    ".s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0";
/* RFC 8037 appendix A */
static const char ED25519_KEYS[] = "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
                                   "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";
static const char ED25519[] =
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt"
    "9g7sVvpAr_MuM0KAg";

static void recorded(void **state)
{
    (void)state;
    struct vn_oauth_jwt t;
    VN_CLEANUP(vn_jwks_freep) struct vn_jwks *bilbo = NULL;
    VN_CLEANUP(vn_jwks_freep) struct vn_jwks *ed = NULL;
    assert_ok(vn_jwks_parse(VN_SPAN_STR(BILBO), &bilbo));
    assert_ok(vn_jwks_parse(VN_SPAN_STR(ED25519_KEYS), &ed));
    assert_ok(vn_oauth_jwt_read(RS256, VN_JWS_ALGS_ALL, &t));
    assert_ok(vn_oauth_jwt_verify(&t, bilbo));
    assert_status(VN_ERR_NOTFOUND, vn_oauth_jwt_verify(&t, ed));
    const char *const none[] = {PS384, ES512, HS256};
    for (size_t i = 0; i < VN_ARRAY_LEN(none); i++)
        assert_status(VN_ERR_UNSUPPORTED, vn_oauth_jwt_read(none[i], VN_JWS_ALGS_ALL, &t));
    assert_ok(vn_oauth_jwt_read(ED25519, VN_JWS_EDDSA, &t));
    assert_ok(vn_oauth_jwt_verify(&t, ed));
    assert_status(VN_ERR_UNSUPPORTED, vn_oauth_jwt_read(ED25519, VN_JWS_RS256, &t));
}

/* ---- every algorithm, and what is wrong with tokens ---- */

static void each_algorithm(void **state)
{
    (void)state;
    VN_CLEANUP(vn_jwks_freep)
    struct vn_jwks *keys = set_of(public(rsa, "{\"kid\":\"r\"}"), public(p256, "{\"kid\":\"a\"}"),
                                  public(p384, "{\"kid\":\"b\"}"), NULL);
    assert_int_equal(vn_jwks_count(keys), 3);
    const struct {
        const json_t *key;
        const char *header;
    } list[] = {{rsa, "{\"alg\":\"RS256\",\"kid\":\"r\"}"},
                {rsa, "{\"alg\":\"PS256\",\"kid\":\"r\"}"},
                {p256, "{\"alg\":\"ES256\",\"kid\":\"a\"}"},
                {p384, "{\"alg\":\"ES384\",\"kid\":\"b\"}"},
                {rsa, "{\"alg\":\"RS256\"}"},
                {p256, "{\"alg\":\"ES256\"}"}};
    for (size_t i = 0; i < VN_ARRAY_LEN(list); i++) {
        VN_CLEANUP(vn_json_strp) char *text = token(list[i].key, list[i].header, CLAIMS);
        assert_ok(verdict(text, VN_JWS_ALGS_ALL, keys));
        /* Any one character of it changed, and each part of it cut. */
        const size_t n = strlen(text);
        for (size_t at = vn_test_below(7); at < n; at += 7) {
            const char was = text[at];
            text[at] = was == 'A' ? 'B' : 'A';
            assert_status_not_ok(verdict(text, VN_JWS_ALGS_ALL, keys));
            text[at] = was;
        }
        assert_ok(verdict(text, VN_JWS_ALGS_ALL, keys));
        for (size_t cut = n; cut-- > 0;) {
            text[cut] = 0;
            assert_status_not_ok(verdict(text, VN_JWS_ALGS_ALL, keys));
        }
    }
}

static void wrong_keys(void **state)
{
    (void)state;
    VN_CLEANUP(vn_jwks_freep)
    struct vn_jwks *keys =
        set_of(public(rsa, "{\"kid\":\"r\"}"), public(p256, "{\"kid\":\"a\"}"), NULL);
    refused(VN_ERR_AUTH, token(other_rsa, "{\"alg\":\"RS256\",\"kid\":\"r\"}", CLAIMS), keys);
    refused(VN_ERR_NOTFOUND, token(rsa, "{\"alg\":\"RS256\",\"kid\":\"x\"}", CLAIMS), keys);
    /* the kid of a key of another kind */
    refused(VN_ERR_NOTFOUND, token(rsa, "{\"alg\":\"RS256\",\"kid\":\"a\"}", CLAIMS), keys);
    /* two keys of the same name, or two that may be meant: nobody can say which */
    VN_CLEANUP(vn_jwks_freep)
    struct vn_jwks *twice =
        set_of(public(rsa, "{\"kid\":\"r\"}"), public(other_rsa, "{\"kid\":\"r\"}"), NULL);
    refused(VN_ERR_NOTFOUND, token(rsa, "{\"alg\":\"RS256\",\"kid\":\"r\"}", CLAIMS), twice);
    refused(VN_ERR_NOTFOUND, token(rsa, "{\"alg\":\"RS256\"}", CLAIMS), twice);
    /* a key that says which algorithm it is for */
    VN_CLEANUP(vn_jwks_freep)
    struct vn_jwks *only = set_of(public(rsa, "{\"kid\":\"r\",\"alg\":\"PS256\"}"), NULL);
    refused(VN_ERR_NOTFOUND, token(rsa, "{\"alg\":\"RS256\",\"kid\":\"r\"}", CLAIMS), only);
    VN_CLEANUP(vn_json_strp)
    char *pss = token(rsa, "{\"alg\":\"PS256\",\"kid\":\"r\"}", CLAIMS);
    assert_ok(verdict(pss, VN_JWS_ALGS_ALL, only));
}

/* RFC 8725 section 2.1: no signature, and a public key taken for a secret. */
static void swapped_algorithms(void **state)
{
    (void)state;
    VN_CLEANUP(vn_jwks_freep) struct vn_jwks *keys = set_of(public(rsa, "{\"kid\":\"r\"}"), NULL);
    const char *const unsigned_headers[] = {
        "{\"alg\":\"none\"}", "{\"alg\":\"None\"}", "{\"alg\":\"NONE\",\"kid\":\"r\"}",
        "{\"alg\":\"\"}",     "{\"alg\":null}",     "{\"alg\":256}"};
    for (size_t i = 0; i < VN_ARRAY_LEN(unsigned_headers); i++)
        refused(VN_ERR_UNSUPPORTED, with_signature(unsigned_headers[i], CLAIMS, ""), keys);
    refused(VN_ERR_MALFORMED, with_signature("{\"kid\":\"r\"}", CLAIMS, ""), keys);
    refused(VN_ERR_AUTH, with_signature("{\"alg\":\"RS256\",\"kid\":\"r\"}", CLAIMS, ""), keys);

    VN_CLEANUP(vn_json_freep)
    json_t *oct = json_pack("{s:s, s:O}", "kty", "oct", "k", json_object_get(rsa, "n"));
    refused(VN_ERR_UNSUPPORTED, token(oct, "{\"alg\":\"HS256\",\"kid\":\"r\"}", CLAIMS), keys);
    /* the same secret offered as a key of the set */
    VN_CLEANUP(vn_jwks_freep) struct vn_jwks *none = set_of(json_incref(oct), NULL);
    assert_int_equal(vn_jwks_count(none), 0);
    refused(VN_ERR_UNSUPPORTED, token(oct, "{\"alg\":\"HS256\"}", CLAIMS), none);
    /* RSA's signature under the name of another algorithm of the same key */
    VN_CLEANUP(vn_json_strp) char *rs = token(rsa, "{\"alg\":\"RS256\",\"kid\":\"r\"}", CLAIMS);
    refused(VN_ERR_AUTH,
            with_signature("{\"alg\":\"PS256\",\"kid\":\"r\"}", CLAIMS, strrchr(rs, '.') + 1),
            keys);
    assert_status(VN_ERR_UNSUPPORTED, verdict(rs, VN_JWS_PS256 | VN_JWS_ES256, keys));
}

static void malformed(void **state)
{
    (void)state;
    VN_CLEANUP(vn_jwks_freep) struct vn_jwks *keys = set_of(public(rsa, "{\"kid\":\"r\"}"), NULL);
    static const char RS[] = "{\"alg\":\"RS256\",\"kid\":\"r\"}";
    refused(VN_ERR_MALFORMED, token(rsa, RS, "{\"iss\":\"a\",\"iss\":\"b\"}"), keys);
    refused(VN_ERR_MALFORMED, token(rsa, RS, "[]"), keys);
    refused(VN_ERR_MALFORMED, token(rsa, RS, "{\"iss\":\"\\u0000\"}"), keys);
    refused(VN_ERR_MALFORMED,
            with_signature("{\"alg\":\"none\",\"alg\":\"RS256\"}", CLAIMS, "AAAA"), keys);
    refused(VN_ERR_UNSUPPORTED,
            with_signature("{\"alg\":\"RS256\",\"crit\":[\"exp\"]}", CLAIMS, "AAAA"), keys);
    refused(VN_ERR_UNSUPPORTED, with_signature("{\"alg\":\"RS256\",\"b64\":false}", CLAIMS, "AAAA"),
            keys);
    refused(VN_ERR_MALFORMED, with_signature("{\"alg\":\"RS256\",\"kid\":7}", CLAIMS, "AAAA"),
            keys);
    static const char *const TEXTS[] = {"",
                                        ".",
                                        "..",
                                        "...",
                                        "a.b",
                                        "a.b.c",
                                        "e30.e30.e30.e30.e30",
                                        "eyJhbGciOiJSUzI1NiJ9.e30.AA==",
                                        "\xff\xfe.e30.AAAA"};
    for (size_t i = 0; i < VN_ARRAY_LEN(TEXTS); i++)
        refused(VN_ERR_MALFORMED, strdup(TEXTS[i]), keys);
    char *huge = malloc(1 << 20);
    memset(huge, 'A', (1 << 20) - 1);
    huge[(1 << 20) - 1] = 0;
    refused(VN_ERR_LIMIT, huge, keys);
    /* deep: jansson has a limit of its own */
    char deep[6000] = "{\"a\":";
    memset(deep + 5, '[', sizeof(deep) - 6);
    deep[sizeof(deep) - 1] = 0;
    refused(VN_ERR_MALFORMED, with_signature(RS, deep, "AAAA"), keys);
}

static void key_sets(void **state)
{
    (void)state;
    struct vn_jwks *k = NULL;
    static const char *const BAD[] = {"",
                                      "[]",
                                      "{}",
                                      "{\"keys\":{}}",
                                      "{\"keys\":[],\"keys\":[]}",
                                      "{\"keys\":[{\"kty\":\"RSA\",\"kty\":\"EC\"}]}"};
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++)
        assert_status(VN_ERR_MALFORMED, vn_jwks_parse(VN_SPAN_STR(BAD[i]), &k));
    char *large = calloc(1, VN_JWKS_BYTES_MAX + 2);
    memset(large, ' ', VN_JWKS_BYTES_MAX + 1);
    assert_status(VN_ERR_LIMIT, vn_jwks_parse(VN_SPAN_STR(large), &k));
    int at = snprintf(large, VN_JWKS_BYTES_MAX, "{\"keys\":[0");
    for (size_t i = 1; i <= VN_JWKS_KEYS_MAX; i++)
        at += snprintf(large + at, 3, ",0");
    snprintf(large + at, 3, "]}");
    assert_status(VN_ERR_LIMIT, vn_jwks_parse(VN_SPAN_STR(large), &k));
    free(large);

    /* What is none of ours is left out, and the rest counts. */
    VN_CLEANUP(vn_json_freep) json_t *weak = public(rsa, "{}");
    char n[256];
    snprintf(n, sizeof(n), "%.171s", json_string_value(json_object_get(weak, "n"))); /* 1024 bits */
    json_object_set_new(weak, "n", json_string(n));
    VN_CLEANUP(vn_jwks_freep)
    struct vn_jwks *keys =
        set_of(public(rsa, "{\"use\":\"enc\"}"), public(rsa, "{\"key_ops\":[\"sign\"]}"),
               public(rsa, "{\"alg\":\"RS512\"}"), public(rsa, "{\"alg\":\"HS256\"}"),
               public(p256, "{\"crv\":\"P-384\"}"), public(p256, "{\"x\":\"AA\"}"),
               json_incref(weak), json_pack("{s:s}", "kty", "oct"), json_integer(7),
               public(p256, "{\"kid\":\"good\",\"key_ops\":[\"verify\"],\"use\":\"sig\"}"), NULL);
    assert_int_equal(vn_jwks_count(keys), 1);
    assert_true(vn_jwks_has(keys, "good"));
    assert_false(vn_jwks_has(keys, ""));
}

/* ---- claims ---- */

static vn_status checked(const char *claims)
{
    VN_CLEANUP(vn_json_freep) json_t *o = json_loads(claims, 0, NULL);
    const char *why = NULL;
    assert_non_null(o);
    vn_status st = vn_oauth_jwt_check(o, ISSUER, "net", NOW_MS, &why);
    assert_true((st == VN_OK) == (why == NULL));
    return st;
}
#define OF(aud, times) "{\"iss\":\"" ISSUER "\",\"aud\":" aud "," times "}"

static void who_and_when(void **state)
{
    (void)state;
    assert_ok(checked(OF("\"net\"", "\"exp\":1700000001")));
    assert_ok(checked(OF("[\"x\",\"net\"]", "\"exp\":1700000001.5")));
    assert_ok(checked(OF("\"net\"", "\"exp\":1699999941"))); /* 60 s of leeway */
    assert_ok(checked(OF("\"net\"", "\"exp\":1700000600,\"nbf\":1700000060,\"iat\":1700000060")));
    assert_status(VN_ERR_EXPIRED, checked(OF("\"net\"", "\"exp\":1699999940")));
    static const char *const WRONG[] = {
        OF("\"net\"", "\"exp\":1700000600,\"nbf\":1700000061"),
        OF("\"net\"", "\"exp\":1700000600,\"iat\":1700000061"),
        OF("\"net\"", "\"exp\":1700000600,\"nbf\":\"1\""),
        OF("\"net\"", "\"exp\":\"1700000600\""),
        OF("\"net\"", "\"sub\":\"a\""),
        OF("\"network\"", "\"exp\":1700000600"),
        OF("\"ne\"", "\"exp\":1700000600"),
        OF("[]", "\"exp\":1700000600"),
        OF("{\"net\":1}", "\"exp\":1700000600"),
        OF("[[\"net\"]]", "\"exp\":1700000600"),
        "{\"iss\":\"" ISSUER "/\",\"aud\":\"net\",\"exp\":1700000600}",
        "{\"iss\":[\"" ISSUER "\"],\"aud\":\"net\",\"exp\":1700000600}",
        "{\"aud\":\"net\",\"exp\":1700000600}",
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(WRONG); i++)
        assert_status(VN_ERR_AUTH, checked(WRONG[i]));
}

static json_t *rules_of(const char *body)
{
    VN_CLEANUP(vn_json_freep) json_t *o = json_loads(body, 0, NULL);
    json_t *rules = NULL;
    char why[160] = "";
    assert_non_null(o);
    vn_status st = vn_claim_rules_from_json(o, &rules, why, sizeof(why));
    assert_true((st == VN_OK) == (rules != NULL));
    assert_true((st == VN_ERR_ARG) == (why[0] != 0));
    return rules;
}

static const char PERSON[] =
    "{\"sub\":\"u1\",\"email_verified\":true,\"level\":3,\"groups\":[\"ops\",\"dba\"],\"locked\":"
    "false,"
    "\"app\":{\"role\":\"admin\",\"x.y\":\"dots\"},\"app.role\":\"top\",\"nothing\":null}";

static void required(void **state)
{
    (void)state;
    VN_CLEANUP(vn_json_freep) json_t *claims = json_loads(PERSON, 0, NULL);
    static const char *const MET[] = {"sub",          "sub=u1",       "email_verified=true",
                                      "level=3",      "groups=dba",   "app.role=top",
                                      "app.x.y=dots", "locked=false", "groups"};
    static const char *const UNMET[] = {"sub=u",     "sub=",    "email_verified=1", "groups=db",
                                        "app.none",  "locked",  "nothing",          "none",
                                        "app=admin", "sub.x=u1"};
    for (size_t i = 0; i < VN_ARRAY_LEN(MET) + VN_ARRAY_LEN(UNMET); i++) {
        const bool met = i < VN_ARRAY_LEN(MET);
        const char *rule = met ? MET[i] : UNMET[i - VN_ARRAY_LEN(MET)];
        char body[128];
        snprintf(body, sizeof(body), "{\"required\":[\"sub\",\"%s\"]}", rule);
        VN_CLEANUP(vn_json_freep) json_t *rules = rules_of(body);
        const char *lack = vn_claims_lack(rules, claims);
        if (met)
            assert_null(lack);
        else
            assert_string_equal(lack, rule);
    }
}

static void granted(void **state)
{
    (void)state;
    VN_CLEANUP(vn_json_freep) json_t *claims = json_loads(PERSON, 0, NULL);
    VN_CLEANUP(vn_json_freep)
    json_t *rules = rules_of("{\"scopes\":[\"groups\",\"level\",\"none\",\"app\"],"
                             "\"taints\":[\"all\",\"db if groups=dba\",\"web if groups=web\"],"
                             "\"teams\":[\"ops if groups=ops\",\"no if groups=no\"]}");
    struct vn_grant g;
    assert_ok(vn_claims_grant(rules, "idp", claims, &g));
    assert_int_equal(g.scopes.n, 3);
    assert_string_equal(g.scopes.s[0], "idp/groups=ops");
    assert_string_equal(g.scopes.s[1], "idp/groups=dba");
    assert_string_equal(g.scopes.s[2], "idp/level=3");
    char taints[VN_TAINTS_TEXT];
    vn_taints_format(&g.taints, taints);
    assert_string_equal(taints, "all,db");
    assert_int_equal(json_array_size(g.teams), 1);
    assert_string_equal(json_string_value(json_array_get(g.teams, 0)), "ops");
    assert_false(g.more);
    json_decref(g.teams);

    /* What is no label becomes a hash of it; what is too much is told. */
    VN_CLEANUP(vn_json_freep)
    json_t *odd = json_pack("{s:s, s:s, s:[s,s,s,s,s,s,s,s], s:s}", "a",
                            "a value that is much longer than the sixty-four bytes of a label", "b",
                            "two\nlines", "c", "1", "2", "3", "4", "5", "6", "7", "8", "d",
                            "idp/b=two\nlines");
    VN_CLEANUP(vn_json_freep) json_t *all = rules_of("{\"scopes\":[\"a\",\"b\",\"d\"]}");
    assert_ok(vn_claims_grant(all, "idp", odd, &g));
    json_decref(g.teams);
    assert_int_equal(g.scopes.n, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(strlen(g.scopes.s[i]), strlen("idp/#") + 43);
        assert_string_not_equal(g.scopes.s[i], g.scopes.s[(i + 1) % 3]);
    }
    char text[VN_NODE_SCOPES_TEXT];
    struct vn_scope_set again;
    vn_scope_set_format(&g.scopes, text);
    assert_ok(vn_scope_set_parse(text, &again));
    assert_memory_equal(&again, &g.scopes, sizeof(again));
    VN_CLEANUP(vn_json_freep) json_t *many = rules_of("{\"scopes\":[\"c\"]}");
    assert_ok(vn_claims_grant(many, "idp", odd, &g));
    json_decref(g.teams);
    assert_int_equal(g.scopes.n, VN_NODE_SCOPES_MAX);
    assert_true(g.more);
}

static void rules(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "{\"required\":[\"\"]}",      "{\"required\":[\"=a\"]}",     "{\"scopes\":[\"a=b\"]}",
        "{\"taints\":[\"No Good\"]}", "{\"taints\":[\"a if \"]}",    "{\"taints\":[\"a if =b\"]}",
        "{\"teams\":[\" if a\"]}",    "{\"scopes\":[\"a\\u0001\"]}", "{\"scopes\":[\"\"]}"};
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++)
        assert_null(rules_of(BAD[i]));
    VN_CLEANUP(vn_json_freep) json_t *list = json_array();
    for (size_t i = 0; i <= VN_CLAIM_RULES_MAX; i++)
        json_array_append_new(list, json_string("a"));
    VN_CLEANUP(vn_json_freep) json_t *body = json_pack("{s:O}", "scopes", list);
    VN_CLEANUP(vn_json_strp) char *text = json_dumps(body, 0);
    assert_null(rules_of(text));
    VN_CLEANUP(vn_json_freep) json_t *none = rules_of("{}");
    assert_int_equal(json_object_size(none), 4);
}

/* ---- where providers may be ---- */

static void addresses(void **state)
{
    (void)state;
    struct vn_provider_config cfg = {.network_count = 0};
    static const char *const NEVER[] = {"127.0.0.1",
                                        "10.1.2.3",
                                        "172.16.0.1",
                                        "192.168.1.1",
                                        "169.254.169.254",
                                        "100.64.0.1",
                                        "0.0.0.0",
                                        "255.255.255.255",
                                        "224.0.0.1",
                                        "198.18.0.1",
                                        "::1",
                                        "::",
                                        "fe80::1",
                                        "fd00::1",
                                        "ff02::1",
                                        "::ffff:10.0.0.1",
                                        "::ffff:127.0.0.1",
                                        "::127.0.0.1",
                                        "64:ff9b::a00:1",
                                        "2002:7f00:1::",
                                        "2001:0:1::1",
                                        "fec0::1",
                                        "192.0.0.1"};
    static const char *const EVER[] = {"1.1.1.1", "::ffff:9.9.9.9", "2606:4700::1111"};
    struct vn_ip ip;
    for (size_t i = 0; i < VN_ARRAY_LEN(NEVER); i++) {
        assert_ok(vn_ip_parse(NEVER[i], &ip));
        if (vn_provider_may_connect(&cfg, &ip))
            fail_msg("%s", NEVER[i]);
    }
    for (size_t i = 0; i < VN_ARRAY_LEN(EVER); i++) {
        assert_ok(vn_ip_parse(EVER[i], &ip));
        assert_true(vn_provider_may_connect(&cfg, &ip));
    }
    assert_ok(vn_prefix_parse("10.1.0.0/16", &cfg.networks[0]));
    cfg.network_count = 1;
    assert_ok(vn_ip_parse("10.1.2.3", &ip));
    assert_true(vn_provider_may_connect(&cfg, &ip));
    assert_ok(vn_ip_parse("10.2.2.3", &ip));
    assert_false(vn_provider_may_connect(&cfg, &ip));
}

static void urls(void **state)
{
    (void)state;
    static const char *const BAD[] = {"",
                                      "http://idp.example/keys",
                                      "https://",
                                      "https:///keys",
                                      "https://user@idp.example/",
                                      "https://idp.example/#x",
                                      "https://idp.example/a b",
                                      "https://idp.example\\@evil/",
                                      "https://idp.example/\n",
                                      "file:///etc/passwd",
                                      "HTTPS://idp.example/"};
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++)
        assert_false(vn_provider_url_valid(BAD[i], 512));
    assert_true(vn_provider_url_valid("https://idp.example:8443/keys?x=1", 512));
    assert_false(vn_provider_url_valid("https://idp.example/", 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded),     cmocka_unit_test(each_algorithm),
        cmocka_unit_test(wrong_keys),   cmocka_unit_test(swapped_algorithms),
        cmocka_unit_test(malformed),    cmocka_unit_test(key_sets),
        cmocka_unit_test(who_and_when), cmocka_unit_test(required),
        cmocka_unit_test(granted),      cmocka_unit_test(rules),
        cmocka_unit_test(addresses),    cmocka_unit_test(urls),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
