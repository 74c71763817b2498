/* What others need of TLS without seeing OpenSSL: the channel binding of a connection (RFC 5705
 * exporter). */
#pragma once

#include "base/status.h"

/**
 * Exporter "EXPORTER-veilnet-login", no context, 32 bytes, of an established TLS 1.3 connection.
 * @param ssl  the SSL pointer as libcurl (CURLINFO_TLS_SSL_PTR) or libwebsockets (lws_get_ssl)
 * gives it
 */
VN_MUST_CHECK vn_status vn_tls_binding(void *ssl, uint8_t ret[32]);
