/* TURN servers and their credentials: what `run` keeps, and what nodes get. */
#include "guardian/turn.h"

#include "crypto/x509.h"
#include "support/store_world.h"
#include "support/test.h"

#define NOW 1700000000000ull

static int setup(void **state)
{
    static struct vn_store_world w;
    vn_store_world_init(&w, NOW);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    vn_store_world_done(*state);
    return 0;
}

static vn_status set(void **state, const struct vn_turn_settings *t)
{
    const struct vn_store_world *w = *state;
    char why[256] = "";
    const vn_status st = vn_turn_set(w->s, t, why);
    assert_int_equal(st == VN_ERR_ARG, why[0] != 0); /* it says what is wrong */
    return st;
}

static struct vn_turn_config load(void **state)
{
    const struct vn_store_world *w = *state;
    struct vn_turn_config c;
    assert_ok(vn_turn_load(w->s, &c));
    return c;
}

static void what_is_kept(void **state)
{
    struct vn_turn_config c = load(state);
    assert_int_equal(c.url_count, 0);
    const struct vn_turn_settings limited = {.urls = "turn:192.0.2.1,turns:[2001:db8::5]:443",
                                             .secret = "north"};
    assert_ok(set(state, &limited));
    c = load(state);
    assert_int_equal(c.url_count, 2);
    assert_string_equal(c.secret, "north");
    assert_string_equal(c.username, "");
    assert_false(c.urls[1].pinned);
    /* one user for all takes its place, with the same servers */
    const struct vn_turn_settings user = {.username = "u", .password = "p"};
    assert_ok(set(state, &user));
    c = load(state);
    assert_int_equal(c.url_count, 2);
    assert_string_equal(c.username, "u");
    assert_string_equal(c.secret, "p");
    const struct vn_turn_settings none = {.urls = "none"};
    assert_ok(set(state, &none));
    c = load(state);
    assert_int_equal(c.url_count, 0);
    assert_string_equal(c.secret, "");
}

static void a_certificate_is_pinned(void **state)
{
    VN_CLEANUP(vn_secret_strp) char *key = NULL;
    VN_CLEANUP(vn_secret_strp) char *cert = NULL;
    const char *host = "turn.example";
    uint8_t pin[32];
    assert_ok(vn_tls_key_new(&key));
    assert_ok(vn_tls_self_signed(key, &host, 1, NOW - 1000, NOW + 86400000, &cert));
    assert_ok(vn_tls_key_pin(key, pin));
    const struct vn_turn_settings t = {
        .urls = "turn:192.0.2.1,turns:192.0.2.1", .secret = "north", .cert_pem = cert};
    assert_ok(set(state, &t));
    const struct vn_turn_config c = load(state);
    assert_false(c.urls[0].pinned);
    assert_true(c.urls[1].pinned);
    assert_memory_equal(c.urls[1].pin, pin, sizeof(pin));
    const struct vn_turn_settings bad = {.cert_pem = "no certificate"};
    assert_status(VN_ERR_ARG, set(state, &bad));
}

static void what_is_refused(void **state)
{
    char longest[VN_TURN_SECRET_MAX + 2] = "";
    memset(longest, 'x', VN_TURN_SECRET_MAX + 1);
    const struct vn_turn_settings bad[] = {
        {.urls = "turn:192.0.2.1"}, /* no credentials anywhere */
        {.urls = "stun:192.0.2.1", .secret = "north"},
        {.urls = "turn:a,,turn:b", .secret = "north"},
        {.urls = "", .secret = "north"},
        {.urls = "turn:1,turn:2,turn:3,turn:4,turn:5", .secret = "north"},
        {.urls = "turn:a", .secret = ""},
        {.urls = "turn:a", .secret = longest},
        {.urls = "turn:a", .secret = "caf\xc3\xa9"},
        {.urls = "turn:a", .username = "u"},
        {.urls = "turn:a", .password = "p"},
        {.urls = "turn:a", .username = "u", .password = "p", .secret = "north"},
        {.urls = "turn:a", .username = "u\n", .password = "p"},
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(bad); i++) {
        assert_status(VN_ERR_ARG, set(state, &bad[i]));
        const struct vn_turn_config c = load(state);
        assert_true(c.url_count == 0 && c.secret[0] == 0);
    }
}

/* The draft's formula, computed by another program. */
static void credentials(void **state)
{
    (void)state;
    const struct vn_id node = {{[15] = 1}};
    struct vn_turn_config c = {.secret = "north"};
    char username[VN_TURN_USERNAME_MAX + 1], credential[VN_TURN_CREDENTIAL_MAX + 1];
    assert_ok(vn_turn_credentials(&c, &node, NOW, username, credential));
    assert_string_equal(username, "1700000600:AAAAAAAAAAAAAAAAAAAAAQ");
    assert_string_equal(credential, "yqx94voONww5UoambdawxNrVqUI=");
    snprintf(c.username, sizeof(c.username), "u");
    assert_ok(vn_turn_credentials(&c, &node, NOW, username, credential));
    assert_string_equal(username, "u");
    assert_string_equal(credential, "north");
}

static void names_become_addresses(void **state)
{
    (void)state;
    struct vn_turn_config c = {.url_count = 4};
    assert_ok(vn_ice_url_parse("turn:192.0.2.1", &c.urls[0]));
    assert_ok(vn_ice_url_parse("turns:localhost:443", &c.urls[1]));
    assert_ok(vn_ice_url_parse("turn:nowhere.invalid", &c.urls[2]));
    assert_ok(vn_ice_url_parse("turn:192.0.2.1", &c.urls[3])); /* again: counts once */
    vn_turn_resolve(&c, VN_ICE_SERVERS_MAX);
    assert_in_range(c.server_count, 2, 3);
    assert_string_equal(c.servers[1].host, "localhost"); /* the certificate must name it */
    assert_int_equal(c.servers[1].addr.port, 443);
    static const struct vn_ip none;
    assert_false(vn_ip_equal(&c.servers[1].addr.ip, &none));
    vn_turn_resolve(&c, 1);
    assert_int_equal(c.server_count, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_kept),
        TEST(a_certificate_is_pinned),
        TEST(what_is_refused),
        cmocka_unit_test(credentials),
        cmocka_unit_test(names_become_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
