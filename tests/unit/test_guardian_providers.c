/* What Guardian fetches from identity providers, of a server on the loopback and by a clock that
 * the test moves: how often it asks, how long it keeps, and what it does not put up with. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "crypto/x509.h"
#include "guardian/providers.h"
#include "loop/io.h"
#include "loop/loop.h"
#include "support/test.h"
#include "support/tls_server.h"

#define KEY(kid)                                                                                   \
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"" kid                                          \
    "\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"

static char *key, *cert;
static struct vn_loop *loop;
static struct vn_io io;
static struct tls_server *server;
static struct vn_provider_config cfg;
static struct vn_providers *p;
static uint64_t time_us; /* it stands still but for move_ms */

static atomic_uint asked; /* requests that the server answered */
static _Atomic(const char *) cache, body;
static atomic_uint wait_ms;
static atomic_bool down;

static struct tls_answer answer(void *arg, const struct tls_request *rq)
{
    (void)arg;
    asked++;
    if (strcmp(rq->path, "/redirect") == 0)
        return (struct tls_answer){.code = 302, .location = "/keys"};
    return (struct tls_answer){
        .code = down ? 503 : 200, .body = down ? "" : body, .cache = cache, .wait_ms = wait_ms};
}

static uint64_t now_us(void *self)
{
    (void)self;
    return time_us;
}

static void move_ms(uint64_t ms)
{
    time_us += ms * 1000;
}

static int setup(void **state)
{
    (void)state;
    const char *hosts[] = {"127.0.0.1"};
    const uint64_t now = vn_clock_wall_ms();
    assert_ok(vn_tls_key_new(&key));
    assert_ok(vn_tls_self_signed(key, hosts, 1, now - 86400000, now + 86400000, &cert));
    assert_ok(vn_loop_new(&loop));
    io = (struct vn_io)VN_LOOP_IO(loop);
    io.now_us = now_us;
    time_us = vn_clock_mono_us();
    server = tls_server_new(key, cert, false, answer, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tls_server_free(server);
    vn_loop_free(loop);
    vn_secret_strp(&key);
    free(cert);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    asked = 0;
    down = false;
    wait_ms = 0;
    cache = NULL;
    body = "{\"keys\":[" KEY("a") "]}";
    cfg = (struct vn_provider_config){.ca_pem = cert, .network_count = 1};
    assert_ok(vn_prefix_parse("127.0.0.0/8", &cfg.networks[0]));
    assert_ok(vn_providers_new(&io, &cfg, &p));
    return 0;
}

static int end(void **state)
{
    (void)state;
    p = vn_providers_free(p);
    return 0;
}

struct result {
    unsigned answers;
    vn_status st;
    bool has_a, has_b;
    char why[512];
};

static void on_keys(void *arg, vn_status st, const struct vn_jwks *keys, const char *why)
{
    struct result *r = arg;
    r->answers++;
    r->st = st;
    assert_true((st == VN_OK) == (keys != NULL));
    assert_true((st == VN_OK) == (why == NULL));
    r->has_a = keys && vn_jwks_has(keys, "a");
    r->has_b = keys && vn_jwks_has(keys, "b");
    snprintf(r->why, sizeof(r->why), "%s", why ? why : "");
}

static void start(const char *path, const char *kid, struct result *r)
{
    char url[128];
    *r = (struct result){.answers = 0};
    snprintf(url, sizeof(url), "%s%s", path[0] == '/' ? tls_server_url(server) : "", path);
    vn_providers_keys(p, url, kid, on_keys, r);
}

static void finish(struct result *r)
{
    const uint64_t until = vn_clock_mono_us() + 15000000;
    while (!r->answers && vn_clock_mono_us() < until)
        vn_loop_poll(loop);
    assert_int_equal(r->answers, 1);
}

static struct result ask(const char *path, const char *kid)
{
    struct result r;
    start(path, kid, &r);
    finish(&r);
    return r;
}

/* ---- how often ---- */

static void kept_as_long_as_it_says(void **state)
{
    (void)state;
    assert_true(ask("/keys", "a").has_a);
    assert_true(ask("/keys", "a").has_a);
    assert_int_equal(asked, 1);
    move_ms(VN_JWKS_KEEP_DEFAULT_MS - 2000);
    assert_true(ask("/keys", "a").has_a);
    assert_int_equal(asked, 1);
    cache = "public, max-age=120";
    move_ms(2001);
    assert_true(ask("/keys", "a").has_a);
    assert_int_equal(asked, 2);
    move_ms(119000);
    assert_true(ask("/keys", "a").has_a);
    assert_int_equal(asked, 2);
    cache = "max-age=0, no-store"; /* a minute at least */
    move_ms(2000);
    assert_true(ask("/keys", "").has_a);
    assert_int_equal(asked, 3);
    move_ms(VN_JWKS_KEEP_MIN_MS - 2000);
    assert_true(ask("/keys", "a").has_a);
    assert_int_equal(asked, 3);
    cache = "max-age=99999999999999999999"; /* a day at most */
    move_ms(2001);
    assert_true(ask("/keys", "a").has_a);
    move_ms(VN_JWKS_KEEP_MAX_MS + 1);
    assert_true(ask("/keys", "a").has_a);
    assert_int_equal(asked, 5);
}

static void an_unknown_key_is_asked_for_once_a_minute(void **state)
{
    (void)state;
    assert_true(ask("/keys", "a").has_a);
    body = "{\"keys\":[" KEY("a") "," KEY("b") "]}"; /* rotation */
    assert_false(ask("/keys", "b").has_b);
    assert_int_equal(asked, 1);
    move_ms(VN_JWKS_AGAIN_MS + 1);
    assert_true(ask("/keys", "b").has_b);
    assert_int_equal(asked, 2);
    for (int i = 0; i < 20; i++)
        assert_true(ask("/keys", "made-up").has_a);
    assert_int_equal(asked, 2);
    /* a provider that fails just then does not take the keys away that there are */
    down = true;
    move_ms(VN_JWKS_AGAIN_MS + 1);
    assert_true(ask("/keys", "made-up").has_a);
    assert_true(ask("/keys", "a").has_a);
    assert_int_equal(asked, 3);
}

static void many_wait_for_one_answer(void **state)
{
    (void)state;
    struct result r[50];
    wait_ms = 200;
    for (size_t i = 0; i < VN_ARRAY_LEN(r); i++)
        start("/keys", i % 2 ? "a" : "", &r[i]);
    for (size_t i = 0; i < VN_ARRAY_LEN(r); i++) {
        finish(&r[i]);
        assert_true(r[i].has_a);
    }
    /* the server answers one after the other: what was asked before is answered by now */
    wait_ms = 0;
    assert_true(ask("/other", "a").has_a);
    assert_int_equal(asked, 2);
}

static void at_most_so_many_wait(void **state)
{
    (void)state;
    static struct result r[VN_PROVIDER_WAITERS_MAX + 1];
    wait_ms = 200;
    for (size_t i = 0; i < VN_ARRAY_LEN(r); i++)
        start("/keys", "a", &r[i]);
    assert_int_equal(r[VN_PROVIDER_WAITERS_MAX].answers, 1);
    assert_status(VN_ERR_LIMIT, r[VN_PROVIDER_WAITERS_MAX].st);
    p = vn_providers_free(p); /* answers the others */
    for (size_t i = 0; i < VN_PROVIDER_WAITERS_MAX; i++) {
        assert_int_equal(r[i].answers, 1);
        assert_status(VN_ERR_STATE, r[i].st);
    }
}

/* ---- what it does not put up with ---- */

static void a_failure_is_told_and_not_repeated(void **state)
{
    (void)state;
    down = true;
    struct result r = ask("/keys", "a");
    assert_status(VN_ERR_AGAIN, r.st);
    assert_non_null(strstr(r.why, "503"));
    assert_status(VN_ERR_AGAIN, ask("/keys", "a").st);
    assert_int_equal(asked, 1);
    down = false;
    move_ms(VN_JWKS_FAILED_AGAIN_MS + 1);
    assert_true(ask("/keys", "a").has_a);
    /* once they are too old they do not count, whatever the provider does */
    down = true;
    move_ms(VN_JWKS_KEEP_DEFAULT_MS + 1);
    assert_status(VN_ERR_AGAIN, ask("/keys", "a").st);
}

static void answers_that_are_none(void **state)
{
    (void)state;
    struct result r = ask("/redirect", "a");
    assert_status(VN_ERR_AGAIN, r.st);
    assert_non_null(strstr(r.why, "redirects are not followed"));
    assert_int_equal(asked, 1);
    body = "<html>";
    assert_status(VN_ERR_MALFORMED, ask("/html", "a").st);
    char *large = malloc(VN_JWKS_BYTES_MAX + 2);
    memset(large, ' ', VN_JWKS_BYTES_MAX + 1);
    large[VN_JWKS_BYTES_MAX + 1] = 0;
    body = large;
    assert_status(VN_ERR_MALFORMED, ask("/large", "a").st);
    body = "";
    free(large);
}

static void only_where_it_may(void **state)
{
    (void)state;
    cfg.network_count = 0;
    struct result r = ask("/keys", "a");
    assert_status(VN_ERR_DENIED, r.st);
    assert_non_null(strstr(r.why, "--provider-networks"));
    /* by name, and in other words */
    const char *port = strrchr(tls_server_url(server), ':');
    static const char *const HOSTS[] = {
        "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "[::1]", "0.0.0.0", "[::]"};
    for (size_t i = 0; i < VN_ARRAY_LEN(HOSTS); i++) {
        char url[64];
        snprintf(url, sizeof(url), "https://%s%s/keys", HOSTS[i], port);
        r = ask(url, "a");
        if (r.st != VN_ERR_DENIED)
            fail_msg("%s: %s", url, r.why);
    }
    assert_int_equal(asked, 0);
    /* a moment later it may: it is looked at when the connection is made */
    cfg.network_count = 1;
    move_ms(VN_JWKS_FAILED_AGAIN_MS + 1);
    assert_true(ask("/keys", "a").has_a);
    cfg.ca_pem = NULL; /* for the next one: nobody vouches for it then */
    vn_providers_free(p);
    assert_ok(vn_providers_new(&io, &cfg, &p));
    assert_status(VN_ERR_AUTH, ask("/keys", "a").st);
    assert_int_equal(asked, 1);
}

static void the_oldest_set_makes_room(void **state)
{
    (void)state;
    char path[32];
    for (unsigned i = 0; i <= VN_PROVIDER_URLS_MAX; i++) {
        snprintf(path, sizeof(path), "/keys-%u", i);
        assert_true(ask(path, "a").has_a);
    }
    assert_int_equal(asked, VN_PROVIDER_URLS_MAX + 1);
    assert_true(ask("/keys-1", "a").has_a);
    assert_int_equal(asked, VN_PROVIDER_URLS_MAX + 1);
    assert_true(ask("/keys-0", "a").has_a);
    assert_int_equal(asked, VN_PROVIDER_URLS_MAX + 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(kept_as_long_as_it_says),
        TEST(an_unknown_key_is_asked_for_once_a_minute),
        TEST(many_wait_for_one_answer),
        TEST(at_most_so_many_wait),
        TEST(a_failure_is_told_and_not_repeated),
        TEST(answers_that_are_none),
        TEST(only_where_it_may),
        TEST(the_oldest_set_makes_room),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
