#include "support/dtls_rig.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "crypto/x509.h"
#include "support/test.h"
#include "transport/limits.h"

struct dtls_plain {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
    X509 *cert; /* NULL: none */
    EVP_PKEY *key;
    char identity[64];
    uint8_t psk[32];
    bool closed;
};

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "dtls_rig: %s\n", what);
    ERR_print_errors_fp(stderr);
    abort();
}

/* ---- ours ---- */

static uint8_t *room(void *arg, size_t n)
{
    struct dtls_end *e = arg;
    return e->count < DTLS_RIG_QUEUE && n <= DTLS_RIG_BYTES ? e->sent[e->count].b : NULL;
}

static void keep(void *arg, size_t n)
{
    struct dtls_end *e = arg;
    struct dtls_datagram *sent = &e->sent[e->count++];
    sent->n = n;
    e->longest = VN_MAX(e->longest, n);
    if (e->tap)
        e->tap(e->tap_arg, (struct vn_dgram){sent->b, n});
}

struct dtls_rig *dtls_rig_new(void)
{
    struct dtls_rig *r = calloc(1, sizeof(*r));
    must(r && vn_dtls_ctx_new(&r->ctx) == VN_OK, "no memory");
    r->client.peer = &r->server;
    r->server.peer = &r->client;
    return r;
}

static struct dtls_end *end_of(struct dtls_rig *r, bool client)
{
    return client ? &r->client : &r->server;
}

void dtls_rig_ours(struct dtls_rig *r, bool client, const char *identity, uint8_t key)
{
    struct dtls_end *e = end_of(r, client);
    struct vn_secret32 psk;
    memset(&psk, key, sizeof(psk));
    const struct vn_dtls_config cfg = {.client = client,
                                       .identity = identity,
                                       .psk = &psk,
                                       .mtu = VN_UDP_PAYLOAD_BYTES,
                                       .out = {e, room, keep}};
    must(vn_dtls_new(r->ctx, &cfg, &e->d) == VN_OK, "vn_dtls_new");
}

void dtls_rig_certify(struct dtls_rig *r, bool client)
{
    struct dtls_end *e = end_of(r, client);
    must(vn_dtls_cert_new(&e->cert) == VN_OK, "vn_dtls_cert_new");
    e->fingerprint = *vn_dtls_cert_fingerprint(e->cert);
}

void dtls_rig_ours_by_cert(struct dtls_rig *r, bool client)
{
    struct dtls_end *e = end_of(r, client);
    const struct vn_dtls_config cfg = {.client = client,
                                       .cert = e->cert,
                                       .peer = e->peer->fingerprint,
                                       .mtu = VN_UDP_PAYLOAD_BYTES,
                                       .out = {e, room, keep}};
    must(vn_dtls_new(NULL, &cfg, &e->d) == VN_OK, "vn_dtls_new");
}

/* ---- OpenSSL's ---- */

static unsigned int psk_for_server(SSL *ssl, const char *hint, char *identity, unsigned int max,
                                   unsigned char *psk, unsigned int psk_max)
{
    const struct dtls_plain *p = SSL_get_app_data(ssl);
    (void)hint;
    must(strlen(p->identity) < max && sizeof(p->psk) <= psk_max, "psk room");
    memcpy(identity, p->identity, strlen(p->identity) + 1);
    memcpy(psk, p->psk, sizeof(p->psk));
    return sizeof(p->psk);
}

static unsigned int psk_for_client(SSL *ssl, const char *identity, unsigned char *psk,
                                   unsigned int psk_max)
{
    const struct dtls_plain *p = SSL_get_app_data(ssl);
    if (strcmp(identity, p->identity) != 0 || psk_max < sizeof(p->psk))
        return 0;
    memcpy(psk, p->psk, sizeof(p->psk));
    return sizeof(p->psk);
}

static unsigned int short_timer(SSL *ssl, unsigned int last_us)
{
    (void)ssl;
    return last_us ? VN_MIN(2 * last_us, 1000000u) : 50000;
}

static struct dtls_plain *plain_of(struct dtls_rig *r, bool client)
{
    struct dtls_end *e = end_of(r, client);
    if (!e->plain)
        e->plain = calloc(1, sizeof(*e->plain));
    must(e->plain, "no memory");
    return e->plain;
}

static void plain_start(struct dtls_plain *p, bool client, const char *ciphers)
{
    must(SSL_CTX_set_max_proto_version(p->ctx, DTLS1_2_VERSION) &&
             SSL_CTX_set_cipher_list(p->ctx, ciphers),
         "SSL_CTX");
    p->ssl = SSL_new(p->ctx);
    p->in = BIO_new(BIO_s_dgram_mem());
    p->out = BIO_new(BIO_s_dgram_mem());
    must(p->ssl && p->in && p->out, "no memory");
    SSL_set_bio(p->ssl, p->in, p->out);
    SSL_set_app_data(p->ssl, p);
    SSL_set_options(p->ssl, SSL_OP_NO_QUERY_MTU);
    SSL_set_mtu(p->ssl, VN_UDP_PAYLOAD_BYTES);
    DTLS_set_timer_cb(p->ssl, short_timer);
    if (client)
        SSL_set_connect_state(p->ssl);
    else
        SSL_set_accept_state(p->ssl);
}

void dtls_rig_plain(struct dtls_rig *r, bool client, const char *identity, uint8_t key)
{
    struct dtls_plain *p = plain_of(r, client);
    must(strlen(identity) < sizeof(p->identity), "identity too long");
    memcpy(p->identity, identity, strlen(identity) + 1);
    memset(p->psk, key, sizeof(p->psk));
    p->ctx = SSL_CTX_new(DTLS_method());
    must(p->ctx, "SSL_CTX");
    SSL_CTX_set_psk_client_callback(p->ctx, psk_for_server);
    SSL_CTX_set_psk_server_callback(p->ctx, psk_for_client);
    plain_start(p, client, "PSK-AES256-GCM-SHA384");
}

void dtls_rig_certify_plain(struct dtls_rig *r, bool client, size_t min_bytes)
{
    enum { HOST_LEN = 60, HOSTS = 100 };
    const char *hosts[HOSTS];
    char *key = NULL, *pem = NULL;
    struct dtls_plain *p = plain_of(r, client);
    for (size_t i = 0; i < HOSTS; i++)
        hosts[i] = "a.host.of.sixty.letters.that.makes.certificates.long.example";
    must(min_bytes <= HOST_LEN * HOSTS && vn_tls_key_new(&key) == VN_OK &&
             vn_tls_self_signed(key, hosts, 1 + min_bytes / HOST_LEN, 0, 4000000000000, &pem) ==
                 VN_OK,
         "certificate");
    BIO *k = BIO_new_mem_buf(key, -1), *c = BIO_new_mem_buf(pem, -1);
    p->key = PEM_read_bio_PrivateKey(k, NULL, NULL, NULL);
    p->cert = PEM_read_bio_X509(c, NULL, NULL, NULL);
    must(p->key && p->cert &&
             X509_digest(p->cert, EVP_sha256(), end_of(r, client)->fingerprint.b, NULL),
         "certificate");
    BIO_free(k);
    BIO_free(c);
    free(key);
    free(pem);
}

static int take_any(X509_STORE_CTX *store, void *arg)
{
    (void)store;
    (void)arg;
    return 1;
}

void dtls_rig_plain_by_cert(struct dtls_rig *r, bool client, const char *ciphers,
                            uint64_t ssl_options)
{
    struct dtls_plain *p = plain_of(r, client);
    p->ctx = SSL_CTX_new(DTLS_method());
    must(p->ctx, "SSL_CTX");
    SSL_CTX_set_options(p->ctx, ssl_options);
    SSL_CTX_set_verify(p->ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(p->ctx, take_any, NULL);
    must(!p->cert || (SSL_CTX_use_certificate(p->ctx, p->cert) == 1 &&
                      SSL_CTX_use_PrivateKey(p->ctx, p->key) == 1),
         "certificate");
    plain_start(p, client, ciphers);
}

bool dtls_rig_plain_keys(struct dtls_rig *r, bool client, enum vn_hash_alg prf, size_t key_len,
                         struct vn_dtls_keys *ret)
{
    const SSL *ssl = plain_of(r, client)->ssl;
    const SSL_SESSION *session = SSL_get_session(ssl);
    uint8_t secret[SSL_MAX_MASTER_KEY_LENGTH], of_client[SSL3_RANDOM_SIZE],
        of_server[SSL3_RANDOM_SIZE];
    const size_t n = session ? SSL_SESSION_get_master_key(session, secret, sizeof(secret)) : 0;
    (void)SSL_get_client_random(ssl, of_client, sizeof(of_client));
    (void)SSL_get_server_random(ssl, of_server, sizeof(of_server));
    return n > 0 && vn_dtls_keys_derive(prf, key_len, VN_SPAN(secret, n), VN_SPAN_ARRAY(of_client),
                                        VN_SPAN_ARRAY(of_server), ret) == VN_OK;
}

static void drain(struct dtls_end *e)
{
    int n;
    while (e->count < DTLS_RIG_QUEUE &&
           (n = BIO_read(e->plain->out, e->sent[e->count].b, DTLS_RIG_BYTES)) > 0)
        keep(e, (size_t)n);
}

/* Whatever OpenSSL can do with what it has. */
static void work(struct dtls_end *e)
{
    struct dtls_plain *p = e->plain;
    int n = SSL_is_init_finished(p->ssl) ? 1 : SSL_do_handshake(p->ssl);
    while (n > 0) {
        struct dtls_datagram *got = &e->got[e->got_count % DTLS_RIG_QUEUE];
        n = SSL_read(p->ssl, got->b, DTLS_RIG_BYTES);
        got->n = (size_t)VN_MAX(n, 0);
        e->got_count += n > 0;
    }
    p->closed |= SSL_get_error(p->ssl, n) == SSL_ERROR_ZERO_RETURN;
    ERR_clear_error();
    drain(e);
}

static void plain_free(struct dtls_plain *p)
{
    if (!p)
        return;
    SSL_free(p->ssl); /* with its BIOs */
    SSL_CTX_free(p->ctx);
    X509_free(p->cert);
    EVP_PKEY_free(p->key);
    free(p);
}

struct dtls_rig *dtls_rig_free(struct dtls_rig *r)
{
    plain_free(r->client.plain);
    plain_free(r->server.plain);
    (void)vn_dtls_free(r->client.d);
    (void)vn_dtls_free(r->server.d);
    (void)vn_dtls_cert_free(r->client.cert);
    (void)vn_dtls_cert_free(r->server.cert);
    (void)vn_dtls_ctx_free(r->ctx);
    free(r);
    return NULL;
}

/* ---- either ---- */

bool dtls_end_open(const struct dtls_end *e)
{
    return e->d ? vn_dtls_state(e->d) == VN_DTLS_OPEN
                : SSL_is_init_finished(e->plain->ssl) && !e->plain->closed;
}

bool dtls_end_closed(const struct dtls_end *e)
{
    return e->d ? vn_dtls_state(e->d) == VN_DTLS_CLOSED : e->plain->closed;
}

void dtls_end_send(struct dtls_end *e, struct vn_span packet)
{
    if (e->d) {
        const struct vn_dgram d = {(uint8_t *)(uintptr_t)packet.p, packet.n};
        must(vn_dtls_seal(e->d, &d, 1) == VN_OK, "vn_dtls_seal");
        return;
    }
    must(SSL_write(e->plain->ssl, packet.p, (int)packet.n) == (int)packet.n, "SSL_write");
    drain(e);
}

void dtls_end_close(struct dtls_end *e)
{
    if (e->d) {
        vn_dtls_close(e->d);
        return;
    }
    (void)SSL_shutdown(e->plain->ssl);
    drain(e);
}

void dtls_end_take(struct dtls_end *e, struct vn_span datagram)
{
    struct dtls_datagram copy = {.n = datagram.n};
    must(datagram.n <= sizeof(copy.b), "datagram too long");
    memcpy(copy.b, datagram.p, datagram.n);
    if (e->plain) {
        (void)BIO_write(e->plain->in, copy.b, (int)copy.n);
        work(e);
        return;
    }
    const struct vn_dgram in = {copy.b, copy.n};
    struct vn_dgram out[DTLS_RIG_QUEUE];
    size_t used;
    size_t n = vn_dtls_open(e->d, &in, 1, out, VN_ARRAY_LEN(out), vn_clock_mono_us(), &used);
    for (size_t i = 0; i < n; i++, e->got_count++) {
        struct dtls_datagram *got = &e->got[e->got_count % DTLS_RIG_QUEUE];
        must(out[i].n <= sizeof(got->b), "message too long");
        memcpy(got->b, out[i].p, out[i].n);
        got->n = out[i].n;
    }
}

static bool happens(unsigned percent)
{
    return percent > 0 && vn_test_below(100) < percent;
}

bool dtls_rig_carry(struct dtls_rig *r, struct dtls_end *from)
{
    static _Thread_local struct dtls_datagram link[DTLS_RIG_QUEUE];
    const size_t n = from->count;
    memcpy(link, from->sent, n * sizeof(link[0]));
    from->count = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        if (happens(r->reorder)) {
            const struct dtls_datagram first = link[i];
            link[i] = link[i + 1];
            link[i + 1] = first;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (happens(r->loss))
            continue;
        dtls_end_take(from->peer, VN_SPAN(link[i].b, link[i].n));
        if (happens(r->repeat))
            dtls_end_take(from->peer, VN_SPAN(link[i].b, link[i].n));
    }
    return n > 0;
}

void dtls_rig_start(struct dtls_rig *r)
{
    if (r->client.d)
        vn_dtls_start(r->client.d);
    else
        work(&r->client);
}

void dtls_rig_run(struct dtls_rig *r)
{
    for (int i = 0; i < 20; i++) {
        bool any = dtls_rig_carry(r, &r->client);
        any |= dtls_rig_carry(r, &r->server);
        if (!any)
            break;
    }
}

static void timer(struct dtls_end *e)
{
    if (e->d) {
        vn_dtls_timeout(e->d);
        return;
    }
    if (!SSL_is_init_finished(e->plain->ssl)) {
        (void)DTLSv1_handle_timeout(e->plain->ssl);
        ERR_clear_error();
        drain(e);
    }
}

void dtls_rig_timers(struct dtls_rig *r)
{
    timer(&r->client);
    timer(&r->server);
}

bool dtls_rig_connect(struct dtls_rig *r, int max_ms)
{
    const uint64_t end = vn_clock_mono_us() + (uint64_t)max_ms * 1000;
    dtls_rig_start(r);
    for (;;) {
        dtls_rig_run(r);
        if (dtls_end_open(&r->client) && dtls_end_open(&r->server))
            return true;
        if (vn_clock_mono_us() > end)
            return false;
        usleep(1000);
        dtls_rig_timers(r);
    }
}
