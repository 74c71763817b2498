#include "base/limits.h"
#include "support/mutate.h"
#include "support/test.h"
#include "wire/control.h"
#include "wire/types.h"

static const struct vn_secret32 KEY = {.b = {1, 2, 3}};
static const struct vn_id SID = {.b = "stream id 16 by"};

static vn_status open_it(void *arg, struct vn_span in)
{
    const struct vn_suite_info *suite = arg;
    struct vn_id sid;
    uint64_t seq;
    uint8_t plain[256];
    size_t n;
    vn_status st = vn_control_peek(in, suite, &sid, &seq);
    return st == VN_OK ? vn_control_open(in, &KEY, plain, &n) : st;
}

static void check_round_trip(enum vn_suite id)
{
    const struct vn_suite_info *suite = vn_suite_get(id);
    VN_CLEANUP(vn_buf_done) struct vn_buf b;
    vn_buf_init(&b, 4096);
    assert_ok(vn_control_seal(suite, &KEY, &SID, 0x0102030405060708, VN_SPAN_LIT("body"), &b));
    assert_int_equal(VN_CONTROL_HEAD_LEN + 4 + VN_AEAD_TAG_LEN, b.len);
    assert_int_equal(VN_WIRE_VERSION, b.p[0]);
    assert_int_equal(id, b.p[1]);
    assert_int_equal(VN_T_CONTROL, b.p[2]);
    assert_memory_equal(SID.b, b.p + 3, VN_ID_LEN);
    assert_span_equal(VN_SPAN(b.p + 19, 8), vn_test_hex("0102030405060708"));

    struct vn_id sid;
    uint64_t seq;
    uint8_t plain[64];
    size_t n;
    assert_ok(vn_control_peek(vn_buf_span(&b), suite, &sid, &seq));
    assert_true(vn_id_equal(&SID, &sid));
    assert_int_equal(0x0102030405060708, seq);
    assert_ok(vn_control_open(vn_buf_span(&b), &KEY, plain, &n));
    assert_span_equal(VN_SPAN(plain, n), VN_SPAN_LIT("body"));
    vn_test_lengths(vn_buf_span(&b), open_it, (void *)(uintptr_t)suite);
    vn_test_flips(vn_buf_span(&b), 0, b.len, open_it, (void *)(uintptr_t)suite);
}

static void test_default(void **state)
{
    (void)state;
    check_round_trip(VN_SUITE_DEFAULT);
}

static void test_cnsa(void **state)
{
    (void)state;
    check_round_trip(VN_SUITE_CNSA);
}

static void test_appends_and_takes_any_body(void **state)
{
    (void)state;
    const struct vn_suite_info *suite = vn_suite_get(VN_SUITE_DEFAULT);
    VN_CLEANUP(vn_buf_done) struct vn_buf b;
    vn_buf_init(&b, 2 * VN_CONTROL_PAYLOAD_MAX);
    static uint8_t body[VN_CONTROL_PAYLOAD_MAX], plain[VN_CONTROL_PAYLOAD_MAX];
    assert_ok(vn_buf_append(&b, "before", 6));
    assert_ok(vn_control_seal(suite, &KEY, &SID, 0, VN_SPAN_NONE, &b));
    struct vn_span empty = VN_SPAN(b.p + 6, b.len - 6);
    size_t n = 1;
    assert_ok(vn_control_open(empty, &KEY, plain, &n));
    assert_int_equal(0, n);

    const size_t most = VN_CONTROL_PAYLOAD_MAX - VN_CONTROL_HEAD_LEN - VN_AEAD_TAG_LEN;
    b.len = 0;
    assert_ok(vn_control_seal(suite, &KEY, &SID, UINT64_MAX, VN_SPAN(body, most), &b));
    assert_ok(vn_control_open(vn_buf_span(&b), &KEY, plain, &n));
    assert_int_equal(most, n);
    assert_status(VN_ERR_LIMIT, vn_control_seal(suite, &KEY, &SID, 1, VN_SPAN(body, most + 1), &b));
    assert_int_equal(VN_CONTROL_PAYLOAD_MAX, b.len);
}

static void test_other_key_or_suite(void **state)
{
    (void)state;
    const struct vn_suite_info *suite = vn_suite_get(VN_SUITE_DEFAULT);
    const struct vn_secret32 other = {.b = {1, 2, 4}};
    VN_CLEANUP(vn_buf_done) struct vn_buf b;
    vn_buf_init(&b, 4096);
    assert_ok(vn_control_seal(suite, &KEY, &SID, 5, VN_SPAN_LIT("body"), &b));
    uint8_t plain[64];
    size_t n;
    struct vn_id sid;
    uint64_t seq;
    assert_status(VN_ERR_AUTH, vn_control_open(vn_buf_span(&b), &other, plain, &n));
    assert_status(VN_ERR_MALFORMED,
                  vn_control_peek(vn_buf_span(&b), vn_suite_get(VN_SUITE_CNSA), &sid, &seq));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_cnsa),
        cmocka_unit_test(test_appends_and_takes_any_body),
        cmocka_unit_test(test_other_key_or_suite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
