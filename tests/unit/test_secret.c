#include "base/secret.h"

#include <stdlib.h>

#include "support/test.h"

static void compares_every_byte(void **state)
{
    (void)state;
    uint8_t a[40], b[40];
    vn_test_fill(a, sizeof(a));
    memcpy(b, a, sizeof(a));
    assert_true(vn_ct_equal(a, b, sizeof(a)));
    for (size_t bit = 0; bit < 8 * sizeof(a); bit++) {
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(vn_ct_equal(a, b, sizeof(a)));
        assert_true(vn_ct_equal(a, b, bit / 8));
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(vn_ct_equal(NULL, NULL, 0));
}

static void cleanup_wipes(void **state)
{
    (void)state;
    struct vn_secret32 s = {.b = {1, 2, 3}};
    struct vn_secret v = {.b = {1, 2, 3}, .n = 3};
    static const uint8_t ZERO[64];
    vn_secret32_wipe(&s);
    vn_secret_wipe(&v);
    vn_wipe(NULL, 0);
    assert_memory_equal(s.b, ZERO, 32);
    assert_memory_equal(v.b, ZERO, 64);
    assert_int_equal(v.n, 0);
    char *str = strdup("secret");
    vn_secret_strp(&str);
    assert_null(str);
    vn_secret_strp(&str);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares_every_byte),
        cmocka_unit_test(cleanup_wipes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
