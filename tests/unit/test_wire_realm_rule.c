/* Guardian's word that the access rule has changed. */
#include "support/mutate.h"
#include "support/realm.h"
#include "support/test.h"
#include "wire/realm_rule.h"

static struct vn_realm_rule got;

static vn_status check(void *arg, struct vn_span in)
{
    const struct test_realm *r = arg;
    return vn_realm_rule_check(in, r->command_pub, r->suite, &r->id, &got);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct test_realm *r = test_realm_new(VN_SUITE_DEFAULT);
    uint8_t bytes[VN_REALM_RULE_MAX];
    size_t n;
    const struct vn_realm_rule rule = {.realm = r->id,
                                       .number = 0x0102030405060708,
                                       .access = VN_ACCESS_BOTH,
                                       .relay = VN_RELAYS_PUBLIC};
    assert_ok(vn_realm_rule_issue(r->suite, &rule, r->command, bytes, &n));
    assert_int_equal(29 + 2 + r->suite->sig_len, n);
    assert_int_equal(0xa3, bytes[2]);
    assert_span_equal(VN_SPAN(bytes + 19, 10), vn_test_hex("01020304050607080302"));
    assert_ok(check(r, VN_SPAN(bytes, n)));
    assert_int_equal(rule.number, got.number);
    assert_int_equal(rule.access, got.access);
    assert_int_equal(rule.relay, got.relay);
    vn_test_lengths(VN_SPAN(bytes, n), check, r);
    vn_test_flips(VN_SPAN(bytes, n), 0, n, check, r);
    test_realm_free(r);
}

static void test_refuses(void **state)
{
    (void)state;
    struct test_realm *r = test_realm_new(VN_SUITE_DEFAULT);
    uint8_t bytes[VN_REALM_RULE_MAX];
    size_t n;
    const struct vn_realm_rule foreign = {
        .number = 1, .access = VN_ACCESS_TEAMS, .relay = VN_RELAYS_ALL};
    assert_ok(vn_realm_rule_issue(r->suite, &foreign, r->command, bytes, &n));
    assert_status(VN_ERR_AUTH, check(r, VN_SPAN(bytes, n))); /* of another realm */
    static const uint8_t UNKNOWN[] = {0, 4, 255};
    for (size_t i = 0; i < sizeof(UNKNOWN); i++) {
        struct vn_realm_rule unknown = {.realm = r->id,
                                        .number = 1,
                                        .access = (enum vn_access_rule)UNKNOWN[i],
                                        .relay = VN_RELAYS_ALL};
        assert_ok(vn_realm_rule_issue(r->suite, &unknown, r->command, bytes, &n));
        assert_status(VN_ERR_MALFORMED, check(r, VN_SPAN(bytes, n)));
        unknown.access = VN_ACCESS_BOTH;
        unknown.relay = (enum vn_relay_rule)UNKNOWN[i];
        assert_ok(vn_realm_rule_issue(r->suite, &unknown, r->command, bytes, &n));
        assert_status(VN_ERR_MALFORMED, check(r, VN_SPAN(bytes, n)));
    }
    assert_status(VN_ERR_ARG, vn_realm_rule_issue(vn_suite_get(VN_SUITE_CNSA), &foreign, r->command,
                                                  bytes, &n));
    test_realm_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
