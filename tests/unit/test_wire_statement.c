#include "support/mutate.h"
#include "support/realm.h"
#include "support/test.h"

static vn_status check(void *arg, struct vn_span in)
{
    const struct test_realm *r = arg;
    struct vn_statement s;
    return vn_statement_check(in, r->command_pub, r->suite, &r->id, TEST_NOW_MS, &s);
}

static void check_round_trip(enum vn_suite suite)
{
    struct test_realm *r = test_realm_new(suite);
    struct vn_statement s, back;
    test_node_issue(r, &r->a, 0x0102030405060708, &s);
    struct vn_span bytes = test_node_statement(&r->a);
    const size_t h = r->suite->hash_len;
    assert_int_equal(52 + h + 4 * 16 + 2 + r->suite->sig_len, bytes.n);
    assert_int_equal(1, bytes.p[0]);
    assert_int_equal(suite, bytes.p[1]);
    assert_memory_equal(r->id.b, bytes.p + 2, 16);
    assert_memory_equal(r->a.id.b, bytes.p + 18, 16);
    assert_memory_equal(r->a.pk_hash.b, bytes.p + 34, h);
    assert_span_equal(VN_SPAN(bytes.p + 34 + h, 8), vn_test_hex("0102030405060708"));
    assert_int_equal(2, bytes.p[50 + h]);
    assert_int_equal(2, bytes.p[51 + h]);

    assert_ok(vn_statement_check(bytes, r->command_pub, r->suite, &r->id, TEST_NOW_MS, &back));
    assert_memory_equal(&s.realm, &back.realm, sizeof(s.realm));
    assert_memory_equal(&s.node, &back.node, sizeof(s.node));
    assert_true(vn_hash_equal(&s.pk_hash, &back.pk_hash));
    assert_int_equal(s.number, back.number);
    assert_int_equal(s.not_after_ms, back.not_after_ms);
    assert_int_equal(s.taint_count, back.taint_count);
    assert_int_equal(s.scope_count, back.scope_count);
    assert_memory_equal(s.taints, back.taints, sizeof(s.taints));
    assert_memory_equal(s.scopes, back.scopes, sizeof(s.scopes));

    vn_test_lengths(bytes, check, r);
    vn_test_flips(bytes, 0, bytes.n, check, r);
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

static void test_most_and_fewest_tags(void **state)
{
    struct test_realm *r = *state;
    struct vn_statement s, back;
    test_node_issue(r, &(struct test_node){.id = r->a.id, .pk_hash = r->a.pk_hash}, 1, &s);
    assert_int_equal(0, s.taint_count + s.scope_count);

    struct test_node full = {.id = r->a.id, .pk_hash = r->a.pk_hash};
    for (int i = 0; i < VN_TAINTS_MAX; i++) {
        char label[16];
        snprintf(label, sizeof(label), "l%d", i);
        test_node_add(r, &full, VN_KIND_TAINT, label);
        test_node_add(r, &full, i % 2 ? VN_KIND_TEAM : VN_KIND_OAUTH, label);
    }
    test_node_issue(r, &full, 1, &s);
    assert_true(full.statement_n <= VN_STATEMENT_MAX);
    assert_ok(vn_statement_check(test_node_statement(&full), r->command_pub, r->suite, &r->id,
                                 TEST_NOW_MS, &back));
    assert_int_equal(VN_TAINTS_MAX, back.taint_count);
    assert_int_equal(VN_SCOPES_MAX, back.scope_count);
    for (size_t i = 1; i < VN_TAINTS_MAX; i++)
        assert_true(memcmp(&back.taints[i - 1], &back.taints[i], 16) < 0);
}

static void test_issue_refuses(void **state)
{
    struct test_realm *r = *state;
    uint8_t out[VN_STATEMENT_MAX];
    size_t n;
    struct vn_statement s = {.pk_hash = r->a.pk_hash, .taint_count = 2}; /* twice the zero tag */
    assert_status(VN_ERR_ARG, vn_statement_issue(&s, r->command, out, &n));
    s = (struct vn_statement){.pk_hash = r->a.pk_hash, .scope_count = VN_SCOPES_MAX + 1};
    assert_status(VN_ERR_ARG, vn_statement_issue(&s, r->command, out, &n));
    s = (struct vn_statement){.pk_hash = {.n = 48}};
    assert_status(VN_ERR_ARG, vn_statement_issue(&s, r->command, out, &n));
}

static void test_who_when_where(void **state)
{
    struct test_realm *r = *state;
    struct vn_statement s = {.number = 77};
    struct vn_span bytes = test_node_statement(&r->a);
    const struct vn_id other = {.b = "other"};
    assert_status(VN_ERR_AUTH,
                  vn_statement_check(bytes, r->issuing_pub, r->suite, &r->id, TEST_NOW_MS, &s));
    assert_status(VN_ERR_AUTH,
                  vn_statement_check(bytes, r->command_pub, r->suite, &other, TEST_NOW_MS, &s));
    assert_ok(
        vn_statement_check(bytes, r->command_pub, r->suite, &r->id, TEST_NOW_MS + 86400000, &s));
    s.number = 77;
    assert_status(VN_ERR_EXPIRED, vn_statement_check(bytes, r->command_pub, r->suite, &r->id,
                                                     TEST_NOW_MS + 86400001, &s));
    assert_status(VN_ERR_MALFORMED,
                  vn_statement_check(bytes, r->command_pub, vn_suite_get(VN_SUITE_CNSA), &r->id,
                                     TEST_NOW_MS, &s));
    assert_int_equal(77, s.number); /* outputs only on success */
}

/* Sorting is part of the format: the same set has one encoding. */
static void test_decoder_wants_ascending_tags(void **state)
{
    struct test_realm *r = *state;
    uint8_t bytes[VN_STATEMENT_MAX];
    size_t n = r->a.statement_n;
    memcpy(bytes, r->a.statement, n);
    uint8_t *tags = bytes + 52 + r->suite->hash_len, swap[16];
    memcpy(swap, tags, 16);
    memcpy(tags, tags + 16, 16);
    memcpy(tags + 16, swap, 16);
    struct vn_statement s;
    struct vn_span signed_part, sig;
    assert_status(VN_ERR_MALFORMED,
                  vn_statement_decode(VN_SPAN(bytes, n), r->suite, &s, &signed_part, &sig));
    memcpy(tags, tags + 16, 16); /* twice the same */
    assert_status(VN_ERR_MALFORMED,
                  vn_statement_decode(VN_SPAN(bytes, n), r->suite, &s, &signed_part, &sig));
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
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_cnsa),
        cmocka_unit_test(test_most_and_fewest_tags),
        cmocka_unit_test(test_issue_refuses),
        cmocka_unit_test(test_who_when_where),
        cmocka_unit_test(test_decoder_wants_ascending_tags),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
