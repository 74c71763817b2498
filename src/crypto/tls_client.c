#include "crypto/tls_client.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "base/id.h"
#include "crypto/ossl.h"
#include "crypto/x509_util.h"

struct vn_tls_client {
    SSL *ssl;
    BIO *in, *out; /* the SSL object's own */
    enum vn_tls_client_state state;
    bool pinned;
    uint8_t pin[32];
    const char *why;
};

/* In place of the chain: with the right key nothing else about the certificate matters. */
static int check_pin(X509_STORE_CTX *ctx, void *arg)
{
    const struct vn_tls_client *c = arg;
    X509 *x = X509_STORE_CTX_get0_cert(ctx);
    EVP_PKEY *key = x ? X509_get0_pubkey(x) : NULL;
    uint8_t pin[32];
    if (key && vn_pkey_pin(key, pin) == VN_OK && memcmp(pin, c->pin, sizeof(pin)) == 0)
        return 1;
    X509_STORE_CTX_set_error(ctx, X509_V_ERR_CERT_REJECTED);
    return 0;
}

static bool expect_host(SSL *ssl, const char *host)
{
    struct vn_ip ip;
    if (vn_ip_parse(host, &ip) == VN_OK)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static SSL_CTX *make_ctx(struct vn_tls_client *c)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx)
        return NULL;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (c->pinned)
        SSL_CTX_set_cert_verify_callback(ctx, check_pin, c);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        (!c->pinned && SSL_CTX_set_default_verify_paths(ctx) != 1)) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
    return ctx;
}

static vn_status fail(struct vn_tls_client *c)
{
    const long verify = SSL_get_verify_result(c->ssl);
    c->why = c->pinned && verify != X509_V_OK ? "the server's key is not the pinned one"
             : verify != X509_V_OK            ? X509_verify_cert_error_string(verify)
                                              : "the TLS handshake failed";
    c->state = VN_TLS_CLIENT_FAILED;
    return vn_ossl_error("tls client", VN_OK);
}

static vn_status shake_hands(struct vn_tls_client *c)
{
    const int n = SSL_do_handshake(c->ssl);
    if (n == 1) {
        c->state = VN_TLS_CLIENT_OPEN;
        return VN_OK;
    }
    return SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ ? VN_OK : fail(c);
}

vn_status vn_tls_client_new(const struct vn_tls_client_config *cfg, struct vn_tls_client **ret)
{
    struct vn_tls_client *c = calloc(1, sizeof(*c));
    if (!c)
        return VN_ERR_NOMEM;
    if (cfg->pin) {
        c->pinned = true;
        memcpy(c->pin, cfg->pin, sizeof(c->pin));
    }
    SSL_CTX *ctx = make_ctx(c);
    c->ssl = ctx ? SSL_new(ctx) : NULL;
    SSL_CTX_free(ctx); /* the SSL object holds it */
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    if (!c->ssl || !in || !out) {
        BIO_free(in);
        BIO_free(out);
        (void)vn_tls_client_free(c);
        return vn_ossl_error("tls client", VN_ERR_CRYPTO);
    }
    BIO_set_mem_eof_return(in, -1); /* empty is not the end */
    SSL_set_bio(c->ssl, in, out);
    c->in = in;
    c->out = out;
    SSL_set_connect_state(c->ssl);
    vn_status st = expect_host(c->ssl, cfg->host) ? shake_hands(c) : VN_ERR_CRYPTO;
    if (st == VN_OK && c->state == VN_TLS_CLIENT_FAILED)
        st = VN_ERR_CRYPTO;
    if (st != VN_OK) {
        (void)vn_tls_client_free(c);
        return vn_ossl_error("tls client", st);
    }
    *ret = c;
    return VN_OK;
}

struct vn_tls_client *vn_tls_client_free(struct vn_tls_client *c)
{
    if (!c)
        return NULL;
    SSL_free(c->ssl);
    free(c);
    return NULL;
}

enum vn_tls_client_state vn_tls_client_state(const struct vn_tls_client *c)
{
    return c->state;
}

const char *vn_tls_client_why(const struct vn_tls_client *c)
{
    return c->why ? c->why : "";
}

vn_status vn_tls_client_feed(struct vn_tls_client *c, struct vn_span in)
{
    if (c->state > VN_TLS_CLIENT_OPEN || in.n == 0)
        return VN_OK;
    if (BIO_write(c->in, in.p, (int)in.n) != (int)in.n)
        return vn_ossl_error("tls input", VN_ERR_NOMEM);
    return c->state == VN_TLS_CLIENT_HANDSHAKE ? shake_hands(c) : VN_OK;
}

size_t vn_tls_client_read(struct vn_tls_client *c, uint8_t *ret, size_t cap)
{
    if (c->state != VN_TLS_CLIENT_OPEN)
        return 0;
    const int n = SSL_read(c->ssl, ret, (int)VN_MIN(cap, (size_t)INT32_MAX));
    if (n > 0)
        return (size_t)n;
    const int error = SSL_get_error(c->ssl, n);
    if (error == SSL_ERROR_ZERO_RETURN)
        c->state = VN_TLS_CLIENT_CLOSED;
    else if (error != SSL_ERROR_WANT_READ)
        (void)fail(c);
    return 0;
}

vn_status vn_tls_client_write(struct vn_tls_client *c, struct vn_span in)
{
    if (c->state != VN_TLS_CLIENT_OPEN)
        return VN_ERR_STATE;
    if (in.n == 0)
        return VN_OK;
    return SSL_write(c->ssl, in.p, (int)in.n) == (int)in.n
               ? VN_OK
               : vn_ossl_error("tls output", VN_ERR_NOMEM);
}

size_t vn_tls_client_output(struct vn_tls_client *c, uint8_t *ret, size_t cap)
{
    const int n = BIO_read(c->out, ret, (int)VN_MIN(cap, (size_t)INT32_MAX));
    return n > 0 ? (size_t)n : 0;
}
