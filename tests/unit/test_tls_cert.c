/* Our TLS certificates in a real TLS 1.3 handshake in memory, and the channel binding on top. */
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "crypto/tls.h"
#include "crypto/x509.h"
#include "support/test.h"

#define T0 1760000000000u
#define DAY 86400000u

static char *key_new(void)
{
    char *pem = NULL;
    assert_ok(vn_tls_key_new(&pem));
    assert_memory_equal(pem, "-----BEGIN PRIVATE KEY-----\n", 28);
    return pem;
}

static EVP_PKEY *pkey_of(const char *pem)
{
    BIO *b = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
    BIO_free(b);
    assert_non_null(pkey);
    return pkey;
}

static X509 *cert_of(const char *pem)
{
    BIO *b = BIO_new_mem_buf(pem, -1);
    X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
    BIO_free(b);
    assert_non_null(x);
    return x;
}

static SSL_CTX *ctx_new(const SSL_METHOD *method, const char *key, const char *cert, const char *ca)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    EVP_PKEY *pkey = pkey_of(key);
    X509 *own = cert_of(cert), *root = cert_of(ca);
    assert_int_equal(SSL_CTX_use_certificate(ctx, own), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, pkey), 1);
    assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), root), 1);
    /* the time of this test, and as strict as Python is */
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_time(param, (time_t)(T0 / 1000 + 1));
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    EVP_PKEY_free(pkey);
    X509_free(own);
    X509_free(root);
    return ctx;
}

struct pair {
    SSL_CTX *server_ctx, *client_ctx;
    SSL *server, *client;
};

static void pair_init(struct pair *p, const char *server_key, const char *server_cert,
                      const char *client_key, const char *client_cert, const char *ca,
                      const char *host)
{
    p->server_ctx = ctx_new(TLS_server_method(), server_key, server_cert, ca);
    p->client_ctx = ctx_new(TLS_client_method(), client_key, client_cert, ca);
    p->server = SSL_new(p->server_ctx);
    p->client = SSL_new(p->client_ctx);
    BIO *a, *b;
    assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
    SSL_set_bio(p->server, a, a);
    SSL_set_bio(p->client, b, b);
    SSL_set_accept_state(p->server);
    SSL_set_connect_state(p->client);
    X509_VERIFY_PARAM *param = SSL_get0_param(p->client);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host) != 1)
        assert_int_equal(X509_VERIFY_PARAM_set1_host(param, host, 0), 1);
}

static bool shake(struct pair *p)
{
    for (int i = 0; i < 20; i++) {
        const int c = SSL_do_handshake(p->client), s = SSL_do_handshake(p->server);
        if (c == 1 && s == 1)
            return true;
    }
    return false;
}

static void pair_done(struct pair *p)
{
    SSL_free(p->server);
    SSL_free(p->client);
    SSL_CTX_free(p->server_ctx);
    SSL_CTX_free(p->client_ctx);
}

struct pki {
    char *ca_key, *ca, *server_key, *server, *client_key, *client;
    struct vn_tls_ca *authority;
};

static const char *const HOSTS[] = {"master.example", "192.0.2.7", "fd00::7"};

static void pki_init(struct pki *k)
{
    uint8_t *csr;
    size_t n;
    k->ca_key = key_new();
    k->server_key = key_new();
    k->client_key = key_new();
    assert_ok(vn_tls_ca_new(k->ca_key, "VeilNet Master CA", T0, T0 + 100 * (uint64_t)DAY, &k->ca));
    assert_ok(vn_tls_ca_open(k->ca_key, k->ca, &k->authority));
    assert_ok(
        vn_tls_ca_issue_server(k->authority, k->server_key, HOSTS, 3, T0, T0 + DAY, &k->server));
    assert_ok(vn_tls_csr(k->client_key, "wanted", &csr, &n));
    assert_ok(vn_tls_ca_issue_client(k->authority, VN_SPAN(csr, n), "conflux-17", T0, T0 + DAY,
                                     &k->client));
    free(csr);
}

static void pki_done(struct pki *k)
{
    k->authority = vn_tls_ca_free(k->authority);
    vn_secret_strp(&k->ca_key);
    vn_secret_strp(&k->server_key);
    vn_secret_strp(&k->client_key);
    free(k->ca);
    free(k->server);
    free(k->client);
}

static void mutual_tls_works_and_checks_names(void **state)
{
    (void)state;
    struct pki k;
    pki_init(&k);
    for (size_t i = 0; i < VN_ARRAY_LEN(HOSTS) + 1; i++) {
        struct pair p;
        const char *host = i < VN_ARRAY_LEN(HOSTS) ? HOSTS[i] : "other.example";
        pair_init(&p, k.server_key, k.server, k.client_key, k.client, k.ca, host);
        assert_int_equal(shake(&p), i < VN_ARRAY_LEN(HOSTS));
        pair_done(&p);
    }
    /* a client's certificate does not make a server, nor the other way round */
    struct pair p;
    pair_init(&p, k.client_key, k.client, k.client_key, k.client, k.ca, "conflux-17");
    assert_false(shake(&p));
    pair_done(&p);
    pair_init(&p, k.server_key, k.server, k.server_key, k.server, k.ca, HOSTS[0]);
    assert_false(shake(&p));
    pair_done(&p);
    char *peer = NULL; /* that of a peer makes both */
    assert_ok(vn_tls_ca_issue_peer(k.authority, k.server_key, HOSTS, 3, T0, T0 + DAY, &peer));
    pair_init(&p, k.server_key, peer, k.server_key, peer, k.ca, HOSTS[0]);
    assert_true(shake(&p));
    pair_done(&p);
    free(peer);
    /* the name is the issuer's choice, not the request's */
    X509 *x = cert_of(k.client);
    char cn[64];
    X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn, sizeof(cn));
    assert_string_equal(cn, "conflux-17");
    X509_free(x);
    pki_done(&k);
}

static void binding_is_shared_and_fresh(void **state)
{
    (void)state;
    struct pki k;
    uint8_t a[32], b[32], first[32];
    pki_init(&k);
    for (int round = 0; round < 2; round++) {
        struct pair p;
        pair_init(&p, k.server_key, k.server, k.client_key, k.client, k.ca, HOSTS[0]);
        assert_status(VN_ERR_STATE, vn_tls_binding(p.client, a));
        assert_true(shake(&p));
        assert_ok(vn_tls_binding(p.client, a));
        assert_ok(vn_tls_binding(p.server, b));
        assert_memory_equal(a, b, 32);
        if (round == 0)
            memcpy(first, a, 32);
        else
            assert_memory_not_equal(first, a, 32);
        pair_done(&p);
    }
    struct pair p;
    pair_init(&p, k.server_key, k.server, k.client_key, k.client, k.ca, HOSTS[0]);
    SSL_set_max_proto_version(p.client, TLS1_2_VERSION);
    assert_true(shake(&p));
    assert_status(VN_ERR_STATE, vn_tls_binding(p.client, a));
    pair_done(&p);
    assert_status(VN_ERR_STATE, vn_tls_binding(NULL, a));
    pki_done(&k);
}

static void pins_follow_the_key(void **state)
{
    (void)state;
    char *key = key_new(), *other = key_new(), *cert = NULL, *again = NULL;
    uint8_t a[32], b[32], c[32], d[32];
    assert_ok(vn_tls_self_signed(key, HOSTS, 3, T0, T0 + DAY, &cert));
    assert_ok(vn_tls_self_signed(key, HOSTS, 1, T0, T0 + 2 * DAY, &again));
    assert_ok(vn_tls_key_pin(key, a));
    assert_ok(vn_tls_cert_pin(cert, b));
    assert_ok(vn_tls_cert_pin(again, c));
    assert_ok(vn_tls_key_pin(other, d));
    assert_memory_equal(a, b, 32);
    assert_memory_equal(a, c, 32);
    assert_memory_not_equal(a, d, 32);
    X509 *x = cert_of(cert);
    assert_int_equal(X509_check_host(x, "master.example", 0, 0, NULL), 1);
    assert_int_equal(X509_check_ip_asc(x, "fd00::7", 0), 1);
    assert_int_equal(X509_check_ip_asc(x, "192.0.2.8", 0), 0);
    X509_free(x);
    free(cert);
    free(again);
    vn_secret_strp(&key);
    vn_secret_strp(&other);
}

static void bad_input_is_told(void **state)
{
    (void)state;
    struct pki k;
    uint8_t pin[32], *csr;
    size_t n;
    char *cert = NULL;
    pki_init(&k);
    assert_status(VN_ERR_MALFORMED, vn_tls_key_pin("no key", pin));
    assert_status(VN_ERR_MALFORMED, vn_tls_cert_pin("", pin));
    assert_status(VN_ERR_MALFORMED, vn_tls_key_pin(k.ca, pin));
    /* a key under a pass phrase is refused, not asked for on the terminal */
    EVP_PKEY *pkey = pkey_of(k.ca_key);
    BIO *b = BIO_new(BIO_s_mem());
    char *encrypted;
    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(b, pkey, EVP_aes_128_cbc(), "pass", 4, NULL, NULL), 1);
    BIO_write(b, "", 1);
    BIO_get_mem_data(b, &encrypted);
    assert_status(VN_ERR_MALFORMED, vn_tls_key_pin(encrypted, pin));
    BIO_free(b);
    EVP_PKEY_free(pkey);
    assert_status(VN_ERR_MALFORMED, vn_tls_ca_new("", "x", T0, T0 + DAY, &cert));
    assert_status(VN_ERR_ARG, vn_tls_ca_new(k.ca_key, "", T0, T0 + DAY, &cert));
    assert_status(VN_ERR_ARG, vn_tls_ca_new(k.ca_key, "x", T0 + DAY, T0, &cert));
    /* an authority's certificate with another key */
    struct vn_tls_ca *none = NULL;
    assert_status(VN_ERR_ARG, vn_tls_ca_open(k.client_key, k.ca, &none));
    assert_status(VN_ERR_MALFORMED, vn_tls_ca_open(k.ca_key, "", &none));
    assert_status(VN_ERR_MALFORMED, vn_tls_ca_open("", k.ca, &none));
    assert_null(none);
    char longest[66];
    memset(longest, 'n', 65);
    longest[65] = '\0';
    assert_status(VN_ERR_ARG, vn_tls_csr(k.client_key, longest, &csr, &n));
    assert_status(VN_ERR_ARG, vn_tls_csr(k.client_key, "", &csr, &n));
    assert_ok(vn_tls_csr(k.client_key, longest + 1, &csr, &n));
    free(csr);
    /* a request nobody signed: one bit off, cut, or with something behind it */
    assert_ok(vn_tls_csr(k.client_key, "x", &csr, &n));
    csr[n - 1] ^= 1;
    assert_status(VN_ERR_AUTH,
                  vn_tls_ca_issue_client(k.authority, VN_SPAN(csr, n), "c", T0, T0 + DAY, &cert));
    csr[n - 1] ^= 1;
    for (size_t cut = 0; cut < n; cut++)
        assert_status(VN_ERR_MALFORMED, vn_tls_ca_issue_client(k.authority, VN_SPAN(csr, cut), "c",
                                                               T0, T0 + DAY, &cert));
    uint8_t *longer = malloc(n + 1);
    memcpy(longer, csr, n);
    longer[n] = 0;
    assert_status(VN_ERR_MALFORMED, vn_tls_ca_issue_client(k.authority, VN_SPAN(longer, n + 1), "c",
                                                           T0, T0 + DAY, &cert));
    free(longer);
    free(csr);
    assert_null(cert);
    pki_done(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutual_tls_works_and_checks_names),
        cmocka_unit_test(binding_is_shared_and_fresh),
        cmocka_unit_test(pins_follow_the_key),
        cmocka_unit_test(bad_input_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
