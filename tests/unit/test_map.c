#include "base/map.h"

#include <string.h>

#include "support/test.h"

#define KEYS 400

static char values[KEYS];

static void key_of(size_t i, uint8_t key[5])
{
    memset(key, 0xee, 5);
    key[1] = (uint8_t)i;
    key[4] = (uint8_t)(i >> 8);
}

/* Random operations against an array that says what is in. */
static void agrees_with_a_naive_model(void **state)
{
    (void)state;
    VN_CLEANUP(vn_map_freep) struct vn_map *m = NULL;
    void *model[KEYS] = {0};
    size_t count = 0;
    assert_ok(vn_map_new(5, KEYS / 2, &m));
    for (int round = 0; round < 40000; round++) {
        uint8_t key[5];
        const size_t i = vn_test_below(KEYS);
        key_of(i, key);
        assert_ptr_equal(vn_map_get(m, key), model[i]);
        if (vn_test_below(5) < 3) {
            void *value = &values[vn_test_below(KEYS)];
            const bool fits = model[i] || count < KEYS / 2;
            assert_status(fits ? VN_OK : VN_ERR_LIMIT, vn_map_put(m, key, value));
            if (fits) {
                count += !model[i];
                model[i] = value;
            }
        } else {
            assert_ptr_equal(vn_map_take(m, key), model[i]);
            count -= model[i] != NULL;
            model[i] = NULL;
        }
        assert_int_equal(vn_map_count(m), count);
        memset(key, 0, sizeof(key)); /* the map holds a copy */
    }
    size_t cursor = 0, seen = 0;
    const void *key;
    void *value;
    while (vn_map_next(m, &cursor, &key, &value)) {
        const uint8_t *k = key;
        assert_ptr_equal(value, model[k[1] | (size_t)k[4] << 8]);
        seen++;
    }
    assert_int_equal(seen, count);
}

static void entries_may_be_taken_during_a_walk(void **state)
{
    (void)state;
    for (size_t modulus = 1; modulus < 5; modulus++) {
        VN_CLEANUP(vn_map_freep) struct vn_map *m = NULL;
        assert_ok(vn_map_new(5, KEYS, &m));
        for (size_t i = 0; i < KEYS; i++) {
            uint8_t key[5];
            key_of(i, key);
            assert_ok(vn_map_put(m, key, &values[i]));
        }
        bool seen[KEYS] = {0};
        size_t cursor = 0, visits = 0;
        const void *key;
        void *value;
        while (vn_map_next(m, &cursor, &key, &value)) {
            const size_t i = (size_t)((char *)value - values);
            assert_false(seen[i]);
            seen[i] = true;
            visits++;
            if (i % modulus == 0)
                assert_ptr_equal(vn_map_take(m, key), value);
        }
        assert_int_equal(visits, KEYS);
        assert_int_equal(vn_map_count(m), KEYS - (KEYS + modulus - 1) / modulus);
    }
}

/* Simulations must replay, so the order may depend on the calls only, not on the random key of the
 * hash. */
static void order_does_not_depend_on_the_hash_key(void **state)
{
    (void)state;
    struct vn_map *m[2] = {0};
    for (int which = 0; which < 2; which++) {
        assert_ok(vn_map_new(5, KEYS, &m[which]));
        for (size_t i = 0; i < 50; i++) {
            uint8_t key[5];
            key_of(i, key);
            assert_ok(vn_map_put(m[which], key, &values[i]));
        }
        uint8_t key[5];
        key_of(17, key);
        assert_non_null(vn_map_take(m[which], key));
    }
    size_t cursor[2] = {0};
    void *value[2];
    while (vn_map_next(m[0], &cursor[0], NULL, &value[0])) {
        assert_true(vn_map_next(m[1], &cursor[1], NULL, &value[1]));
        assert_ptr_equal(value[0], value[1]);
    }
    vn_map_freep(&m[0]);
    vn_map_freep(&m[1]);
}

static void refuses_senseless_sizes(void **state)
{
    (void)state;
    struct vn_map *m = NULL;
    assert_status(VN_ERR_ARG, vn_map_new(0, 10, &m));
    assert_status(VN_ERR_ARG, vn_map_new(8, SIZE_MAX, &m));
    assert_ok(vn_map_new(8, 0, &m));
    assert_status(VN_ERR_LIMIT, vn_map_put(m, "12345678", &values[0]));
    assert_null(vn_map_get(m, "12345678"));
    assert_null(vn_map_take(m, "12345678"));
    assert_null(vn_map_free(m));
    assert_null(vn_map_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_naive_model),
        cmocka_unit_test(entries_may_be_taken_during_a_walk),
        cmocka_unit_test(order_does_not_depend_on_the_hash_key),
        cmocka_unit_test(refuses_senseless_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
