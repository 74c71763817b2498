/* Every allocation of ours fails once: the call says so, leaks nothing and leaves its outputs. */
#include "base/limits.h"
#include "support/oom.h"
#include "support/realm.h"
#include "support/test.h"
#include "wire/control.h"

static struct test_realm *r;

static vn_status seal(void)
{
    VN_CLEANUP(vn_buf_done) struct vn_buf b;
    vn_buf_init(&b, VN_CONTROL_PAYLOAD_MAX);
    struct vn_envelope_send s = {.suite = r->suite,
                                 .type = VN_T_QUERY,
                                 .realm = r->id,
                                 .src = r->a.id,
                                 .dst = r->b.id,
                                 .hour_keys = &r->hours,
                                 .now_ms = TEST_NOW_MS,
                                 .recipient_ek = vn_kem_ek(r->b.eks),
                                 .cert = test_node_cert(&r->a),
                                 .key = r->a.key,
                                 .context = "anchor-env-v1",
                                 .body = VN_SPAN_LIT("body")};
    vn_status st = vn_envelope_seal(&s, (const uint8_t[16]){0}, &b);
    assert_true((st == VN_OK) == (b.len > 0));
    struct vn_envelope_view v;
    struct vn_envelope_plain p;
    static uint8_t plain[VN_CONTROL_PAYLOAD_MAX];
    if (st == VN_OK)
        st = vn_envelope_parse(vn_buf_span(&b), r->suite, &r->id, &r->b.id, &v);
    if (st == VN_OK)
        st = vn_envelope_check_mac(
            &v, r->suite, &(struct vn_hour_macs){.keys = &r->hours, .self = &r->b.id}, TEST_NOW_MS);
    if (st == VN_OK)
        st = vn_envelope_open(&v, r->suite, &r->hours, r->b.eks, TEST_NOW_MS, plain, &p);
    if (st == VN_OK)
        st = vn_envelope_verify(&v, &p, r->a.pub, "anchor-env-v1");
    return st;
}

static vn_status handshake(void)
{
    VN_CLEANUP(vn_buf_done) struct vn_buf m1;
    VN_CLEANUP(vn_buf_done) struct vn_buf m2;
    VN_CLEANUP(vn_hs_state_wipe) struct vn_hs_state i = {0};
    VN_CLEANUP(vn_hs_state_wipe) struct vn_hs_state j = {0};
    vn_buf_init(&m1, VN_CONTROL_PAYLOAD_MAX);
    vn_buf_init(&m2, VN_CONTROL_PAYLOAD_MAX);
    const struct vn_hs_responder bob = test_node_responder(&r->b);
    struct vn_hs_m1_args a = {.suite = r->suite,
                              .realm = r->id,
                              .responder = bob,
                              .hour_keys = &r->hours,
                              .now_ms = TEST_NOW_MS,
                              .cert = test_node_cert(&r->a),
                              .statement = test_node_statement(&r->a),
                              .key = r->a.key};
    static uint8_t plain[VN_CONTROL_PAYLOAD_MAX];
    struct vn_hs_m1_view v1;
    struct vn_hs_m1_plain p1;
    struct vn_hs_m2_view v2;
    struct vn_hs_m2_plain p2;
    vn_status st = vn_hs_m1_make(&a, &i, &m1);
    if (st == VN_OK)
        st = vn_hs_m1_parse(vn_buf_span(&m1), r->suite, &r->id, &v1);
    if (st == VN_OK)
        st = vn_hs_m1_open(&v1, r->suite, &bob, r->b.eks, plain, &j, &p1);
    if (st == VN_OK)
        st = vn_hs_m1_verify(&j, &p1, r->a.pub);
    if (st == VN_OK)
        st = vn_hs_m2_make(&j, p1.ek, test_node_statement(&r->b), 0, VN_SPAN_NONE, r->b.key, &m2);
    if (st == VN_OK)
        st = vn_hs_m2_parse(vn_buf_span(&m2), r->suite, &v2);
    if (st == VN_OK)
        st = vn_hs_m2_open(&i, &v2, plain, &p2);
    return st == VN_OK ? vn_hs_m2_verify(&i, &p2, r->b.pub) : st;
}

static vn_status control_and_retry(void)
{
    VN_CLEANUP(vn_buf_done) struct vn_buf b;
    vn_buf_init(&b, VN_CONTROL_PAYLOAD_MAX);
    const struct vn_secret32 k = {{0}};
    const struct vn_id sid = {{0}};
    struct vn_id found;
    uint8_t plain[256], mac1[16] = {0};
    size_t n;
    vn_status st = vn_control_seal(r->suite, &k, &sid, 1, VN_SPAN_LIT("body"), &b);
    if (st == VN_OK)
        st = vn_control_open(vn_buf_span(&b), &k, plain, &n);
    b.len = 0;
    struct vn_hs_m1_view m1 = {.mac1 = VN_SPAN_ARRAY(mac1)};
    struct vn_hs_retry retry = {VN_RETRY_NEED_CERT, VN_SPAN_NONE};
    if (st == VN_OK)
        st = vn_hs_retry_make(&m1, r->suite, &r->hours, &r->b.id, TEST_NOW_MS, plain, &retry, &b);
    if (st == VN_OK)
        st = vn_hs_retry_open(vn_buf_span(&b), r->suite, &r->hours, &r->b.id, mac1, TEST_NOW_MS,
                              plain, &found, &retry);
    return st;
}

static vn_status descriptor(void)
{
    VN_CLEANUP(vn_buf_done) struct vn_buf b;
    vn_buf_init(&b, VN_DESCRIPTOR_MAX);
    struct vn_descriptor d;
    vn_status st =
        vn_descriptor_make(r->suite, &r->id, test_node_cert(&r->a), vn_kem_ek(r->a.eks),
                           TEST_NOW_MS, TEST_NOW_MS + 1, VN_SPAN_NONE, NULL, 0, r->a.key, &b);
    assert_true((st == VN_OK) == (b.len > 0));
    return st == VN_OK ? vn_descriptor_check(vn_buf_span(&b), r->suite, &r->id, r->issuing_pub,
                                             TEST_NOW_MS, &d)
                       : st;
}

static void test_envelope(void **state)
{
    (void)state;
    assert_true(vn_oom_each(seal, false) > 0);
}

static void test_handshake(void **state)
{
    (void)state;
    assert_true(vn_oom_each(handshake, false) > 0);
}

static void test_control_and_retry(void **state)
{
    (void)state;
    assert_true(vn_oom_each(control_and_retry, false) > 0);
}

static void test_descriptor(void **state)
{
    (void)state;
    assert_true(vn_oom_each(descriptor, false) > 0);
}

static int setup(void **state)
{
    (void)state;
    r = test_realm_new(VN_SUITE_DEFAULT);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    r = test_realm_free(r);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope),
        cmocka_unit_test(test_handshake),
        cmocka_unit_test(test_control_and_retry),
        cmocka_unit_test(test_descriptor),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
