#include "transport/dtls.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/time.h>

#include "base/log.h"
#include "base/reader.h"
#include "transport/limits.h"

#define RECORD_HEADER_LEN 13
#define CIPHER "PSK-AES256-GCM-SHA384" /* RFC 5487 */

struct vn_dtls_ctx {
    SSL_CTX *ctx;
};

struct vn_dtls {
    SSL *ssl;
    enum vn_dtls_state state;
    bool client;
    struct vn_dgram_sink out;
    struct vn_span in; /* the datagram OpenSSL may read next; p NULL: none */
    char identity[VN_DTLS_IDENTITY_MAX + 1];
    struct vn_secret32 psk;
    uint64_t dropped;
};

/* ---- a BIO with datagram semantics over the sink and the datagram at hand ---- */

static int bio_write(BIO *bio, const char *p, int n)
{
    struct vn_dtls *d = BIO_get_data(bio);
    uint8_t *room = n > 0 ? d->out.room(d->out.arg, (size_t)n) : NULL;
    if (room) {
        memcpy(room, p, (size_t)n);
        d->out.keep(d->out.arg, (size_t)n);
    }
    return n; /* a dropped datagram is lost on the way, as far as DTLS is concerned */
}

static int bio_read(BIO *bio, char *p, int n)
{
    struct vn_dtls *d = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!d->in.p) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t take = VN_MIN(d->in.n, (size_t)VN_MAX(n, 0));
    memcpy(p, d->in.p, take);
    d->in = VN_SPAN_NONE;
    return (int)take;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)bio;
    (void)num;
    (void)ptr;
    return cmd == BIO_CTRL_FLUSH ? 1
                                 : 0; /* sizes are set on the SSL; there is nothing to flush here */
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static void make_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "veilnet datagrams");
    if (m && BIO_meth_set_write(m, bio_write) && BIO_meth_set_read(m, bio_read) &&
        BIO_meth_set_ctrl(m, bio_ctrl) && BIO_meth_set_create(m, bio_create)) {
        method = m;
        return;
    }
    BIO_meth_free(m);
}

/* ---- keys ---- */

static unsigned int client_psk(SSL *ssl, const char *hint, char *identity,
                               unsigned int identity_max, unsigned char *psk, unsigned int psk_max)
{
    const struct vn_dtls *d = SSL_get_app_data(ssl);
    size_t n = strlen(d->identity);
    (void)hint;
    if (n >= identity_max || psk_max < sizeof(d->psk.b))
        return 0;
    memcpy(identity, d->identity, n + 1);
    memcpy(psk, d->psk.b, sizeof(d->psk.b));
    return sizeof(d->psk.b);
}

static unsigned int server_psk(SSL *ssl, const char *identity, unsigned char *psk,
                               unsigned int psk_max)
{
    const struct vn_dtls *d = SSL_get_app_data(ssl);
    if (strcmp(identity, d->identity) != 0 || psk_max < sizeof(d->psk.b))
        return 0;
    memcpy(psk, d->psk.b, sizeof(d->psk.b));
    return sizeof(d->psk.b);
}

static unsigned int timer_us(SSL *ssl, unsigned int last_us)
{
    (void)ssl;
    return last_us ? VN_MIN(last_us * 2, (unsigned)VN_DTLS_TIMER_MAX_US) : VN_DTLS_TIMER_US;
}

/* ---- life ---- */

vn_status vn_dtls_ctx_new(struct vn_dtls_ctx **ret)
{
    struct vn_dtls_ctx *c = calloc(1, sizeof(*c));
    if (!c)
        return VN_ERR_NOMEM;
    c->ctx = SSL_CTX_new(DTLS_method());
    if (pthread_once(&method_once, make_method) != 0 || !method || !c->ctx ||
        !SSL_CTX_set_min_proto_version(c->ctx, DTLS1_2_VERSION) ||
        !SSL_CTX_set_max_proto_version(c->ctx, DTLS1_2_VERSION) ||
        !SSL_CTX_set_cipher_list(c->ctx, CIPHER)) {
        ERR_clear_error();
        (void)vn_dtls_ctx_free(c);
        return VN_ERR_CRYPTO;
    }
    SSL_CTX_set_security_level(c->ctx, 2);
    SSL_CTX_set_options(c->ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                    SSL_OP_NO_QUERY_MTU);
    SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_psk_client_callback(c->ctx, client_psk);
    SSL_CTX_set_psk_server_callback(c->ctx, server_psk);
    *ret = c;
    return VN_OK;
}

struct vn_dtls_ctx *vn_dtls_ctx_free(struct vn_dtls_ctx *ctx)
{
    if (ctx)
        SSL_CTX_free(ctx->ctx);
    free(ctx);
    return NULL;
}

vn_status vn_dtls_new(struct vn_dtls_ctx *ctx, const struct vn_dtls_config *cfg,
                      struct vn_dtls **ret)
{
    size_t n = strlen(cfg->identity);
    if (n == 0 || n > VN_DTLS_IDENTITY_MAX)
        return VN_ERR_ARG;
    struct vn_dtls *d = calloc(1, sizeof(*d));
    if (!d)
        return VN_ERR_NOMEM;
    d->client = cfg->client;
    d->out = cfg->out;
    d->psk = *cfg->psk;
    memcpy(d->identity, cfg->identity, n);
    d->ssl = SSL_new(ctx->ctx);
    BIO *bio = d->ssl ? BIO_new(method) : NULL;
    if (!bio) {
        ERR_clear_error();
        (void)vn_dtls_free(d);
        return VN_ERR_NOMEM;
    }
    BIO_set_data(bio, d);
    SSL_set_bio(d->ssl, bio, bio);
    SSL_set_app_data(d->ssl, d);
    SSL_set_mtu(d->ssl, (long)cfg->mtu);
    DTLS_set_timer_cb(d->ssl, timer_us);
    if (d->client)
        SSL_set_connect_state(d->ssl);
    else
        SSL_set_accept_state(d->ssl);
    *ret = d;
    return VN_OK;
}

struct vn_dtls *vn_dtls_free(struct vn_dtls *d)
{
    if (!d)
        return NULL;
    SSL_free(d->ssl);
    vn_secret32_wipe(&d->psk);
    free(d);
    return NULL;
}

/* Peers cause these, so debug; the queue must be empty before the next call in any case. */
static void fail(struct vn_dtls *d)
{
    char text[160] = "none";
    unsigned long e = ERR_get_error();
    if (e)
        ERR_error_string_n(e, text, sizeof(text));
    ERR_clear_error();
    vn_log(VN_LOG_DEBUG, "dtls_failed", VN_KV_STR("error", text));
    d->state = VN_DTLS_FAILED;
    vn_secret32_wipe(&d->psk);
}

static void check_result(struct vn_dtls *d, int result)
{
    switch (SSL_get_error(d->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        ERR_clear_error();
        break;
    case SSL_ERROR_ZERO_RETURN:
        ERR_clear_error();
        d->state = VN_DTLS_CLOSED;
        break;
    default:
        fail(d);
    }
}

static void handshake(struct vn_dtls *d)
{
    int result = SSL_do_handshake(d->ssl);
    if (result != 1) {
        check_result(d, result);
        return;
    }
    /* RFC 7627 section 5.3: without it the master secret is not bound to this handshake. */
    const SSL_CIPHER *cipher = SSL_get_current_cipher(d->ssl);
    if (SSL_get_extms_support(d->ssl) != 1 || SSL_version(d->ssl) != DTLS1_2_VERSION || !cipher ||
        strcmp(SSL_CIPHER_get_name(cipher), CIPHER) != 0) {
        fail(d);
        return;
    }
    d->state = VN_DTLS_OPEN;
    vn_secret32_wipe(&d->psk);
}

void vn_dtls_start(struct vn_dtls *d)
{
    if (d->client && d->state == VN_DTLS_HANDSHAKE)
        handshake(d);
}

enum vn_dtls_state vn_dtls_state(const struct vn_dtls *d)
{
    return d->state;
}

/*
 * Whole records only, and sealed ones no shorter than nonce and tag: OpenSSL 3.5 ends the
 * association over a shorter one, before any authentication, so that one spoofed datagram would.
 */
static bool is_plausible(struct vn_dgram in)
{
    struct vn_reader r = vn_reader_of(VN_SPAN(in.p, in.n));
    while (!vn_reader_done(&r)) {
        struct vn_reader fragment;
        uint16_t epoch;
        /* RFC 6347 section 4.1: type 1, version 2, epoch 2, sequence number 6, length 2 */
        if (!vn_read_skip(&r, 3) || !vn_read_u16(&r, &epoch) || !vn_read_skip(&r, 6) ||
            !vn_read_block16(&r, &fragment) ||
            (epoch > 0 && fragment.left < VN_DTLS_OVERHEAD_BYTES - RECORD_HEADER_LEN))
            return false;
    }
    return true;
}

size_t vn_dtls_open(struct vn_dtls *d, const struct vn_dgram *in, size_t n, struct vn_dgram *out,
                    size_t cap, size_t *ret_used)
{
    size_t used = 0, count = 0;
    uint8_t *room = NULL; /* plaintexts go one after another over the datagram they came in */
    size_t left = 0;
    bool yielded = false; /* something, by the datagram being read */
    while (count < cap && (d->state == VN_DTLS_HANDSHAKE || d->state == VN_DTLS_OPEN)) {
        if (d->state == VN_DTLS_HANDSHAKE) {
            handshake(d);
            if (d->state != VN_DTLS_HANDSHAKE)
                continue;
        } else if (room) {
            int got = SSL_read(d->ssl, room, (int)VN_MIN(left, (size_t)INT_MAX));
            if (got > 0) {
                yielded = true;
                out[count++] = (struct vn_dgram){room, (size_t)got};
                room += got;
                left -= (size_t)got;
                continue;
            }
            check_result(d, got);
            if (d->state != VN_DTLS_OPEN)
                break;
            d->dropped += !yielded;
            room = NULL;
        }
        while (used < n && !is_plausible(in[used])) {
            d->dropped++;
            used++;
        }
        if (used == n)
            break;
        d->in = VN_SPAN(in[used].p, in[used].n);
        room = in[used].p;
        left = in[used].n;
        yielded = false;
        used++;
    }
    d->in = VN_SPAN_NONE;
    *ret_used = used;
    return count;
}

uint64_t vn_dtls_dropped(const struct vn_dtls *d)
{
    return d->dropped;
}

vn_status vn_dtls_seal(struct vn_dtls *d, const struct vn_span *packets, size_t n)
{
    if (d->state != VN_DTLS_OPEN)
        return VN_ERR_STATE;
    for (size_t i = 0; i < n; i++) {
        int result = SSL_write(d->ssl, packets[i].p, (int)packets[i].n);
        if (result <= 0) {
            check_result(d, result);
            return VN_ERR_STATE;
        }
    }
    return VN_OK;
}

void vn_dtls_close(struct vn_dtls *d)
{
    if (d->state == VN_DTLS_OPEN) {
        (void)SSL_shutdown(d->ssl);
        ERR_clear_error();
        d->state = VN_DTLS_CLOSED;
    }
}

uint64_t vn_dtls_due_in_us(struct vn_dtls *d)
{
    struct timeval tv;
    if (d->state != VN_DTLS_HANDSHAKE || !DTLSv1_get_timeout(d->ssl, &tv))
        return UINT64_MAX;
    return (uint64_t)tv.tv_sec * 1000000 + (uint64_t)tv.tv_usec;
}

void vn_dtls_timeout(struct vn_dtls *d)
{
    if (d->state != VN_DTLS_HANDSHAKE)
        return;
    if (DTLSv1_handle_timeout(d->ssl) < 0)
        fail(d);
    ERR_clear_error();
}
