/* DTLS by certificate fingerprints: ours at both ends, and against plain OpenSSL ends. */
#include <openssl/ssl.h>

#include "support/dtls_rig.h"
#include "support/test.h"
#include "transport/dtls.h"
#include "transport/limits.h"

#define AES_256 "ECDHE-ECDSA-AES256-GCM-SHA384"
#define AES_128 "ECDHE-ECDSA-AES128-GCM-SHA256"

enum { CONNECT_MS = 10000 };

static int set_up(void **state)
{
    *state = dtls_rig_new();
    return 0;
}

static int tear_down(void **state)
{
    *state = dtls_rig_free(*state);
    return 0;
}

/* Ends of ours where the ciphers are NULL. */
static void make(struct dtls_rig *r, const char *client, const char *server)
{
    const char *ciphers[] = {server, client};
    for (int c = 0; c < 2; c++) {
        if (ciphers[c])
            dtls_rig_certify_plain(r, c, 0);
        else
            dtls_rig_certify(r, c);
    }
    for (int c = 0; c < 2; c++) {
        if (ciphers[c])
            dtls_rig_plain_by_cert(r, c, ciphers[c], 0);
        else
            dtls_rig_ours_by_cert(r, c);
    }
}

static void exchange(struct dtls_rig *r)
{
    struct dtls_end *ends[] = {&r->client, &r->server};
    dtls_rig_run(r);
    for (size_t k = 0; k < 2; k++) {
        uint8_t message[1400];
        vn_test_fill(message, sizeof(message));
        for (size_t n = 1; n < sizeof(message); n = 3 * n + 1) {
            ends[1 - k]->got_count = 0;
            dtls_end_send(ends[k], VN_SPAN(message, n));
            dtls_rig_run(r);
            assert_int_equal(ends[1 - k]->got_count, 1);
            assert_span_equal(VN_SPAN(ends[1 - k]->got[0].b, ends[1 - k]->got[0].n),
                              VN_SPAN(message, n));
        }
    }
}

static void both_ours(void **state)
{
    struct dtls_rig *r = *state;
    make(r, NULL, NULL);
    assert_false(
        memcmp(&r->client.fingerprint, &r->server.fingerprint, sizeof(r->client.fingerprint)) == 0);
    assert_true(dtls_rig_connect(r, CONNECT_MS));
    assert_true(r->client.longest <= VN_UDP_PAYLOAD_BYTES);
    assert_true(r->server.longest <= VN_UDP_PAYLOAD_BYTES);
    exchange(r);
    dtls_end_close(&r->server);
    dtls_rig_run(r);
    assert_true(dtls_end_closed(&r->client));
}

/* Each suite, each role, and close_notify from each end, answered by the other. */
static void with_openssl(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        const char *ciphers = i & 1 ? AES_128 : AES_256;
        const bool ours_is_client = i & 2, client_closes = i & 4;
        struct dtls_rig *r = dtls_rig_new();
        make(r, ours_is_client ? NULL : ciphers, ours_is_client ? ciphers : NULL);
        assert_true(dtls_rig_connect(r, CONNECT_MS));
        exchange(r);
        dtls_end_close(client_closes ? &r->client : &r->server);
        (void)dtls_rig_carry(r, client_closes ? &r->client : &r->server);
        assert_true(dtls_end_closed(client_closes ? &r->server : &r->client));
        (void)dtls_rig_carry(r, client_closes ? &r->server : &r->client);
        assert_true(dtls_end_closed(client_closes ? &r->client : &r->server));
        (void)dtls_rig_free(r);
    }
}

static void expect_failure(struct dtls_rig *r, struct dtls_end *ours)
{
    dtls_rig_start(r);
    dtls_rig_run(r);
    assert_int_equal(vn_dtls_state(ours->d), VN_DTLS_FAILED);
    assert_int_equal(ours->got_count, 0);
    uint8_t x = 0;
    assert_status(VN_ERR_STATE, vn_dtls_seal(ours->d, &(struct vn_dgram){&x, 1}, 1));
}

/* Every byte of the fingerprint counts; at either end. */
static void another_certificate_fails(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(struct vn_dtls_fingerprint); i += 9) {
        struct dtls_rig *r = dtls_rig_new();
        const bool client = i & 1;
        dtls_rig_certify(r, true);
        dtls_rig_certify(r, false);
        struct dtls_end *liar = client ? &r->client : &r->server;
        liar->fingerprint.b[i / 2] ^= 1;
        dtls_rig_ours_by_cert(r, true);
        dtls_rig_ours_by_cert(r, false);
        expect_failure(r, liar->peer);
        assert_int_equal(vn_dtls_state(liar->d), VN_DTLS_FAILED); /* by the alert */
        (void)dtls_rig_free(r);
    }
}

/* What the client knows as soon as it has sent its keys; it does not wait for our Finished. */
static size_t seal_early(struct dtls_rig *r, const char *text, uint8_t *out)
{
    VN_CLEANUP(vn_dtls_keys_wipe) struct vn_dtls_keys keys;
    struct vn_dtls_tx tx;
    assert_true(dtls_rig_plain_keys(r, true, VN_SHA384, 32, &keys));
    assert_ok(vn_dtls_tx_init(&tx, &keys.client, 1, 1000));
    assert_ok(vn_dtls_tx_seal(&tx, VN_DTLS_DATA, VN_SPAN_STR(text), out));
    vn_dtls_tx_done(&tx);
    return strlen(text) + VN_DTLS_OVERHEAD_BYTES;
}

/* Data that comes before, in the midst of, and after the flight that proves who the client is: out
 * with the handshake's end if it is whom we were told of, else never. */
static void no_byte_before_the_peer_is_verified(void **state)
{
    (void)state;
    for (int honest = 0; honest < 2; honest++) {
        struct dtls_rig *r = dtls_rig_new();
        dtls_rig_certify_plain(r, true, 0);
        dtls_rig_certify(r, false);
        r->client.fingerprint.b[7] ^= !honest;
        dtls_rig_plain_by_cert(r, true, AES_256, 0);
        dtls_rig_ours_by_cert(r, false);
        dtls_rig_start(r);
        (void)dtls_rig_carry(r, &r->client);
        (void)dtls_rig_carry(r, &r->server);
        const size_t flight = r->client.count; /* certificate, keys, proof, Finished */
        assert_true(flight > 0 && flight < DTLS_RIG_QUEUE);
        uint8_t record[64];
        const size_t n = seal_early(r, "early", record);
        for (size_t i = 0; i < flight; i++) {
            dtls_end_take(&r->server, VN_SPAN(record, n));
            assert_int_equal(r->server.got_count, 0);
            dtls_end_take(&r->server, VN_SPAN(r->client.sent[i].b, r->client.sent[i].n));
        }
        r->client.count = 0;
        dtls_end_take(&r->server, VN_SPAN(record, n));
        assert_int_equal(vn_dtls_state(r->server.d), honest ? VN_DTLS_OPEN : VN_DTLS_FAILED);
        assert_int_equal(r->server.got_count, honest); /* once */
        (void)dtls_rig_free(r);
    }
}

static void a_client_without_certificate_fails(void **state)
{
    struct dtls_rig *r = *state;
    dtls_rig_certify(r, false);
    dtls_rig_plain_by_cert(r, true, AES_256, 0);
    dtls_rig_ours_by_cert(r, false);
    expect_failure(r, &r->server);
}

static void a_long_certificate_fails(void **state)
{
    struct dtls_rig *r = *state;
    dtls_rig_certify_plain(r, true, VN_DTLS_CERT_MAX);
    dtls_rig_certify(r, false);
    dtls_rig_plain_by_cert(r, true, AES_256, 0);
    dtls_rig_ours_by_cert(r, false);
    expect_failure(r, &r->server);
}

/* Neither another suite nor another way of proving is ever fallen back to. */
static void other_suites_fail(void **state)
{
    (void)state;
    static const char *const others[] = {"ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-SHA",
                                         "PSK-AES256-GCM-SHA384"};
    for (unsigned i = 0; i < 2 * VN_ARRAY_LEN(others); i++) {
        struct dtls_rig *r = dtls_rig_new();
        const bool ours_is_client = i & 1;
        make(r, ours_is_client ? NULL : others[i / 2], ours_is_client ? others[i / 2] : NULL);
        expect_failure(r, ours_is_client ? &r->client : &r->server);
        (void)dtls_rig_free(r);
    }
}

static void keys_and_certificates_do_not_mix(void **state)
{
    (void)state;
    for (int by_key = 0; by_key < 2; by_key++) {
        struct dtls_rig *r = dtls_rig_new();
        dtls_rig_certify(r, !by_key);
        dtls_rig_ours(r, by_key, "identity.0", 1);
        dtls_rig_ours_by_cert(r, !by_key);
        expect_failure(r, &r->client);
        expect_failure(r, &r->server);
        (void)dtls_rig_free(r);
    }
}

static void no_extended_master_secret_fails(void **state)
{
    (void)state;
    for (int c = 0; c < 2; c++) {
        struct dtls_rig *r = dtls_rig_new();
        dtls_rig_certify_plain(r, c, 0);
        dtls_rig_certify(r, !c);
        dtls_rig_plain_by_cert(r, c, AES_128, SSL_OP_NO_EXTENDED_MASTER_SECRET);
        dtls_rig_ours_by_cert(r, !c);
        expect_failure(r, c ? &r->server : &r->client);
        (void)dtls_rig_free(r);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(both_ours),
        cmocka_unit_test(with_openssl),
        cmocka_unit_test(another_certificate_fails),
        cmocka_unit_test(no_byte_before_the_peer_is_verified),
        TEST(a_client_without_certificate_fails),
        TEST(a_long_certificate_fails),
        cmocka_unit_test(other_suites_fail),
        cmocka_unit_test(keys_and_certificates_do_not_mix),
        cmocka_unit_test(no_extended_master_secret_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
