#include "transport/dtls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/time.h>

#include "base/log.h"
#include "transport/dtls_auth.h"
#include "transport/dtls_bio.h"
#include "transport/dtls_epoch1.h"

struct vn_dtls {
    SSL *ssl; /* NULL after the handshake */
    enum vn_dtls_state state;
    bool client;
    struct vn_dtls_bio bio;
    struct vn_dtls_auth auth;
    uint64_t dropped;
    /* Records of epoch 1 that came before the handshake ended. */
    struct vn_dgram early[VN_DTLS_EARLY_MAX];
    size_t early_count;
    bool early_given;
    struct vn_dtls_epoch1 after;
    uint64_t bytes_max;
};

static unsigned int timer_us(SSL *ssl, unsigned int last_us)
{
    (void)ssl;
    return last_us ? VN_MIN(last_us * 2, (unsigned)VN_DTLS_TIMER_MAX_US) : VN_DTLS_TIMER_US;
}

/* ---- life ---- */

/* False: there is nothing to prove or check with. */
static bool take_auth(struct vn_dtls_auth *a, const struct vn_dtls_config *cfg)
{
    *a = (struct vn_dtls_auth){.by_cert = cfg->cert, .peer = cfg->peer};
    if (cfg->cert)
        return true;
    const size_t n = strlen(cfg->identity);
    if (n == 0 || n > VN_DTLS_IDENTITY_MAX)
        return false;
    memcpy(a->identity, cfg->identity, n);
    a->psk = *cfg->psk;
    return true;
}

vn_status vn_dtls_new(struct vn_dtls_ctx *ctx, const struct vn_dtls_config *cfg,
                      struct vn_dtls **ret)
{
    struct vn_dtls *d = calloc(1, sizeof(*d));
    if (!d)
        return VN_ERR_NOMEM;
    d->client = cfg->client;
    d->bio.out = cfg->out;
    d->bytes_max = cfg->bytes_max;
    if (!take_auth(&d->auth, cfg)) {
        (void)vn_dtls_free(d);
        return VN_ERR_ARG;
    }
    d->ssl = SSL_new(cfg->cert ? vn_dtls_cert_ssl_ctx(cfg->cert) : vn_dtls_psk_ssl_ctx(ctx));
    BIO *bio = d->ssl ? vn_dtls_bio_new(&d->bio) : NULL;
    if (!bio) {
        ERR_clear_error();
        (void)vn_dtls_free(d);
        return VN_ERR_NOMEM;
    }
    SSL_set_bio(d->ssl, bio, bio);
    SSL_set_app_data(d->ssl, &d->auth);
    SSL_set_mtu(d->ssl, (long)cfg->mtu);
    DTLS_set_timer_cb(d->ssl, timer_us);
    if (d->client)
        SSL_set_connect_state(d->ssl);
    else
        SSL_set_accept_state(d->ssl);
    *ret = d;
    return VN_OK;
}

static void forget_early(struct vn_dtls *d)
{
    for (size_t i = 0; i < d->early_count; i++)
        free(d->early[i].p);
    d->early_count = 0;
}

struct vn_dtls *vn_dtls_free(struct vn_dtls *d)
{
    if (!d)
        return NULL;
    SSL_free(d->ssl);
    forget_early(d);
    vn_dtls_epoch1_done(&d->after);
    vn_secret32_wipe(&d->auth.psk);
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
    vn_secret32_wipe(&d->auth.psk);
}

static void check_result(struct vn_dtls *d, int result)
{
    switch (SSL_get_error(d->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        ERR_clear_error();
        break;
    default:
        fail(d);
    }
}

static vn_status take_over(struct vn_dtls *d, const struct vn_dtls_suite *suite)
{
    uint8_t secret[SSL_MAX_MASTER_KEY_LENGTH], client[SSL3_RANDOM_SIZE], server[SSL3_RANDOM_SIZE];
    VN_CLEANUP(vn_dtls_keys_wipe) struct vn_dtls_keys keys;
    const size_t n = SSL_SESSION_get_master_key(SSL_get_session(d->ssl), secret, sizeof(secret));
    vn_status st = VN_ERR_CRYPTO;
    if (n > 0 && SSL_get_client_random(d->ssl, client, sizeof(client)) == sizeof(client) &&
        SSL_get_server_random(d->ssl, server, sizeof(server)) == sizeof(server))
        st = vn_dtls_keys_derive(suite->prf, suite->key_len, VN_SPAN(secret, n),
                                 VN_SPAN_ARRAY(client), VN_SPAN_ARRAY(server), &keys);
    vn_wipe(secret, sizeof(secret));
    if (st != VN_OK)
        return st;
    const struct vn_dtls_epoch1_config cfg = {.client = d->client,
                                              .keys = &keys,
                                              .first_nonce = d->bio.first_nonce,
                                              .flight = VN_SPAN(d->bio.flight, d->bio.flight_len),
                                              .bytes_max = d->bytes_max,
                                              .out = d->bio.out};
    return vn_dtls_epoch1_init(&d->after, &cfg);
}

static void handshake(struct vn_dtls *d)
{
    int result = SSL_do_handshake(d->ssl);
    if (result != 1) {
        check_result(d, result);
        return;
    }
    const struct vn_dtls_suite *suite = vn_dtls_agreed(d->ssl, &d->auth);
    if (!suite || !d->bio.has_nonce || d->bio.strange || take_over(d, suite) != VN_OK) {
        fail(d);
        return;
    }
    SSL_free(d->ssl);
    d->ssl = NULL;
    d->state = VN_DTLS_OPEN;
    vn_secret32_wipe(&d->auth.psk);
}

void vn_dtls_start(struct vn_dtls *d)
{
    if (d->client && d->state == VN_DTLS_HANDSHAKE)
        handshake(d);
}

enum vn_dtls_state vn_dtls_state(const struct vn_dtls *d)
{
    return d->state == VN_DTLS_OPEN ? d->after.state : d->state;
}

/* ---- receiving ---- */

struct output {
    struct vn_dgram *at;
    size_t count, cap;
    uint64_t now_us;
};

static bool take_after(struct vn_dtls *d, const struct vn_dtls_record *r, struct output *out)
{
    struct vn_dgram data;
    if (!vn_dtls_epoch1_take(&d->after, r, out->now_us, &data))
        return false;
    if (data.n > 0 && out->count < out->cap)
        out->at[out->count++] = data;
    return true;
}

static void give_early(struct vn_dtls *d, struct output *out)
{
    struct vn_dtls_record r;
    for (size_t i = 0; i < d->early_count; i++) {
        struct vn_dgram rest = d->early[i];
        d->dropped += !vn_dtls_record_cut(&rest, &r) || !take_after(d, &r, out);
    }
    d->early_given = true;
}

static bool hold(struct vn_dtls *d, const struct vn_dtls_record *r)
{
    uint8_t *copy = NULL;
    if (d->early_count < VN_DTLS_EARLY_MAX && r->whole.n <= VN_DTLS_EARLY_BYTES)
        copy = malloc(r->whole.n);
    if (!copy)
        return false;
    memcpy(copy, r->whole.p, r->whole.n);
    d->early[d->early_count++] = (struct vn_dgram){copy, r->whole.n};
    return true;
}

/*
 * OpenSSL gets what belongs to the handshake. It would keep a record that comes early and take it
 * with itself when it goes; and OpenSSL 3.5 ends the association over a sealed record shorter than
 * nonce and tag, before any authentication, so that one spoofed datagram would.
 */
static bool take_before(struct vn_dtls *d, const struct vn_dtls_record *r, struct output *out)
{
    if (r->epoch > 0 && !vn_dtls_record_is_sealed(r))
        return false;
    if (r->epoch > 0 && r->type != VN_DTLS_HANDSHAKE_MSG)
        return hold(d, r);
    d->bio.in = VN_SPAN(r->whole.p, r->whole.n);
    handshake(d);
    d->bio.in = VN_SPAN_NONE;
    if (d->state == VN_DTLS_OPEN)
        give_early(d, out);
    return true;
}

static bool is_live(const struct vn_dtls *d)
{
    const enum vn_dtls_state state = vn_dtls_state(d);
    return state == VN_DTLS_HANDSHAKE || state == VN_DTLS_OPEN;
}

static bool take_datagram(struct vn_dtls *d, struct vn_dgram rest, struct output *out)
{
    struct vn_dtls_record r;
    bool any = false;
    while (rest.n > 0 && out->count < out->cap && is_live(d) && vn_dtls_record_cut(&rest, &r))
        any |= d->state == VN_DTLS_OPEN ? take_after(d, &r, out) : take_before(d, &r, out);
    return any;
}

size_t vn_dtls_open(struct vn_dtls *d, const struct vn_dgram *in, size_t n, struct vn_dgram *out,
                    size_t cap, uint64_t now_us, size_t *ret_used)
{
    struct output to = {.at = out, .cap = cap, .now_us = now_us};
    size_t used = 0;
    if (d->early_given)
        forget_early(d);
    for (; used < n && to.count < cap && is_live(d); used++)
        d->dropped += !take_datagram(d, in[used], &to);
    *ret_used = used;
    return to.count;
}

uint64_t vn_dtls_dropped(const struct vn_dtls *d)
{
    return d->dropped;
}

vn_status vn_dtls_seal(struct vn_dtls *d, const struct vn_dgram *packets, size_t n)
{
    return d->state == VN_DTLS_OPEN ? vn_dtls_epoch1_seal(&d->after, packets, n) : VN_ERR_STATE;
}

bool vn_dtls_worn(const struct vn_dtls *d)
{
    return d->state == VN_DTLS_OPEN && vn_dtls_epoch1_worn(&d->after);
}

void vn_dtls_close(struct vn_dtls *d)
{
    if (d->state == VN_DTLS_OPEN)
        vn_dtls_epoch1_close(&d->after);
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
