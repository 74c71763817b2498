/*
 * DTLS ends over queues in memory, with a link between two of them that loses, repeats and
 * reorders. An end is ours, or a plain OpenSSL one that knows nothing of VeilNet.
 */
#pragma once

#include "transport/dtls.h"
#include "transport/dtls_record.h"

#define DTLS_RIG_QUEUE 128
#define DTLS_RIG_BYTES 2048

struct dtls_datagram {
    uint8_t b[DTLS_RIG_BYTES];
    size_t n;
};

struct dtls_end {
    struct vn_dtls *d; /* ours */
    struct vn_dtls_cert *cert;
    struct dtls_plain *plain;               /* or OpenSSL's */
    struct vn_dtls_fingerprint fingerprint; /* of its certificate: what its peer is told */
    struct dtls_end *peer;
    struct dtls_datagram sent[DTLS_RIG_QUEUE]; /* not yet on the link */
    size_t count;
    struct dtls_datagram got[DTLS_RIG_QUEUE]; /* what arrived as data */
    size_t got_count;
    size_t longest;
    /** Sees every datagram this end sends; may be NULL. */
    void (*tap)(void *arg, struct vn_dgram datagram);
    void *tap_arg;
};

struct dtls_rig {
    struct vn_dtls_ctx *ctx;
    struct dtls_end client, server;
    unsigned loss, repeat, reorder; /* of the link, percent */
};

/** Aborts the test on failure, as all below. */
struct dtls_rig *dtls_rig_new(void);
struct dtls_rig *dtls_rig_free(struct dtls_rig *r); /* returns NULL */

/** Makes an end of ours, or of OpenSSL's. Both take key as all 32 bytes of the PSK. */
void dtls_rig_ours(struct dtls_rig *r, bool client, const char *identity, uint8_t key);
void dtls_rig_plain(struct dtls_rig *r, bool client, const char *identity, uint8_t key);

/** Gives that end a certificate; an OpenSSL one that is at least so many bytes long. */
void dtls_rig_certify(struct dtls_rig *r, bool client);
void dtls_rig_certify_plain(struct dtls_rig *r, bool client, size_t min_bytes);
/** Makes an end of ours that has its certificate and expects the peer's, as that end's fingerprint
 * says now. */
void dtls_rig_ours_by_cert(struct dtls_rig *r, bool client);
/** Makes an OpenSSL end that takes any certificate, and has its own if it was certified. */
void dtls_rig_plain_by_cert(struct dtls_rig *r, bool client, const char *ciphers,
                            uint64_t ssl_options);
/** OpenSSL's own idea of its keys, as soon as both ends have them; false before. */
bool dtls_rig_plain_keys(struct dtls_rig *r, bool client, enum vn_hash_alg prf, size_t key_len,
                         struct vn_dtls_keys *ret);

/** The handshake is over at this end, and nothing failed since. */
bool dtls_end_open(const struct dtls_end *e);
/** The peer's close_notify has come. */
bool dtls_end_closed(const struct dtls_end *e);
void dtls_end_send(struct dtls_end *e, struct vn_span packet);
void dtls_end_close(struct dtls_end *e);

/** Carries what `from` has sent to its peer, as the link does; true if there was anything. */
bool dtls_rig_carry(struct dtls_rig *r, struct dtls_end *from);
/** Hands one datagram to an end. */
void dtls_end_take(struct dtls_end *e, struct vn_span datagram);
/** The client's first flight. */
void dtls_rig_start(struct dtls_rig *r);
/** Carries both ways until nothing moves. */
void dtls_rig_run(struct dtls_rig *r);
/** What is due by the clock. */
void dtls_rig_timers(struct dtls_rig *r);
/** Carries and runs timers until both ends are open; false after max_ms. */
bool dtls_rig_connect(struct dtls_rig *r, int max_ms);
