/*
 * DTLS 1.2 (DESIGN section 9): no tickets, renegotiation or session cache; extended master secret
 * or failure. An association is of one of two kinds, by its config, and there is no way from one to
 * the other: PSK-AES256-GCM-SHA384 between Conflux nodes, and nothing else; or, for browsers,
 * ECDHE-ECDSA with AES-GCM and certificates at both ends, which are known by their fingerprints
 * alone (RFC 8122, RFC 8827 section 6.5). OpenSSL does the handshake and goes; all records after it
 * are our own (dtls_epoch1.h). Sans-IO: datagrams in batches in, datagrams to a sink out.
 */
#pragma once

#include <stdbool.h>

#include "base/secret.h"
#include "base/status.h"
#include "transport/dgram.h"

/** Settings shared by all associations with pre-shared keys of a transport. */
struct vn_dtls_ctx;
VN_MUST_CHECK vn_status vn_dtls_ctx_new(struct vn_dtls_ctx **ret);
struct vn_dtls_ctx *vn_dtls_ctx_free(struct vn_dtls_ctx *ctx); /* returns NULL */

/** SHA-256 of a certificate's DER. */
struct vn_dtls_fingerprint {
    uint8_t b[32];
};

/** A fresh P-256 key with a self-signed certificate, and OpenSSL's settings for both. One may serve
 * many associations of one thread, which are linked by it in the eyes of their peers. */
struct vn_dtls_cert;
/** VN_ERR_NOMEM, VN_ERR_CRYPTO. */
VN_MUST_CHECK vn_status vn_dtls_cert_new(struct vn_dtls_cert **ret);
/** Associations made with it live on. Returns NULL. */
struct vn_dtls_cert *vn_dtls_cert_free(struct vn_dtls_cert *c);
const struct vn_dtls_fingerprint *vn_dtls_cert_fingerprint(const struct vn_dtls_cert *c);

enum vn_dtls_state {
    VN_DTLS_HANDSHAKE,
    VN_DTLS_OPEN,
    VN_DTLS_CLOSED, /* by close_notify of either, or bytes_max were sealed */
    VN_DTLS_FAILED,
};

#define VN_DTLS_IDENTITY_MAX 64

struct vn_dtls_config {
    bool client;
    const struct vn_dtls_cert *cert; /* ours; NULL: pre-shared key, which the next two are */
    const char *identity;            /* at most VN_DTLS_IDENTITY_MAX characters */
    const struct vn_secret32 *psk;   /* copied; the copy is wiped when the handshake ends */
    struct vn_dtls_fingerprint peer; /* with cert: of the only certificate the peer may have */
    size_t mtu;                      /* bytes of the longest handshake datagram */
    uint64_t bytes_max;              /* sealed under our key; 0: VN_DTLS_BYTES_MAX */
    struct vn_dgram_sink out;
};

struct vn_dtls;

/** ctx is of use, and may be NULL else, without cfg->cert only. VN_ERR_ARG, VN_ERR_NOMEM. */
VN_MUST_CHECK vn_status vn_dtls_new(struct vn_dtls_ctx *ctx, const struct vn_dtls_config *cfg,
                                    struct vn_dtls **ret);
struct vn_dtls *vn_dtls_free(struct vn_dtls *d); /* wipes; returns NULL */

/** Sends the client's first flight; nothing for the server. */
void vn_dtls_start(struct vn_dtls *d);
enum vn_dtls_state vn_dtls_state(const struct vn_dtls *d);

/**
 * Takes up to n datagrams, *ret_used of them; writes plaintexts over their storage and lists them
 * in out[0..cap). Those of records that came before the handshake ended are in storage of the
 * association's own, valid until the next call. Call again while *ret_used < n; with cap at least n
 * + VN_DTLS_EARLY_MAX everything an honest peer sends fits, and what does not is lost. Moves the
 * handshake along too.
 */
size_t vn_dtls_open(struct vn_dtls *d, const struct vn_dgram *in, size_t n, struct vn_dgram *out,
                    size_t cap, uint64_t now_us, size_t *ret_used);
/** Datagrams so far that held no record of the peer's: forged, replayed, cut, or too late. */
uint64_t vn_dtls_dropped(const struct vn_dtls *d);
/**
 * Seals each packet, of at most VN_DTLS_PLAIN_MAX bytes, as a record of its own to the sink.
 * VN_ERR_STATE before OPEN and after; VN_ERR_LIMIT: the key is used up, and the state CLOSED.
 */
VN_MUST_CHECK vn_status vn_dtls_seal(struct vn_dtls *d, const struct vn_dgram *packets, size_t n);
/** The last eighth of what our key may seal has begun. */
bool vn_dtls_worn(const struct vn_dtls *d);
/** Sends close_notify. */
void vn_dtls_close(struct vn_dtls *d);

/** Microseconds until vn_dtls_timeout is due; UINT64_MAX: never. */
uint64_t vn_dtls_due_in_us(struct vn_dtls *d);
/** Re-sends the last flight if it is due. */
void vn_dtls_timeout(struct vn_dtls *d);
