#include "conflux/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/suite.h"
#include "support/test.h"

static char dir[64];

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/vn-config-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    (void)!vn_config_remove(dir, VN_CONFIG_REGISTERED);
    (void)!vn_config_remove(dir, VN_CONFIG_UP);
    return rmdir(dir);
}

static struct vn_conflux_config sample(void)
{
    struct vn_conflux_config c = {.suite = VN_SUITE_CNSA,
                                  .mtu_bytes = 1400,
                                  .idle_ms = 5000,
                                  .workers = 3,
                                  .public_port = 3478,
                                  .candidates = VN_CANDIDATES_RELAY};
    snprintf(c.guardian.urls[0], sizeof(c.guardian.urls[0]), "https://10.9.0.1:8443");
    snprintf(c.guardian.urls[1], sizeof(c.guardian.urls[1]), "https://[fd09::1]:8443");
    c.guardian.url_count = 2;
    c.guardian.pinned = true;
    vn_test_fill(c.guardian.pin, sizeof(c.guardian.pin));
    vn_test_fill(&c.conflux_id, sizeof(c.conflux_id));
    vn_test_fill(&c.realm, sizeof(c.realm));
    snprintf(c.token, sizeof(c.token), "head.pay-load_.sig");
    snprintf(c.realm_name, sizeof(c.realm_name), "home");
    snprintf(c.tag, sizeof(c.tag), "db1");
    snprintf(c.interface, sizeof(c.interface), "veil0");
    snprintf(c.not_over, sizeof(c.not_over), "wg0,docker*");
    snprintf(c.via[c.via_count++], VN_VIA_NAME_MAX, "berlin");
    for (; c.keep_warm_count < VN_KEEP_WARM_MAX; c.keep_warm_count++)
        snprintf(c.keep_warm[c.keep_warm_count], VN_VIA_NAME_MAX, "db%zu", c.keep_warm_count);
    assert_ok(vn_ip_parse("10.77.0.3", &c.ip4));
    assert_ok(vn_ip_parse("fd00::3", &c.ip6));
    return c;
}

static void add_rule(struct vn_conflux_config *c, enum vn_relay_wish wish, const char *what)
{
    struct vn_route_rule r;
    assert_ok(vn_route_rule_parse(wish, what, &r));
    assert_ok(vn_route_rules_put(&c->relay_rules, &r));
}

static void test_rules(void **state)
{
    (void)state;
    struct vn_conflux_config c = sample(), back = {0};
    char *text;
    add_rule(&c, VN_RELAY_PIN, "berlin");
    add_rule(&c, VN_RELAY_PIN, "taint:lab");
    add_rule(&c, VN_RELAY_EXCLUDE, "country:DE");
    assert_ok(vn_config_format(&c, &text));
    assert_ok(vn_config_parse(VN_SPAN_STR(text), &back));
    assert_int_equal(3, back.relay_rules.count);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(c.relay_rules.rule[i].wish, back.relay_rules.rule[i].wish);
        assert_int_equal(c.relay_rules.rule[i].kind, back.relay_rules.rule[i].kind);
        assert_string_equal(c.relay_rules.rule[i].name, back.relay_rules.rule[i].name);
    }
    /* What is no rule is a damaged file, not one rule less. */
    static const char *const BAD[][2] = {{"\"country:DE\"", "\"country:DEU\""},
                                         {"\"country:DE\"", "7"},
                                         {"\"exclude\"", "\"avoid\""}};
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++) {
        char *at = strstr(text, BAD[i][0]), bad[4096];
        assert_non_null(at);
        snprintf(bad, sizeof(bad), "%.*s%s%s", (int)(at - text), text, BAD[i][1],
                 at + strlen(BAD[i][0]));
        assert_status(VN_ERR_MALFORMED, vn_config_parse(VN_SPAN_STR(bad), &back));
    }
    vn_secret_strp(&text);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct vn_conflux_config c = sample(), back = {0};
    char *text;
    assert_ok(vn_config_format(&c, &text));
    assert_ok(vn_config_parse(VN_SPAN_STR(text), &back));
    assert_memory_equal(&c, &back, sizeof(c));
    /* what up.json does not know */
    memset(&c.ip4, 0, sizeof(c.ip4));
    memset(&c.ip6, 0, sizeof(c.ip6));
    memset(c.interface, 0, sizeof(c.interface));
    c.mtu_bytes = 0;
    c.public_port = 0;
    c.idle_ms = 0;
    c.workers = 0;
    c.guardian.pinned = false;
    memset(c.guardian.pin, 0, sizeof(c.guardian.pin));
    vn_secret_strp(&text);
    assert_ok(vn_config_format(&c, &text));
    memset(&back, 0, sizeof(back));
    assert_ok(vn_config_parse(VN_SPAN_STR(text), &back));
    assert_memory_equal(&c, &back, sizeof(c));
    vn_secret_strp(&text);
}

static void test_corrupted(void **state)
{
    (void)state;
    const struct vn_conflux_config c = sample();
    struct vn_conflux_config back;
    char *text;
    assert_ok(vn_config_format(&c, &text));
    const size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        assert_status(VN_ERR_MALFORMED, vn_config_parse(VN_SPAN(text, i), &back));
    /* A changed byte may leave valid JSON; whatever is accepted must not be out of range. */
    for (size_t i = 0; i < n; i++) {
        const char before = text[i];
        text[i] = (char)(before ^ (1 << vn_test_below(8)));
        if (vn_config_parse(VN_SPAN(text, n), &back) == VN_OK) {
            assert_true(back.guardian.url_count >= 1 &&
                        back.guardian.url_count <= VN_GUARDIAN_URLS_MAX);
            assert_true(back.mtu_bytes == 0 || (back.mtu_bytes >= 1280 && back.mtu_bytes <= 9000));
            assert_non_null(vn_suite_get(back.suite));
        }
        text[i] = before;
    }
    vn_secret_strp(&text);
    assert_status(VN_ERR_MALFORMED, vn_config_parse(VN_SPAN_LIT("{\"version\":2}"), &back));
    assert_status(VN_ERR_MALFORMED, vn_config_parse(VN_SPAN_NONE, &back));
}

static void test_files(void **state)
{
    (void)state;
    struct vn_conflux_config c = sample(), back;
    enum vn_config_file which;
    assert_status(VN_ERR_NOTFOUND, vn_config_load_any(dir, &back, &which));
    assert_ok(vn_config_save(dir, VN_CONFIG_REGISTERED, &c));
    char path[VN_PATH_MAX];
    struct stat sb;
    assert_true(vn_state_path(dir, "conflux.json", path));
    assert_int_equal(stat(path, &sb), 0);
    assert_int_equal(sb.st_mode & 0777, 0600);
    assert_ok(vn_config_load_any(dir, &back, &which));
    assert_int_equal(which, VN_CONFIG_REGISTERED);
    assert_string_equal(back.tag, "db1");
    /* up came later, so it counts; down brings the other one back */
    snprintf(c.tag, sizeof(c.tag), "other");
    assert_ok(vn_config_save(dir, VN_CONFIG_UP, &c));
    assert_ok(vn_config_load_any(dir, &back, &which));
    assert_int_equal(which, VN_CONFIG_UP);
    assert_string_equal(back.tag, "other");
    assert_ok(vn_config_remove(dir, VN_CONFIG_UP));
    assert_ok(vn_config_remove(dir, VN_CONFIG_UP));
    assert_ok(vn_config_load_any(dir, &back, &which));
    assert_string_equal(back.tag, "db1");
    /* a damaged file is an error, not a missing one */
    assert_ok(vn_file_write_atomic(path, VN_SPAN_LIT("{\"version\": 1, "), 0600));
    assert_status(VN_ERR_MALFORMED, vn_config_load_any(dir, &back, &which));
    assert_ok(vn_config_remove(dir, VN_CONFIG_REGISTERED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_corrupted),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
