/*
 * The keys of a receiving stream: the present epoch, those before it whose frames a tether may
 * still deliver, and a look ahead. A later epoch counts from the first frame that opens under it.
 */
#pragma once

#include <stdbool.h>

#include "core/bucket.h"
#include "core/commands.h"
#include "wire/frame.h"
#include "wire/rekey.h"

struct vn_rx_key; /* of one epoch and lane */

struct vn_rx_epoch {
    uint32_t number;
    uint64_t until_us; /* its end; the present one has none */
    struct vn_secret32 ck;
    struct vn_rx_key *lanes[VN_LANES_MAX]; /* made with the first frame of each */
};

struct vn_rx_keys {
    enum vn_hash_alg hash_alg;
    struct vn_rx_epoch epochs[1 + VN_EPOCHS_OLD_MAX]; /* newest first */
    size_t count;
    struct vn_bucket ahead; /* looks ahead */

    /* The KEM step that the source may take, or not. */
    bool kem_pending;
    bool kem_taken;     /* a frame showed that it did: the caller clears this */
    bool kem_way;       /* one of them led to the present epoch; the caller clears this too */
    uint32_t kem_epoch; /* that begins with it */
    struct vn_secret32 kem_ck;
};

void vn_rx_keys_init(struct vn_rx_keys *k, enum vn_hash_alg alg, uint32_t epoch,
                     const struct vn_secret32 *ck, uint64_t now_us);
/** Wipes; zeroed is fine. */
void vn_rx_keys_done(struct vn_rx_keys *k);
static inline uint32_t vn_rx_keys_epoch(const struct vn_rx_keys *k)
{
    return k->epochs[0].number;
}
/**
 * Opens n bytes at text in place, the tag behind them; h was decoded from aad, and h->lane is below
 * VN_LANES_MAX. A frame of a later epoch that opens makes that one the present.
 * @return VN_DROP_COUNT when good; else why not, and text is wiped
 */
VN_MUST_CHECK enum vn_worker_drop vn_rx_keys_open(struct vn_rx_keys *k,
                                                  const struct vn_e2e_header *h, struct vn_span aad,
                                                  uint8_t *text, size_t n, uint64_t now_us);
/**
 * A KEM step that begins this epoch may come from now on; replaces what was announced before, and
 * is computed on top of it if that is the step that began the epoch `taken` (0: none): then the
 * source took it, though no frame may have shown that.
 * VN_ERR_EXISTS when that epoch has begun, VN_ERR_LIMIT when it is too far ahead.
 */
VN_MUST_CHECK vn_status vn_rx_keys_kem(struct vn_rx_keys *k, uint32_t epoch, uint32_t taken,
                                       const struct vn_kem_step *step, uint64_t now_us,
                                       struct vn_ctl_keys *ret_ctl);
/**
 * Another worker opened a frame of this epoch, and kem says whether the KEM step that may come led
 * there. False: it is not ahead of ours, or out of reach.
 */
bool vn_rx_keys_follow(struct vn_rx_keys *k, uint32_t epoch, bool kem, uint64_t now_us);
/** Wipes the epochs whose time is over; returns when to look again. */
uint64_t vn_rx_keys_tick(struct vn_rx_keys *k, uint64_t now_us);
