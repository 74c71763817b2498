#include "transport/crc.h"

#include "support/test.h"

/* Bit by bit, straight from the definition. */
static uint32_t slow(uint32_t polynomial, const uint8_t *p, size_t n)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? polynomial : 0);
    }
    return ~crc;
}

static void check_values(void **state)
{
    (void)state;
    const struct vn_span digits = VN_SPAN_LIT("123456789");
    assert_int_equal(vn_crc32(digits), 0xcbf43926);
    assert_int_equal(vn_crc32c(digits), 0xe3069283);
    assert_int_equal(vn_crc32c(VN_SPAN_NONE), 0);
}

static void every_length_and_alignment(void **state)
{
    (void)state;
    uint8_t buf[300];
    vn_test_fill(buf, sizeof(buf));
    for (size_t at = 0; at < 8; at++)
        for (size_t n = 0; n + at <= sizeof(buf); n++) {
            assert_int_equal(vn_crc32(VN_SPAN(buf + at, n)), slow(0xedb88320, buf + at, n));
            assert_int_equal(vn_crc32c(VN_SPAN(buf + at, n)), slow(0x82f63b78, buf + at, n));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_values),
        cmocka_unit_test(every_length_and_alignment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
