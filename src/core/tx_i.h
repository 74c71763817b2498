/* What the files behind tx.h share. */
#pragma once

#include "core/crew.h"
#include "core/tx.h"

/** Its own, and those of hands. */
static inline size_t vn_tx_lanes(const struct vn_tx *tx)
{
    return 1 + tx->worker->cfg.hand_count;
}

static inline struct vn_retain *vn_tx_retain_of(const struct vn_tx *tx, size_t lane)
{
    return lane == 0 ? (struct vn_retain *)&tx->retain : &tx->hands[lane - 1].retain;
}

/** Those of lanes on its own way, then of lanes on each way beside it. */
static inline size_t vn_tx_retains(const struct vn_tx *tx)
{
    return vn_tx_lanes(tx) * (tx->spread ? VN_WAYS_MAX : 1);
}

static inline struct vn_retain *vn_tx_retain_at(const struct vn_tx *tx, size_t i)
{
    const size_t lanes = vn_tx_lanes(tx);
    return i < lanes ? vn_tx_retain_of(tx, i)
                     : &tx->spread->sides[i / lanes - 1].retains[i % lanes];
}

/* tx_told.c */
/** The answer to TX_WATCH. */
void vn_tx_tell_sent(struct vn_tx *tx);

/* tx_build.c */
/** The hop header is not under the seal. */
void vn_tx_put_label(uint32_t label, struct vn_pktbuf *f);
/** There are keys that may seal one more frame. */
bool vn_tx_ready_keys(struct vn_tx *tx);
/** A frame of what waits for that outlet, or NULL. */
struct vn_pktbuf *vn_tx_seal_next(struct vn_tx *tx, size_t outlet);
/** One that a hand has sealed, or NULL. */
struct vn_pktbuf *vn_tx_take_sealed(struct vn_tx *tx, size_t number, size_t outlet);
