/* Keys of STUN between members: which hours count, and which of them is asked with. */
#include "base/limits.h"
#include "support/test.h"
#include "wire/member_stun.h"

#define HOUR 500000u
#define START_MS (HOUR * VN_HOUR_MS)

static struct vn_hour_keys held(uint32_t generation, uint32_t first, size_t count)
{
    struct vn_hour_keys k = {.generation = generation, .first_hour = first, .count = count};
    for (size_t i = 0; i < count; i++)
        k.keys[i].b[0] = (uint8_t)(generation * 16 + i);
    return k;
}

/* HMAC(000102…1f, "stun"), computed with Python's hmac */
static void is_derived_from_the_hours_key(void **state)
{
    (void)state;
    struct vn_hour_keys k = {.generation = 3, .first_hour = HOUR, .count = 1};
    struct vn_stun_keys s;
    uint64_t until;
    for (uint8_t i = 0; i < 32; i++)
        k.keys[0].b[i] = i;
    assert_ok(vn_stun_keys_make(VN_SHA256, &k, START_MS + VN_HOUR_MS / 2, &s, &until));
    assert_int_equal(s.count, 1);
    assert_span_equal(
        VN_SPAN_ARRAY(s.keys[0].key.b),
        vn_test_hex("d6a16269a01e20ef7664114492695f713f1add88dae50f195b9d430aea9e2b7b"));
    assert_ok(vn_stun_keys_make(VN_SHA384, &k, START_MS + VN_HOUR_MS / 2, &s, &until));
    assert_span_equal(
        VN_SPAN_ARRAY(s.keys[0].key.b),
        vn_test_hex("56e3a778f85d71abbe55ab8c354497a83f1a4a28e8057eeba3358c953fff68c0"));
    uint8_t name[VN_STUN_USERNAME_LEN];
    vn_stun_key_username(&s.keys[0], name);
    assert_memory_equal(name, "000000030007a120", sizeof(name));
}

struct at {
    uint64_t now_ms;
    size_t count;
    uint32_t hours[2];
    uint64_t until_ms;
};

static void neighbours_count_near_the_boundary(void **state)
{
    (void)state;
    const uint64_t end = START_MS + VN_HOUR_MS, grace = VN_HOUR_GRACE_MS;
    const struct at all[] = {
        {START_MS, 2, {HOUR, HOUR - 1}, START_MS + grace + 1},
        {START_MS + grace, 2, {HOUR, HOUR - 1}, START_MS + grace + 1},
        {START_MS + grace + 1, 1, {HOUR}, end - grace},
        {end - grace - 1, 1, {HOUR}, end - grace},
        {end - grace, 2, {HOUR, HOUR + 1}, end},
        {end - 1, 2, {HOUR, HOUR + 1}, end},
    };
    const struct vn_hour_keys k = held(3, HOUR - 1, 3);
    for (size_t i = 0; i < VN_ARRAY_LEN(all); i++) {
        struct vn_stun_keys s;
        uint64_t until;
        assert_ok(vn_stun_keys_make(VN_SHA256, &k, all[i].now_ms, &s, &until));
        assert_int_equal(s.count, all[i].count);
        for (size_t j = 0; j < s.count; j++)
            assert_int_equal(s.keys[j].hour, all[i].hours[j]);
        assert_true(until == all[i].until_ms);
    }
}

static void both_generations_count_and_the_present_one_asks(void **state)
{
    (void)state;
    const struct vn_hour_keys other = held(4, HOUR - 1, 3);
    struct vn_hour_keys k = held(3, HOUR - 1, 3);
    struct vn_stun_keys s;
    uint64_t until;
    k.other = &other;
    assert_ok(vn_stun_keys_make(VN_SHA256, &k, START_MS, &s, &until));
    assert_int_equal(s.count, VN_STUN_KEYS_MAX);
    assert_int_equal(s.keys[0].generation, 3);
    assert_int_equal(s.keys[0].hour, HOUR);
    for (size_t i = 0; i < s.count; i++) {
        uint8_t name[VN_STUN_USERNAME_LEN];
        vn_stun_key_username(&s.keys[i], name);
        assert_ptr_equal(vn_stun_keys_find(&s, VN_SPAN_ARRAY(name)), &s.keys[i]);
        name[15] ^= 1; /* an hour that is none of them, or another of them */
        assert_ptr_not_equal(vn_stun_keys_find(&s, VN_SPAN_ARRAY(name)), &s.keys[i]);
        assert_null(vn_stun_keys_find(&s, VN_SPAN(name, sizeof(name) - 1)));
    }
    assert_null(vn_stun_keys_find(&s, VN_SPAN_NONE));
}

static void without_the_present_hour_there_are_none(void **state)
{
    (void)state;
    const struct vn_hour_keys k = held(3, HOUR - 1, 1);
    struct vn_stun_keys s;
    uint64_t until;
    assert_ok(vn_stun_keys_make(VN_SHA256, &k, START_MS, &s, &until));
    assert_int_equal(s.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_derived_from_the_hours_key),
        cmocka_unit_test(neighbours_count_near_the_boundary),
        cmocka_unit_test(both_generations_count_and_the_present_one_asks),
        cmocka_unit_test(without_the_present_hour_there_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
