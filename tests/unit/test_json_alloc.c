/* What vn_json_dump writes, beside what jansson does. */
#include <stdlib.h>

#include "control/json_alloc.h"
#include "support/test.h"

static void assert_as_jansson(json_t *take)
{
    assert_non_null(take);
    char *ours = vn_json_dump(take, JSON_COMPACT);
    char *theirs = json_dumps(take, JSON_COMPACT);
    assert_non_null(ours);
    assert_string_equal(ours, theirs);
    free(ours);
    free(theirs);
    json_decref(take);
}

static void texts(void **state)
{
    (void)state;
    char all[128];
    for (char c = 0; c < 127; c++)
        all[(int)c] = (char)(c + 1);
    all[127] = 0;
    assert_as_jansson(json_pack("[s]", all));
    assert_as_jansson(json_pack("[s, s, s]", "", "\"", "\\"));
    assert_as_jansson(json_pack("[s, s]", "\x7f\xc2\x80\xdf\xbf", "\xe2\x82\xac\xf0\x9f\x8c\x8d"));
    assert_as_jansson(json_pack("[s#]", "a\0b\0", 4)); /* as long as it says */
    assert_as_jansson(json_pack("{s:s, s:s}", "a \"key\"\n", "x", "", "y"));
}

/* Eight bytes are looked at together: what must be escaped may be any of them. */
static void each_byte_in_each_place(void **state)
{
    (void)state;
    char text[20];
    for (size_t at = 0; at < sizeof(text) - 1; at++) {
        for (char c = 1; c < 127; c++) {
            memset(text, 'x', sizeof(text) - 1);
            text[sizeof(text) - 1] = 0;
            text[at] = c;
            assert_as_jansson(json_pack("[s]", text));
            text[(at + 1) % (sizeof(text) - 1)] = c;
            assert_as_jansson(json_pack("[s]", text));
        }
    }
    for (size_t at = 0; at < sizeof(text) - 3; at++) {
        memset(text, 'x', sizeof(text) - 1);
        memcpy(text + at, "\xdf\xbf\"", 3);
        assert_as_jansson(json_pack("[s]", text));
    }
}

static void values(void **state)
{
    (void)state;
    assert_as_jansson(json_object());
    assert_as_jansson(json_array());
    assert_as_jansson(json_pack("{s:[], s:{}, s:[[], {}]}", "a", "o", "both"));
    assert_as_jansson(json_pack("[b, b, n, i, I, I, f, f]", 1, 0, -7, (json_int_t)INT64_MIN,
                                (json_int_t)INT64_MAX, 0.1, -1e300));
    assert_as_jansson(
        json_pack("{s:i, s:[i, {s:s}, i], s:b}", "z", 1, "a", 2, "deep", "er", 3, "m", 1));
}

/* Random trees, so that commas and brackets meet in every order. */
static json_t *grow(unsigned depth)
{
    char key[8];
    switch (vn_test_below(depth ? 6 : 4)) {
    case 0:
        return json_integer((json_int_t)vn_test_below(1000) - 500);
    case 1:
        return json_true();
    case 2:
        return json_null();
    case 3:
        snprintf(key, sizeof(key), "t%c", (char)(1 + vn_test_below(126)));
        return json_string(key);
    case 4: {
        json_t *a = json_array();
        for (size_t n = vn_test_below(4); n > 0; n--)
            json_array_append_new(a, grow(depth - 1));
        return a;
    }
    default: {
        json_t *o = json_object();
        for (size_t n = vn_test_below(4); n > 0; n--) {
            snprintf(key, sizeof(key), "k%u", (unsigned)vn_test_below(100));
            json_object_set_new(o, key, grow(depth - 1));
        }
        return o;
    }
    }
}

static void trees(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++)
        assert_as_jansson(json_pack("[o]", grow(5)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(texts),
                                       cmocka_unit_test(each_byte_in_each_place),
                                       cmocka_unit_test(values), cmocka_unit_test(trees)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
