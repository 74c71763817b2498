#include "base/limits.h"
#include "support/mutate.h"
#include "support/realm.h"
#include "support/test.h"

static const struct vn_id RELAYS[] = {{.b = "relay one"}, {.b = "relay two"}};

static struct vn_buf make(const struct test_realm *r, const struct test_node *n, uint64_t time_ms,
                          uint64_t until_ms)
{
    struct vn_buf b;
    vn_buf_init(&b, VN_DESCRIPTOR_MAX);
    TEST_OK(vn_descriptor_make(r->suite, &r->id, test_node_cert(n), vn_kem_ek(n->eks), time_ms,
                               until_ms, VN_SPAN_LIT("xyz"), RELAYS, 2, n->key, &b));
    return b;
}

static vn_status check(void *arg, struct vn_span in)
{
    const struct test_realm *r = arg;
    struct vn_descriptor d;
    return vn_descriptor_check(in, r->suite, &r->id, r->issuing_pub, TEST_NOW_MS, &d);
}

static void check_round_trip(enum vn_suite suite)
{
    struct test_realm *r = test_realm_new(suite);
    struct vn_buf b = make(r, &r->a, TEST_NOW_MS - 5, TEST_NOW_MS + 600000);
    struct vn_descriptor d;
    assert_ok(
        vn_descriptor_check(vn_buf_span(&b), r->suite, &r->id, r->issuing_pub, TEST_NOW_MS, &d));
    assert_true(vn_id_equal(&r->a.id, &d.identity.node));
    assert_string_equal("alice", d.identity.tag);
    assert_span_equal(test_node_cert(&r->a), d.cert);
    assert_span_equal(vn_kem_ek(r->a.eks), d.eks);
    assert_span_equal(VN_SPAN_LIT("xyz"), d.coordinates);
    assert_int_equal(TEST_NOW_MS - 5, d.time_ms);
    assert_int_equal(TEST_NOW_MS + 600000, d.eks_until_ms);
    assert_int_equal(2, d.relay_count);
    assert_memory_equal(RELAYS, d.relays, sizeof(RELAYS));
    vn_test_lengths(vn_buf_span(&b), check, r);
    vn_test_flips(vn_buf_span(&b), 0, b.len, check, r);
    vn_buf_done(&b);
    test_realm_free(r);
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

static vn_status check_at(const struct test_realm *r, struct vn_span in, uint64_t now_ms)
{
    struct vn_descriptor d;
    return vn_descriptor_check(in, r->suite, &r->id, r->issuing_pub, now_ms, &d);
}

static void test_times(void **state)
{
    struct test_realm *r = *state;
    const uint64_t t = TEST_NOW_MS;
    struct vn_buf b = make(r, &r->a, t, t + 600000);
    assert_ok(check_at(r, vn_buf_span(&b), t + 600000));
    assert_status(VN_ERR_EXPIRED, check_at(r, vn_buf_span(&b), t + 600001));
    assert_ok(check_at(r, vn_buf_span(&b), t - VN_ENVELOPE_FRESH_MS));
    assert_status(VN_ERR_EXPIRED, check_at(r, vn_buf_span(&b), t - VN_ENVELOPE_FRESH_MS - 1));
    vn_buf_done(&b);
    b = make(r, &r->a, t, UINT64_MAX); /* however long its key may live */
    assert_ok(check_at(r, vn_buf_span(&b), t + VN_DESCRIPTOR_LIFE_MS));
    assert_status(VN_ERR_EXPIRED, check_at(r, vn_buf_span(&b), t + VN_DESCRIPTOR_LIFE_MS + 1));
    vn_buf_done(&b);
}

static void test_whose(void **state)
{
    struct test_realm *r = *state;
    struct vn_descriptor d;
    const struct vn_id other = {.b = "other"};
    struct vn_buf b = make(r, &r->a, TEST_NOW_MS, TEST_NOW_MS + 1000);
    assert_status(VN_ERR_AUTH, vn_descriptor_check(vn_buf_span(&b), r->suite, &other,
                                                   r->issuing_pub, TEST_NOW_MS, &d));
    assert_status(VN_ERR_AUTH, vn_descriptor_check(vn_buf_span(&b), r->suite, &r->id,
                                                   r->command_pub, TEST_NOW_MS, &d));
    vn_buf_done(&b);
    /* bob's key under alice's certificate */
    struct vn_sig_key *own = r->a.key;
    r->a.key = r->b.key;
    b = make(r, &r->a, TEST_NOW_MS, TEST_NOW_MS + 1000);
    r->a.key = own;
    assert_status(VN_ERR_AUTH, check(r, vn_buf_span(&b)));
    vn_buf_done(&b);
}

static void test_make_refuses(void **state)
{
    struct test_realm *r = *state;
    const struct test_node *a = &r->a;
    static const uint8_t long_coordinates[256], long_cert[VN_CERT_MAX];
    static const struct vn_id relays[VN_DESCRIPTOR_RELAYS_MAX + 1];
    VN_CLEANUP(vn_buf_done) struct vn_buf b;
    vn_buf_init(&b, VN_DESCRIPTOR_MAX);
    struct vn_span ek = vn_kem_ek(a->eks), short_ek = {ek.p, ek.n - 1};
#define MAKE(cert, eks, coordinates, count)                                                        \
    vn_descriptor_make(r->suite, &r->id, cert, eks, 1, 2, coordinates, relays, count, a->key, &b)
    assert_status(VN_ERR_ARG, MAKE(test_node_cert(a), short_ek, VN_SPAN_NONE, 0));
    assert_status(VN_ERR_ARG, MAKE(test_node_cert(a), ek, VN_SPAN_ARRAY(long_coordinates), 0));
    assert_status(VN_ERR_ARG, MAKE(test_node_cert(a), ek, VN_SPAN_NONE, VN_ARRAY_LEN(relays)));
    assert_status(VN_ERR_LIMIT, MAKE(VN_SPAN_ARRAY(long_cert), ek, VN_SPAN_NONE, 0));
    assert_int_equal(0, b.len);
    assert_ok(MAKE(test_node_cert(a), ek, VN_SPAN_NONE, VN_DESCRIPTOR_RELAYS_MAX));
#undef MAKE
}

static int setup(void **state)
{
    *state = test_realm_new(VN_SUITE_DEFAULT);
    return 0;
}

static int teardown(void **state)
{
    *state = test_realm_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),      cmocka_unit_test(test_cnsa),
        cmocka_unit_test(test_times),        cmocka_unit_test(test_whose),
        cmocka_unit_test(test_make_refuses),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
