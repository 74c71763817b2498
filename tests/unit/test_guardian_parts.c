/* The small parts of Guardian: taints, addresses, durations, routes, policy, passwords, wishes for
 * realms. */
#include "guardian/address.h"
#include "guardian/http.h"
#include "guardian/json.h"
#include "guardian/options.h"
#include "guardian/password.h"
#include "guardian/policy.h"
#include "guardian/realm.h"
#include "support/test.h"

static void taint_labels(void **state)
{
    (void)state;
    char longest[66] = {0};
    memset(longest, 'a', 64);
    assert_true(vn_taint_valid(longest));
    longest[64] = 'a';
    assert_false(vn_taint_valid(longest));
    static const char *const GOOD[] = {"a", "us-east", "v1.2_x", "0", "-"};
    static const char *const BAD[] = {"", "A", "a b", "a,b", "ä", "a/b", "*"};
    for (size_t i = 0; i < VN_ARRAY_LEN(GOOD); i++)
        assert_true(vn_taint_valid(GOOD[i]));
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++)
        assert_false(vn_taint_valid(BAD[i]));
}

static void taint_sets(void **state)
{
    (void)state;
    struct vn_taint_set s;
    char text[VN_TAINTS_TEXT];
    assert_ok(vn_taints_parse("web,db,web", &s));
    assert_int_equal(s.n, 2);
    vn_taints_format(&s, text);
    assert_string_equal(text, "db,web");
    assert_ok(vn_taints_parse("", &s));
    assert_int_equal(s.n, 0);
    static const char *const BAD[] = {",", "a,", ",a", "a,,b", "A"};
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++)
        assert_status(VN_ERR_MALFORMED, vn_taints_parse(BAD[i], &s));
    assert_ok(vn_taints_parse("a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p", &s));
    assert_status(VN_ERR_LIMIT, vn_taints_add(&s, "q"));
    assert_ok(vn_taints_add(&s, "p"));
    vn_taints_remove(&s, "a");
    vn_taints_remove(&s, "p");
    vn_taints_remove(&s, "zz");
    assert_int_equal(s.n, 14);
    vn_taints_format(&s, text);
    struct vn_taint_set back;
    assert_ok(vn_taints_parse(text, &back));
    assert_true(vn_taints_equal(&s, &back));

    struct vn_allowed_taints any, some;
    assert_ok(vn_allowed_parse("*", &any));
    assert_ok(vn_allowed_parse("b,c", &some));
    assert_null(vn_allowed_refuses(&any, &s));
    assert_string_equal(vn_allowed_refuses(&some, &s), "d");
    assert_ok(vn_taints_parse("c", &s));
    assert_null(vn_allowed_refuses(&some, &s));
}

static void hosts_and_ports(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        uint16_t port; /* 1: untouched */
    } GOOD[] = {
        {"example.org", "example.org", 1},
        {"example.org:8443", "example.org", 8443},
        {"10.0.0.1:0", "10.0.0.1", 0},
        {"[::1]:443", "::1", 443},
        {"[fd00::1]", "fd00::1", 1},
        {"fd00::1", "fd00::1", 1},
        {"*:8443", "*", 8443},
    };
    char host[VN_HOST_MAX];
    for (size_t i = 0; i < VN_ARRAY_LEN(GOOD); i++) {
        uint16_t port = 1;
        assert_ok(vn_host_port_parse(GOOD[i].text, host, &port));
        assert_string_equal(host, GOOD[i].host);
        assert_int_equal(port, GOOD[i].port);
    }
    static const char *const BAD[] = {"",     ":1",     "a:",   "a:x", "a:65536", "a:-1",    "a:1 ",
                                      "[::1", "[::1]x", "[]:1", "a b", "a/b",     "http://a"};
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++) {
        uint16_t port = 1;
        assert_status(VN_ERR_MALFORMED, vn_host_port_parse(BAD[i], host, &port));
    }
}

static void ranges(void **state)
{
    (void)state;
    struct vn_prefix p;
    static const char *const GOOD[] = {"10.0.0.0/8", "10.77.0.0/16", "192.168.1.0/24",
                                       "100.64.0.0/10", "172.31.0.0/16"};
    static const char *const BAD[] = {"8.8.8.0/24", "0.0.0.0/0", "172.32.0.0/16", "192.168.0.0/15",
                                      "fd00::/64"};
    for (size_t i = 0; i < VN_ARRAY_LEN(GOOD); i++) {
        assert_ok(vn_prefix_parse(GOOD[i], &p));
        assert_true(vn_prefix_fits_realm(&p));
    }
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++) {
        assert_ok(vn_prefix_parse(BAD[i], &p));
        assert_false(vn_prefix_fits_realm(&p));
    }
    uint32_t first, last;
    assert_ok(vn_prefix_parse("10.77.0.0/16", &p));
    vn_realm_ip4_bounds(&p, &first, &last);
    assert_int_equal(first, 0x0a4d0001);
    assert_int_equal(last, 0x0a4dfffe);
    struct vn_ip ip = vn_ip_from_u32(first);
    char text[VN_IP_TEXT];
    vn_ip_format(&ip, text);
    assert_string_equal(text, "10.77.0.1");
    assert_int_equal(vn_ip_to_u32(&ip), first);
}

static void durations(void **state)
{
    (void)state;
    uint64_t s;
    assert_ok(vn_duration_parse("90", &s));
    assert_int_equal(s, 90);
    assert_ok(vn_duration_parse("2h", &s));
    assert_int_equal(s, 7200);
    assert_ok(vn_duration_parse("7d", &s));
    assert_int_equal(s, 604800);
    static const char *const BAD[] = {
        "", "h", "1w", "1hh", "-1", "+1", "1 h", "99999999999999999999", "9999999999999999999d"};
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++)
        assert_status(VN_ERR_ARG, vn_duration_parse(BAD[i], &s));
}

static void routes(void **state)
{
    (void)state;
    struct vn_id id[2];
    unsigned allowed;
    const struct vn_route *r = vn_route_find(VN_WEB_GET, "/conflux/peers", id, &allowed);
    assert_non_null(r);
    assert_int_equal(r->role, VN_WEB_CONFLUX);
    r = vn_route_find(VN_WEB_GET, "/conflux/AAAAAAAAAAAAAAAAAAAAAQ", id, &allowed);
    assert_non_null(r);
    assert_int_equal(r->role, VN_WEB_HOLDER);
    assert_int_equal(id[0].b[15], 1);
    r = vn_route_find(VN_WEB_DELETE, "/orgs/AAAAAAAAAAAAAAAAAAAAAQ/members/AAAAAAAAAAAAAAAAAAAAAg",
                      id, &allowed);
    assert_non_null(r);
    assert_int_equal(id[0].b[15], 1);
    assert_int_equal(id[1].b[15], 2);
    assert_null(vn_route_find(VN_WEB_DELETE, "/conflux/peers", id, &allowed));
    assert_int_equal(allowed, 1u << VN_WEB_GET);
    static const char *const NONE[] = {"",
                                       "/",
                                       "/conflux/",
                                       "/conflux/x",
                                       "/conflux/AAAAAAAAAAAAAAAAAAAAAQ/",
                                       "//health",
                                       "/health/",
                                       "/health?x",
                                       "/conflux/AAAAAAAAAAAAAAAAAAAAAQ/taint",
                                       "/conflux/{id}"};
    for (size_t i = 0; i < VN_ARRAY_LEN(NONE); i++) {
        assert_null(vn_route_find(VN_WEB_GET, NONE[i], id, &allowed));
        assert_int_equal(allowed, 0);
    }
    /* every row can be found and is whole, and only these are open to all */
    static const char *const OPEN[] = {
        "/health",           "/openapi.json",       "/auth/login",
        "/auth/refresh",     "/auth/oidc",          "/auth/oidc/begin",
        "/auth/oidc/finish", "/auth/oidc/password", "/setup"};
    for (size_t i = 0; i < vn_route_count; i++) {
        bool open = false;
        for (size_t k = 0; k < VN_ARRAY_LEN(OPEN); k++)
            open = open || strcmp(vn_routes[i].path, OPEN[k]) == 0;
        assert_int_equal(vn_routes[i].role == VN_WEB_PUBLIC, open);
        assert_non_null(vn_routes[i].handle);
        assert_non_null(vn_routes[i].summary);
        assert_int_equal(vn_routes[i].status == 204, !vn_routes[i].answer && !vn_routes[i].media);
        assert_true(vn_routes[i].body_max <= VN_WEB_BODY_MAX);
        /* a role is a role in something; a superuser's is everywhere */
        const enum vn_web_role role = vn_routes[i].role;
        assert_int_equal(vn_routes[i].on != VN_ON_NOTHING,
                         role >= VN_WEB_MEMBER && role < VN_WEB_SUPERUSER);
        for (size_t k = 0; k < i; k++)
            assert_false(vn_routes[i].method == vn_routes[k].method &&
                         strcmp(vn_routes[i].path, vn_routes[k].path) == 0);
    }
}

/* What it says is tested against live answers, end to end. */
static void document(void **state)
{
    (void)state;
    json_t *o = vn_openapi();
    assert_non_null(o);
    size_t operations = 0;
    const char *path;
    json_t *item;
    json_object_foreach(json_object_get(o, "paths"), path, item) operations +=
        json_object_size(item);
    assert_int_equal(operations, vn_route_count);
    json_decref(o);
}

static void rates(void **state)
{
    (void)state;
    struct vn_rates *r;
    unsigned burst, per_1000s, granted = 0;
    const uint8_t a[16] = {1}, b[16] = {2};
    assert_ok(vn_rates_new(&r));
    for (unsigned class = 0; class < VN_RATES; class ++) {
        const enum vn_rate rate = (enum vn_rate) class;
        uint64_t now = 1000;
        vn_rates_limits(rate, &burst, &per_1000s);
        for (unsigned i = 0; i < burst; i++)
            assert_int_equal(vn_rates_take(r, rate, VN_SPAN_ARRAY(a), now), 0);
        unsigned wait_s = vn_rates_take(r, rate, VN_SPAN_ARRAY(a), now);
        assert_true(wait_s > 0);
        assert_int_equal(vn_rates_take(r, rate, VN_SPAN_ARRAY(b), now), 0); /* another caller */
        now += wait_s * 1000;
        assert_int_equal(vn_rates_take(r, rate, VN_SPAN_ARRAY(a), now), 0); /* kept its word */
        /* asked every 10 ms for 100 s, it grants what it says */
        now += 1000000;
        granted = 0;
        for (unsigned i = 0; i < 10000; i++, now += 10)
            granted += vn_rates_take(r, rate, VN_SPAN_ARRAY(a), now) == 0;
        const unsigned fair = VN_MIN(burst + per_1000s / 10, 10000u);
        assert_in_range(granted, fair - fair / 50 - 1, fair + 1);
    }
    vn_rates_free(r);
}

static bool allows(enum vn_access_rule rule, const char *a, const char *b, bool same_owner)
{
    static struct vn_conflux_record x, y;
    memset(&x, 0, sizeof(x));
    memset(&y, 0, sizeof(y));
    assert_ok(vn_taints_parse(a, &x.taints));
    assert_ok(vn_taints_parse(b, &y.taints));
    y.owner.b[0] = same_owner ? 0 : 1;
    bool forth = vn_policy_allows(rule, &x, &y);
    assert_int_equal(forth, vn_policy_allows(rule, &y, &x));
    return forth;
}

static void policy(void **state)
{
    (void)state;
    assert_true(allows(VN_ACCESS_TAINTS, "home", "home", false));
    assert_true(allows(VN_ACCESS_TAINTS, "home", "db,home", false));
    assert_false(allows(VN_ACCESS_TAINTS, "home,web", "db,home", false));
    assert_false(allows(VN_ACCESS_TAINTS, "", "home", true));
    assert_false(allows(VN_ACCESS_TAINTS, "", "", true));
    assert_true(allows(VN_ACCESS_TEAMS, "", "home", true));
    assert_false(allows(VN_ACCESS_TEAMS, "home", "home", false));
    assert_true(allows(VN_ACCESS_BOTH, "home", "home", true));
    assert_false(allows(VN_ACCESS_BOTH, "home", "home", false));
    assert_false(allows(VN_ACCESS_BOTH, "", "", true));
    /* a common team is as good as a common owner */
    static struct vn_conflux_record x, y;
    x.owner.b[0] = 1;
    assert_ok(vn_team_set_add(&x.teams, &(struct vn_id){{1}}));
    assert_ok(vn_team_set_add(&y.teams, &(struct vn_id){{2}}));
    assert_false(vn_policy_allows(VN_ACCESS_TEAMS, &x, &y));
    assert_ok(vn_team_set_add(&y.teams, &(struct vn_id){{1}}));
    assert_true(vn_policy_allows(VN_ACCESS_TEAMS, &x, &y));
    assert_false(vn_policy_allows(VN_ACCESS_BOTH, &x, &y));
}

static void passwords(void **state)
{
    (void)state;
    char generated[21], other[21], stored[VN_PASSWORD_HASH_MAX];
    assert_ok(vn_password_generate(generated));
    assert_ok(vn_password_generate(other));
    assert_int_equal(strlen(generated), 20);
    assert_string_not_equal(generated, other);
    assert_ok(vn_password_hash(generated, stored, sizeof(stored)));
    assert_ok(vn_password_check(generated, stored));
    assert_status(VN_ERR_AUTH, vn_password_check(other, stored));
    assert_status(VN_ERR_AUTH, vn_password_check("", stored));
    for (size_t i = 0; i < strlen(stored); i += 7) {
        char cut[VN_PASSWORD_HASH_MAX];
        snprintf(cut, sizeof(cut), "%.*s", (int)i, stored);
        assert_status_not_ok(vn_password_check(generated, cut));
    }
    assert_status(
        VN_ERR_MALFORMED,
        vn_password_check(
            "x",
            "$argon2id$v=19$m=4294967295,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA"));
}

static void labels(void **state)
{
    (void)state;
    assert_true(vn_label_valid("a"));
    assert_true(vn_label_valid("node-1"));
    static const char *const BAD[] = {"", "-a", "a-", "A", "a.b", "a_b", "ä"};
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++)
        assert_false(vn_label_valid(BAD[i]));
    char text[65] = {0};
    memset(text, 'a', 63);
    assert_true(vn_label_valid(text));
    text[63] = 'a';
    assert_false(vn_label_valid(text));
}

static void text_that_is_shown(void **state)
{
    (void)state;
    static const char *const moves[] = {"a\nb", "\x1b[2J", "a\x7f", "a\xc2\x9b"};
    for (size_t i = 0; i < VN_ARRAY_LEN(moves); i++)
        assert_false(vn_json_text_plain(moves[i]));
    assert_true(vn_json_text_plain("") && vn_json_text_plain("gr\xc3\xbc\xc3\x9f, \xc2\xa0x"));
    /* what was cut is gone, what is whole or no UTF-8 at all stays */
    static const char *const cases[][2] = {{"", ""},
                                           {"plain", "plain"},
                                           {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
                                           {"\"gr\xc3\" of", "\"gr\" of"},
                                           {"\xe2\x82", ""},
                                           {"\xe2\x82\xac\xf0\x9f\x98 x", "\xe2\x82\xac x"},
                                           {"\xff\x80", "\xff\x80"}};
    for (size_t i = 0; i < VN_ARRAY_LEN(cases); i++) {
        char text[32];
        snprintf(text, sizeof(text), "%s", cases[i][0]);
        vn_json_text_whole(text);
        assert_string_equal(cases[i][1], text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_that_is_shown),
        cmocka_unit_test(taint_labels),
        cmocka_unit_test(taint_sets),
        cmocka_unit_test(hosts_and_ports),
        cmocka_unit_test(ranges),
        cmocka_unit_test(durations),
        cmocka_unit_test(routes),
        cmocka_unit_test(policy),
        cmocka_unit_test(passwords),
        cmocka_unit_test(labels),
        cmocka_unit_test(document),
        cmocka_unit_test(rates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
