#include "control/login_answer.h"

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "support/test.h"

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define ID "AAAAAAAAAAAAAAAAAAAAAQ"

#define SERVER "{\"url\":\"stun:192.0.2.1:3478\",\"ip\":\"192.0.2.1\"}"
#define MEMBER "{\"ip\":\"192.0.2.9\",\"port\":3478}"
#define TURN                                                                                       \
    "{\"url\":\"turns:turn.example:443?transport=tcp\",\"ip\":\"2001:db8::5\",\"username\":\"1:"   \
    "u\","                                                                                         \
    "\"credential\":\"c\",\"pin\":\"" KEY "\"}"

static const char GOOD[] =
    "{\"time\":1700000000000,\"expires_at\":1700043200000,\"conflux_id\":\"" ID
    "\",\"tag\":\"a\",\"ip4\":\"10.77.0.1\","
    "\"ip6\":\"fd00::1\",\"certificate\":\"AQID\",\"statement\":\"BAUG\","
    "\"identities\":[{\"kind\":\"taint\",\"label\":\"home\",\"key\":\"" KEY "\"},"
    "{\"kind\":\"user\",\"label\":\"u\",\"key\":\"" KEY "\"}],"
    "\"revocations\":[\"AQID\",\"BAUG\"],"
    "\"quarantine\":{\"number\":7,\"all\":false,\"addresses\":[\"fd00::2\"]},"
    "\"member_stun\":[{\"ip\":\"192.0.2.9\",\"port\":3478}],\"mtls_certificate\":\"PEM\",\"nats_"
    "jwt\":\"a.b.c\",\"other_keys\":\"AQIDBA\","
    "\"hour_keys\":{\"generation\":1,\"first_hour\":472222,\"keys\":[\"" KEY "\",\"" KEY "\"]},"
    "\"realm\":{\"id\":\"" ID
    "\",\"name\":\"home\",\"suite\":\"default\",\"access\":\"taints\",\"relay\":\"public\","
    "\"rule\":7,\"ipv4\":\"10.77.0.0/16\","
    "\"ipv6\":\"fd00::/64\",\"name_key\":\"" KEY "\",\"guardian_id\":\"" ID
    "\",\"guardian_ek\":\"AQID\","
    "\"root_cert\":\"AQID\",\"issuing_cert\":\"AQID\",\"command_cert\":\"AQID\",\"ice_servers\":"
    "[" SERVER "," TURN "],\"masters\":[\"tls:"
    "//h:4222\"],"
    "\"master_ca\":\"PEM\"}}";

static vn_status parse(const json_t *o)
{
    char *text = json_dumps(o, JSON_COMPACT);
    struct vn_credentials *c = NULL;
    const vn_status st = vn_login_answer_parse(VN_SPAN_STR(text), &c);
    vn_credentials_free(c);
    free(text);
    return st;
}

static void test_good(void **state)
{
    (void)state;
    struct vn_credentials *c;
    assert_ok(vn_login_answer_parse(VN_SPAN_STR(GOOD), &c));
    assert_int_equal(c->guardian_time_ms, 1700000000000);
    assert_int_equal(c->identity_count, 2);
    assert_int_equal(c->identities[1].kind, VN_KIND_USER);
    assert_int_equal(c->identities[0].key.b[31], 31);
    assert_int_equal(c->hour_keys.count, 2);
    assert_int_equal(c->other_keys.n, 4);
    assert_int_equal(c->hour_keys.first_hour, 472222);
    assert_int_equal(c->realm.suite, VN_SUITE_DEFAULT);
    assert_int_equal(c->realm.rule_number, 7);
    assert_int_equal(c->realm.relay, VN_RELAYS_PUBLIC);
    assert_int_equal(c->realm.range4.bits, 112);
    assert_int_equal(c->certificate.n, 3);
    assert_int_equal(c->revocation_count, 2);
    assert_int_equal(c->revocations[1].p[0], 4);
    assert_int_equal(c->realm.ice_count, 2);
    assert_int_equal(c->realm.ice[0].kind, VN_ICE_SERVER_STUN);
    assert_int_equal(c->realm.ice[0].addr.port, 3478);
    assert_int_equal(c->realm.ice[1].kind, VN_ICE_SERVER_TURN_TLS);
    assert_int_equal(c->realm.ice[1].addr.ip.b[15], 5);
    assert_int_equal(c->realm.ice[1].addr.port, 443);
    assert_string_equal(c->realm.ice[1].host, "turn.example");
    assert_string_equal(c->realm.ice[1].username, "1:u");
    assert_string_equal(c->realm.ice[1].credential, "c");
    assert_true(c->realm.ice[1].pinned && c->realm.ice[1].pin[31] == 31);
    assert_int_equal(c->realm.member_stun_count, 1);
    assert_int_equal(c->realm.member_stun[0].ip.b[15], 9);
    assert_int_equal(c->quarantine.number, 7);
    assert_false(c->quarantine.all);
    assert_int_equal(c->quarantine.count, 1);
    assert_int_equal(c->quarantine.addrs[0].b[15], 2);
    assert_int_equal(c->realm.master_url_count, 1);
    assert_string_equal(c->realm.master_urls[0], "tls://h:4222");
    vn_credentials_free(c);
    /* what a later Guardian adds is no error */
    json_t *o = json_loads(GOOD, 0, NULL);
    json_object_set_new(o, "later", json_integer(1));
    assert_status(VN_OK, parse(o));
    json_decref(o);
}

/* Each member left out (one may be), and each replaced by something of another type. */
static void test_each_member(void **state)
{
    (void)state;
    static const char *const PARTS[] = {NULL, "realm", "hour_keys", "quarantine"};
    for (size_t p = 0; p < VN_ARRAY_LEN(PARTS); p++) {
        json_t *o = json_loads(GOOD, 0, NULL);
        json_t *part = PARTS[p] ? json_object_get(o, PARTS[p]) : o;
        json_t *copy = json_deep_copy(part);
        const char *name;
        json_t *value;
        json_object_foreach(copy, name, value)
        {
            json_object_del(part, name);
            bool optional = strcmp(name, "other_keys") == 0;
            assert_status(optional ? VN_OK : VN_ERR_MALFORMED, parse(o));
            json_object_set_new(part, name, json_is_boolean(value) ? json_integer(1) : json_true());
            assert_status(VN_ERR_MALFORMED, parse(o));
            json_object_set(part, name, value);
            assert_status(VN_OK, parse(o));
        }
        json_decref(copy);
        json_decref(o);
    }
}

static void test_out_of_range(void **state)
{
    (void)state;
    static const struct {
        const char *part, *name, *json;
    } BAD[] = {
        {NULL, "time", "-1"},
        {NULL, "ip4", "\"10.77.0\""},
        {NULL, "conflux_id", "\"AAAA\""},
        {NULL, "certificate", "\"\""},
        {NULL, "certificate", "\"A\""},
        {NULL, "identities", "[{}]"},
        {NULL, "identities", "[1]"},
        {NULL, "identities", "[{\"kind\":\"x\",\"label\":\"l\",\"key\":\"" KEY "\"}]"},
        {NULL, "tag", "\"0123456789012345678901234567890123456789012345678901234567890123\""},
        {"realm", "suite", "\"none\""},
        {"realm", "access", "\"all\""},
        {"realm", "rule", "-1"},
        {"realm", "relay", "\"some\""},
        {"realm", "ipv4", "\"10.77.0.1/16\""},
        {"realm", "masters", "[]"},
        {"realm", "masters", "[1]"},
        {"realm", "masters", "[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"]"},
        {"realm", "ice_servers", "{}"},
        {"realm", "ice_servers", "[1]"},
        {"realm", "ice_servers", "[{\"url\":\"stun:192.0.2.1\"}]"},
        {"realm", "ice_servers", "[{\"url\":\"http://x\",\"ip\":\"192.0.2.1\"}]"},
        {"realm", "ice_servers", "[{\"url\":\"stun:h\",\"ip\":\"host\"}]"},
        {"realm", "ice_servers", "[{\"url\":\"stun:h:0\",\"ip\":\"192.0.2.1\"}]"},
        {"realm", "ice_servers", "[{\"url\":\"turn:h\",\"ip\":\"192.0.2.1\"}]"},
        {"realm", "ice_servers",
         "[{\"url\":\"turn:h\",\"ip\":\"192.0.2.1\",\"username\":\"\",\"credential\":\"c\"}]"},
        {"realm", "ice_servers",
         "[{\"url\":\"turn:h\",\"ip\":\"192.0.2.1\",\"username\":\"a\\tb\",\"credential\":\"c\"}]"},
        {"realm", "ice_servers",
         "[{\"url\":\"turn:h\",\"ip\":\"192.0.2.1\",\"username\":\"u\",\"credential\":\"c\","
         "\"pin\":\"AAAA\"}]"},
        {"realm", "ice_servers",
         "[" SERVER "," SERVER "," SERVER "," SERVER "," SERVER "," SERVER "," SERVER "," SERVER
         "," SERVER "]"},
        {NULL, "member_stun", "[{\"ip\":\"192.0.2.1\",\"port\":0}]"},
        {NULL, "member_stun", "[" MEMBER "," MEMBER "," MEMBER "," MEMBER "," MEMBER "]"},
        {"realm", "name_key", "\"AAAA\""},
        {NULL, "other_keys", "\"A\""},
        {NULL, "other_keys", "{}"},
        {"hour_keys", "keys", "[]"},
        {"hour_keys", "keys", "[\"AAAA\"]"},
        {"hour_keys", "generation", "4294967296"},
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++) {
        json_t *o = json_loads(GOOD, 0, NULL);
        json_t *part = BAD[i].part ? json_object_get(o, BAD[i].part) : o;
        json_object_set_new(part, BAD[i].name, json_loads(BAD[i].json, JSON_DECODE_ANY, NULL));
        assert_status(VN_ERR_MALFORMED, parse(o));
        json_decref(o);
    }
    struct vn_credentials *c;
    for (size_t n = 0; n < sizeof(GOOD) - 1; n += 7)
        assert_status(VN_ERR_MALFORMED, vn_login_answer_parse(VN_SPAN(GOOD, n), &c));
    assert_status(VN_ERR_MALFORMED,
                  vn_login_answer_parse(VN_SPAN_LIT("{\"time\":1,\"time\":2}"), &c));
}

static void test_taints(void **state)
{
    (void)state;
    struct vn_taint_answer a;
    assert_ok(vn_taint_answer_parse(
        VN_SPAN_LIT("{\"taints\":[\"x\"],\"statement\":\"AQID\",\"identities\":[{\"kind\":"
                    "\"taint\",\"label\":\"x\",\"key\":\"" KEY "\"}],\"nats_jwt\":\"a.b.c\","
                    "\"generation\":7,\"other_keys\":\"AQID\"}"),
        &a));
    assert_int_equal(a.res.generation, 7);
    assert_int_equal(a.res.other_keys.n, 3);
    assert_int_equal(a.res.identity_count, 1);
    assert_string_equal(a.res.nats_jwt, "a.b.c");
    vn_taint_answer_done(&a);
    assert_ok(vn_taint_answer_parse(
        VN_SPAN_LIT(
            "{\"statement\":\"AQID\",\"identities\":[],\"generation\":1,\"nats_jwt\":null}"),
        &a));
    assert_null(a.res.nats_jwt);
    vn_taint_answer_done(&a);
    assert_status(VN_ERR_MALFORMED, vn_taint_answer_parse(VN_SPAN_LIT("{\"identities\":[]}"), &a));
    assert_status(
        VN_ERR_MALFORMED,
        vn_taint_answer_parse(VN_SPAN_LIT("{\"statement\":\"AQID\",\"identities\":[]}"), &a));
    assert_status(VN_ERR_MALFORMED, vn_taint_answer_parse(VN_SPAN_LIT("[]"), &a));
}

static void test_errors(void **state)
{
    (void)state;
    char text[64];
    vn_error_detail(404, VN_SPAN_LIT("{\"detail\":\"no such node\"}"), text, sizeof(text));
    assert_string_equal(text, "no such node");
    vn_error_detail(502, VN_SPAN_LIT("<html>"), text, sizeof(text));
    assert_string_equal(text, "Guardian answered with status 502");
    vn_error_detail(400,
                    VN_SPAN_LIT("{\"detail\":\"a very long sentence that does not fit into what "
                                "the caller has for it\"}"),
                    text, sizeof(text));
    assert_int_equal(strlen(text), sizeof(text) - 1);
    assert_status(VN_ERR_AGAIN, vn_error_status(503));
    assert_status(VN_ERR_AUTH, vn_error_status(401));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),         cmocka_unit_test(test_each_member),
        cmocka_unit_test(test_out_of_range), cmocka_unit_test(test_taints),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
