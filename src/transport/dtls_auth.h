/*
 * How the two ends of a DTLS association prove who they are; for the files of DTLS only. Each way
 * has an SSL_CTX of its own, so that neither ever offers what the other takes.
 */
#pragma once

#include <openssl/ssl.h>

#include "crypto/kdf.h"
#include "transport/dtls.h"

/** A cipher suite, and what its records need. */
struct vn_dtls_suite {
    const char *name;
    bool by_cert;
    enum vn_hash_alg prf;
    size_t key_len;
};

/** The app data of an association's SSL. */
struct vn_dtls_auth {
    bool by_cert;
    char identity[VN_DTLS_IDENTITY_MAX + 1];
    struct vn_secret32 psk;
    struct vn_dtls_fingerprint peer;
    bool verified; /* its certificate was that one */
};

/** What both ways have in common. NULL on error. */
SSL_CTX *vn_dtls_ssl_ctx(const char *ciphers);
SSL_CTX *vn_dtls_psk_ssl_ctx(const struct vn_dtls_ctx *ctx);
SSL_CTX *vn_dtls_cert_ssl_ctx(const struct vn_dtls_cert *cert);

/**
 * After the handshake: the suite, if all is as this way of proving demands. NULL: DTLS 1.2, the
 * extended master secret, the suite or the peer's certificate is missing.
 */
const struct vn_dtls_suite *vn_dtls_agreed(const SSL *ssl, const struct vn_dtls_auth *auth);
