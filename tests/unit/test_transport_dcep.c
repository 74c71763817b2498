#include "transport/dcep.h"

#include "support/guard.h"
#include "support/test.h"

static void open_round_trip_and_truncations(void **state)
{
    (void)state;
    const struct vn_dcep_msg m = {.type = VN_DCEP_OPEN,
                                  .channel = VN_DCEP_TIMED | VN_DCEP_UNORDERED,
                                  .priority = 256,
                                  .reliability = 30000,
                                  .label = VN_SPAN_LIT("bulk"),
                                  .protocol = VN_SPAN_LIT("p")};
    uint8_t buf[64];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    struct vn_dcep_msg got;
    vn_dcep_encode(&w, &m);
    assert_span_equal(vn_writer_span(&w),
                      vn_test_hex("03820100000075300004000162756c6b70")); /* RFC 8832 section 5.1 */
    assert_ok(vn_dcep_decode(vn_writer_span(&w), &got));
    assert_true(got.type == VN_DCEP_OPEN && got.channel == m.channel && got.priority == 256 &&
                got.reliability == 30000);
    assert_span_equal(got.label, m.label);
    assert_span_equal(got.protocol, m.protocol);

    struct vn_guard g;
    vn_guard_init(&g, 64);
    for (size_t n = 0; n < w.len; n++)
        assert_status(VN_ERR_MALFORMED, vn_dcep_decode(vn_guard_copy(&g, VN_SPAN(buf, n)), &got));
    vn_guard_done(&g);
    vn_write_u8(&w, 0);
    assert_status(VN_ERR_MALFORMED, vn_dcep_decode(vn_writer_span(&w), &got));
}

static void ack_and_nonsense(void **state)
{
    (void)state;
    struct vn_dcep_msg m;
    uint8_t buf[4];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_dcep_encode(&w, &(struct vn_dcep_msg){.type = VN_DCEP_ACK});
    assert_span_equal(vn_writer_span(&w), vn_test_hex("02"));
    assert_ok(vn_dcep_decode(vn_writer_span(&w), &m));
    assert_int_equal(m.type, VN_DCEP_ACK);

    static const char *const bad[] = {
        "0200",
        "01",
        "04",
        "030300000000000000000000", /* channel type 3 */
        "030000000000000000410000", /* a label of 65 bytes */
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(bad); i++)
        assert_status(VN_ERR_MALFORMED, vn_dcep_decode(vn_test_hex(bad[i]), &m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_round_trip_and_truncations),
        cmocka_unit_test(ack_and_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
