#include "conflux/options.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/test.h"

static struct vn_options o;
static char error[256];
static char storage[32][256];
static char *args[33];

static const char *const VARIABLES[] = {
    "VEILNET_PUBLIC",        "VEILNET_CANDIDATES",   "VEILNET_REGISTRATION_TOKEN",
    "VEILNET_CONFLUX_TOKEN", "VEILNET_GUARDIAN",     "VEILNET_CONFLUX_TAG",
    "VEILNET_CONFLUX_IP",    "VEILNET_CONFLUX_CIDR", "VEILNET_CONFLUX_TAINTS",
    "VEILNET_CONFLUX_DIR",   "VEILNET_MTU",          "VEILNET_IDLE_MS",
};

/* Parses a line of words; args keeps them for looking at afterwards. */
static vn_status parse(const char *line)
{
    char copy[1024];
    int n = 1;
    snprintf(copy, sizeof(copy), "%s", line);
    args[0] = storage[0];
    snprintf(storage[0], sizeof(storage[0]), "veilnet-conflux");
    char *save = NULL;
    for (char *p = strtok_r(copy, " ", &save); p; p = strtok_r(NULL, " ", &save)) {
        snprintf(storage[n], sizeof(storage[n]), "%s", strcmp(p, "''") == 0 ? "" : p);
        args[n] = storage[n];
        n++;
    }
    args[n] = NULL;
    vn_options_done(&o);
    error[0] = 0;
    return vn_options_parse(n, args, &o, error);
}

static int forget(void **state)
{
    (void)state;
    for (size_t i = 0; i < VN_ARRAY_LEN(VARIABLES); i++)
        unsetenv(VARIABLES[i]);
    return 0;
}

static int done(void **state)
{
    vn_options_done(&o);
    return forget(state);
}

static void test_verbs(void **state)
{
    (void)state;
    assert_ok(parse("status --json"));
    assert_int_equal(o.verb, VN_VERB_STATUS);
    assert_true(o.json);
    assert_ok(parse("--state-dir /x run --idle 2.5 --mtu=1400 -v"));
    assert_int_equal(o.verb, VN_VERB_RUN);
    assert_string_equal(o.state_dir, "/x");
    assert_int_equal(o.idle_ms, 2500);
    assert_false(o.has_candidates);
    assert_ok(parse("run --candidates reflexive"));
    assert_true(o.has_candidates && o.candidates == VN_CANDIDATES_REFLEXIVE);
    assert_null(o.not_over);
    assert_ok(parse("run --not-over wg0,docker*"));
    assert_string_equal(o.not_over, "wg0,docker*");
    assert_ok(parse("run --not-over ''"));
    assert_string_equal(o.not_over, "");
    assert_ok(parse("--state-dir /x run --idle 2.5 --mtu=1400 -v"));
    assert_int_equal(o.mtu_bytes, 1400);
    assert_false(o.has_workers);
    assert_ok(parse("run --workers 2"));
    assert_true(o.has_workers && o.workers == 2);
    assert_ok(parse("--state-dir /x run --idle 2.5 --mtu=1400 -v"));
    assert_true(o.verbose);
    assert_ok(parse("ping db1 -c 3 -i0.2 -W 2 -6"));
    assert_int_equal(o.count, 3);
    assert_int_equal(o.interval_ms, 200);
    assert_int_equal(o.wait_ms, 2000);
    assert_true(o.v6);
    assert_string_equal(o.words[0], "db1");
    assert_ok(parse("taint add a b"));
    assert_int_equal(o.word_count, 3);
    assert_ok(parse("ping -Gye7WSnyaloTZz1ECtYeA -c 1")); /* an id */
    assert_int_equal(o.word_count, 1);
    assert_int_equal(o.count, 1);
    assert_status(VN_ERR_ARG, parse("status -Gye7WSnyaloTZz1ECtYeA"));
    assert_ok(parse("taint add -- -odd"));
    assert_string_equal(o.words[1], "-odd");
    assert_ok(parse("--help"));
    assert_true(o.help);
}

static void test_lists(void **state)
{
    (void)state;
    assert_ok(parse("register -t x --taints a,b --taints c,,d -g https://one -g https://two"));
    assert_true(o.has_taints);
    assert_int_equal(o.taint_count, 4);
    assert_string_equal(o.taints[3], "d");
    assert_int_equal(o.guardian_count, 2);
    assert_ok(parse("register -t x"));
    assert_false(o.has_taints);
    /* none at all is a wish too */
    assert_ok(parse("register -t x --taints=,"));
    assert_true(o.has_taints);
    assert_int_equal(o.taint_count, 0);
    assert_ok(parse("run --via c --keep-warm a,b"));
    assert_int_equal(o.via_count, 1);
    assert_int_equal(o.keep_warm_count, 2);
    assert_string_equal(o.keep_warm[1], "b");
    assert_ok(parse("run --keep-warm ''"));
    assert_true(o.has_keep_warm && !o.has_via);
    assert_int_equal(o.keep_warm_count, 0);
    assert_ok(parse("run --keep-warm 1,2,3,4,5,6,7,8"));
    assert_status(VN_ERR_ARG, parse("run --keep-warm 1,2,3,4,5,6,7,8,9"));
}

static void test_public(void **state)
{
    (void)state;
    assert_ok(parse("register -t x"));
    assert_false(o.has_public);
    assert_ok(parse("register --public -t x"));
    assert_true(o.has_public);
    assert_null(o.public);
    assert_string_equal(o.token, "x");
    assert_ok(parse("register -t x --public"));
    assert_true(o.has_public && !o.public);
    assert_ok(parse("register -t x --public 203.0.113.5:9"));
    assert_string_equal(o.public, "203.0.113.5:9");
    assert_ok(parse("register --public=:9 -t x"));
    assert_string_equal(o.public, ":9");
    assert_status(VN_ERR_ARG, parse("register -t x --public="));
    assert_status(VN_ERR_ARG, parse("run --public"));
    setenv("VEILNET_PUBLIC", ":7", 1);
    assert_ok(parse("register -t x"));
    assert_string_equal(o.public, ":7");
    assert_ok(parse("register -t x --public"));
    assert_null(o.public);
    unsetenv("VEILNET_PUBLIC");
}

static void test_errors(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "",
        "fly",
        "status extra",
        "run --nonsense",
        "run -z",
        "register --token",
        "register -t",
        "register -t ''",
        "status --mtu 1400",
        "run --workers 0",
        "run --workers 9",
        "run --mtu 1279",
        "run --mtu 9001",
        "run --mtu 1400.5",
        "run --mtu x",
        "run --idle 0.4",
        "run --candidates",
        "run --candidates host",
        "run --not-over",
        "run --not-over wg0,,eth0",
        "run --not-over sixteencharacter",
        "run --idle -5",
        "run --idle 1e3",
        "run --idle 1.2345",
        "run --idle 99999999",
        "run --idle .5",
        "ping a -c -1",
        "ping a -i 0",
        "status --json=yes",
        "run --interface ''",
        "run --interface sixteencharacter",
        "run --interface a/b",
        "down -t x",
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++) {
        assert_status(VN_ERR_ARG, parse(BAD[i]));
        assert_true(strlen(error) > 10);
    }
    char many[1024] = "register -t x --taints ";
    for (int i = 0; i < 33; i++) {
        const size_t n = strlen(many);
        snprintf(many + n, sizeof(many) - n, "t%d,", i);
    }
    assert_status(VN_ERR_ARG, parse(many));
}

static void test_secrets_are_erased(void **state)
{
    (void)state;
    static const char *const LINES[] = {
        "register -t vn1.secret", "register -tvn1.secret", "register --token vn1.secret",
        "register --token=vn1.secret", "register -d -t vn1.secret --tag a"};
    for (size_t i = 0; i < VN_ARRAY_LEN(LINES); i++) {
        assert_ok(parse(LINES[i]));
        assert_string_equal(o.token, "vn1.secret");
        for (char **a = args; *a; a++)
            assert_null(strstr(*a, "secret"));
    }
    assert_ok(parse("register -t -"));
    assert_string_equal(o.token, "-");
    setenv("VEILNET_REGISTRATION_TOKEN", "vn1.secret", 1);
    assert_ok(parse("register"));
    assert_string_equal(o.token, "vn1.secret");
    assert_null(strstr(getenv("VEILNET_REGISTRATION_TOKEN"), "secret"));
}

static void test_precedence(void **state)
{
    (void)state;
    setenv("VEILNET_REGISTRATION_TOKEN", "from-env", 1);
    setenv("VEILNET_CONFLUX_TOKEN", "conflux-env", 1);
    setenv("VEILNET_CONFLUX_TAG", "env", 1);
    setenv("VEILNET_CONFLUX_CIDR", "10.0.0.9/16", 1);
    setenv("VEILNET_CONFLUX_TAINTS", "e1,e2", 1);
    setenv("VEILNET_GUARDIAN", "https://a,https://b", 1);
    setenv("VEILNET_CONFLUX_DIR", "/env", 1);
    setenv("VEILNET_IDLE_MS", "7000", 1);
    assert_ok(
        parse("register -t flag --tag flag --taints f --state-dir /flag --idle 3 -g https://c"));
    assert_string_equal(o.token, "flag");
    assert_string_equal(o.tag, "flag");
    assert_string_equal(o.state_dir, "/flag");
    assert_int_equal(o.taint_count, 1);
    assert_int_equal(o.guardian_count, 1);
    assert_int_equal(o.idle_ms, 3000);
    assert_string_equal(o.ip, "10.0.0.9/16");
    setenv("VEILNET_REGISTRATION_TOKEN", "from-env", 1);
    assert_ok(parse("register"));
    assert_string_equal(o.token, "from-env");
    assert_string_equal(o.tag, "env");
    assert_string_equal(o.state_dir, "/env");
    assert_int_equal(o.taint_count, 2);
    assert_int_equal(o.guardian_count, 2);
    assert_int_equal(o.idle_ms, 7000);
    /* each verb its own token; a verb is not troubled by variables of another */
    assert_ok(parse("up"));
    assert_string_equal(o.token, "conflux-env");
    assert_ok(parse("status"));
    assert_null(o.tag);
    setenv("VEILNET_CONFLUX_IP", "10.0.0.1", 1);
    assert_ok(parse("register -t x"));
    assert_string_equal(o.ip, "10.0.0.1");
    setenv("VEILNET_MTU", "12", 1);
    assert_status(VN_ERR_ARG, parse("run"));
    assert_non_null(strstr(error, "VEILNET_MTU"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_verbs, forget, done),
        cmocka_unit_test_setup_teardown(test_lists, forget, done),
        cmocka_unit_test_setup_teardown(test_public, forget, done),
        cmocka_unit_test_setup_teardown(test_errors, forget, done),
        cmocka_unit_test_setup_teardown(test_secrets_are_erased, forget, done),
        cmocka_unit_test_setup_teardown(test_precedence, forget, done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
