/* Lists of countries. */
#include "base/country.h"
#include "support/test.h"

static void test_lists(void **state)
{
    (void)state;
    struct vn_countries l;
    char text[VN_COUNTRIES_TEXT];
    assert_ok(vn_countries_parse("DE,FR,DE,JP", &l));
    assert_int_equal(l.n, 3);
    assert_true(vn_countries_has(&l, "DE") && vn_countries_has(&l, "JP"));
    assert_false(vn_countries_has(&l, "AT") || vn_countries_has(&l, ""));
    vn_countries_format(&l, text);
    assert_string_equal(text, "DE,FR,JP");
    assert_ok(vn_countries_parse("", &l));
    assert_int_equal(l.n, 0);
    vn_countries_format(&l, text);
    assert_string_equal(text, "");
}

static void test_refuses(void **state)
{
    (void)state;
    static const char *const BAD[] = {"D",   "DEU", "de",     "D1",     ",",   "DE,",
                                      ",DE", "*",   "DE,,FR", "DE, FR", " DE", "\xc3\x84"};
    struct vn_countries l;
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++)
        assert_status(VN_ERR_MALFORMED, vn_countries_parse(BAD[i], &l));
}

static void test_has_a_limit(void **state)
{
    (void)state;
    char text[3 * (VN_COUNTRIES_MAX + 1) + 1] = "", again[VN_COUNTRIES_TEXT];
    struct vn_countries l;
    for (size_t i = 0; i <= VN_COUNTRIES_MAX; i++) {
        const char one[] = {(char)('A' + i / 26), (char)('A' + i % 26), ',', 0};
        memcpy(text + 3 * i, one, sizeof(one));
    }
    text[3 * (VN_COUNTRIES_MAX + 1) - 1] = 0;
    assert_status(VN_ERR_LIMIT, vn_countries_parse(text, &l));
    text[3 * VN_COUNTRIES_MAX - 1] = 0;
    assert_ok(vn_countries_parse(text, &l));
    vn_countries_format(&l, again);
    assert_string_equal(text, again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
