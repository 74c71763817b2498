/* What OpenSSL's handshake reads and writes through; for dtls.c only. */
#pragma once

#include <openssl/bio.h>

#include "transport/dtls_record.h"
#include "transport/limits.h"

/** Keeps what must be known of OpenSSL's own records once it is gone. */
struct vn_dtls_bio {
    struct vn_dgram_sink out;
    struct vn_span in;                  /* the record that may be read next; p NULL: none */
    bool has_nonce;                     /* a record of epoch 1 was written, with first_nonce */
    bool strange;                       /* and one that our own records could clash with */
    uint64_t first_nonce;               /* the explicit one */
    uint8_t flight[VN_DTLS_FLIGHT_MAX]; /* what was written from the last CCS on */
    size_t flight_len;
};

/** A BIO with datagram semantics, which borrows b. NULL: no memory; OpenSSL's error queue tells. */
BIO *vn_dtls_bio_new(struct vn_dtls_bio *b);
