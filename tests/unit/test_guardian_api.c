/* The client of Guardian's API, and the HTTPS client under it, against a server on the loopback
 * that misbehaves. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "control/guardian_api.h"
#include "control/guardian_enrol.h"
#include "control/http.h"
#include "crypto/x509.h"
#include "loop/io.h"
#include "loop/loop.h"
#include "support/test.h"
#include "support/tls_server.h"

static char *key, *cert;
static uint8_t pin[32];
static struct vn_loop *loop;
static struct vn_io io;

static int setup(void **state)
{
    (void)state;
    const char *hosts[] = {"127.0.0.1"};
    const uint64_t now = vn_clock_wall_ms();
    assert_ok(vn_tls_key_new(&key));
    /* expired: a pinned key's dates do not count */
    assert_ok(vn_tls_self_signed(key, hosts, 1, now - 86400000, now - 3600000, &cert));
    assert_ok(vn_tls_cert_pin(cert, pin));
    assert_ok(vn_loop_new(&loop));
    io = (struct vn_io)VN_LOOP_IO(loop);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vn_secret_strp(&key);
    free(cert);
    vn_loop_free(loop);
    return 0;
}

/* ---- http, blocking ---- */

static struct tls_answer by_path(void *arg, const struct tls_request *rq)
{
    static char big[VN_HTTP_BODY_MAX + 2];
    (void)arg;
    if (strcmp(rq->path, "/ok") == 0)
        return (struct tls_answer){.code = 200, .body = "{\"detail\":\"fine\"}"};
    if (strcmp(rq->path, "/redirect") == 0)
        return (struct tls_answer){.code = 302, .location = "https://127.0.0.1:1/elsewhere"};
    if (strcmp(rq->path, "/big") == 0) {
        memset(big, 'x', sizeof(big) - 1);
        return (struct tls_answer){.code = 200, .body = big};
    }
    if (strcmp(rq->path, "/echo") == 0) {
        static char text[512];
        snprintf(text, sizeof(text), "%s|%s|%.100s", rq->method, rq->authorization, rq->body);
        return (struct tls_answer){.code = 200, .body = text};
    }
    return (struct tls_answer){.hang_up = true};
}

static struct vn_http_response ask(const char *base, const char *path,
                                   const struct vn_http_config *cfg, struct vn_http_request rq,
                                   struct vn_buf *body)
{
    char url[128];
    snprintf(url, sizeof(url), "%s%s", base, path);
    rq.url = url;
    if (!rq.method)
        rq.method = "GET";
    struct vn_http_response res;
    vn_http_perform(cfg, &rq, &res, body);
    return res;
}

static struct vn_http_config pinned(void)
{
    struct vn_http_config c = {.pinned = true};
    memcpy(c.pin, pin, sizeof(pin));
    return c;
}

static void test_http(void **state)
{
    (void)state;
    struct tls_server *s = tls_server_new(key, cert, false, by_path, NULL);
    const char *url = tls_server_url(s);
    const struct vn_http_config cfg = pinned();
    struct vn_buf b;

    struct vn_http_response r =
        ask(url, "/ok", &cfg, (struct vn_http_request){.want_binding = true}, &b);
    assert_status(VN_OK, r.status);
    assert_int_equal(r.code, 200);
    assert_true(r.has_binding);
    assert_span_equal(r.body, VN_SPAN_LIT("{\"detail\":\"fine\"}"));
    vn_buf_wipe(&b);

    r = ask(url, "/echo", &cfg,
            (struct vn_http_request){.method = "POST", .bearer = "T", .body = VN_SPAN_LIT("{}")},
            &b);
    assert_span_equal(r.body, VN_SPAN_LIT("POST|Bearer T|{}"));
    vn_buf_wipe(&b);
    r = ask(url, "/echo", &cfg, (struct vn_http_request){.method = "DELETE", .bearer = "T"}, &b);
    assert_span_equal(r.body, VN_SPAN_LIT("DELETE|Bearer T|"));
    vn_buf_wipe(&b);

    /* not followed */
    r = ask(url, "/redirect", &cfg, (struct vn_http_request){0}, &b);
    assert_status(VN_OK, r.status);
    assert_int_equal(r.code, 302);
    vn_buf_wipe(&b);

    r = ask(url, "/big", &cfg, (struct vn_http_request){0}, &b);
    assert_status(VN_ERR_LIMIT, r.status);
    vn_buf_wipe(&b);

    r = ask(url, "/nothing", &cfg, (struct vn_http_request){.bearer = "very-secret"}, &b);
    assert_status(VN_ERR_AGAIN, r.status);
    assert_null(strstr(r.detail, "very-secret"));
    vn_buf_wipe(&b);
    tls_server_free(s);
}

static void test_http_trust(void **state)
{
    (void)state;
    struct tls_server *s = tls_server_new(key, cert, false, by_path, NULL);
    struct vn_http_config cfg = pinned();
    struct vn_buf b;
    cfg.pin[31] ^= 1;
    struct vn_http_response r =
        ask(tls_server_url(s), "/ok", &cfg, (struct vn_http_request){0}, &b);
    assert_status(VN_ERR_AUTH, r.status);
    assert_non_null(strstr(r.detail, "127.0.0.1"));
    vn_buf_wipe(&b);
    /* without a pin nobody has vouched for it */
    const struct vn_http_config open = {0};
    r = ask(tls_server_url(s), "/ok", &open, (struct vn_http_request){0}, &b);
    assert_status(VN_ERR_AUTH, r.status);
    vn_buf_wipe(&b);
    tls_server_free(s);

    s = tls_server_new(key, cert, true, by_path, NULL);
    cfg = pinned();
    r = ask(tls_server_url(s), "/ok", &cfg, (struct vn_http_request){0}, &b);
    assert_status(VN_ERR_AGAIN, r.status);
    assert_non_null(strstr(r.detail, "TLS 1.3"));
    vn_buf_wipe(&b);
    tls_server_free(s);

    r = ask("https://127.0.0.1:1", "/ok", &cfg, (struct vn_http_request){0}, &b);
    assert_status(VN_ERR_AGAIN, r.status);
    assert_non_null(strstr(r.detail, "https://127.0.0.1:1"));
    vn_buf_wipe(&b);
    r = ask("http://127.0.0.1:1", "/ok", &cfg, (struct vn_http_request){0}, &b);
    assert_status(VN_ERR_ARG, r.status);
    vn_buf_wipe(&b);
}

/* ---- login ---- */

struct fake {
    unsigned hang_up_login; /* so many logins end without an answer */
    unsigned wrong_binding; /* logins whose nonce came over another connection: must not happen */
    unsigned nonces, logins;
    unsigned nonce_connection;
    unsigned char nonce_binding[32];
    unsigned char signed_binding[32];
    int login_code;
    const char *login_body;
};

static struct tls_answer guardian(void *arg, const struct tls_request *rq)
{
    struct fake *f = arg;
    assert_string_equal(rq->authorization, "Bearer h.p.s");
    if (strcmp(rq->path, "/conflux/session/nonce") == 0) {
        f->nonces++;
        f->nonce_connection = rq->connection;
        memcpy(f->nonce_binding, rq->binding, 32);
        return (struct tls_answer){
            .code = 200, .body = "{\"nonce\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}"};
    }
    if (strcmp(rq->path, "/conflux/session/login") == 0) {
        f->logins++;
        if (rq->connection != f->nonce_connection ||
            memcmp(f->signed_binding, rq->binding, 32) != 0)
            f->wrong_binding++;
        if (f->hang_up_login) {
            f->hang_up_login--;
            return (struct tls_answer){.hang_up = true};
        }
        return (struct tls_answer){.code = f->login_code, .body = f->login_body};
    }
    if (strcmp(rq->path, "/conflux/taints") == 0)
        return (struct tls_answer){.code = 403,
                                   .body = "{\"detail\":\"taint \\u001b[31mprod is not yours\"}"};
    if (strcmp(rq->path, "/conflux/peers") == 0)
        return (struct tls_answer){
            .code = 200,
            .body = "{\"items\":[{\"conflux_id\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"tag\":\"b\","
                    "\"ip4\":\"10.77.0.2\",\"ip6\":\"fd00::2\"}]}"};
    assert_string_equal(rq->path, "/conflux/session/logout");
    assert_string_equal(rq->body, "{\"node\":\"AQIDAAAAAAAAAAAAAAAAAA\"}");
    return (struct tls_answer){.code = 204};
}

static struct fake *signing;

static vn_status sign(void *arg, const uint8_t nonce[32], const uint8_t binding[32],
                      const uint8_t token_hash[32], uint8_t *ret_sig, size_t *ret_sig_n,
                      uint8_t ret_nkey_sig[64])
{
    (void)arg;
    (void)nonce;
    (void)token_hash;
    memcpy(signing->signed_binding, binding, 32);
    memset(ret_sig, 1, 3309);
    *ret_sig_n = 3309;
    memset(ret_nkey_sig, 2, 64);
    return VN_OK;
}

struct result {
    unsigned calls;
    vn_status status;
    char detail[VN_GUARDIAN_DETAIL];
    size_t count;
};

static void note(struct result *r, const struct vn_authority_error *err)
{
    r->calls++;
    r->status = err ? err->status : VN_OK;
    snprintf(r->detail, sizeof(r->detail), "%s", err ? err->detail : "");
}

static void on_login(void *arg, struct vn_credentials *cred, const struct vn_authority_error *err)
{
    note(arg, err);
    vn_credentials_free(cred);
}

static void on_taints(void *arg, const struct vn_taint_result *res,
                      const struct vn_authority_error *err)
{
    (void)res;
    note(arg, err);
}

static void on_done(void *arg, const struct vn_authority_error *err)
{
    note(arg, err);
}

static void on_peers(void *arg, const struct vn_peer_entry *list, size_t count,
                     const struct vn_authority_error *err)
{
    note(arg, err);
    ((struct result *)arg)->count = count;
    if (count)
        assert_string_equal(list[0].tag, "b");
}

static void until(const unsigned *calls)
{
    for (int i = 0; i < 10000 && !*calls; i++) {
        vn_loop_poll(loop);
        struct timespec ts = {0, 1000000};
        nanosleep(&ts, NULL);
    }
    assert_int_equal(*calls, 1);
}

static struct vn_guardian_api *api(const char *first, const char *second)
{
    struct vn_guardian_address at = {.url_count = second ? 2 : 1, .pinned = true};
    snprintf(at.urls[0], sizeof(at.urls[0]), "%s", first);
    snprintf(at.urls[1], sizeof(at.urls[1]), "%s", second ? second : "");
    memcpy(at.pin, pin, sizeof(pin));
    const struct vn_guardian_api_config cfg = {
        .io = &io, .guardian = &at, .conflux_token = "h.p.s"};
    struct vn_guardian_api *g;
    assert_ok(vn_guardian_api_new(&cfg, &g));
    return g;
}

static struct result login(struct vn_guardian_api *g)
{
    static const uint8_t pk[1952], ek[1216], csr[300];
    const struct vn_login_request rq = {.sig_pk = VN_SPAN_ARRAY(pk),
                                        .session_ek = VN_SPAN_ARRAY(ek),
                                        .csr = VN_SPAN_ARRAY(csr),
                                        .sign = sign};
    const struct vn_authority *a = vn_guardian_api_port(g);
    struct result r = {0};
    assert_ok(a->login(a->self, &rq, on_login, &r));
    assert_status(VN_ERR_STATE, a->login(a->self, &rq, on_login, &r));
    until(&r.calls);
    return r;
}

static void test_login_refused(void **state)
{
    (void)state;
    struct fake f = {.login_code = 401, .login_body = "{\"detail\":\"this node was removed\"}"};
    signing = &f;
    struct tls_server *s = tls_server_new(key, cert, false, guardian, &f);
    struct vn_guardian_api *g = api(tls_server_url(s), NULL);
    struct result r = login(g);
    assert_status(VN_ERR_AUTH, r.status);
    assert_string_equal(r.detail, "this node was removed");
    assert_int_equal(f.nonces, 1);
    assert_int_equal(f.wrong_binding, 0);

    /* an answer that is none */
    f.login_code = 200;
    f.login_body = "{\"time\": 1}";
    r = login(g);
    assert_status(VN_ERR_MALFORMED, r.status);
    vn_guardian_api_free(g);
    tls_server_free(s);
}

static void test_login_starts_over(void **state)
{
    (void)state;
    struct fake f = {.hang_up_login = 1, .login_code = 403, .login_body = "{}"};
    signing = &f;
    struct tls_server *s = tls_server_new(key, cert, false, guardian, &f);
    struct vn_guardian_api *g = api(tls_server_url(s), NULL);
    /* The connection is lost between nonce and login. libcurl may send the login again over a new
     * one, which Guardian refuses: what counts is that in the end a nonce and a login went over the
     * same. */
    const struct result r = login(g);
    assert_status(VN_ERR_DENIED, r.status);
    assert_true(f.nonces >= 2);
    assert_memory_equal(f.signed_binding, f.nonce_binding, 32);
    vn_guardian_api_free(g);
    tls_server_free(s);
}

static void test_second_guardian(void **state)
{
    (void)state;
    struct fake f = {.login_code = 403, .login_body = "{\"detail\":\"no\"}"};
    signing = &f;
    struct tls_server *s = tls_server_new(key, cert, false, guardian, &f);
    struct vn_guardian_api *g = api("https://127.0.0.1:1", tls_server_url(s));
    struct result r = login(g);
    assert_status(VN_ERR_DENIED, r.status);
    assert_string_equal(vn_guardian_api_url(g), tls_server_url(s));
    vn_guardian_api_free(g);
    tls_server_free(s);

    g = api("https://127.0.0.1:1", "https://127.0.0.1:2");
    r = login(g);
    assert_status(VN_ERR_AGAIN, r.status);
    assert_non_null(strstr(r.detail, "https://127.0.0.1:1:")
                        ?: strstr(r.detail, "https://127.0.0.1:1"));
    vn_guardian_api_free(g);
}

static void test_other_requests(void **state)
{
    (void)state;
    struct fake f = {0};
    struct tls_server *s = tls_server_new(key, cert, false, guardian, &f);
    struct vn_guardian_api *g = api(tls_server_url(s), NULL);
    const struct vn_authority *a = vn_guardian_api_port(g);
    const char *add[] = {"prod"};
    struct result r = {0};
    assert_ok(a->change_taints(a->self, add, 1, NULL, 0, on_taints, &r));
    until(&r.calls);
    assert_status(VN_ERR_DENIED, r.status);
    assert_string_equal(r.detail, "taint  [31mprod is not yours"); /* nothing that moves a cursor */
    r = (struct result){0};
    assert_ok(a->peers(a->self, on_peers, &r));
    until(&r.calls);
    assert_status(VN_OK, r.status);
    assert_int_equal(r.count, 1);
    r = (struct result){0};
    const struct vn_id node = {{1, 2, 3}};
    assert_ok(a->logout(a->self, &node, on_done, &r));
    until(&r.calls);
    assert_status(VN_OK, r.status);
    /* cancelled: no callback, and the same may be asked again */
    r = (struct result){0};
    assert_ok(a->peers(a->self, on_peers, &r));
    a->cancel(a->self);
    assert_ok(a->peers(a->self, on_peers, &r));
    until(&r.calls);
    assert_ok(a->peers(a->self, on_peers, &r));
    vn_guardian_api_free(g);
    tls_server_free(s);
}

/* ---- blocking calls ---- */

static struct tls_answer registrar(void *arg, const struct tls_request *rq)
{
    const unsigned *mode = arg;
    if (strcmp(rq->method, "DELETE") == 0)
        return (struct tls_answer){.code = *mode ? 401 : 204,
                                   .body = *mode ? "{\"detail\":\"gone\"}" : NULL};
    assert_string_equal(rq->path, "/conflux/register");
    assert_string_equal(rq->authorization, "Bearer r.e.g");
    assert_string_equal(rq->body, "{\"tag\":\"n\",\"taints\":[\"x\",\"y\"]}");
    if (*mode)
        return (struct tls_answer){
            .code = 409, .body = "{\"detail\":\"10.77.0.9 is taken: choose another --ip\"}"};
    return (struct tls_answer){.code = 201,
                               .body =
                                   "{\"conflux_id\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"conflux_token\":"
                                   "\"c.o.n\",\"tag\":\"n\",\"ip4\":\"10.77.0.9\","
                                   "\"ip6\":\"fd00::9\",\"taints\":[\"x\",\"y\"],\"realm\":{\"id\":"
                                   "\"AAAAAAAAAAAAAAAAAAAAAQ\",\"name\":\"home\","
                                   "\"suite\":\"cnsa\"},\"warnings\":[\"team z is not yours\"]}"};
}

static void test_register(void **state)
{
    (void)state;
    unsigned mode = 0;
    struct tls_server *s = tls_server_new(key, cert, false, registrar, &mode);
    struct vn_guardian_address at = {.url_count = 1, .pinned = true};
    snprintf(at.urls[0], sizeof(at.urls[0]), "%s", tls_server_url(s));
    memcpy(at.pin, pin, sizeof(pin));
    const char *taints[] = {"x", "y"};
    const struct vn_register_request rq = {
        .tag = "n", .has_taints = true, .taints = taints, .taint_count = 2};
    static struct vn_register_answer a;
    struct vn_guardian_failure err;
    assert_ok(vn_guardian_register(&at, "r.e.g", &rq, &a, &err));
    assert_string_equal(a.conflux_token, "c.o.n");
    assert_int_equal(a.suite, VN_SUITE_CNSA);
    assert_int_equal(a.taint_count, 2);
    assert_string_equal(a.taints[1], "y");
    assert_int_equal(a.warning_count, 1);
    assert_ok(vn_guardian_unregister(&at, "c.o.n", &err));
    mode = 1;
    assert_status(VN_ERR_EXISTS, vn_guardian_register(&at, "r.e.g", &rq, &a, &err));
    assert_true(err.reached);
    assert_string_equal(err.detail, "10.77.0.9 is taken: choose another --ip");
    assert_status(VN_ERR_AUTH, vn_guardian_unregister(&at, "c.o.n", &err));
    tls_server_free(s);
    assert_status(VN_ERR_AGAIN, vn_guardian_register(&at, "r.e.g", &rq, &a, &err));
    assert_false(err.reached);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http),
        cmocka_unit_test(test_http_trust),
        cmocka_unit_test(test_login_refused),
        cmocka_unit_test(test_login_starts_over),
        cmocka_unit_test(test_second_guardian),
        cmocka_unit_test(test_other_requests),
        cmocka_unit_test(test_register),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
