#include "crypto/tls.h"

#include <openssl/ssl.h>

#include "crypto/ossl.h"

vn_status vn_tls_binding(void *ssl, uint8_t ret[32])
{
    static const char LABEL[] = "EXPORTER-veilnet-login";
    SSL *s = ssl;
    /* Before the handshake is over, and in TLS 1.2, an exporter may not bind to what was negotiated
     * (RFC 9266). */
    if (!s || !SSL_is_init_finished(s) || SSL_version(s) != TLS1_3_VERSION)
        return VN_ERR_STATE;
    if (SSL_export_keying_material(s, ret, 32, LABEL, sizeof(LABEL) - 1, NULL, 0, 0) != 1)
        return vn_ossl_error("tls exporter", VN_ERR_CRYPTO);
    return VN_OK;
}

void vn_tls_no_tickets(void *ctx)
{
    (void)SSL_CTX_set_num_tickets(ctx, 0); /* fails never */
}
