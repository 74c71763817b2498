/* Sign-ins by OpenID Connect without a provider: what discovery may say, flows, and whose account
 * it is. */
#include <stdio.h>
#include <string.h>

#include "guardian/json.h"
#include "guardian/oidc.h"
#include "guardian/oidc_account.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms), cmocka_unit_test(redirects), cmocka_unit_test(discovery),
        cmocka_unit_test(flows), cmocka_unit_test(accounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
