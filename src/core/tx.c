#include "core/tx.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "core/end.h"
#include "core/rx_label.h"
#include "core/tx_i.h"

/* An event that found no room is tried again. */
#define TELL_AGAIN_US 1000000

static struct vn_tx *tx_of(const struct vn_turn *t)
{
    return VN_CONTAINER_OF(t, struct vn_tx, turn);
}

static bool waits_again(const struct vn_tx *tx)
{
    bool any = false;
    for (size_t i = 0; i < vn_tx_retains(tx); i++)
        any |= vn_retain_waits(vn_tx_retain_at(tx, i));
    return any;
}

static bool waits(const struct vn_turn *t, enum vn_tether_class cls)
{
    const struct vn_tx *tx = tx_of(t);
    return tx->sealed[cls] || tx->sealed_count[cls] || !vn_list_empty(&tx->ready[cls]) ||
           (cls == VN_TETHER_BULK && waits_again(tx));
}

/* Bulk frames wait for credit. Who grants none is told of as who passes nothing on: nothing is sent
 * then, so this tells. */
static void look_dry(struct vn_tx *tx)
{
    const uint64_t now_us = tx->worker->now_us;
    vn_dry_look(&tx->dry, &tx->turn.purse, now_us);
    if (tx->dry.since_us && tx->watch_us && now_us >= tx->watch_us)
        vn_tx_tell_sent(tx);
}

void vn_tx_active(struct vn_tx *tx, enum vn_tether_class cls)
{
    tx->active_us = tx->worker->now_us;
    tx->idle_told = false;
    if (cls == VN_TETHER_BULK)
        look_dry(tx);
    vn_turn_queue(&tx->turn, cls);
}

void vn_tx_ready(struct vn_tx *tx, struct vn_egresser *e, size_t outlet)
{
    const size_t way = vn_outlet_way(outlet);
    if (vn_list_empty(&e->ready[outlet]))
        vn_list_append(&tx->ready[outlet], &e->ready[outlet]);
    if (way == 0 || vn_worker_is_hand(tx->worker)) /* whose frames all go to the first worker */
        vn_tx_active(tx, vn_outlet_class(outlet));
    else
        vn_side_active(&tx->spread->sides[way - 1]);
}

void vn_tx_detach(struct vn_tx *tx)
{
    if (tx->rev)
        vn_label_release(tx->rev);
    vn_list_remove(&tx->of_end);
    vn_turn_move(&tx->turn, NULL, false);
}

static void attach(struct vn_tx *tx, struct vn_end *end, uint32_t rev)
{
    vn_list_append(&end->txs, &tx->of_end);
    vn_label_credit(&tx->rev, &tx->turn, end, tx->label, rev);
}

static void tx_free(struct vn_tx *tx)
{
    vn_tx_detach(tx);
    vn_turn_done(&tx->turn);
    vn_aside_free(tx->aside);
    vn_spread_free(tx->spread);
    vn_tx_keys_done(&tx->keys);
    vn_tx_tally_free(tx);
    vn_crew_tx_done(tx);
    for (size_t cls = 0; cls < VN_CLASSES; cls++)
        vn_pktbuf_free(tx->sealed[cls]);
    vn_retain_done(&tx->retain);
    free(tx);
}

static const struct vn_turn_kind tx_kind;

static struct vn_tx *tx_alloc(struct vn_worker *w, uint32_t handle)
{
    struct vn_tx *tx = calloc(1, sizeof(*tx));
    if (!tx)
        return NULL;
    tx->worker = w;
    tx->handle = handle;
    vn_turn_init(&tx->turn, vn_worker_is_hand(w) ? vn_hand_turn() : &tx_kind);
    vn_retain_init(&tx->retain, &w->retained);
    vn_list_init(&tx->of_end);
    vn_list_init(&tx->egressers);
    for (size_t i = 0; i < VN_OUTLETS; i++)
        vn_list_init(&tx->ready[i]);
    tx->active_us = w->now_us;
    if (vn_crew_tx_init(tx) == VN_OK)
        return tx;
    free(tx);
    return NULL;
}

/* With keys, or without for the status why. Takes tx. */
static struct vn_tx *tx_begin(struct vn_tx *tx, vn_status st)
{
    struct vn_worker *w = tx->worker;
    if (st == VN_OK)
        st = vn_map_put(w->tx_by_handle, &tx->handle, tx);
    if (st != VN_OK) {
        vn_log(VN_LOG_ERROR, "tx_failed", VN_KV_STATUS(st));
        tx_free(tx);
        return NULL;
    }
    vn_worker_wake_at(w, w->now_us + w->idle_us);
    return tx;
}

static struct vn_tx *tx_new(struct vn_worker *w, const struct vn_cmd_tx_open *cmd)
{
    struct vn_tx *tx = tx_alloc(w, cmd->tx);
    if (!tx)
        return NULL;
    tx = tx_begin(tx, vn_tx_keys_init(&tx->keys, (enum vn_hash_alg)cmd->hash_alg, w->cfg.number,
                                      cmd->epoch, &cmd->ck, w->now_us));
    if (tx)
        vn_crew_lanes(tx);
    return tx;
}

void vn_tx_follow(struct vn_worker *w, struct vn_end *end, const struct vn_crew_lane *cmd)
{
    struct vn_tx *tx = vn_map_get(w->tx_by_handle, &cmd->tx);
    if (tx) {
        /* Without memory the key of before goes on: it opens for a minute, and this step is not
         * the last. */
        (void)!vn_tx_keys_follow(&tx->keys, w->cfg.number, cmd->epoch, &cmd->keys, w->now_us);
        return;
    }
    if (!(tx = tx_alloc(w, cmd->tx)))
        return;
    tx = tx_begin(tx,
                  vn_tx_keys_follow(&tx->keys, w->cfg.number, cmd->epoch, &cmd->keys, w->now_us));
    if (tx)
        attach(tx, end, 0);
}

/* What waits, sealed, goes by the new circuit; and what may not have arrived by the old one. */
static void change_path(struct vn_tx *tx)
{
    for (size_t cls = 0; cls < VN_CLASSES; cls++) {
        if (!tx->sealed[cls])
            continue;
        if (vn_pktbuf_is_shared(tx->sealed[cls])) /* it is among those */
            tx->sealed[cls] = vn_pktbuf_free(tx->sealed[cls]);
        else
            vn_tx_put_label(tx->label, tx->sealed[cls]);
    }
    if (tx->spread)
        vn_spread_end(tx->spread);
    for (size_t i = 0; i < vn_tx_retains(tx); i++)
        vn_retain_move(vn_tx_retain_at(tx, i), tx->worker->now_us);
    vn_tx_tally_move(tx);
    tx->dry.since_us = 0;
}

void vn_tx_open(struct vn_worker *w, const struct vn_cmd_tx_open *cmd)
{
    struct vn_tx *tx = vn_map_get(w->tx_by_handle, &cmd->tx);
    if (!tx && (!cmd->keyed || !(tx = tx_new(w, cmd))))
        return;
    tx->label = cmd->label;
    change_path(tx);
    vn_label_keep(&tx->rev, &tx->turn);
    vn_tx_detach(tx);
    struct vn_end *end = vn_worker_end(w, cmd->tether);
    if (end)
        attach(tx, end, cmd->rev);
}

void vn_tx_spread(struct vn_worker *w, const struct vn_cmd_tx_spread *cmd)
{
    struct vn_tx *tx = vn_map_get(w->tx_by_handle, &cmd->tx);
    if (tx && (tx->spread || (tx->spread = vn_spread_new(tx))))
        vn_spread_set(tx->spread, cmd);
}

void vn_tx_aside(struct vn_worker *w, const struct vn_cmd_tx_aside *cmd)
{
    struct vn_tx *tx = vn_map_get(w->tx_by_handle, &cmd->tx);
    if (!tx)
        return;
    vn_aside_free(tx->aside);
    tx->aside = cmd->tether ? vn_aside_new(w, cmd) : NULL;
}

void vn_tx_close(struct vn_worker *w, struct vn_tx *tx)
{
    vn_map_take(w->tx_by_handle, &tx->handle);
    VN_LIST_EACH(it, &tx->egressers)
    {
        vn_egress_lost_tx(w, VN_LIST_ENTRY(it, struct vn_egresser, of_tx));
    }
    tx_free(tx);
}

/* ---- the next frame ---- */

/* By its own way: also what went others, that were left. */
static struct vn_pktbuf *next_again(struct vn_tx *tx)
{
    struct vn_pktbuf *f = NULL;
    for (size_t i = 0; i < vn_tx_retains(tx) && !f; i++)
        f = vn_tx_again(tx, vn_tx_retain_at(tx, i), tx->label);
    return f;
}

static void count_frame(struct vn_tx *tx)
{
    tx->active_us = tx->worker->now_us;
    tx->frames++;
    if (tx->watch_us && tx->worker->now_us >= tx->watch_us)
        vn_tx_tell_sent(tx);
}

struct vn_pktbuf *vn_tx_build(struct vn_tx *tx, size_t outlet, size_t *ret_lane)
{
    struct vn_pktbuf *f = NULL;
    if (!vn_tx_ready_keys(tx))
        return NULL;
    const size_t lanes = vn_tx_lanes(tx);
    for (size_t i = 0; i < lanes && !f; i++) {
        const size_t lane = tx->lane_in_turn[outlet];
        tx->lane_in_turn[outlet] = (lane + 1) % lanes;
        *ret_lane = lane;
        f = lane == 0 ? vn_tx_seal_next(tx, outlet) : vn_tx_take_sealed(tx, lane, outlet);
    }
    if (f)
        count_frame(tx);
    return f;
}

/* The next sealed frame of that class, or NULL. */
static struct vn_pktbuf *next(struct vn_turn *t, enum vn_tether_class cls)
{
    struct vn_tx *tx = tx_of(t);
    if (tx->sealed[cls])
        return VN_TAKE(tx->sealed[cls]);
    struct vn_pktbuf *f = cls == VN_TETHER_BULK ? next_again(tx) : NULL;
    if (f)
        return f;
    size_t lane;
    if (!waits(t, cls) || !(f = vn_tx_build(tx, vn_outlet(cls, 0), &lane)))
        return NULL;
    if (cls == VN_TETHER_REALTIME) {
        tx->real_time++;
        if (tx->turn.purse.on) /* relays are between */
            vn_tx_tally(tx, lane, f);
        if (tx->aside)
            vn_aside_copy(tx->aside, f);
    }
    return f;
}

static void put_back(struct vn_turn *t, enum vn_tether_class cls, struct vn_pktbuf *f)
{
    tx_of(t)->sealed[cls] = f;
}

static const struct vn_turn_kind tx_kind = {.waits = waits, .next = next, .put_back = put_back};

/* ---- time ---- */

size_t vn_tx_queued(const struct vn_tx *tx)
{
    size_t n = 0;
    VN_LIST_EACH(it, &tx->egressers)
    {
        const struct vn_egresser *e = VN_LIST_ENTRY(it, struct vn_egresser, of_tx);
        n += e->queue[VN_TETHER_BULK].count + e->queue[VN_TETHER_REALTIME].count;
    }
    return n;
}

uint64_t vn_tx_tick(struct vn_worker *w)
{
    uint64_t next = UINT64_MAX;
    size_t cursor = 0;
    const void *key;
    void *value;
    while (vn_map_next(w->tx_by_handle, &cursor, &key, &value)) {
        struct vn_tx *tx = value;
        if (tx->idle_told)
            continue;
        if (tx->active_us + w->idle_us > w->now_us)
            next = VN_MIN(next, tx->active_us + w->idle_us);
        else if (!(tx->idle_told = vn_worker_tell_handle(w, VN_EV_TX_IDLE, tx->handle)))
            next = VN_MIN(next, w->now_us + TELL_AGAIN_US);
    }
    return next;
}

void vn_tx_free_all(struct vn_worker *w)
{
    size_t cursor = 0;
    const void *key;
    void *value;
    while (vn_map_next(w->tx_by_handle, &cursor, &key, &value)) {
        vn_map_take(w->tx_by_handle, key);
        tx_free(value);
    }
}
