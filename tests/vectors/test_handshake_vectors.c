#include <stdlib.h>

#include "support/hs_vector.h"
#include "support/test.h"

static json_t *load(const char *suite)
{
    const char *source = getenv("VN_SOURCE_DIR");
    char path[4096];
    json_error_t e;
    snprintf(path, sizeof(path), "%s/tests/vectors/handshake-%s.json", source ? source : ".",
             suite);
    json_t *o = json_load_file(path, JSON_REJECT_DUPLICATES, &e);
    if (!o)
        fail_msg("%s: %s", path, e.text);
    return o;
}

/* Same keys, same randomness: every message and every key comes out byte for byte. */
static void reproduce(const char *suite)
{
    json_t *whole = load(suite), *value;
    const json_t *recorded = json_object_get(whole, "out");
    json_t *made = hs_vector_run(json_object_get(whole, "in"));
    const char *name;
    assert_true(json_object_size(recorded) > 30);
    assert_int_equal(json_object_size(recorded), json_object_size(made));
    json_object_foreach(made, name, value)
    {
        if (!json_equal(value, json_object_get(recorded, name)))
            fail_msg("%s differs from the recording", name);
    }
    json_decref(made);
    json_decref(whole);
}

/* The recorded messages, opened with the recorded private keys; independent of how OpenSSL consumes
 * randomness. */
static void replay(const char *suite)
{
    json_t *whole = load(suite);
    const char *wrong =
        hs_vector_replay(json_object_get(whole, "in"), json_object_get(whole, "out"));
    if (wrong)
        fail_msg("%s does not follow from the recording", wrong);
    json_decref(whole);
}

static void test_default_reproduced(void **state)
{
    (void)state;
    reproduce("default");
}

static void test_cnsa_reproduced(void **state)
{
    (void)state;
    reproduce("cnsa");
}

static void test_default_replayed(void **state)
{
    (void)state;
    replay("default");
}

static void test_cnsa_replayed(void **state)
{
    (void)state;
    replay("cnsa");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_reproduced),
        cmocka_unit_test(test_cnsa_reproduced),
        cmocka_unit_test(test_default_replayed),
        cmocka_unit_test(test_cnsa_replayed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
