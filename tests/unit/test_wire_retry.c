#include "base/limits.h"
#include "support/mutate.h"
#include "support/realm.h"
#include "support/test.h"

static const uint8_t NONCE[12] = "nonce of 12.", MAC1[16] = "mac1 of sixteen.";
static const struct vn_id SID = {.b = "sid"};

static vn_status make(const struct test_realm *r, enum vn_retry_kind kind, struct vn_span data,
                      struct vn_buf *ret)
{
    /* of the M1, only sid and mac1 matter */
    struct vn_hs_m1_view m1 = {.sid = SID, .mac1 = VN_SPAN_ARRAY(MAC1)};
    struct vn_hs_retry retry = {kind, data};
    return vn_hs_retry_make(&m1, r->suite, &r->hours, &r->b.id, TEST_NOW_MS, NONCE, &retry, ret);
}

static vn_status open_at(const struct test_realm *r, struct vn_span in, uint64_t now_ms,
                         struct vn_hs_retry *ret)
{
    static uint8_t plain[VN_CONTROL_PAYLOAD_MAX];
    struct vn_id sid;
    vn_status st = vn_hs_peek_sid(in, &sid);
    if (st == VN_OK && !vn_id_equal(&SID, &sid))
        return VN_ERR_NOTFOUND; /* as for the initiator, whose handshake it is not */
    if (st == VN_OK)
        st = vn_hs_retry_open(in, r->suite, &r->hours, &r->b.id, MAC1, now_ms, plain, &sid, ret);
    if (st == VN_OK)
        assert_true(vn_id_equal(&SID, &sid));
    return st;
}

static vn_status decode(void *arg, struct vn_span in)
{
    struct vn_hs_retry retry;
    return open_at(arg, in, TEST_NOW_MS, &retry);
}

static void check_kinds(enum vn_suite suite)
{
    struct test_realm *r = test_realm_new(suite);
    static uint8_t descriptor[9000];
    vn_test_fill(descriptor, sizeof(descriptor));
    const struct vn_hs_retry all[] = {
        {VN_RETRY_COOKIE, VN_SPAN_LIT("cookie of 16 byt")},
        {VN_RETRY_STALE_KID, VN_SPAN_ARRAY(descriptor)},
        {VN_RETRY_NEED_CERT, VN_SPAN_NONE},
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(all); i++) {
        VN_CLEANUP(vn_buf_done) struct vn_buf b;
        vn_buf_init(&b, VN_CONTROL_PAYLOAD_MAX);
        struct vn_hs_retry back;
        assert_ok(make(r, all[i].kind, all[i].data, &b));
        assert_int_equal(39 + 3 + all[i].data.n + 16, b.len);
        assert_ok(open_at(r, vn_buf_span(&b), TEST_NOW_MS, &back));
        assert_int_equal(all[i].kind, back.kind);
        assert_span_equal(all[i].data, back.data);
        vn_test_lengths(vn_buf_span(&b), decode, r);
        vn_test_flips(vn_buf_span(&b), 0, b.len, decode, r);
    }
    test_realm_free(r);
}

static void test_default(void **state)
{
    (void)state;
    check_kinds(VN_SUITE_DEFAULT);
}

static void test_cnsa(void **state)
{
    (void)state;
    check_kinds(VN_SUITE_CNSA);
}

static void test_bound_to_m1_responder_and_hour(void **state)
{
    (void)state;
    struct test_realm *r = test_realm_new(VN_SUITE_DEFAULT);
    VN_CLEANUP(vn_buf_done) struct vn_buf b;
    vn_buf_init(&b, VN_CONTROL_PAYLOAD_MAX);
    assert_ok(make(r, VN_RETRY_NEED_CERT, VN_SPAN_NONE, &b));
    struct vn_hs_retry retry;
    struct vn_id sid;
    uint8_t plain[128], other[16] = {0};
    assert_status(VN_ERR_AUTH, vn_hs_retry_open(vn_buf_span(&b), r->suite, &r->hours, &r->b.id,
                                                other, TEST_NOW_MS, plain, &sid, &retry));
    assert_status(VN_ERR_AUTH, vn_hs_retry_open(vn_buf_span(&b), r->suite, &r->hours, &r->a.id,
                                                MAC1, TEST_NOW_MS, plain, &sid, &retry));
    assert_status(VN_ERR_EXPIRED,
                  open_at(r, vn_buf_span(&b), TEST_NOW_MS + 2 * VN_HOUR_MS, &retry));
    test_realm_free(r);
}

static void test_make_refuses(void **state)
{
    (void)state;
    struct test_realm *r = test_realm_new(VN_SUITE_DEFAULT);
    static uint8_t big[VN_CONTROL_PAYLOAD_MAX];
    VN_CLEANUP(vn_buf_done) struct vn_buf b;
    vn_buf_init(&b, 2 * VN_CONTROL_PAYLOAD_MAX);
    assert_status(VN_ERR_ARG, make(r, VN_RETRY_COOKIE, VN_SPAN(big, 15), &b));
    assert_status(VN_ERR_ARG, make(r, VN_RETRY_STALE_KID, VN_SPAN_NONE, &b));
    assert_status(VN_ERR_ARG, make(r, VN_RETRY_NEED_CERT, VN_SPAN(big, 1), &b));
    assert_status(VN_ERR_ARG, make(r, (enum vn_retry_kind)4, VN_SPAN(big, 16), &b));
    assert_status(VN_ERR_LIMIT, make(r, VN_RETRY_STALE_KID, VN_SPAN_ARRAY(big), &b));
    assert_int_equal(0, b.len);
    test_realm_free(r);
}

static void test_peek_knows_its_types(void **state)
{
    (void)state;
    uint8_t bytes[19] = {VN_WIRE_VERSION, VN_SUITE_DEFAULT, VN_T_HS_M2, 1};
    struct vn_id sid;
    assert_ok(vn_hs_peek_sid(VN_SPAN_ARRAY(bytes), &sid));
    assert_int_equal(1, sid.b[0]);
    assert_status(VN_ERR_MALFORMED, vn_hs_peek_sid(VN_SPAN(bytes, 18), &sid));
    bytes[2] = VN_T_HS_RETRY;
    assert_ok(vn_hs_peek_sid(VN_SPAN_ARRAY(bytes), &sid));
    bytes[2] = VN_T_HS_M1;
    assert_status(VN_ERR_MALFORMED, vn_hs_peek_sid(VN_SPAN_ARRAY(bytes), &sid));
    bytes[2] = VN_T_HS_M2;
    bytes[0] = 2;
    assert_status(VN_ERR_MALFORMED, vn_hs_peek_sid(VN_SPAN_ARRAY(bytes), &sid));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_cnsa),
        cmocka_unit_test(test_bound_to_m1_responder_and_hour),
        cmocka_unit_test(test_make_refuses),
        cmocka_unit_test(test_peek_knows_its_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
