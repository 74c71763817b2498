/* Long texts that are kept out of jansson's sight: what is read is what jansson reads alone. */
#include <stdlib.h>
#include <string.h>

#include "control/json_alloc.h"
#include "control/json_long.h"
#include "support/test.h"

#define L64 "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"

static void assert_as_jansson(struct vn_span text)
{
    json_error_t our_err = {.line = -2}, their_err = {.line = -2};
    json_t *ours = vn_json_load(text, &our_err);
    json_t *theirs = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, &their_err);
    assert_int_equal(ours != NULL, theirs != NULL);
    if (theirs) {
        assert_true(json_equal(ours, theirs));
    } else {
        assert_int_equal(our_err.line, their_err.line);
        assert_int_equal(our_err.column, their_err.column);
        assert_string_equal(our_err.text, their_err.text);
    }
    json_decref(ours);
    json_decref(theirs);
}

/* So many texts were taken out of it; and it is read as it should be. */
static void assert_taken(size_t n, const char *text)
{
    struct vn_json_long l;
    const vn_status st = vn_json_long_take(VN_SPAN_STR(text), &l);
    assert_status(n ? VN_OK : VN_ERR_NOTFOUND, st);
    if (n) {
        assert_int_equal(l.n, n);
        assert_true(l.text_n < strlen(text));
        vn_json_long_done(&l);
    }
    assert_as_jansson(VN_SPAN_STR(text));
}

static void which(void **state)
{
    (void)state;
    assert_taken(1, "[\"" L64 "\"]");
    assert_taken(3, "{\"a\": \"" L64 "\", \"b\": [\"" L64 L64 "\", {\"c\" :\"x" L64 "\"}]}");
    assert_taken(1, "{\"" L64 "\"\r\n\t : \"" L64 "\"}");        /* a name stays */
    assert_taken(0, "{\"" L64 "\":1, \"" L64 "\":2}");           /* and may not be there twice */
    assert_taken(0, "[\"" L64 "\\n\", \"" L64 "\xc3\xa4\"]");    /* what is not plain stays */
    assert_taken(1, "[\"" L64 "\\\"\", \"\\\\\", \"" L64 "\"]"); /* and ends where it ends */
    assert_taken(0, "[\"" L64 "\", \"\\u00010\"]");              /* as a mark looks */
    assert_taken(1, "\"" L64 "\"");                              /* no object and no list */
    assert_taken(0, "[\"" L64);
    assert_taken(0, "[\"" L64 "\\");
    assert_taken(0, "");
}

static void no_more_than_there_is_room_for(void **state)
{
    (void)state;
    json_t *a = json_array();
    for (size_t i = 0; i < VN_JSON_LONG_MAX + 2; i++)
        json_array_append_new(a, json_string(L64));
    char *text = json_dumps(a, JSON_COMPACT);
    assert_taken(VN_JSON_LONG_MAX, text);
    free(text);
    json_decref(a);
}

static json_t *text_of(size_t n)
{
    static const char SOME[] = "ABCDEFGabcdefg0123456789-_ \"\\\n\x7f\x01";
    char text[200];
    const size_t kinds = vn_test_below(3) ? sizeof(SOME) - 6 : sizeof(SOME) - 1;
    for (size_t i = 0; i < n; i++)
        text[i] = SOME[vn_test_below(kinds)];
    return json_stringn(text, n);
}

static json_t *grow(unsigned depth)
{
    json_t *o = vn_test_below(2) ? json_object() : json_array();
    for (size_t n = vn_test_below(5); n > 0; n--) {
        char name[100] = "";
        memset(name, 'k', vn_test_below(4) ? 3 : 70);
        name[0] = (char)('a' + vn_test_below(20));
        json_t *v = depth && vn_test_below(2) ? grow(depth - 1) : text_of(vn_test_below(180));
        if (json_is_object(o))
            json_object_set_new(o, name, v);
        else
            json_array_append_new(o, v);
    }
    return o;
}

/* Whole, and then with a few bytes of it changed. */
static void anything(void **state)
{
    (void)state;
    static const char BYTES[] = "\"\\:,[]{} \n0u\x01\xc3\xff";
    for (int round = 0; round < 1000; round++) {
        json_t *o = grow(4);
        char *text = json_dumps(o, vn_test_below(2) ? JSON_COMPACT : JSON_INDENT(2));
        const size_t n = strlen(text);
        assert_as_jansson(VN_SPAN(text, n));
        for (int change = 0; change < 10; change++) {
            text[vn_test_below(n)] = BYTES[vn_test_below(sizeof(BYTES))];
            assert_as_jansson(VN_SPAN(text, vn_test_below(4) ? n : vn_test_below(n)));
        }
        free(text);
        json_decref(o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(which),
                                       cmocka_unit_test(no_more_than_there_is_room_for),
                                       cmocka_unit_test(anything)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
