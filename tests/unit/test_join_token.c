#include "control/join_token.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "support/guard.h"
#include "support/test.h"

/* prefix and base64url of json */
static char *token(const char *prefix, const char *json)
{
    const size_t n = strlen(json);
    char *t = malloc(strlen(prefix) + VN_B64URL_LEN(n) + 1);
    assert_non_null(t);
    memcpy(t, prefix, strlen(prefix));
    vn_b64url_encode(VN_SPAN(json, n), t + strlen(prefix));
    return t;
}

static vn_status parse(const char *prefix, const char *json, struct vn_join *ret)
{
    char *t = token(prefix, json);
    const vn_status st = vn_join_parse(VN_SPAN_STR(t), ret);
    free(t);
    return st;
}

#define PIN "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define GOOD                                                                                       \
    "{\"g\":[\"https://h:8443\",\"https://[fd00::1]:1\"],\"k\":\"" PIN "\",\"r\":\"aa.bb.cc\"}"

static void test_good(void **state)
{
    (void)state;
    struct vn_join j;
    assert_ok(parse("vn1.", GOOD, &j));
    assert_int_equal(j.kind, VN_JOIN_REGISTRATION);
    assert_int_equal(j.guardian.url_count, 2);
    assert_string_equal(j.guardian.urls[0], "https://h:8443");
    assert_string_equal(j.guardian.urls[1], "https://[fd00::1]:1");
    assert_true(j.guardian.pinned);
    assert_int_equal(j.guardian.pin[31], 31);
    assert_string_equal(j.jwt, "aa.bb.cc");

    assert_ok(parse("vc1.", "{\"g\":[\"https://h\"],\"c\":\"a.b.c\",\"s\":\"cnsa\"}", &j));
    assert_int_equal(j.kind, VN_JOIN_CONFLUX);
    assert_false(j.guardian.pinned);
    assert_true(j.cnsa);

    assert_ok(vn_join_parse(VN_SPAN_LIT(" \n a-.b_.c\t\n"), &j));
    assert_int_equal(j.kind, VN_JOIN_BARE);
    assert_string_equal(j.jwt, "a-.b_.c");
    assert_int_equal(j.guardian.url_count, 0);
}

static void test_bad(void **state)
{
    (void)state;
    static const char *const JSON[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"g\":[\"https://h\"]}",
        "{\"r\":\"a.b.c\"}",
        "{\"g\":[],\"r\":\"a.b.c\"}",
        "{\"g\":\"https://h\",\"r\":\"a.b.c\"}",
        "{\"g\":[1],\"r\":\"a.b.c\"}",
        "{\"g\":[\"http://h\"],\"r\":\"a.b.c\"}",
        "{\"g\":[\"https://h/path\"],\"r\":\"a.b.c\"}",
        "{\"g\":[\"https://u@h\"],\"r\":\"a.b.c\"}",
        "{\"g\":[\"https://\"],\"r\":\"a.b.c\"}",
        "{\"g\":[\"https://h\"],\"r\":\"a.b\"}",
        "{\"g\":[\"https://h\"],\"r\":\"a.b.c.d\"}",
        "{\"g\":[\"https://h\"],\"r\":\"a..c\"}",
        "{\"g\":[\"https://h\"],\"r\":\"a.b.c\\n\"}",
        "{\"g\":[\"https://h\"],\"r\":\"a.b.c\",\"k\":\"AAAA\"}",
        "{\"g\":[\"https://h\"],\"r\":\"a.b.c\",\"k\":7}",
        "{\"g\":[\"https://h\"],\"c\":\"a.b.c\"}",
        "{\"g\":[\"https://h\"],\"r\":\"a.b.c\",\"r\":\"x.y.z\"}",
        "{\"g\":[\"https://h\"],\"r\":\"a.b.c\",\"s\":\"cnsa\"}",
        ("{\"g\":[\"https://a\",\"https://b\",\"https://c\",\"https://d\","
         "\"https://e\"],\"r\":\"a.b.c\"}"),
    };
    struct vn_join j;
    for (size_t i = 0; i < VN_ARRAY_LEN(JSON); i++)
        assert_status(VN_ERR_MALFORMED, parse("vn1.", JSON[i], &j));
    assert_status(VN_ERR_UNSUPPORTED, parse("vn2.", GOOD, &j));
    assert_status(VN_ERR_UNSUPPORTED,
                  parse("vc1.", "{\"g\":[\"https://h\"],\"c\":\"a.b.c\",\"s\":\"later\"}", &j));
    assert_status(VN_ERR_MALFORMED, parse("vx1.", GOOD, &j));
    assert_status(VN_ERR_MALFORMED, vn_join_parse(VN_SPAN_LIT("vn1.nonsense"), &j));
    assert_status(VN_ERR_MALFORMED, vn_join_parse(VN_SPAN_LIT("-"), &j));
    static char huge[VN_JOIN_TEXT_MAX + 2];
    memset(huge, 'a', sizeof(huge));
    assert_status(VN_ERR_MALFORMED, vn_join_parse(VN_SPAN(huge, sizeof(huge)), &j));
}

static void test_truncated(void **state)
{
    (void)state;
    char *t = token("vn1.", GOOD);
    struct vn_guard g;
    struct vn_join j;
    vn_guard_init(&g, strlen(t));
    for (size_t n = 0; n < strlen(t); n++)
        assert_status_not_ok(vn_join_parse(vn_guard_copy(&g, VN_SPAN(t, n)), &j));
    assert_ok(vn_join_parse(vn_guard_copy(&g, VN_SPAN_STR(t)), &j));
    vn_guard_done(&g);
    free(t);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct vn_join j, again;
    for (int i = 0; i < 4; i++) {
        assert_ok(parse(i & 1 ? "vc1." : "vn1.",
                        i & 1 ? "{\"g\":[\"https://h:1\"],\"c\":\"a.b.c\"}" : GOOD, &j));
        j.cnsa = i == 3;
        char *text;
        assert_ok(vn_join_format(&j, &text));
        assert_ok(vn_join_parse(VN_SPAN_STR(text), &again));
        assert_memory_equal(&j, &again, sizeof(j));
        vn_secret_strp(&text);
    }
    j.kind = VN_JOIN_BARE;
    char *text;
    assert_status(VN_ERR_ARG, vn_join_format(&j, &text));
}

static void test_ids(void **state)
{
    (void)state;
    struct vn_id conflux, realm;
    char *payload =
        token("", "{\"sub\":\"AAAAAAAAAAAAAAAAAAAAAQ\",\"rlm\":\"AAAAAAAAAAAAAAAAAAAAAg\"}");
    char jwt[256];
    snprintf(jwt, sizeof(jwt), "h.%s.s", payload);
    assert_ok(vn_join_ids(jwt, &conflux, &realm));
    assert_int_equal(conflux.b[15], 1);
    assert_int_equal(realm.b[15], 2);
    assert_status(VN_ERR_MALFORMED, vn_join_ids("h.e30.s", &conflux, &realm));
    assert_status(VN_ERR_MALFORMED, vn_join_ids("h.s", &conflux, &realm));
    assert_status(VN_ERR_MALFORMED, vn_join_ids("h.!!.s", &conflux, &realm));
    free(payload);
}

static void test_urls(void **state)
{
    (void)state;
    char url[VN_GUARDIAN_URL_MAX + 1];
    assert_ok(vn_guardian_url_parse("10.0.0.1:8443", url));
    assert_string_equal(url, "https://10.0.0.1:8443");
    assert_ok(vn_guardian_url_parse("https://guardian.example/", url));
    assert_string_equal(url, "https://guardian.example");
    static const char *const BAD[] = {
        "", "/", "https://", "http://h", "ftp://h", "https://h/x", "h?x", "a b", "h#x", "u:p@h"};
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++)
        assert_status(VN_ERR_MALFORMED, vn_guardian_url_parse(BAD[i], url));
    char longest[300];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = 0;
    assert_status(VN_ERR_MALFORMED, vn_guardian_url_parse(longest, url));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),      cmocka_unit_test(test_bad),
        cmocka_unit_test(test_truncated), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_ids),       cmocka_unit_test(test_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
