/*
 * An association after its handshake: data, alerts and closure in records of our own, and the
 * answer to a peer whose handshake has not ended yet. Sans-IO like dtls.h, and without OpenSSL.
 */
#pragma once

#include "transport/dtls.h"
#include "transport/dtls_record.h"
#include "transport/limits.h"

struct vn_dtls_epoch1 {
    struct vn_dtls_tx tx;
    struct vn_dtls_rx rx;
    struct vn_dgram_sink out;
    enum vn_dtls_state state; /* OPEN, CLOSED or FAILED */
    uint64_t bytes_max;       /* sealed, then it closes */
    /* The server's CCS and Finished, byte for byte; a client has none. */
    uint8_t flight[VN_DTLS_FLIGHT_MAX];
    size_t flight_len;
    unsigned answers_left;
    uint64_t next_answer_us;
};

struct vn_dtls_epoch1_config {
    bool client;
    const struct vn_dtls_keys *keys;
    uint64_t first_nonce;  /* of OpenSSL's records in epoch 1 */
    struct vn_span flight; /* at most VN_DTLS_FLIGHT_MAX bytes, copied; none for a client */
    uint64_t bytes_max;    /* as in struct vn_dtls_config */
    struct vn_dgram_sink out;
};

VN_MUST_CHECK vn_status vn_dtls_epoch1_init(struct vn_dtls_epoch1 *e,
                                            const struct vn_dtls_epoch1_config *cfg);
/** Wipes; zeroed is fine. */
void vn_dtls_epoch1_done(struct vn_dtls_epoch1 *e);

/**
 * Takes one record.
 * @param ret_data  the plaintext, in the record's own storage; n 0: it was no data for the user
 * @return false: forged, replayed, cut, or of the handshake in clear
 */
VN_MUST_CHECK bool vn_dtls_epoch1_take(struct vn_dtls_epoch1 *e, const struct vn_dtls_record *r,
                                       uint64_t now_us, struct vn_dgram *ret_data);
/**
 * As vn_dtls_seal. What would go beyond bytes_max under one key closes the association instead.
 */
VN_MUST_CHECK vn_status vn_dtls_epoch1_seal(struct vn_dtls_epoch1 *e,
                                            const struct vn_dgram *packets, size_t n);
/** As vn_dtls_worn. */
bool vn_dtls_epoch1_worn(const struct vn_dtls_epoch1 *e);
/** Sends close_notify, once. */
void vn_dtls_epoch1_close(struct vn_dtls_epoch1 *e);
