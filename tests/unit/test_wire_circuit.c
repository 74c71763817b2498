#include "support/mutate.h"
#include "support/test.h"
#include "wire/circuit.h"
#include "wire/setup.h"

static struct vn_span encode(const struct vn_circuit_msg *m, uint8_t *buf, size_t cap)
{
    struct vn_writer w = vn_writer_of(buf, cap);
    vn_circuit_encode(&w, m);
    assert_true(vn_writer_ok(&w));
    return vn_writer_span(&w);
}

static vn_status decode(void *arg, struct vn_span in)
{
    (void)arg;
    struct vn_circuit_msg m;
    return vn_circuit_decode(in, &m);
}

static void test_bytes_of_each_message(void **state)
{
    (void)state;
    uint8_t buf[64];
    struct vn_circuit_msg m = {.type = VN_CIRCUIT_SETUP,
                               .hops = 7,
                               .request = 0x01020304,
                               .reverse_label = 0x10000005,
                               .blob = VN_SPAN_LIT("xy")};
    assert_span_equal(encode(&m, buf, sizeof(buf)), vn_test_hex("010701020304100000050002"
                                                                "7879"));
    m = (struct vn_circuit_msg){.type = VN_CIRCUIT_ACCEPT, .request = 1, .label = 0x20000006};
    assert_span_equal(encode(&m, buf, sizeof(buf)), vn_test_hex("020000000120000006"));
    m = (struct vn_circuit_msg){
        .type = VN_CIRCUIT_REFUSE, .request = 1, .reason = VN_REFUSE_POLICY};
    assert_span_equal(encode(&m, buf, sizeof(buf)), vn_test_hex("030000000102"));
    m = (struct vn_circuit_msg){.type = VN_CIRCUIT_TEARDOWN, .label = 9};
    assert_span_equal(encode(&m, buf, sizeof(buf)), vn_test_hex("0400000009"));
    m = (struct vn_circuit_msg){.type = VN_CIRCUIT_WORN, .label = 9};
    assert_span_equal(encode(&m, buf, sizeof(buf)), vn_test_hex("0800000009"));
    static const uint8_t labels[8] = {0, 0, 0, 1, 0x10, 0, 0, 2};
    m = (struct vn_circuit_msg){.type = VN_CIRCUIT_FAILED, .blob = VN_SPAN_ARRAY(labels)};
    assert_span_equal(encode(&m, buf, sizeof(buf)), vn_test_hex("0500020000000110000002"));
    static const uint8_t mark[VN_SETUP_MARK_LEN] = {0xaa, 0xbb};
    m = (struct vn_circuit_msg){
        .type = VN_CIRCUIT_NEED_DESC, .request = 3, .mark = VN_SPAN_ARRAY(mark)};
    assert_span_equal(encode(&m, buf, sizeof(buf)),
                      vn_test_hex("0600000003aabb0000000000000000000000000000"));
    m = (struct vn_circuit_msg){.type = VN_CIRCUIT_DESC,
                                .request = 3,
                                .mark = VN_SPAN_ARRAY(mark),
                                .blob = VN_SPAN_LIT("xy")};
    assert_span_equal(encode(&m, buf, sizeof(buf)),
                      vn_test_hex("0700000003aabb000000000000000000000000000000027879"));
}

static void test_round_trip_and_lengths(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        uint8_t blob[100], buf[160], again[160];
        vn_test_fill(blob, sizeof(blob));
        struct vn_circuit_msg m = {.type = (enum vn_circuit_type)(1 + i % 8)}, back;
        uint32_t label = (uint32_t)(1 + vn_test_below(UINT32_MAX));
        switch (m.type) {
        case VN_CIRCUIT_SETUP:
            m.hops = (uint8_t)vn_test_random();
            m.request = (uint32_t)vn_test_random();
            m.reverse_label = label;
            m.blob = VN_SPAN(blob, vn_test_below(sizeof(blob)));
            break;
        case VN_CIRCUIT_ACCEPT:
            m.request = (uint32_t)vn_test_random();
            m.label = label;
            break;
        case VN_CIRCUIT_REFUSE:
            m.request = (uint32_t)vn_test_random();
            m.reason = (uint8_t)(1 + vn_test_below(3));
            break;
        case VN_CIRCUIT_TEARDOWN:
        case VN_CIRCUIT_WORN:
            m.label = label;
            break;
        case VN_CIRCUIT_FAILED:
            blob[0] = blob[4] = 1;
            m.blob = VN_SPAN(blob, 8);
            break;
        case VN_CIRCUIT_DESC:
            m.blob = VN_SPAN(blob, 40);
            /* fall through */
        case VN_CIRCUIT_NEED_DESC:
            m.request = (uint32_t)vn_test_random();
            m.mark = VN_SPAN(blob + 50, VN_SETUP_MARK_LEN);
            break;
        }
        struct vn_span bytes = encode(&m, buf, sizeof(buf));
        assert_ok(vn_circuit_decode(bytes, &back));
        assert_int_equal(m.type, back.type);
        assert_int_equal(m.hops, back.hops);
        assert_int_equal(m.reason, back.reason);
        assert_int_equal(m.request, back.request);
        assert_int_equal(m.label, back.label);
        assert_int_equal(m.reverse_label, back.reverse_label);
        assert_span_equal(m.blob, back.blob);
        assert_span_equal(m.mark, back.mark);
        assert_span_equal(bytes, encode(&back, again, sizeof(again)));
        vn_test_lengths(bytes, decode, NULL);
    }
}

static void test_what_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "00",
        "0900000001",
        "0800000000",             /* label 0 */
        "050000",                 /* no label */
        "05000200000001",         /* one of two */
        "0500020000000100000000", /* label 0 */
        "06000000010000",
        "ff00000001",
        "0400000000",               /* label 0 */
        "020000000100000000",       /* label 0 */
        "010701020304000000000000", /* reverse label 0 */
        "030000000100",
        "030000000104", /* unknown reasons */
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(bad); i++)
        assert_status(VN_ERR_MALFORMED, decode(NULL, vn_test_hex(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_of_each_message),
        cmocka_unit_test(test_round_trip_and_lengths),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
