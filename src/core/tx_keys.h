/*
 * The keys of a sending stream's lane: what seals frames, and when it is replaced. A step is made
 * with the first frame after its time, so a silent stream makes none; it costs no message, since
 * the receiver makes it for itself.
 */
#pragma once

#include <stdbool.h>

#include "wire/frame.h"
#include "wire/rekey.h"

struct vn_tx_keys {
    enum vn_hash_alg hash_alg;
    uint8_t lane;
    bool follows; /* another worker has the chain and says when a step is made */
    uint32_t epoch;
    struct vn_secret32 ck; /* of this epoch */
    struct vn_aead *aead;
    uint8_t iv[12];
    uint64_t seq;           /* of the next frame; never reset */
    uint64_t frames, bytes; /* under this key */
    uint64_t epoch_us;      /* when it began */

    uint64_t kem_bytes;  /* since the last KEM step */
    uint64_t kem_due_us; /* the next is asked for then */
    bool kem_awaited;    /* asked for; begins epoch + 1 */
    /* That the last one asked for was to begin. None is asked for twice: the answer to the first
     * offer would count for the second, whose key it is not made for. */
    uint32_t kem_epoch;
};

VN_MUST_CHECK vn_status vn_tx_keys_init(struct vn_tx_keys *k, enum vn_hash_alg alg, uint8_t lane,
                                        uint32_t epoch, const struct vn_secret32 *ck,
                                        uint64_t now_us);
/** Of a lane that follows: what it seals with from now on, if that is a later epoch. The first time
 * *k is zeroed. */
VN_MUST_CHECK vn_status vn_tx_keys_follow(struct vn_tx_keys *k, uint8_t lane, uint32_t epoch,
                                          const struct vn_lane_keys *keys, uint64_t now_us);
/** What a lane of this stream that follows seals with in this epoch. */
VN_MUST_CHECK vn_status vn_tx_keys_lane(const struct vn_tx_keys *k, uint8_t lane,
                                        struct vn_lane_keys *ret);
/** Wipes; zeroed is fine. */
void vn_tx_keys_done(struct vn_tx_keys *k);
/**
 * To be called before each frame: makes the symmetric step that is due. On an error no frame may be
 * sealed: the key is at its limit, and there is no memory for the next.
 */
VN_MUST_CHECK vn_status vn_tx_keys_ready(struct vn_tx_keys *k, uint64_t now_us);
/**
 * True once when a KEM step is due; then it is awaited for a time, in which no symmetric step is
 * made but for the limits of a key: it is to begin epoch + 1.
 */
VN_MUST_CHECK bool vn_tx_keys_kem_due(struct vn_tx_keys *k, uint64_t now_us);
/** It will not come, or could not be asked for: tried again later. */
void vn_tx_keys_kem_failed(struct vn_tx_keys *k, uint64_t now_us);
/** What the step to that epoch would give; VN_ERR_EXISTS when the keys went on meanwhile. */
VN_MUST_CHECK vn_status vn_tx_keys_kem(struct vn_tx_keys *k, uint32_t epoch,
                                       const struct vn_kem_step *step, uint64_t now_us,
                                       struct vn_ctl_keys *ret_ctl);
/** Writes the end-to-end header and seals n bytes in place; the tag goes behind them. */
VN_MUST_CHECK vn_status vn_tx_keys_seal(struct vn_tx_keys *k, uint8_t cls,
                                        uint8_t header[VN_E2E_HEADER_LEN], uint8_t *text, size_t n,
                                        uint8_t tag[VN_AEAD_TAG_LEN]);
