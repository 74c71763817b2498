#include "transport/dtls_auth.h"

#include <openssl/err.h>
#include <stdlib.h>

#define CIPHER "PSK-AES256-GCM-SHA384" /* RFC 5487 */

static const struct vn_dtls_suite suites[] = {
    {CIPHER, false, VN_SHA384, 32},
    {"ECDHE-ECDSA-AES256-GCM-SHA384", true, VN_SHA384, 32}, /* RFC 5289 */
    {"ECDHE-ECDSA-AES128-GCM-SHA256", true, VN_SHA256, 16},
};

struct vn_dtls_ctx {
    SSL_CTX *ctx;
};

SSL_CTX *vn_dtls_ssl_ctx(const char *ciphers)
{
    SSL_CTX *c = SSL_CTX_new(DTLS_method());
    if (!c || !SSL_CTX_set_min_proto_version(c, DTLS1_2_VERSION) ||
        !SSL_CTX_set_max_proto_version(c, DTLS1_2_VERSION) ||
        !SSL_CTX_set_cipher_list(c, ciphers)) {
        SSL_CTX_free(c);
        return NULL;
    }
    SSL_CTX_set_security_level(c, 2);
    SSL_CTX_set_options(c, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_NO_QUERY_MTU | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    return c;
}

/* ---- pre-shared keys ---- */

static unsigned int client_psk(SSL *ssl, const char *hint, char *identity,
                               unsigned int identity_max, unsigned char *psk, unsigned int psk_max)
{
    const struct vn_dtls_auth *a = SSL_get_app_data(ssl);
    size_t n = strlen(a->identity);
    (void)hint;
    if (n >= identity_max || psk_max < sizeof(a->psk.b))
        return 0;
    memcpy(identity, a->identity, n + 1);
    memcpy(psk, a->psk.b, sizeof(a->psk.b));
    return sizeof(a->psk.b);
}

static unsigned int server_psk(SSL *ssl, const char *identity, unsigned char *psk,
                               unsigned int psk_max)
{
    const struct vn_dtls_auth *a = SSL_get_app_data(ssl);
    if (strcmp(identity, a->identity) != 0 || psk_max < sizeof(a->psk.b))
        return 0;
    memcpy(psk, a->psk.b, sizeof(a->psk.b));
    return sizeof(a->psk.b);
}

vn_status vn_dtls_ctx_new(struct vn_dtls_ctx **ret)
{
    struct vn_dtls_ctx *c = calloc(1, sizeof(*c));
    if (!c)
        return VN_ERR_NOMEM;
    c->ctx = vn_dtls_ssl_ctx(CIPHER);
    if (!c->ctx) {
        ERR_clear_error();
        (void)vn_dtls_ctx_free(c);
        return VN_ERR_CRYPTO;
    }
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

SSL_CTX *vn_dtls_psk_ssl_ctx(const struct vn_dtls_ctx *ctx)
{
    return ctx->ctx;
}

/* ---- either ---- */

const struct vn_dtls_suite *vn_dtls_agreed(const SSL *ssl, const struct vn_dtls_auth *auth)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
    /* RFC 7627 section 5.3: without it the master secret is not bound to this handshake. */
    if (!cipher || SSL_get_extms_support((SSL *)(uintptr_t)ssl) != 1 ||
        SSL_version(ssl) != DTLS1_2_VERSION || (auth->by_cert && !auth->verified))
        return NULL;
    for (size_t i = 0; i < VN_ARRAY_LEN(suites); i++)
        if (suites[i].by_cert == auth->by_cert &&
            strcmp(suites[i].name, SSL_CIPHER_get_name(cipher)) == 0)
            return &suites[i];
    return NULL;
}
