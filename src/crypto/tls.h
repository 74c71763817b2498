/* What others need of TLS without seeing OpenSSL: the channel binding of a connection (RFC 5705
 * exporter), and what a server does without. */
#pragma once

#include "base/status.h"

/**
 * Exporter "EXPORTER-veilnet-login", no context, 32 bytes, of an established TLS 1.3 connection.
 * @param ssl  the SSL pointer as libcurl (CURLINFO_TLS_SSL_PTR) or libwebsockets (lws_get_ssl)
 * gives it
 */
VN_MUST_CHECK vn_status vn_tls_binding(void *ssl, uint8_t ret[32]);
/** No session tickets (RFC 8446 section 4.6.1): a node comes back after hours, and what two of them
 * cost is a tenth of a handshake.
 * @param ctx  the SSL_CTX pointer as libwebsockets gives it */
void vn_tls_no_tickets(void *ctx);
