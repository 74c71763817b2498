#include "base/text.h"
#include "guardian/json.h"
#include "guardian/natsjwt.h"
#include "support/test.h"

/* A user key pair printed in the NATS documentation. */
#define DOC_SEED "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
#define DOC_PUBLIC "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
#define NOW 1700000000123ull

static struct vn_nats_key key_of(enum vn_nkey_kind kind, uint8_t fill)
{
    struct vn_secret32 seed;
    struct vn_nats_key k;
    memset(seed.b, fill, sizeof(seed.b));
    assert_ok(vn_nats_key_init(&k, kind, &seed));
    return k;
}

/* Verifies as nats-server does: header, issuer's key from the claims themselves, signature over the
 * text. */
static json_t *open_jwt(const char *text)
{
    static const char HEADER[] = "{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}";
    const char *dot1 = strchr(text, '.');
    assert_non_null(dot1);
    const char *dot2 = strchr(dot1 + 1, '.');
    assert_non_null(dot2);
    assert_null(strchr(dot2 + 1, '.'));
    uint8_t header[128], payload[8192], sig[80], pk[32];
    size_t header_n, payload_n, sig_n;
    assert_ok(
        vn_b64url_decode(VN_SPAN(text, (size_t)(dot1 - text)), header, sizeof(header), &header_n));
    assert_ok(vn_b64url_decode(VN_SPAN(dot1 + 1, (size_t)(dot2 - dot1 - 1)), payload,
                               sizeof(payload), &payload_n));
    assert_ok(vn_b64url_decode(VN_SPAN_STR(dot2 + 1), sig, sizeof(sig), &sig_n));
    assert_span_equal(VN_SPAN(header, header_n), VN_SPAN(HEADER, sizeof(HEADER) - 1));
    json_t *claims = json_loadb((const char *)payload, payload_n, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(claims);
    const char *iss = json_string_value(json_object_get(claims, "iss"));
    assert_non_null(iss);
    assert_ok(vn_nkey_parse_public((enum vn_nkey_kind)iss[0], iss, pk));
    VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *pub = NULL;
    assert_ok(vn_sig_pub_new(VN_SIG_ED25519, VN_SPAN_ARRAY(pk), &pub));
    assert_ok(vn_sig_verify(pub, NULL, VN_SPAN(text, (size_t)(dot2 - text)), VN_SPAN(sig, sig_n)));
    return claims;
}

static json_t *at(json_t *o, const char *path)
{
    char copy[64];
    snprintf(copy, sizeof(copy), "%s", path);
    char *save = NULL;
    for (char *name = strtok_r(copy, ".", &save); name; name = strtok_r(NULL, ".", &save)) {
        o = json_object_get(o, name);
        assert_non_null(o);
    }
    return o;
}

static void text_is(json_t *o, const char *path, const char *want)
{
    assert_string_equal(json_string_value(at(o, path)), want);
}

static void number_is(json_t *o, const char *path, json_int_t want)
{
    assert_int_equal(json_integer_value(at(o, path)), want);
}

static void documented_key(void **state)
{
    (void)state;
    enum vn_nkey_kind kind;
    struct vn_secret32 seed;
    assert_ok(vn_nkey_parse_seed(DOC_SEED, &kind, &seed));
    struct vn_nats_key k;
    assert_ok(vn_nats_key_init(&k, kind, &seed));
    assert_string_equal(k.public, DOC_PUBLIC);
    vn_nats_key_done(&k);
}

/* Computed by another implementation (Python and openssl pkeyutl): Ed25519 signs deterministically.
 */
static void recorded(void **state)
{
    (void)state;
    struct vn_nats_key operator_key = key_of(VN_NKEY_OPERATOR, 1);
    VN_CLEANUP(vn_json_strp) char *jwt = NULL;
    VN_CLEANUP(vn_json_strp) char *again = NULL;
    assert_ok(vn_natsjwt_operator(&operator_key, "test", "A", NOW, &jwt));
    assert_ok(vn_natsjwt_operator(&operator_key, "test", "A", NOW, &again));
    assert_string_equal(jwt, again);
    assert_string_equal(
        jwt, "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJzdWIiOiJPQ0ZJUlk2NU9RRTdERlA1S0xOU"
             "zJQRjJMVlpNVVpZSlg0T1pJRVEzNk4ySVFBTlVCNVhWWU9DUyIsIm5hbWUiOiJ0ZXN0IiwibmF0cyI6eyJze"
             "XN0ZW1fYWNjb3VudCI6IkEiLCJ0eXBlIjoib3BlcmF0b3IiLCJ2ZXJzaW9uIjoyfSwiaXNzIjoiT0NGSVJZN"
             "jVPUUU3REZQNUtMTlMyUEYyTFZaTVVaWUpYNE9aSUVRMzZOMklRQU5VQjVYVllPQ1MiLCJpYXQiOjE3MDAwM"
             "DAwMDAsImp0aSI6IjRTRlhQWUUzWFc0QVlYSzdTSTRKRlBBWkdORzQ2U0RZSlFKQ0UyTzNFSlBNUkJWUDdER"
             "UEifQ.BdTbCrPMfDm9EZTGQKQVtl9904QrVOBLSJ1vnuDUYTCQIFLsGETJv8imve-uOFBBoPgzfAewiOORly"
             "q_6HA6DA");
    vn_nats_key_done(&operator_key);
}

static void operator_claims(void **state)
{
    (void)state;
    struct vn_nats_key operator_key = key_of(VN_NKEY_OPERATOR, 1),
                       system = key_of(VN_NKEY_ACCOUNT, 2);
    VN_CLEANUP(vn_json_strp) char *jwt = NULL;
    assert_ok(vn_natsjwt_operator(&operator_key, "veilnet", system.public, NOW, &jwt));
    json_t *c = open_jwt(jwt);
    text_is(c, "iss", operator_key.public);
    text_is(c, "sub", operator_key.public);
    text_is(c, "nats.type", "operator");
    text_is(c, "nats.system_account", system.public);
    number_is(c, "nats.version", 2);
    number_is(c, "iat", NOW / 1000);
    assert_int_equal(json_string_length(at(c, "jti")), 52);
    json_decref(c);
    vn_nats_key_done(&operator_key);
    vn_nats_key_done(&system);
}

static void account_claims(void **state)
{
    (void)state;
    struct vn_nats_key operator_key = key_of(VN_NKEY_OPERATOR, 1),
                       account = key_of(VN_NKEY_ACCOUNT, 2), signing = key_of(VN_NKEY_ACCOUNT, 3);
    VN_CLEANUP(vn_json_strp) char *jwt = NULL;
    VN_CLEANUP(vn_json_freep) json_t *revoked = json_pack("{s:i}", account.public, 1700000001);
    assert_ok(vn_natsjwt_account(&operator_key, account.public,
                                 (const char *const[]){signing.public}, 1, "home", revoked, NOW,
                                 &jwt));
    json_t *c = open_jwt(jwt);
    assert_true(json_equal(json_object_get(json_object_get(c, "nats"), "revocations"), revoked));
    text_is(c, "iss", operator_key.public);
    text_is(c, "sub", account.public);
    text_is(c, "nats.type", "account");
    number_is(c, "nats.limits.conn", -1);
    number_is(c, "iat", NOW); /* two changes of one second are told apart */
    assert_string_equal(json_string_value(json_array_get(at(c, "nats.signing_keys"), 0)),
                        signing.public);
    number_is(c, "nats.limits.leaf", -1);
    assert_null(json_object_get(at(c, "nats.limits"), "imports"));
    assert_null(json_object_get(at(c, "nats.limits"), "exports"));
    json_decref(c);
    vn_nats_key_done(&operator_key);
    vn_nats_key_done(&account);
    vn_nats_key_done(&signing);
}

static void shared_subjects(void **state)
{
    (void)state;
    struct vn_nats_key operator_key = key_of(VN_NKEY_OPERATOR, 1),
                       account = key_of(VN_NKEY_ACCOUNT, 2);
    VN_CLEANUP(vn_json_strp) char *jwt = NULL;
    VN_CLEANUP(vn_json_freep)
    json_t *exports = json_pack("[{s:s, s:s}]", "subject", "a", "type", "stream");
    assert_ok(
        vn_natsjwt_sharing(&operator_key, account.public, "x", "exports", exports, NOW, &jwt));
    json_t *c = open_jwt(jwt);
    text_is(c, "iss", operator_key.public);
    text_is(c, "nats.type", "account");
    assert_true(json_equal(at(c, "nats.exports"), exports));
    number_is(c, "nats.limits.exports", -1);
    assert_null(json_object_get(at(c, "nats"), "imports"));
    json_decref(c);
    vn_nats_key_done(&operator_key);
    vn_nats_key_done(&account);
}

static void user_claims(void **state)
{
    (void)state;
    struct vn_nats_key account = key_of(VN_NKEY_ACCOUNT, 2), signing = key_of(VN_NKEY_ACCOUNT, 3);
    VN_CLEANUP(vn_json_freep) json_t *pub = json_pack("[s]", "a.in.*.x");
    VN_CLEANUP(vn_json_freep) json_t *sub = json_pack("[s,s]", "a.in.x.*", "a.own.h.* q1");
    VN_CLEANUP(vn_json_freep) json_t *empty = json_array();
    struct vn_nats_user u = {
        .user = DOC_PUBLIC,
        .account = account.public,
        .name = "x",
        .pub = pub,
        .sub = sub,
        .subs = 64,
        .payload = 24576,
        .expires_ms = NOW + 3600000,
    };
    VN_CLEANUP(vn_json_strp) char *jwt = NULL;
    assert_ok(vn_natsjwt_user(&signing, &u, NOW, &jwt));
    json_t *c = open_jwt(jwt);
    text_is(c, "iss", signing.public);
    text_is(c, "sub", DOC_PUBLIC);
    text_is(c, "nats.issuer_account", account.public);
    text_is(c, "nats.type", "user");
    number_is(c, "nats.subs", 64);
    number_is(c, "nats.data", -1);
    number_is(c, "nats.payload", 24576);
    number_is(c, "exp", NOW / 1000 + 3600);
    assert_true(json_equal(at(c, "nats.pub.allow"), pub));
    assert_true(json_equal(at(c, "nats.sub.allow"), sub));
    assert_string_equal(
        json_string_value(json_array_get(at(c, "nats.allowed_connection_types"), 0)), "STANDARD");
    json_decref(c);
    VN_CLEANUP(vn_json_strp) char *leaf_jwt = NULL;
    u.leaf = true;
    assert_ok(vn_natsjwt_user(&signing, &u, NOW, &leaf_jwt));
    c = open_jwt(leaf_jwt);
    assert_int_equal(json_array_size(at(c, "nats.allowed_connection_types")), 1);
    assert_string_equal(
        json_string_value(json_array_get(at(c, "nats.allowed_connection_types"), 0)), "LEAFNODE");
    assert_true(json_equal(at(c, "nats.pub.allow"), pub));
    json_decref(c);
    /* an empty list would allow everything */
    u.pub = empty;
    char *none = NULL;
    assert_status(VN_ERR_ARG, vn_natsjwt_user(&signing, &u, NOW, &none));
    vn_nats_key_done(&account);
    vn_nats_key_done(&signing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documented_key),  cmocka_unit_test(recorded),
        cmocka_unit_test(operator_claims), cmocka_unit_test(account_claims),
        cmocka_unit_test(shared_subjects), cmocka_unit_test(user_claims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
