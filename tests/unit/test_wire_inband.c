#include "support/test.h"
#include "wire/frame.h"
#include "wire/inband.h"

static const struct vn_id name = {.b = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
static const struct vn_id src = {.b = {0xa0, 0xa1}};

static struct vn_span encode(const struct vn_inband *m, uint8_t *buf, size_t cap)
{
    struct vn_writer w = vn_writer_of(buf, cap);
    vn_inband_encode(&w, m);
    assert_true(vn_writer_ok(&w));
    return vn_writer_span(&w);
}

static void test_bytes_of_each_message(void **state)
{
    (void)state;
    uint8_t buf[64];
    struct vn_inband m = {
        .kind = VN_INBAND_SENT, .subject = VN_SUBJ_IN, .name = name, .message = VN_SPAN_LIT("xyz")};
    assert_span_equal(encode(&m, buf, sizeof(buf)), vn_test_hex("0101"
                                                                "0102030405060708090a0b0c0d0e0f10"
                                                                "78797a"));
    m.kind = VN_INBAND_PASSED;
    m.subject = VN_SUBJ_OWN;
    m.src = src;
    struct vn_span passed = encode(&m, buf, sizeof(buf));
    assert_span_equal(passed, vn_test_hex("0202"
                                          "0102030405060708090a0b0c0d0e0f10"
                                          "a0a10000000000000000000000000000"
                                          "78797a"));
    assert_int_equal(VN_INBAND_HEAD_MAX, passed.n - m.message.n);
    m = (struct vn_inband){.kind = VN_INBAND_KEEP, .keep_ms = 60000};
    struct vn_span keep = encode(&m, buf, sizeof(buf));
    assert_span_equal(keep, vn_test_hex("030000ea60"));
    struct vn_inband back;
    assert_ok(vn_inband_decode(keep, &back));
    assert_int_equal(60000, back.keep_ms);
}

static void test_round_trip_and_cuts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        uint8_t bytes[200], buf[256], again[256];
        vn_test_fill(bytes, sizeof(bytes));
        struct vn_inband m = {.kind = i % 2 ? VN_INBAND_SENT : VN_INBAND_PASSED,
                              .subject = i % 3 ? VN_SUBJ_IN : VN_SUBJ_OWN,
                              .name = name,
                              .message = VN_SPAN(bytes, 1 + vn_test_below(sizeof(bytes)))},
                         back;
        if (m.kind == VN_INBAND_PASSED)
            m.src = src;
        struct vn_span whole = encode(&m, buf, sizeof(buf));
        assert_ok(vn_inband_decode(whole, &back));
        assert_int_equal(m.kind, back.kind);
        assert_int_equal(m.subject, back.subject);
        assert_true(vn_id_equal(&m.name, &back.name) && vn_id_equal(&m.src, &back.src));
        assert_span_equal(m.message, back.message);
        assert_span_equal(whole, encode(&back, again, sizeof(again)));
        for (size_t n = 0; n <= whole.n - m.message.n; n++)
            assert_status(VN_ERR_MALFORMED, vn_inband_decode(VN_SPAN(whole.p, n), &back));
    }
}

static void test_what_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "00",
        "04",
        "03",
        "03000000",
        "030000000100", /* KEEP says nothing else */
        "01000102030405060708090a0b0c0d0e0f1078",
        "01030102030405060708090a0b0c0d0e0f1078", /* no such subjects */
    };
    struct vn_inband m;
    for (size_t i = 0; i < VN_ARRAY_LEN(bad); i++)
        assert_status(VN_ERR_MALFORMED, vn_inband_decode(vn_test_hex(bad[i]), &m));
}

static void test_it_is_the_neighbours(void **state)
{
    (void)state;
    struct vn_hop_header h;
    struct vn_reader r = vn_reader_of(vn_test_hex("1500000000000000"));
    assert_true(vn_hop_decode(&r, &h));
    assert_int_equal(VN_HOP_SIGNAL, h.type);
    r = vn_reader_of(vn_test_hex("1500000000000001")); /* a label */
    assert_false(vn_hop_decode(&r, &h));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_of_each_message),
        cmocka_unit_test(test_round_trip_and_cuts),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_it_is_the_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
