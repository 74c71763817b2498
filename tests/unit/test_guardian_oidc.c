/* Sign-ins by OpenID Connect without a provider: what discovery may say, flows, and whose account
 * it is. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "guardian/json.h"
#include "guardian/oidc.h"
#include "guardian/oidc_account.h"
#include "support/guardian_world.h"
#include "support/store_world.h"
#include "support/test.h"

#define NOW 1700000000000ull
#define ISSUER "https://idp.example/x"

/* ---- texts ---- */

static void forms(void **state)
{
    (void)state;
    char text[32] = "";
    assert_ok(vn_oidc_form_add(text, sizeof(text), "a", "b c&d=\xc3\xa4~"));
    assert_string_equal(text, "a=b%20c%26d%3D%C3%A4~");
    for (size_t cap = 1; cap < strlen("n=%26%26") + 1; cap++) {
        char small[16] = "";
        memset(small + cap, 'X', sizeof(small) - cap);
        assert_status(VN_ERR_LIMIT, vn_oidc_form_add(small, cap, "n", "&&"));
        assert_int_equal(small[cap], 'X');
    }
    char url[64];
    assert_ok(vn_oidc_discovery_url("https://a.example/", url, sizeof(url)));
    assert_string_equal(url, "https://a.example/.well-known/openid-configuration");
    assert_status(VN_ERR_LIMIT, vn_oidc_discovery_url("https://a.example/", url, 20));
}

static void redirects(void **state)
{
    (void)state;
    static const char *const GOOD[] = {"http://127.0.0.1:1", "http://127.0.0.1:65535/callback?x=1",
                                       "http://[::1]:8080/"};
    static const char *const BAD[] = {"",
                                      "https://127.0.0.1:1",
                                      "http://127.0.0.1/",
                                      "http://127.0.0.1:/",
                                      "http://127.0.0.1:1@e.example/",
                                      "http://127.0.0.1:1.e.example/",
                                      "http://127.0.0.1:123456/",
                                      "http://localhost:1/",
                                      "http://127.0.0.1:1/#x",
                                      "http://127.0.0.1:1\\@e.example",
                                      "http://127.0.0.1.e.example:1/"};
    for (size_t i = 0; i < VN_ARRAY_LEN(GOOD); i++)
        assert_true(vn_oidc_redirect_valid(GOOD[i]));
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++)
        if (vn_oidc_redirect_valid(BAD[i]))
            fail_msg("%s", BAD[i]);
}

static vn_status discovered(const char *change, struct vn_oidc_discovery *ret)
{
    VN_CLEANUP(vn_json_freep)
    json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "issuer", ISSUER, "authorization_endpoint",
                          "https://idp.example/auth?a=b", "token_endpoint",
                          "https://idp.example/token", "jwks_uri", "https://keys.example/");
    VN_CLEANUP(vn_json_freep) json_t *more = json_loads(change, 0, NULL);
    const char *why = NULL;
    assert_int_equal(json_object_update(o, more), 0);
    vn_status st = vn_oidc_discovery_read(o, ISSUER, ret, &why);
    assert_true((st == VN_OK) == (why == NULL));
    return st;
}

static void discovery(void **state)
{
    (void)state;
    struct vn_oidc_discovery d;
    assert_ok(discovered("{}", &d));
    assert_true(d.basic && !d.names_iss);
    assert_string_equal(d.jwks, "https://keys.example/");
    assert_ok(discovered("{\"token_endpoint_auth_methods_supported\":[\"client_secret_post\"],"
                         "\"authorization_response_iss_parameter_supported\":true,"
                         "\"code_challenge_methods_supported\":[\"plain\",\"S256\"]}",
                         &d));
    assert_true(!d.basic && d.names_iss);
    static const char *const BAD[] = {"{\"issuer\":\"https://idp.example/x/\"}",
                                      "{\"issuer\":null}",
                                      "{\"token_endpoint\":\"http://idp.example/token\"}",
                                      "{\"token_endpoint\":7}",
                                      "{\"jwks_uri\":\"https://u@keys.example/\"}",
                                      "{\"authorization_endpoint\":\"javascript:alert(1)\"}",
                                      "{\"code_challenge_methods_supported\":[\"plain\"]}"};
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++)
        assert_status(VN_ERR_MALFORMED, discovered(BAD[i], &d));
}

/* ---- flows ---- */

static void flows(void **state)
{
    (void)state;
    struct vn_oidc_flows *f = NULL;
    struct vn_oidc_flow *flow, taken;
    char secret[VN_OIDC_SECRET + 1], other[VN_OIDC_SECRET + 1], state_text[VN_OIDC_SECRET + 1];
    assert_ok(vn_oidc_flows_new(&f));
    assert_ok(vn_oidc_flow_begin(f, 1000, &flow, secret));
    snprintf(state_text, sizeof(state_text), "%s", flow->state);
    assert_string_not_equal(flow->state, flow->nonce);
    assert_string_not_equal(flow->nonce, flow->verifier);
    assert_ok(vn_oidc_flow_begin(f, 1000, &flow, other));
    assert_status(VN_ERR_NOTFOUND, vn_oidc_flow_take(f, "", state_text, 1000, &taken));
    /* once, and not later than it may */
    assert_ok(vn_oidc_flow_take(f, secret, state_text, 1000 + VN_OIDC_FLOW_MS - 1, &taken));
    assert_status(VN_ERR_NOTFOUND, vn_oidc_flow_take(f, secret, state_text, 1000, &taken));
    /* another one's state ends it */
    snprintf(secret, sizeof(secret), "%s", flow->state);
    assert_status(VN_ERR_NOTFOUND, vn_oidc_flow_take(f, other, state_text, 1000, &taken));
    assert_status(VN_ERR_NOTFOUND, vn_oidc_flow_take(f, other, secret, 1000, &taken));
    assert_ok(vn_oidc_flow_begin(f, 1000, &flow, other));
    snprintf(secret, sizeof(secret), "%s", flow->state);
    assert_status(VN_ERR_NOTFOUND,
                  vn_oidc_flow_take(f, other, secret, 1000 + VN_OIDC_FLOW_MS, &taken));
    /* the oldest makes room */
    assert_ok(vn_oidc_flow_begin(f, 1000, &flow, other));
    snprintf(state_text, sizeof(state_text), "%s", flow->state);
    for (size_t i = 0; i < VN_OIDC_FLOWS_MAX; i++)
        assert_ok(vn_oidc_flow_begin(f, 1000, &flow, secret));
    assert_status(VN_ERR_NOTFOUND, vn_oidc_flow_take(f, other, state_text, 1000, &taken));
    snprintf(state_text, sizeof(state_text), "%s", flow->state);
    assert_ok(vn_oidc_flow_take(f, secret, state_text, 1000, &taken));
    f = vn_oidc_flows_free(f);
}

/* ---- accounts ---- */

static vn_status account(struct vn_store *s, const struct vn_oidc_provider *p, const char *claims,
                         struct vn_user_record *ret, bool *ret_new)
{
    VN_CLEANUP(vn_json_freep) json_t *o = json_loads(claims, 0, NULL);
    assert_non_null(o);
    return vn_oidc_account(s, p, o, NOW, ret, ret_new);
}

static void accounts(void **state)
{
    (void)state;
    struct vn_store_world w;
    struct vn_oidc_provider p = {.name = "idp", .issuer = ISSUER}, q = {.name = "other"};
    struct vn_user_record u, waiting = {.id = {{1}}, .name = "ann@example.org"},
                             local = {.id = {{2}}, .name = "bob@example.org", .password = "x"};
    bool new;
    vn_store_world_init(&w, NOW);
    snprintf(q.issuer, sizeof(q.issuer), "https://other.example");
    assert_ok(vn_store_user_add(w.s, &waiting));
    assert_ok(vn_store_user_add(w.s, &local));
    static const char ANN[] = "{\"sub\":\"1\",\"email\":\"Ann@Example.org\",\"email_verified\":"
                              "\"true\",\"name\":\"Ann\"}";
    static const char *const NOBODY[] = {"{}", "{\"sub\":\"\"}", "{\"sub\":7}"};
    for (size_t i = 0; i < VN_ARRAY_LEN(NOBODY); i++)
        assert_status(VN_ERR_MALFORMED, account(w.s, &p, NOBODY[i], &u, &new));
    assert_status(VN_ERR_DENIED, account(w.s, &p, "{\"sub\":\"9\"}", &u, &new));
    assert_status(VN_ERR_DENIED,
                  account(w.s, &p, "{\"sub\":\"9\",\"email\":\"ann@example.org\"}", &u, &new));
    assert_ok(account(w.s, &p, ANN, &u, &new));
    assert_true(new && vn_id_equal(&u.id, &waiting.id));
    assert_ok(account(w.s, &p, "{\"sub\":\"1\"}", &u, &new));
    assert_true(!new && vn_id_equal(&u.id, &waiting.id));
    /* it waits no more, for whoever shows the address next, there or elsewhere */
    assert_status(VN_ERR_DENIED, account(w.s, &q, ANN, &u, &new));
    assert_status(VN_ERR_DENIED, account(w.s, &p,
                                         "{\"sub\":\"2\",\"email\":\"bob@example.org\","
                                         "\"email_verified\":true}",
                                         &u, &new));
    /* who signs up gets a name that says nothing false */
    p.sign_up = q.sign_up = true;
    assert_ok(account(w.s, &q, ANN, &u, &new));
    assert_true(new && strncmp(u.name, "other-", 6) == 0 && !vn_id_equal(&u.id, &waiting.id));
    assert_string_equal(u.display_name, "Ann");
    struct vn_user_record again;
    assert_ok(account(w.s, &q, "{\"sub\":\"1\",\"name\":\"\\u009b2J\"}", &again, &new));
    assert_true(!new && vn_id_equal(&u.id, &again.id));
    assert_ok(account(w.s, &p,
                      "{\"sub\":\"3\",\"email\":\"c@example.org\",\"email_verified\":true,"
                      "\"name\":\"\\u009b2J\",\"preferred_username\":\"admin\"}",
                      &u, &new));
    assert_string_equal(u.name, "c@example.org");
    assert_string_equal(u.display_name, "");
    assert_false(u.superuser || u.password[0]);
    vn_store_world_done(&w);
}

/* ---- links ---- */

static vn_status linked(struct vn_store *s, const struct vn_oidc_provider *p, const char *subject,
                        const struct vn_user_record *u, bool *ret_new)
{
    struct vn_identity_record i;
    VN_CLEANUP(vn_json_freep)
    json_t *o = json_pack("{s:s, s:s, s:b}", "sub", subject, "email", "bob@example.org",
                          "email_verified", 1);
    vn_status st = vn_oidc_link(s, p, o, &u->id, NOW, &i, ret_new);
    if (st == VN_OK)
        assert_string_equal(i.subject, subject);
    return st;
}

static void account_links(void **state)
{
    (void)state;
    struct vn_store_world w;
    const struct vn_oidc_provider p = {.name = "idp", .issuer = ISSUER, .sign_up = true};
    const struct vn_user_record ann = {.id = {{1}}, .name = "ann@example.org", .password = "x"},
                                bob = {.id = {{2}}, .name = "bob@example.org"};
    struct vn_user_record u;
    bool new;
    char subject[16];
    vn_store_world_init(&w, NOW);
    assert_ok(vn_store_user_add(w.s, &ann));
    assert_ok(vn_store_user_add(w.s, &bob));
    assert_status(VN_ERR_MALFORMED, linked(w.s, &p, "", &ann, &new));
    assert_ok(linked(w.s, &p, "1", &ann, &new)); /* whatever address it has */
    assert_true(new);
    assert_ok(linked(w.s, &p, "1", &ann, &new));
    assert_false(new);
    assert_status(VN_ERR_EXISTS, linked(w.s, &p, "1", &bob, &new));
    assert_ok(account(w.s, &p, "{\"sub\":\"1\"}", &u, &new));
    assert_true(!new && vn_id_equal(&u.id, &ann.id));
    for (int i = 2; i <= VN_OIDC_IDENTITIES_MAX; i++) {
        snprintf(subject, sizeof(subject), "%d", i);
        assert_ok(linked(w.s, &p, subject, &ann, &new));
    }
    assert_status(VN_ERR_LIMIT, linked(w.s, &p, "more", &ann, &new));
    assert_ok(linked(w.s, &p, "more", &bob, &new));
    vn_store_world_done(&w);
}

/* ---- requests ---- */

#define BEGIN "{\"provider\":\"idp\",\"redirect_uri\":\"http://127.0.0.1:1/\"}"
#define FINISH "{\"flow\":\"x\",\"state\":\"x\",\"code\":\"x\"}"
#define ASK_PASSWORD "{\"provider\":\"idp\",\"email\":\"x\",\"password\":\"x\"}"

static struct vn_guardian_world g;

static int setup(void **state)
{
    (void)state;
    const struct vn_oidc_provider idp = {.id = {{1}}, .name = "idp", .issuer = ISSUER},
                                  base = {.id = {{2}},
                                          .name = "base",
                                          .issuer = "https://base.example",
                                          .supabase = true};
    vn_guardian_world_init(&g);
    assert_ok(vn_store_oidc_add(g.g.store, &idp));
    assert_ok(vn_store_oidc_add(g.g.store, &base));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vn_guardian_world_done(&g);
    return 0;
}

static unsigned post(const char *path, const char *bearer, const char *body)
{
    vn_guardian_world_ask(&g, VN_WEB_POST, path, bearer, body);
    return g.status;
}

/* Before Guardian has all that it needs for it, and while it stops. */
static void without_flows(void **state)
{
    (void)state;
    static const char BASE[] = "{\"provider\":\"base\",\"email\":\"x\",\"password\":\"x\"}";
    assert_int_equal(post("/auth/oidc/finish", "", FINISH), 503);
    assert_int_equal(post("/auth/identities/finish", g.access, FINISH), 503);
    assert_int_equal(post("/auth/oidc/begin", "", BEGIN), 502);
    assert_int_equal(post("/auth/identities/begin", g.access, BEGIN), 502);
    assert_int_equal(post("/auth/oidc/password", "", ASK_PASSWORD), 409);
    assert_int_equal(post("/auth/oidc/password", "", BASE), 502);
    assert_int_equal(post("/auth/identities/password", g.access, BASE), 502);
}

/* A copied token of an old sign-in makes no way in that outlasts it. */
static void old_sign_ins(void **state)
{
    (void)state;
    const uint64_t now_ms = vn_clock_wall_ms();
    struct vn_user_session old = {.id = {{31}},
                                  .user = g.user,
                                  .created_ms = now_ms - 601000,
                                  .expires_ms = now_ms + 1000000};
    const struct vn_token claims = {.type = VN_TOKEN_ACCESS,
                                    .id = g.user,
                                    .realm = old.id,
                                    .issued_ms = now_ms,
                                    .expires_ms = now_ms + 1000000};
    VN_CLEANUP(vn_secret_strp) char *token = NULL;
    assert_ok(vn_store_session_add(g.g.store, &old));
    assert_ok(vn_token_issue(&g.g.cfg.token_keys, &claims, &token));
    vn_guardian_world_ask(&g, VN_WEB_GET, "/auth/identities", token, NULL);
    assert_int_equal(g.status, 200);
    assert_int_equal(post("/auth/identities/begin", token, BEGIN), 403);
    assert_non_null(strstr(g.text, "log in again"));
    assert_int_equal(post("/auth/identities/password", token, ASK_PASSWORD), 403);
    vn_guardian_world_ask(&g, VN_WEB_DELETE, "/auth/identities/AAAAAAAAAAAAAAAAAAAAAA", token,
                          NULL);
    assert_int_equal(g.status, 403);
    vn_guardian_world_ask(&g, VN_WEB_DELETE, "/auth/identities/AAAAAAAAAAAAAAAAAAAAAA", g.access,
                          NULL);
    assert_int_equal(g.status, 404);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(redirects),
        cmocka_unit_test(discovery),
        cmocka_unit_test(flows),
        cmocka_unit_test(accounts),
        cmocka_unit_test(account_links),
        cmocka_unit_test_setup_teardown(without_flows, setup, teardown),
        cmocka_unit_test_setup_teardown(old_sign_ins, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
