#include "support/test.h"
#include "wire/envelope.h"

static struct vn_span label(const char *hex)
{
    return vn_test_hex(hex);
}

/* The first example is TAI64's own: label 4000000000000000 is the beginning of 1970 TAI. */
static void test_known_labels(void **state)
{
    (void)state;
    uint8_t t[12];
    vn_tai64n(0, t);
    assert_span_equal(VN_SPAN_ARRAY(t), label("400000000000000a00000000"));
    vn_tai64n(1790000000123, t);
    assert_span_equal(VN_SPAN_ARRAY(t), label("400000006ab13b8a0754d4c0"));
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint64_t ms = vn_test_random() % 9223372036000ull, back;
        uint8_t t[12], again[12];
        vn_tai64n(ms, t);
        assert_ok(vn_tai64n_ms(t, &back));
        assert_int_equal(ms, back);
        vn_tai64n(ms + 1, again);
        assert_true(memcmp(t, again, 12) < 0); /* labels sort as time does */
    }
}

static void test_limits(void **state)
{
    (void)state;
    uint64_t ms;
    assert_ok(vn_tai64n_ms(label("400000000000000a3b9ac9ff").p, &ms));
    assert_int_equal(999, ms);
    assert_status(VN_ERR_MALFORMED, vn_tai64n_ms(label("400000000000000a3b9aca00").p, &ms));
    assert_status(VN_ERR_MALFORMED, vn_tai64n_ms(label("400000000000000900000000").p, &ms));
    assert_status(VN_ERR_MALFORMED, vn_tai64n_ms(label("ffffffffffffffff00000000").p, &ms));
    assert_status(VN_ERR_MALFORMED, vn_tai64n_ms(label("000000000000000000000000").p, &ms));
    assert_ok(vn_tai64n_ms(label("4000000225c17d0e00000000").p, &ms));
    assert_status(VN_ERR_MALFORMED, vn_tai64n_ms(label("4000000225c17d0f00000000").p, &ms));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_labels),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
