#include "base/limits.h"
#include "support/test.h"
#include "wire/hourkeys.h"

#define HOUR 500000u
#define START_MS (HOUR * VN_HOUR_MS)

static struct vn_hour_keys held(uint32_t first, size_t count)
{
    struct vn_hour_keys k = {.generation = 3, .first_hour = first, .count = count};
    for (size_t i = 0; i < count; i++)
        k.keys[i].b[0] = (uint8_t)(i + 1);
    return k;
}

/* HMAC(root, 00000003 0007a120)[0..32), computed with Python's hmac */
static void test_derivation(void **state)
{
    (void)state;
    struct vn_secret32 root = {.b = {9}}, k;
    assert_ok(vn_hour_key_derive(VN_SHA256, &root, 3, HOUR, &k));
    assert_span_equal(
        VN_SPAN_ARRAY(k.b),
        vn_test_hex("303f02193ce07d7f1979723758c956542720582471edb640baca52c716135d55"));
    assert_ok(vn_hour_key_derive(VN_SHA384, &root, 3, HOUR, &k));
    assert_span_equal(
        VN_SPAN_ARRAY(k.b),
        vn_test_hex("7e6483099d6f856d76d665a13836020df029aced0c16c3ef23e9ba14f432b82d"));
}

static void test_hour(void **state)
{
    (void)state;
    assert_int_equal(0, vn_hour_of(VN_HOUR_MS - 1));
    assert_int_equal(1, vn_hour_of(VN_HOUR_MS));
    assert_int_equal(HOUR, vn_hour_of(START_MS));
    assert_int_equal(UINT32_MAX, vn_hour_of(UINT64_MAX));
}

static void test_present_hour(void **state)
{
    (void)state;
    struct vn_hour_keys k = held(HOUR - 1, 3);
    uint32_t hour;
    assert_ptr_equal(&k.keys[1], vn_hour_keys_now(&k, START_MS, &hour));
    assert_int_equal(HOUR, hour);
    assert_ptr_equal(&k.keys[1], vn_hour_keys_find(&k, 3, HOUR, START_MS + VN_HOUR_MS / 2));
    assert_null(vn_hour_keys_find(&k, 2, HOUR, START_MS));
    assert_null(vn_hour_keys_find(&k, 4, HOUR, START_MS));
}

static void test_neighbours_near_the_boundary_only(void **state)
{
    (void)state;
    struct vn_hour_keys k = held(HOUR - 1, 3);
    assert_ptr_equal(&k.keys[0], vn_hour_keys_find(&k, 3, HOUR - 1, START_MS));
    assert_ptr_equal(&k.keys[0], vn_hour_keys_find(&k, 3, HOUR - 1, START_MS + VN_HOUR_GRACE_MS));
    assert_null(vn_hour_keys_find(&k, 3, HOUR - 1, START_MS + VN_HOUR_GRACE_MS + 1));
    uint64_t end = START_MS + VN_HOUR_MS;
    assert_ptr_equal(&k.keys[2], vn_hour_keys_find(&k, 3, HOUR + 1, end - VN_HOUR_GRACE_MS));
    assert_null(vn_hour_keys_find(&k, 3, HOUR + 1, end - VN_HOUR_GRACE_MS - 1));
    assert_null(vn_hour_keys_find(&k, 3, HOUR + 2, end - 1));
    assert_null(vn_hour_keys_find(&k, 3, HOUR - 2, START_MS));
}

static void test_what_is_not_held(void **state)
{
    (void)state;
    struct vn_hour_keys k = held(HOUR + 1, 2), none = {.generation = 3, .first_hour = HOUR};
    uint32_t hour = 77;
    assert_null(vn_hour_keys_now(&k, START_MS, &hour));
    assert_null(vn_hour_keys_now(&k, START_MS + 3 * VN_HOUR_MS, &hour));
    assert_null(vn_hour_keys_now(&none, START_MS, &hour));
    assert_int_equal(77, hour);
    k.count = 1000; /* never beyond the array */
    assert_null(vn_hour_keys_now(&k, START_MS + (1 + VN_HOURS_MAX) * VN_HOUR_MS, &hour));
    struct vn_hour_keys first = held(0, 1), last = held(UINT32_MAX, 1);
    assert_non_null(vn_hour_keys_find(&first, 3, 0, 0));
    assert_null(vn_hour_keys_find(&first, 3, UINT32_MAX, 0));
    assert_non_null(vn_hour_keys_find(&last, 3, UINT32_MAX, UINT32_MAX * VN_HOUR_MS));
    assert_null(vn_hour_keys_find(&last, 3, 0, UINT32_MAX * VN_HOUR_MS));
}

static void test_wipe(void **state)
{
    (void)state;
    struct vn_hour_keys k = held(HOUR, 2), zero = {0};
    vn_hour_keys_wipe(&k);
    assert_memory_equal(&zero, &k, sizeof(k));
}

static void test_mac_keys(void **state)
{
    (void)state;
    struct vn_hour_keys k = held(HOUR - 1, 4);
    struct vn_id self = {.b = {5}};
    struct vn_hour_macs m = {.keys = &k, .self = &self};
    const struct vn_hour_mac_keys *e, *again, *before;
    struct vn_secret32 env, mac1;
    assert_ok(vn_hour_env_key(VN_SHA256, &k.keys[1], &env));
    assert_ok(vn_hour_mac1_key(VN_SHA256, &k.keys[1], &self, &mac1));
    assert_ok(vn_hour_macs_find(&m, VN_SHA256, 3, HOUR, START_MS, &e));
    assert_memory_equal(e->env.b, env.b, 32);
    assert_memory_equal(e->mac1.b, mac1.b, 32);
    /* Near the boundary both hours are kept, and neither is derived again. */
    assert_ok(vn_hour_macs_find(&m, VN_SHA256, 3, HOUR - 1, START_MS, &before));
    assert_memory_not_equal(before->env.b, env.b, 32);
    assert_ok(vn_hour_macs_find(&m, VN_SHA256, 3, HOUR, START_MS, &again));
    assert_ptr_equal(e, again);
    assert_memory_equal(again->env.b, env.b, 32);
    /* What is kept is no longer good than the hour key itself. */
    const struct vn_hour_mac_keys *none = NULL;
    assert_status(VN_ERR_EXPIRED,
                  vn_hour_macs_find(&m, VN_SHA256, 3, HOUR, START_MS + 2 * VN_HOUR_MS, &none));
    assert_status(VN_ERR_EXPIRED, vn_hour_macs_find(&m, VN_SHA256, 2, HOUR, START_MS, &none));
    assert_null(none);
    /* Another hour takes the place of the one two before. */
    assert_ok(vn_hour_macs_find(&m, VN_SHA256, 3, HOUR + 2, START_MS + 2 * VN_HOUR_MS, &again));
    assert_ptr_equal(e, again);
    assert_memory_not_equal(again->mac1.b, mac1.b, 32);
    vn_hour_macs_wipe(&m);
    static const struct vn_hour_macs zero;
    assert_memory_equal(&m, &zero, sizeof(m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_derivation),
        cmocka_unit_test(test_hour),
        cmocka_unit_test(test_present_hour),
        cmocka_unit_test(test_neighbours_near_the_boundary_only),
        cmocka_unit_test(test_what_is_not_held),
        cmocka_unit_test(test_wipe),
        cmocka_unit_test(test_mac_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
