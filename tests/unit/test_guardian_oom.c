/*
 * Every allocation while Guardian issues fails once: whoever asked is told to come again, nobody is
 * refused for it, and nothing goes out that lacks a part.
 */
#include <stdlib.h>

#include "control/json_alloc.h"
#include "crypto/x509.h"
#include "guardian/issue.h"
#include "guardian/json.h"
#include "guardian/realm_make.h"
#include "guardian/token.h"
#include "support/guardian_world.h"
#include "support/oom.h"
#include "support/test.h"

#define NOW 1700000000000ull

static struct vn_realm *realm;
static struct vn_conflux_record node;
static struct vn_token_keys keys;
static struct vn_guardian_config config;
static uint8_t *csr;
static size_t csr_n;

static vn_status tokens(void)
{
    VN_CLEANUP(vn_secret_strp) char *jwt = NULL;
    VN_CLEANUP(vn_secret_strp) char *join = NULL;
    const struct vn_token t = {.type = VN_TOKEN_REGISTRATION,
                               .id = {{1}},
                               .realm = {{2}},
                               .issued_ms = NOW,
                               .expires_ms = NOW + 1000};
    struct vn_token back;
    const uint8_t pin[32] = {3};
    vn_status st = vn_token_issue(&keys, &t, &jwt);
    if (st == VN_OK)
        st = vn_token_check(&keys, VN_TOKEN_REGISTRATION, jwt, NOW, &back);
    return st == VN_OK ? vn_join_token("https://g:8443", pin, jwt, &join) : st;
}

static vn_status realm_made(void)
{
    struct vn_realm_init init = {.name = "home",
                                 .suite = VN_SUITE_DEFAULT,
                                 .access = VN_ACCESS_TAINTS,
                                 .session_lifetime_s = 43200};
    struct vn_realm_record record;
    struct vn_realm *r = NULL;
    assert_ok(vn_prefix_parse("10.77.0.0/16", &init.range4));
    vn_status st = vn_realm_generate(&init, NOW, &record);
    if (st == VN_OK)
        st = vn_realm_load(&record, &r);
    vn_realm_unref(r);
    return st;
}

/* Without one of its subjects a node would be deaf to something and never know. */
static vn_status nats_jwt(void)
{
    static size_t whole;
    VN_CLEANUP(vn_secret_strp) char *jwt = NULL;
    const vn_status st = vn_issue_nats_jwt(realm, &node, NOW, &jwt);
    if (st != VN_OK)
        return st;
    if (!whole)
        whole = strlen(jwt);
    assert_int_equal(strlen(jwt), whole);
    return st;
}

static vn_status taints_answer(void)
{
    VN_CLEANUP(vn_json_freep) json_t *a = NULL;
    const vn_status st = vn_issue_taints_answer(realm, &node, NOW, &a);
    if (st == VN_OK)
        assert_int_equal(json_object_size(a), 6);
    return st;
}

/* All of it, or it was not made. */
static vn_status login_answer(void)
{
    static size_t whole;
    VN_CLEANUP(vn_json_freep) json_t *a = NULL;
    const vn_status st = vn_issue_login_answer(&config, realm, &node, VN_SPAN(csr, csr_n), NOW, &a);
    if (st != VN_OK)
        return st;
    if (!whole)
        whole = vn_json_parts(a);
    assert_in_range(whole, 30, 1000);
    assert_int_equal(vn_json_parts(a), whole);
    return st;
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    assert_ok(nats_jwt());
    assert_ok(login_answer());
    assert_true(vn_oom_each(tokens, false) > 10);
    assert_true(vn_oom_each(realm_made, false) > 3);
    assert_true(vn_oom_each(nats_jwt, false) > 20);
    assert_true(vn_oom_each(taints_answer, false) > 20);
    assert_true(vn_oom_each(login_answer, false) > 50);
}

static int setup(void **state)
{
    (void)state;
    struct vn_realm_init init = {.name = "home",
                                 .suite = VN_SUITE_DEFAULT,
                                 .access = VN_ACCESS_TAINTS,
                                 .session_lifetime_s = 43200};
    struct vn_realm_record record;
    VN_CLEANUP(vn_sig_freep) struct vn_sig_key *key = NULL;
    VN_CLEANUP(vn_secret_strp) char *tls_key = NULL;
    vn_json_begin(); /* from here on jansson's allocations count */
    assert_ok(vn_prefix_parse("10.77.0.0/16", &init.range4));
    assert_ok(vn_realm_generate(&init, NOW, &record));
    assert_ok(vn_realm_load(&record, &realm));
    realm->r.other_generation = 2; /* it is changing keys: an answer has both */
    assert_ok(vn_token_keys_derive(&(struct vn_secret32){.b = {1}}, &keys));
    config = (struct vn_guardian_config){
        .public_host = "g.example", .public_port = 8443, .master_port = 4222};
    VN_CLEANUP(vn_secret_strp) char *ca_key = NULL;
    assert_ok(vn_tls_key_new(&ca_key));
    assert_ok(vn_tls_ca_new(ca_key, "CA", NOW - 1000, NOW + 86400000, &config.ca_cert_pem));
    assert_ok(vn_tls_ca_open(ca_key, config.ca_cert_pem, &config.ca));
    assert_ok(vn_sig_generate(realm->suite->sig, &key));
    assert_ok(vn_tls_key_new(&tls_key));
    assert_ok(vn_tls_csr(tls_key, "x", &csr, &csr_n));
    node = (struct vn_conflux_record){.id = {{5}},
                                      .realm = realm->r.id,
                                      .owner = {{6}},
                                      .tag = "web",
                                      .ip4 = 0x0a4d0005,
                                      .statement_number = 42,
                                      .has_session = true};
    assert_ok(vn_taints_parse("db,home", &node.taints));
    assert_ok(vn_realm_ip6(realm, &node.id, &node.ip6));
    const struct vn_span pk = vn_sig_pk(key);
    memcpy(node.session.sig_pk, pk.p, pk.n);
    node.session.sig_pk_n = pk.n;
    assert_ok(vn_node_id_of(pk, &node.session.node));
    node.session.serial[0] = 0x41;
    node.session.not_after_ms = NOW + 43200000;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(csr);
    vn_config_done(&config);
    vn_realm_unref(realm);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
