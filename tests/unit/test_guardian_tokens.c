#include <inttypes.h>

#include "base/text.h"
#include "crypto/kdf.h"
#include "guardian/json.h"
#include "guardian/jwt.h"
#include "guardian/token.h"
#include "support/test.h"

static const struct vn_secret32 KEY = {{1, 2, 3, 4, 5, 6, 7, 8}};
#define NOW 1700000000000ull

/* RFC 7515 appendix A.1 has a header with a line break in it, which we refuse; its key is 64 bytes.
 * The same claims under our header and a 32-byte key, computed with Python's hmac. */
static void recorded(void **state)
{
    (void)state;
    VN_CLEANUP(vn_json_freep)
    json_t *claims = json_pack("{s:s, s:I}", "iss", "joe", "exp", (json_int_t)1300819380);
    VN_CLEANUP(vn_secret_strp) char *text = NULL;
    assert_ok(vn_jwt_sign(&KEY, claims, &text));
    assert_string_equal(
        text, "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjEzMDA4MTkzODAsImlzcyI6ImpvZSJ9."
              "xh4iBdFcqCtvlKDyq60ufYpWhFtjJa6ETA2dlWhehqY");
    json_t *back = NULL;
    assert_ok(vn_jwt_verify(&KEY, text, &back));
    assert_true(json_equal(claims, back));
    json_decref(back);
}

static char *make(enum vn_token_type type)
{
    struct vn_token_keys keys;
    assert_ok(vn_token_keys_derive(&KEY, &keys));
    const struct vn_token t = {
        .type = type, .id = {{7}}, .realm = {{9}}, .issued_ms = NOW, .expires_ms = NOW + 60000};
    char *text = NULL;
    assert_ok(vn_token_issue(&keys, &t, &text));
    return text;
}

static vn_status check(enum vn_token_type type, const char *text, uint64_t now_ms)
{
    struct vn_token_keys keys;
    struct vn_token t;
    assert_ok(vn_token_keys_derive(&KEY, &keys));
    return vn_token_check(&keys, type, text, now_ms, &t);
}

static void types_do_not_mix(void **state)
{
    (void)state;
    for (int made = 0; made < VN_TOKEN_TYPES; made++) {
        VN_CLEANUP(vn_secret_strp) char *text = make((enum vn_token_type)made);
        for (int asked = 0; asked < VN_TOKEN_TYPES; asked++)
            assert_status(made == asked ? VN_OK : VN_ERR_AUTH,
                          check((enum vn_token_type)asked, text, NOW));
    }
}

static void fields_come_back(void **state)
{
    (void)state;
    VN_CLEANUP(vn_secret_strp) char *text = make(VN_TOKEN_REGISTRATION);
    struct vn_token_keys keys;
    struct vn_token t;
    assert_ok(vn_token_keys_derive(&KEY, &keys));
    assert_ok(vn_token_check(&keys, VN_TOKEN_REGISTRATION, text, NOW, &t));
    assert_int_equal(t.id.b[0], 7);
    assert_int_equal(t.realm.b[0], 9);
    assert_int_equal(t.issued_ms, NOW);
    assert_int_equal(t.expires_ms, NOW + 60000);
}

static void expiry(void **state)
{
    (void)state;
    VN_CLEANUP(vn_secret_strp) char *text = make(VN_TOKEN_REGISTRATION);
    assert_ok(check(VN_TOKEN_REGISTRATION, text, NOW + 59999));
    assert_status(VN_ERR_EXPIRED, check(VN_TOKEN_REGISTRATION, text, NOW + 60000));
    VN_CLEANUP(vn_secret_strp) char *conflux = make(VN_TOKEN_CONFLUX);
    assert_ok(check(VN_TOKEN_CONFLUX, conflux, NOW * 2));
}

static void every_truncation_and_change_is_refused(void **state)
{
    (void)state;
    VN_CLEANUP(vn_secret_strp) char *text = make(VN_TOKEN_CONFLUX);
    const size_t n = strlen(text);
    char copy[VN_JWT_MAX + 8];
    for (size_t i = 0; i < n; i++) {
        memcpy(copy, text, i);
        copy[i] = 0;
        assert_status(VN_ERR_AUTH, check(VN_TOKEN_CONFLUX, copy, NOW));
        for (char c = 'A'; c <= 'B'; c++) {
            memcpy(copy, text, n + 1);
            copy[i] = copy[i] == c ? 'C' : c;
            assert_status(VN_ERR_AUTH, check(VN_TOKEN_CONFLUX, copy, NOW));
        }
    }
    snprintf(copy, sizeof(copy), "%s=", text);
    assert_status(VN_ERR_AUTH, check(VN_TOKEN_CONFLUX, copy, NOW));
    snprintf(copy, sizeof(copy), "%s.", text);
    assert_status(VN_ERR_AUTH, check(VN_TOKEN_CONFLUX, copy, NOW));
    snprintf(copy, sizeof(copy), " %s", text);
    assert_status(VN_ERR_AUTH, check(VN_TOKEN_CONFLUX, copy, NOW));
    memset(copy, 'A', sizeof(copy) - 1);
    copy[sizeof(copy) - 1] = 0;
    assert_status(VN_ERR_AUTH, check(VN_TOKEN_CONFLUX, copy, NOW));
}

/* Signs whatever header and payload under the type's own key: only what we would have written
 * passes. */
static char *forge(const char *header, const char *payload)
{
    struct vn_token_keys keys;
    assert_ok(vn_token_keys_derive(&KEY, &keys));
    static char text[VN_JWT_MAX];
    size_t n = VN_B64URL_LEN(strlen(header));
    vn_b64url_encode(VN_SPAN_STR(header), text);
    text[n++] = '.';
    vn_b64url_encode(VN_SPAN_STR(payload), text + n);
    n = strlen(text);
    struct vn_hash mac;
    assert_ok(vn_hmac(VN_SHA256, VN_SPAN_ARRAY(keys.key[VN_TOKEN_CONFLUX].b),
                      VN_PARTS(VN_SPAN(text, n)), &mac));
    text[n++] = '.';
    vn_b64url_encode(vn_hash_span(&mac), text + n);
    return text;
}

static void only_our_own_shape(void **state)
{
    (void)state;
    static const char HEADER[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    static const char GOOD[] = "{\"iat\":1,\"rlm\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"sub\":"
                               "\"AAAAAAAAAAAAAAAAAAAAAA\",\"typ\":\"cfx\"}";
    assert_ok(check(VN_TOKEN_CONFLUX, forge(HEADER, GOOD), NOW));
    static const char *const HEADERS[] = {
        "{\"alg\":\"none\",\"typ\":\"JWT\"}",
        "{\"alg\":\"hs256\",\"typ\":\"JWT\"}",
        "{\"alg\":\"HS384\",\"typ\":\"JWT\"}",
        "{\"typ\":\"JWT\",\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\"}",
        "{}",
        "{\"alg\":\"RS256\",\"typ\":\"JWT\"}",
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(HEADERS); i++)
        assert_status(VN_ERR_AUTH, check(VN_TOKEN_CONFLUX, forge(HEADERS[i], GOOD), NOW));
    static const char *const PAYLOADS[] = {
        "{}",
        "[]",
        "",
        "null",
        "{\"iat\":1,\"rlm\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"sub\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"typ\":"
        "\"reg\"}",
        "{\"iat\":1,\"rlm\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"sub\":\"AAAAAAAAAAAAAAAAAAAAA\",\"typ\":"
        "\"cfx\"}",
        "{\"iat\":1,\"rlm\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"sub\":7,\"typ\":\"cfx\"}",
        "{\"iat\":-1,\"rlm\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"sub\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"typ\":"
        "\"cfx\"}",
        "{\"iat\":9223372036854775807,\"rlm\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"sub\":"
        "\"AAAAAAAAAAAAAAAAAAAAAA\",\"typ\":\"cfx\"}",
        "{\"iat\":1,\"sub\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"typ\":\"cfx\"}",
        "{\"iat\":1,\"rlm\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"sub\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"typ\":"
        "\"cfx\",\"typ\":\"cfx\"}",
        "{\"iat\":1,\"rlm\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"sub\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"typ\":"
        "\"cfx\"} x",
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(PAYLOADS); i++)
        assert_status(VN_ERR_AUTH, check(VN_TOKEN_CONFLUX, forge(HEADER, PAYLOADS[i]), NOW));
}

static void another_secret_is_refused(void **state)
{
    (void)state;
    VN_CLEANUP(vn_secret_strp) char *text = make(VN_TOKEN_CONFLUX);
    const struct vn_secret32 other = {{1, 2, 3, 4, 5, 6, 7, 9}};
    struct vn_token_keys keys;
    struct vn_token t;
    assert_ok(vn_token_keys_derive(&other, &keys));
    assert_status(VN_ERR_AUTH, vn_token_check(&keys, VN_TOKEN_CONFLUX, text, NOW, &t));
}

static void join_token(void **state)
{
    (void)state;
    const uint8_t pin[32] = {0};
    VN_CLEANUP(vn_secret_strp) char *with = NULL;
    VN_CLEANUP(vn_secret_strp) char *without = NULL;
    assert_ok(vn_join_token("https://g:8443", pin, "a.b.c", &with));
    assert_ok(vn_join_token("https://g:8443", NULL, "a.b.c", &without));
    assert_memory_equal(with, "vn1.", 4);
    uint8_t json[256];
    size_t n;
    assert_ok(vn_b64url_decode(VN_SPAN_STR(with + 4), json, sizeof(json), &n));
    static const char WANT[] = "{\"g\":[\"https://g:8443\"],\"r\":\"a.b.c\",\"k\":"
                               "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}";
    assert_span_equal(VN_SPAN(json, n), VN_SPAN(WANT, sizeof(WANT) - 1));
    assert_ok(vn_b64url_decode(VN_SPAN_STR(without + 4), json, sizeof(json), &n));
    assert_span_equal(VN_SPAN(json, n),
                      VN_SPAN_LIT("{\"g\":[\"https://g:8443\"],\"r\":\"a.b.c\"}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded),
        cmocka_unit_test(types_do_not_mix),
        cmocka_unit_test(fields_come_back),
        cmocka_unit_test(expiry),
        cmocka_unit_test(every_truncation_and_change_is_refused),
        cmocka_unit_test(only_our_own_shape),
        cmocka_unit_test(another_secret_is_refused),
        cmocka_unit_test(join_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
