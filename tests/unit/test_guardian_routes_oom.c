/*
 * Every allocation of a request fails once: the answer is "try again" or all of what was asked for,
 * and the store holds what it held before, or what it holds when all went well.
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "base/writer.h"
#include "control/json_alloc.h"
#include "crypto/x509.h"
#include "guardian/json.h"
#include "guardian/statements.h"
#include "support/guardian_world.h"
#include "support/oom.h"
#include "support/test.h"

static struct vn_guardian_world w;
static const uint8_t NONCE[32] = {9};
static char *session_body; /* of a login under NONCE */

struct outcome {
    unsigned status;
    size_t parts;
    uint64_t content, shape;
    char range[48]; /* that a realm was given */
};

struct what {
    enum vn_web_method method;
    const char *path, *bearer, *body;
    unsigned at_least; /* allocations */
    unsigned step;     /* 0: each of them; else every so many */
};

/* What it holds is as at first, and the connection has a nonce. */
static void begin(void)
{
    vn_guardian_world_restore(&w);
    w.conn.has_nonce = true;
    w.conn.nonce_until_ms = UINT64_MAX;
    memcpy(w.conn.nonce, NONCE, sizeof(NONCE));
}

/* With the n-th allocation failing; 0: none. Returns true when one did. */
static bool ask(const struct what *q, size_t n, struct outcome *ret)
{
    begin();
    vn_oom_arm(n);
    vn_guardian_world_ask(&w, q->method, q->path, q->bearer, q->body);
    const bool failed = vn_oom_disarm();
    VN_CLEANUP(vn_json_freep) json_t *j = w.text ? vn_json_load(VN_SPAN_STR(w.text), NULL) : NULL;
    assert_true(w.status == 204 ? !w.text : j != NULL);
    *ret = (struct outcome){.status = w.status,
                            .parts = j ? vn_json_parts(j) : 0,
                            .content = vn_guardian_world_content(&w),
                            .shape = vn_guardian_world_shape(&w)};
    const char *range = json_string_value(json_object_get(j, "ipv4"));
    snprintf(ret->range, sizeof(ret->range), "%s", range ? range : "");
    assert_int_equal(w.g.passwords_running, 0);
    return failed;
}

static void each_fails(const struct what *q)
{
    struct outcome good, now;
    unsigned allowed;
    struct vn_id ids[2];
    char path[128];
    snprintf(path, sizeof(path), "%.*s", (int)strcspn(q->path, "?"), q->path);
    vn_guardian_world_restore(&w);
    const uint64_t before = vn_guardian_world_content(&w);
    assert_false(ask(q, 0, &good));
    if (good.status != vn_route_find(q->method, path, ids, &allowed)->status)
        fail_msg("%s: %u %s", q->path, good.status, w.text ? w.text : "");
    size_t n = 1;
    while (ask(q, n, &now)) {
        const bool well = now.status == good.status;
        if (well ? now.parts != good.parts || now.shape != good.shape ||
                       strcmp(now.range, good.range) != 0
                 : now.status != 503 || (now.content != before && now.shape != good.shape))
            fail_msg("%s: allocation %zu: %u (%zu of %zu parts) %s", q->path, n, now.status,
                     now.parts, good.parts, w.text ? w.text : "");
        n += q->step ? q->step : 1;
    }
    assert_int_equal(now.status, good.status);
    if (n <= q->at_least)
        fail_msg("%s: only %zu allocations", q->path, n - 1);
}

static char realm_query[64], token_query[64], token_body[160], teams_path[64], members_path[64],
    node_path[64], realm_path[64], issuers_path[64];
static const char PROVIDER[] =
    "{\"name\":\"idp\",\"issuer\":\"https://idp.example\",\"client_id\":\"c\"}";
static const char ISSUER[] =
    "{\"name\":\"idp\",\"issuer\":\"https://idp.example\",\"audience\":\"net\","
    "\"jwks_url\":\"https://idp.example/keys\",\"scopes\":[\"groups\"]}";

static void nobody(void **state)
{
    (void)state;
    each_fails(&(struct what){VN_WEB_GET, "/openapi.json", "", NULL, 2000, 499});
    each_fails(&(struct what){VN_WEB_POST, "/auth/login", "",
                              "{\"user\":\"ann\",\"password\":\"" VN_WORLD_PASSWORD "\"}", 30, 0});
}

static void people(void **state)
{
    (void)state;
    const struct what list[] = {
        {VN_WEB_GET, "/auth/profile", w.access, NULL, 30, 0},
        {VN_WEB_POST, token_query, w.access, token_body, 60, 0},
        {VN_WEB_GET, realm_query, w.access, NULL, 40, 0},
        {VN_WEB_POST, "/auth/tokens", w.access, "{\"name\":\"ci\",\"scopes\":[\"read\"]}", 40, 0},
        {VN_WEB_GET, "/auth/tokens", w.access, NULL, 10, 0},
        {VN_WEB_POST, "/realms", w.access, "{\"name\":\"work\"}", 40, 0},
        {VN_WEB_GET, "/realms", w.access, NULL, 30, 0},
        {VN_WEB_POST, realm_path, w.access, "{\"name\":\"new\",\"countries\":[\"DE\"]}", 30, 0},
        {VN_WEB_POST, "/orgs", w.access, "{\"name\":\"other\"}", 20, 0},
        {VN_WEB_POST, teams_path, w.access, "{\"name\":\"dev\"}", 20, 0},
        {VN_WEB_GET, members_path, w.access, NULL, 20, 0},
        {VN_WEB_GET, "/audit", w.access, NULL, 10, 0},
        {VN_WEB_POST, "/users", w.access, "{\"user\":\"bob\"}", 20, 7},
        {VN_WEB_DELETE, node_path, w.access, NULL, 10, 0},
        {VN_WEB_POST, issuers_path, w.access, ISSUER, 40, 0},
        {VN_WEB_GET, issuers_path, w.access, NULL, 10, 0},
        {VN_WEB_POST, "/oidc/providers", w.access, PROVIDER, 30, 0},
        {VN_WEB_GET, "/oidc/providers", w.access, NULL, 5, 0},
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(list); i++)
        each_fails(&list[i]);
}

static void nodes(void **state)
{
    (void)state;
    const struct what list[] = {
        {VN_WEB_POST, "/conflux/register", w.registration,
         "{\"tag\":\"web\",\"taints\":[\"db\"],\"teams\":[\"ops\",\"none\"]}", 60, 0},
        {VN_WEB_GET, "/conflux/session/nonce", w.conflux, NULL, 10, 0},
        {VN_WEB_POST, "/conflux/session/login", w.conflux, session_body, 100, 0},
        {VN_WEB_GET, "/conflux/peers", w.conflux, NULL, 20, 0},
        {VN_WEB_GET, "/conflux/taints", w.conflux, NULL, 10, 0},
        {VN_WEB_POST, "/conflux/taints", w.conflux, "{\"add\":[\"web\"]}", 40, 0},
        {VN_WEB_DELETE, "/conflux/register", w.conflux, NULL, 8, 0},
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(list); i++)
        each_fails(&list[i]);
}

/* ---- a login beside another one ---- */

static void on_signed(struct vn_statement_wait *wait, vn_status st)
{
    (void)wait;
    assert_ok(st);
}

/* It is answered when the other one is as far, and what it gets is signed with the other's. */
static void a_login_waits_for_the_other(void **state)
{
    (void)state;
    static struct vn_statement_wait other = {.fn = on_signed};
    static uint8_t bytes[VN_STATEMENT_MAX];
    VN_CLEANUP(vn_realm_unrefp) struct vn_realm *realm = NULL;
    VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *command = NULL;
    begin();
    assert_ok(vn_guardian_realm(&w.g, &w.realm, &realm));
    struct vn_statement s = {.realm = w.realm, .pk_hash = {.n = realm->suite->hash_len}};
    vn_statements_expect(w.g.statements);
    vn_guardian_world_start(&w, VN_WEB_POST, "/conflux/session/login", w.conflux, session_body);
    assert_int_equal(w.answers, 0);
    other.realm = realm;
    assert_ok(vn_statement_encode(&s, realm->suite, other.bytes, &other.n));
    vn_statements_join(w.g.statements, &other);
    (void)uv_run(&w.loop, UV_RUN_DEFAULT);
    assert_int_equal(w.answers, 1);
    assert_int_equal(w.status, 200);
    VN_CLEANUP(vn_json_freep) json_t *j = vn_json_load(VN_SPAN_STR(w.text), NULL);
    struct vn_span part, sig, others;
    size_t n;
    assert_ok(vn_json_get_bytes(j, "statement", bytes, sizeof(bytes), &n));
    assert_ok(vn_sig_pub_new(realm->suite->sig, vn_sig_pk(realm->command_key), &command));
    assert_ok(vn_statement_check(VN_SPAN(bytes, n), command, realm->suite, &w.realm, 1, &s));
    assert_ok(vn_statement_decode(VN_SPAN(bytes, n), realm->suite, &s, &part, &sig));
    assert_ok(vn_statement_decode(VN_SPAN(other.bytes, other.n), realm->suite, &s, &part, &others));
    const size_t placed = 4 + realm->suite->hash_len;
    assert_int_equal(sig.n, placed + realm->suite->sig_len);
    assert_span_equal(VN_SPAN(sig.p + placed, sig.n - placed),
                      VN_SPAN(others.p + placed, others.n - placed));
}

/* ---- a node's proof ---- */

static void make_session_body(void)
{
    VN_CLEANUP(vn_sig_freep) struct vn_sig_key *identity = NULL;
    VN_CLEANUP(vn_sig_freep) struct vn_sig_key *user = NULL;
    VN_CLEANUP(vn_kem_freep) struct vn_kem_dk *dk = NULL;
    VN_CLEANUP(vn_secret_strp) char *tls_key = NULL;
    const struct vn_suite_info *suite = vn_suite_get(VN_SUITE_DEFAULT);
    uint8_t *csr, hash[32], binding[32], proof[16384], sig[VN_SIG_MAX], nkey_sig[64];
    char nkey[VN_NKEY_TEXT];
    size_t csr_n;
    assert_ok(vn_sig_generate(suite->sig, &identity));
    assert_ok(vn_sig_generate(VN_SIG_ED25519, &user));
    assert_ok(vn_kem_generate(suite->kem, &dk));
    assert_ok(vn_tls_key_new(&tls_key));
    assert_ok(vn_tls_csr(tls_key, "x", &csr, &csr_n));
    assert_ok(vn_token_hash(w.conflux, hash));
    assert_ok(w.conn.binding(&w.conn, binding));
    assert_ok(vn_nkey_public(VN_NKEY_USER, vn_sig_pk(user).p, nkey));
    struct vn_writer out = vn_writer_of(proof, sizeof(proof));
    vn_write_bytes(&out, NONCE, 32);
    vn_write_bytes(&out, binding, 32);
    vn_write_bytes(&out, hash, 32);
    vn_write_bytes(&out, w.realm.b, VN_ID_LEN);
    vn_write_block16(&out, vn_sig_pk(identity));
    vn_write_block16(&out, vn_kem_ek(dk));
    vn_write_bytes(&out, vn_sig_pk(user).p, 32);
    vn_write_block16(&out, VN_SPAN(csr, csr_n));
    assert_ok(vn_sig_sign(identity, "anchor-pop-v1", vn_writer_span(&out), sig));
    assert_ok(vn_sig_sign(user, NULL, vn_writer_span(&out), nkey_sig));
    VN_CLEANUP(vn_json_freep)
    json_t *o = json_pack(
        "{s:o, s:o, s:o, s:s, s:o, s:o, s:o}", "nonce", vn_json_b64(VN_SPAN_ARRAY(NONCE)), "sig_pk",
        vn_json_b64(vn_sig_pk(identity)), "session_ek", vn_json_b64(vn_kem_ek(dk)), "nkey", nkey,
        "csr", vn_json_b64(VN_SPAN(csr, csr_n)), "sig", vn_json_b64(VN_SPAN(sig, suite->sig_len)),
        "nkey_sig", vn_json_b64(VN_SPAN_ARRAY(nkey_sig)));
    session_body = vn_json_dump(o, JSON_COMPACT);
    assert_non_null(session_body);
    free(csr);
}

static int setup(void **state)
{
    (void)state;
    char id[VN_ID_TEXT];
    vn_log_setup(VN_LOG_ERROR, -1);
    vn_json_begin(); /* from here on jansson's allocations count */
    vn_guardian_world_init(&w);
    make_session_body();
    vn_id_format(&w.realm, id);
    snprintf(realm_query, sizeof(realm_query), "/conflux?realm=%s", id);
    snprintf(realm_path, sizeof(realm_path), "/realms/%s", id);
    snprintf(token_query, sizeof(token_query), "/auth/registration-tokens");
    snprintf(token_body, sizeof(token_body),
             "{\"realm\":\"%s\",\"taints\":[\"db\"],\"allowed_taints\":[\"db\",\"web\"]}", id);
    vn_id_format(&w.org, id);
    snprintf(teams_path, sizeof(teams_path), "/orgs/%s/teams", id);
    snprintf(members_path, sizeof(members_path), "/orgs/%s/members", id);
    vn_id_format(&w.node, id);
    snprintf(node_path, sizeof(node_path), "/conflux/%s", id);
    vn_id_format(&w.realm, id);
    snprintf(issuers_path, sizeof(issuers_path), "/realms/%s/issuers", id);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vn_secret_strp(&session_body);
    vn_guardian_world_done(&w);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody),
        cmocka_unit_test(people),
        cmocka_unit_test(nodes),
        cmocka_unit_test(a_login_waits_for_the_other),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
