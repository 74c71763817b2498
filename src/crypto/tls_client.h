/*
 * The client end of a TLS connection (1.2 or 1.3) as a function of bytes: what comes from the
 * network goes in, what is to be sent there comes out; the socket is the caller's. One thread at a
 * time. OpenSSL's defaults choose the key exchange: X25519MLKEM768 where the server has it.
 */
#pragma once

#include "base/span.h"
#include "base/status.h"

enum vn_tls_client_state {
    VN_TLS_CLIENT_HANDSHAKE,
    VN_TLS_CLIENT_OPEN,
    VN_TLS_CLIENT_CLOSED, /* by the server */
    VN_TLS_CLIENT_FAILED, /* see vn_tls_client_why */
};

struct vn_tls_client_config {
    const char *host;   /* the name or address that the certificate must be for */
    const uint8_t *pin; /* 32 bytes, SHA-256 of the DER SubjectPublicKeyInfo that the server must
                           have, in place of all that; NULL: the system's CAs decide */
};

struct vn_tls_client;

/** Its first bytes can be sent at once. VN_ERR_NOMEM, VN_ERR_CRYPTO. */
VN_MUST_CHECK vn_status vn_tls_client_new(const struct vn_tls_client_config *cfg,
                                          struct vn_tls_client **ret);
struct vn_tls_client *vn_tls_client_free(struct vn_tls_client *c); /* returns NULL */

enum vn_tls_client_state vn_tls_client_state(const struct vn_tls_client *c);
/** Why it failed, for whoever runs this: a static text. */
const char *vn_tls_client_why(const struct vn_tls_client *c);

/** Takes bytes of the network. What they bring is read at once (vn_tls_client_read until 0), so
 * that nothing piles up. VN_ERR_NOMEM. */
VN_MUST_CHECK vn_status vn_tls_client_feed(struct vn_tls_client *c, struct vn_span in);
/** Up to cap bytes that the server said; 0: none for now. */
size_t vn_tls_client_read(struct vn_tls_client *c, uint8_t *ret, size_t cap);
/** Says something to the server. VN_ERR_STATE unless open; VN_ERR_NOMEM. */
VN_MUST_CHECK vn_status vn_tls_client_write(struct vn_tls_client *c, struct vn_span in);
/** Up to cap bytes for the network; 0: none for now. */
size_t vn_tls_client_output(struct vn_tls_client *c, uint8_t *ret, size_t cap);
