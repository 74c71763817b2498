/* Rules of which relays carry a node's streams. */
#include "base/route_rule.h"
#include "support/test.h"

static struct vn_route_rule parsed(enum vn_relay_wish wish, const char *text)
{
    struct vn_route_rule r;
    assert_ok(vn_route_rule_parse(wish, text, &r));
    return r;
}

static void test_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name;
        enum vn_route_rule_kind kind;
    } CASES[] = {
        {"berlin", "berlin", VN_RULE_NODE},  {"10.77.0.3", "10.77.0.3", VN_RULE_NODE},
        {"taint:lab", "lab", VN_RULE_TAINT}, {"country:DE", "DE", VN_RULE_COUNTRY},
        {"taint", "taint", VN_RULE_NODE},
    };
    char text[VN_ROUTE_RULE_TEXT];
    for (size_t i = 0; i < VN_ARRAY_LEN(CASES); i++) {
        struct vn_route_rule r = parsed(VN_RELAY_PIN, CASES[i].text);
        assert_int_equal(CASES[i].kind, r.kind);
        assert_string_equal(CASES[i].name, r.name);
        vn_route_rule_format(&r, text);
        assert_string_equal(CASES[i].text, text);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    char longest[6 + 65 + 1] = "taint:";
    struct vn_route_rule r;
    memset(longest + 6, 'x', 65);
    static const char *const BAD[] = {"", "taint:", "country:", "country:de", "country:DEU"};
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++)
        assert_status(VN_ERR_MALFORMED, vn_route_rule_parse(VN_RELAY_PIN, BAD[i], &r));
    assert_status(VN_ERR_MALFORMED, vn_route_rule_parse(VN_RELAY_PIN, longest, &r));
    longest[6 + 64] = 0;
    assert_ok(vn_route_rule_parse(VN_RELAY_PIN, longest, &r));
    char text[VN_ROUTE_RULE_TEXT];
    vn_route_rule_format(&r, text);
    assert_string_equal(longest, text);
}

static void test_wishes(void **state)
{
    (void)state;
    enum vn_relay_wish w;
    for (int i = VN_RELAY_PREFER; i <= VN_RELAY_EXCLUDE; i++) {
        assert_true(vn_relay_wish_of(vn_relay_wish_name((enum vn_relay_wish)i), &w));
        assert_int_equal(i, w);
    }
    assert_false(vn_relay_wish_of("avoid", &w));
}

static void test_lists(void **state)
{
    (void)state;
    struct vn_route_rules l = {0};
    struct vn_route_rule b = parsed(VN_RELAY_PIN, "b"), c = parsed(VN_RELAY_PREFER, "c");
    const struct vn_route_rule not_b = parsed(VN_RELAY_EXCLUDE, "b");
    const struct vn_route_rule taint_b = parsed(VN_RELAY_EXCLUDE, "taint:b");
    assert_ok(vn_route_rules_put(&l, &b));
    assert_ok(vn_route_rules_put(&l, &c));
    assert_ok(vn_route_rules_put(&l, &taint_b));
    assert_int_equal(3, l.count);
    assert_ok(vn_route_rules_put(&l, &not_b));
    assert_int_equal(3, l.count);
    assert_int_equal(VN_RELAY_EXCLUDE, l.rule[0].wish);
    assert_true(vn_route_rules_drop(&l, &b));
    assert_false(vn_route_rules_drop(&l, &b));
    assert_int_equal(2, l.count);
    assert_string_equal("c", l.rule[0].name);
    assert_int_equal(VN_RULE_TAINT, l.rule[1].kind);
    for (size_t i = 2; i < VN_ROUTE_RULES_MAX; i++) {
        snprintf(b.name, sizeof(b.name), "n%zu", i);
        assert_ok(vn_route_rules_put(&l, &b));
    }
    snprintf(b.name, sizeof(b.name), "more");
    assert_status(VN_ERR_LIMIT, vn_route_rules_put(&l, &b));
    assert_ok(vn_route_rules_put(&l, &c));
    snprintf(b.name, sizeof(b.name), "n%d", VN_ROUTE_RULES_MAX - 1);
    assert_true(vn_route_rules_drop(&l, &b)); /* the last one */
    assert_int_equal(VN_ROUTE_RULES_MAX - 1, l.count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_wishes),
        cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
