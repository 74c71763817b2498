/* What a login brings, verified as a node would, in both suites. */
#include "base/text.h"
#include "crypto/x509.h"
#include "guardian/issue.h"
#include "guardian/json.h"
#include "guardian/realm_make.h"
#include "support/test.h"
#include "wire/hourkeys.h"

#define NOW 1700000000000ull

static struct vn_realm *make_realm(enum vn_suite suite)
{
    struct vn_realm_init init = {
        .name = "home", .suite = suite, .access = VN_ACCESS_TAINTS, .session_lifetime_s = 43200};
    assert_ok(vn_prefix_parse("10.77.0.0/16", &init.range4));
    struct vn_realm_record record;
    struct vn_realm *realm = NULL;
    assert_ok(vn_realm_generate(&init, NOW, &record));
    assert_ok(vn_realm_load(&record, &realm));
    return realm;
}

static void make_node(const struct vn_realm *realm, const char *taints, struct vn_sig_key *key,
                      struct vn_conflux_record *c)
{
    *c = (struct vn_conflux_record){.id = {{5}},
                                    .realm = realm->r.id,
                                    .owner = {{6}},
                                    .tag = "web",
                                    .ip4 = 0x0a4d0005,
                                    .statement_number = 42,
                                    .has_session = true};
    assert_ok(vn_taints_parse(taints, &c->taints));
    assert_ok(vn_realm_ip6(realm, &c->id, &c->ip6));
    struct vn_span pk = vn_sig_pk(key);
    memcpy(c->session.sig_pk, pk.p, pk.n);
    c->session.sig_pk_n = pk.n;
    assert_ok(vn_node_id_of(pk, &c->session.node));
    c->session.serial[0] = 0x41;
    c->session.not_after_ms = NOW + 43200000;
}

/* The realm's rule takes the right to relay, and no other. */
static void rights_under_rules(struct vn_realm *realm, const struct vn_guardian_config *cfg,
                               struct vn_conflux_record *c, struct vn_span csr,
                               const struct vn_sig_pub *issuing)
{
    static const struct {
        enum vn_relay_rule rule;
        bool public, right, may;
    } CASES[] = {
        {VN_RELAYS_ALL, false, true, true},     {VN_RELAYS_ALL, true, false, false},
        {VN_RELAYS_PUBLIC, false, true, false}, {VN_RELAYS_PUBLIC, true, true, true},
        {VN_RELAYS_PUBLIC, true, false, false}, {VN_RELAYS_NONE, true, true, false},
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(CASES); i++) {
        VN_CLEANUP(vn_json_freep) json_t *a = NULL;
        static uint8_t buf[VN_CERT_MAX];
        static struct vn_identity id;
        size_t n;
        realm->r.relay = CASES[i].rule;
        c->public = CASES[i].public;
        c->rights.bits = VN_RIGHT_PORTAL | (CASES[i].right ? VN_RIGHT_RELAY : 0);
        assert_ok(vn_issue_login_answer(cfg, realm, c, csr, NOW, &a));
        assert_ok(vn_json_get_bytes(a, "certificate", buf, sizeof(buf), &n));
        assert_ok(vn_x509_check_identity(VN_SPAN(buf, n), issuing, &realm->r.id, NOW, &id));
        assert_int_equal(id.rights, VN_RIGHT_PORTAL | (CASES[i].may ? VN_RIGHT_RELAY : 0));
        assert_int_equal(id.prefix_count, 1);
    }
}

static void login_answer(enum vn_suite suite_id)
{
    struct vn_realm *realm = make_realm(suite_id);
    realm->r.admission.show_country = suite_id == VN_SUITE_CNSA; /* one of the two */
    const struct vn_suite_info *suite = realm->suite;
    struct vn_guardian_config cfg = {.public_host = "g.example",
                                     .public_port = 8443,
                                     .master_port = 4222,
                                     .stun = {{.port = 3478}},
                                     .stun_count = 1,
                                     .turn = {.secret = "north"}};
    assert_ok(vn_ice_url_parse("turn:192.0.2.2?transport=tcp", &cfg.turn.urls[0]));
    cfg.turn.url_count = 1;
    vn_turn_resolve(&cfg.turn, 1);
    assert_ok(vn_ip_parse("192.0.2.1", &cfg.stun[0].ip));
    VN_CLEANUP(vn_secret_strp) char *ca_key = NULL;
    assert_ok(vn_tls_key_new(&ca_key));
    assert_ok(vn_tls_ca_new(ca_key, "CA", NOW - 1000, NOW + 86400000, &cfg.ca_cert_pem));
    assert_ok(vn_tls_ca_open(ca_key, cfg.ca_cert_pem, &cfg.ca));
    VN_CLEANUP(vn_sig_freep) struct vn_sig_key *key = NULL;
    VN_CLEANUP(vn_secret_strp) char *tls_key = NULL;
    uint8_t *csr = NULL;
    size_t csr_n;
    assert_ok(vn_sig_generate(suite->sig, &key));
    assert_ok(vn_tls_key_new(&tls_key));
    assert_ok(vn_tls_csr(tls_key, "x", &csr, &csr_n));
    struct vn_conflux_record c;
    make_node(realm, "db,home", key, &c);
    c.rights.bits = VN_RIGHT_RELAY;
    assert_ok(vn_portal_parse("192.168.7.0/24", &c.rights));
    snprintf(c.session.country, sizeof(c.session.country), "NL");

    VN_CLEANUP(vn_json_freep) json_t *a = NULL;
    assert_ok(vn_issue_login_answer(&cfg, realm, &c, VN_SPAN(csr, csr_n), NOW, &a));
    const json_t *r = json_object_get(a, "realm");
    static uint8_t buf[VN_CERT_MAX];
    size_t n;
    VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *root = NULL;
    VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *issuing = NULL;
    VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *command = NULL;
    assert_ok(vn_json_get_bytes(r, "root_cert", buf, sizeof(buf), &n));
    assert_ok(vn_x509_check_authority(VN_AUTHORITY_ROOT, &realm->r.id, VN_SPAN(buf, n), NULL, NOW,
                                      &root));
    assert_ok(vn_json_get_bytes(r, "issuing_cert", buf, sizeof(buf), &n));
    assert_ok(vn_x509_check_authority(VN_AUTHORITY_ISSUING, &realm->r.id, VN_SPAN(buf, n), root,
                                      NOW, &issuing));
    assert_ok(vn_json_get_bytes(r, "command_cert", buf, sizeof(buf), &n));
    assert_ok(vn_x509_check_authority(VN_AUTHORITY_COMMAND, &realm->r.id, VN_SPAN(buf, n), root,
                                      NOW, &command));
    const json_t *servers = json_object_get(r, "ice_servers");
    assert_int_equal(json_array_size(servers), 2);
    const json_t *stun = json_array_get(servers, 0), *turn = json_array_get(servers, 1);
    assert_string_equal(json_string_value(json_object_get(stun, "ip")), "192.0.2.1");
    assert_string_equal(json_string_value(json_object_get(stun, "url")), "stun:192.0.2.1:3478");
    assert_null(json_object_get(stun, "credential"));
    assert_string_equal(json_string_value(json_object_get(turn, "ip")), "192.0.2.2");
    assert_string_equal(json_string_value(json_object_get(turn, "url")),
                        "turn:192.0.2.2:3478?transport=tcp");
    char expected[VN_TURN_USERNAME_MAX + 1], node[VN_ID_TEXT];
    vn_id_format(&c.session.node, node);
    snprintf(expected, sizeof(expected), "%llu:%s",
             (unsigned long long)((c.session.not_after_ms + VN_TURN_SLACK_MS) / 1000), node);
    assert_string_equal(json_string_value(json_object_get(turn, "username")), expected);
    assert_int_equal(json_string_length(json_object_get(turn, "credential")), 28);

    static struct vn_identity id;
    assert_ok(vn_json_get_bytes(a, "certificate", buf, sizeof(buf), &n));
    assert_ok(vn_x509_check_identity(VN_SPAN(buf, n), issuing, &realm->r.id, NOW, &id));
    assert_string_equal(id.tag, "web");
    assert_int_equal(id.addr_count, 2);
    assert_memory_equal(id.serial, c.session.serial, 16);
    assert_int_equal(id.rights, VN_RIGHT_RELAY | VN_RIGHT_PORTAL);
    assert_true(vn_identity_may(&id, VN_RIGHT_RELAY) && !vn_identity_may(&id, VN_RIGHT_CONDUIT));
    assert_int_equal(id.prefix_count, 1);
    assert_int_equal(id.prefixes[0].bits, 120);
    assert_string_equal(id.country, suite_id == VN_SUITE_CNSA ? "NL" : "");
    assert_int_equal(id.not_after_ms, c.session.not_after_ms);

    struct vn_statement s;
    static uint8_t statement[VN_STATEMENT_MAX];
    struct vn_statement_out out = {.bytes = statement};
    assert_null(json_object_get(a, "statement"));
    assert_ok(vn_issue_unsigned_statement(realm, &c, statement, &out.n));
    assert_ok(vn_statements_sign(realm->command_key, &out, 1));
    assert_ok(vn_issue_put_statement(a, VN_SPAN(statement, out.n)));
    assert_ok(vn_json_get_bytes(a, "statement", buf, sizeof(buf), &n));
    assert_ok(vn_statement_check(VN_SPAN(buf, n), command, suite, &realm->r.id, NOW, &s));
    assert_int_equal(s.number, 42);
    assert_int_equal(s.taint_count, 2);
    assert_int_equal(s.scope_count, 1);

    const json_t *hours = json_object_get(json_object_get(a, "hour_keys"), "keys");
    uint32_t first = (uint32_t)json_integer_value(
        json_object_get(json_object_get(a, "hour_keys"), "first_hour"));
    assert_int_equal(first, vn_hour_of(NOW) - 1);
    assert_int_equal(first + json_array_size(hours) - 1, vn_hour_of(c.session.not_after_ms) + 1);
    assert_true(json_array_size(hours) <= VN_HOURS_MAX);
    char *text = json_dumps(a, JSON_COMPACT);
    assert_true(strlen(text) < 131072);
    free(text);

    rights_under_rules(realm, &cfg, &c, VN_SPAN(csr, csr_n), issuing);

    /* a CSR that its key did not sign */
    csr[csr_n - 5] ^= 1;
    json_t *none = NULL;
    assert_status_not_ok(vn_issue_login_answer(&cfg, realm, &c, VN_SPAN(csr, csr_n), NOW, &none));
    assert_null(none);
    free(csr);
    vn_config_done(&cfg);
    vn_realm_unref(realm);
}

static void default_suite(void **state)
{
    (void)state;
    login_answer(VN_SUITE_DEFAULT);
}

static void cnsa_suite(void **state)
{
    (void)state;
    login_answer(VN_SUITE_CNSA);
}

/* Two nodes decide about each other from what Guardian gave them, as Guardian's own policy does. */
static void policy_and_statements_agree(void **state)
{
    (void)state;
    struct vn_realm *realm = make_realm(VN_SUITE_DEFAULT);
    static const char *const SETS[] = {"", "a", "b", "a,b", "b,c", "a,b,c"};
    struct vn_sig_key *key[2] = {0};
    for (int i = 0; i < 2; i++)
        assert_ok(vn_sig_generate(realm->suite->sig, &key[i]));
    for (size_t x = 0; x < VN_ARRAY_LEN(SETS); x++) {
        for (size_t y = 0; y < VN_ARRAY_LEN(SETS); y++) {
            static struct vn_conflux_record c[2];
            static uint8_t bytes[VN_STATEMENT_MAX];
            struct vn_statement s[2];
            struct vn_own_identity own[VN_TAINTS_MAX + VN_SCOPES_MAX];
            size_t n;
            for (int i = 0; i < 2; i++) {
                make_node(realm, SETS[i ? y : x], key[i], &c[i]);
                struct vn_span signed_part, sig;
                assert_ok(vn_issue_statement(realm, &c[i], 1, bytes, &n));
                assert_ok(vn_statement_decode(VN_SPAN(bytes, n), realm->suite, &s[i], &signed_part,
                                              &sig));
            }
            assert_ok(vn_issue_identities(realm, &c[0], 1, own, VN_ARRAY_LEN(own), &n));
            struct vn_affinity_match match;
            assert_ok(vn_affinity_decide(realm->suite, VN_ACCESS_TAINTS, own, n, &s[0], &s[1],
                                         false, &match));
            const bool want = c[0].taints.n && c[1].taints.n &&
                              (vn_taints_subset(&c[0].taints, &c[1].taints) ||
                               vn_taints_subset(&c[1].taints, &c[0].taints));
            assert_int_equal(match.allowed, want);
        }
    }
    for (int i = 0; i < 2; i++)
        vn_sig_free(key[i]);
    vn_realm_unref(realm);
}

static void changes_without_session(void **state)
{
    (void)state;
    struct vn_realm *realm = make_realm(VN_SUITE_DEFAULT);
    VN_CLEANUP(vn_sig_freep) struct vn_sig_key *key = NULL;
    assert_ok(vn_sig_generate(realm->suite->sig, &key));
    struct vn_conflux_record c;
    make_node(realm, "a", key, &c);
    json_t *a = NULL;
    assert_ok(vn_issue_taints_answer(realm, &c, NOW, &a));
    assert_int_equal(json_object_size(a), 5);
    assert_int_equal(json_integer_value(json_object_get(a, "generation")), 1);
    json_decref(a);
    assert_ok(vn_issue_taints_answer(realm, &c, c.session.not_after_ms, &a));
    assert_int_equal(json_object_size(a), 1);
    json_decref(a);
    c.has_session = false;
    assert_ok(vn_issue_taints_answer(realm, &c, NOW, &a));
    assert_int_equal(json_object_size(a), 1);
    json_decref(a);
    vn_realm_unref(realm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_suite),
        cmocka_unit_test(cnsa_suite),
        cmocka_unit_test(policy_and_statements_agree),
        cmocka_unit_test(changes_without_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
