#include "core/tx.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "core/crew.h"
#include "core/end.h"
#include "core/rx.h"

/* What stands before the first packet's own header, and after the last packet. */
#define FRAME_HEAD (VN_HOP_HEADER_LEN + VN_E2E_HEADER_LEN + 2)
#define PLAIN_MAX (VN_FRAME_MAX - VN_FRAME_OVERHEAD)

/* An event that found no room is tried again. */
#define TELL_AGAIN_US 1000000

static struct vn_tx *tx_of(const struct vn_turn *t)
{
    return VN_CONTAINER_OF(t, struct vn_tx, turn);
}

/* Its own, and those of hands. */
static size_t lane_count(const struct vn_tx *tx)
{
    return 1 + tx->worker->cfg.hand_count;
}

static struct vn_retain *retain_of(struct vn_tx *tx, size_t lane)
{
    return lane == 0 ? &tx->retain : &tx->hands[lane - 1].retain;
}

static bool waits_again(const struct vn_tx *tx)
{
    bool any = vn_retain_waits(&tx->retain);
    for (size_t i = 0; i + 1 < lane_count(tx); i++)
        any |= vn_retain_waits(&tx->hands[i].retain);
    return any;
}

static bool waits(const struct vn_turn *t, enum vn_tether_class cls)
{
    const struct vn_tx *tx = tx_of(t);
    return tx->sealed[cls] || tx->sealed_count[cls] || !vn_list_empty(&tx->ready[cls]) ||
           (cls == VN_TETHER_BULK && waits_again(tx));
}

static void tell_sent(struct vn_tx *tx);

/* Bulk frames wait for credit. Who grants none is told of as who passes nothing on: nothing is sent
 * then, so this tells. */
static void look_dry(struct vn_tx *tx)
{
    const struct vn_purse *p = &tx->turn.purse;
    const uint64_t now_us = tx->worker->now_us;
    if (!vn_purse_is_empty(p)) {
        tx->dry_us = 0;
        return;
    }
    if (!tx->dry_us || tx->dry_limit != p->limit) {
        tx->dry_us = now_us;
        tx->dry_limit = p->limit;
    }
    if (tx->watch_us && now_us >= tx->watch_us)
        tell_sent(tx);
}

void vn_tx_active(struct vn_tx *tx, enum vn_tether_class cls)
{
    tx->active_us = tx->worker->now_us;
    tx->idle_told = false;
    if (cls == VN_TETHER_BULK)
        look_dry(tx);
    vn_turn_queue(&tx->turn, cls);
}

void vn_tx_ready(struct vn_tx *tx, struct vn_egresser *e, enum vn_tether_class cls)
{
    if (vn_list_empty(&e->ready[cls]))
        vn_list_append(&tx->ready[cls], &e->ready[cls]);
    vn_tx_active(tx, cls);
}

void vn_tx_detach(struct vn_tx *tx)
{
    if (tx->rev)
        vn_label_release(tx->rev);
    vn_list_remove(&tx->of_end);
    vn_turn_move(&tx->turn, NULL, false);
}

/* It may come back to the circuit: both ends count its credit from SETUP on. */
static void keep_credit(struct vn_tx *tx)
{
    struct vn_label *l = VN_TAKE(tx->rev);
    if (!l)
        return;
    l->owner = NULL;
    l->turn = NULL;
    l->kept = true;
    l->purse = tx->turn.purse;
}

/* rev: where credit comes on; 0: none is needed. */
static void attach(struct vn_tx *tx, struct vn_end *end, uint32_t rev)
{
    struct vn_label *l = rev ? vn_label_find(end, rev) : NULL;
    bool back = l && l->kept;
    if (rev && !back)
        l = vn_label_claim(end, rev);
    vn_list_append(&end->txs, &tx->of_end);
    if (l) {
        tx->rev = l;
        l->fwd = tx->label;
        l->turn = &tx->turn;
        l->owner = &tx->rev;
        l->kept = false;
    }
    if (back)
        vn_turn_return(&tx->turn, end, &l->purse);
    else
        vn_turn_move(&tx->turn, end, rev != 0);
}

static void tx_free(struct vn_tx *tx)
{
    vn_tx_detach(tx);
    vn_turn_done(&tx->turn);
    vn_aside_free(tx->aside);
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
    vn_turn_init(&tx->turn, &tx_kind);
    vn_retain_init(&tx->retain, &w->retained);
    vn_list_init(&tx->of_end);
    vn_list_init(&tx->egressers);
    for (size_t cls = 0; cls < VN_CLASSES; cls++)
        vn_list_init(&tx->ready[cls]);
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

/* The hop header is not under the seal. */
static void put_label(const struct vn_tx *tx, struct vn_pktbuf *f)
{
    struct vn_writer w = vn_writer_of(f->data, VN_HOP_HEADER_LEN);
    vn_hop_encode(&w, &(struct vn_hop_header){.type = VN_HOP_FRAME, .label = tx->label});
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
            put_label(tx, tx->sealed[cls]);
    }
    for (size_t lane = 0; lane < lane_count(tx); lane++)
        vn_retain_move(retain_of(tx, lane), tx->worker->now_us);
    vn_tx_tally_move(tx);
    tx->dry_us = 0;
}

void vn_tx_open(struct vn_worker *w, const struct vn_cmd_tx_open *cmd)
{
    struct vn_tx *tx = vn_map_get(w->tx_by_handle, &cmd->tx);
    if (!tx && (!cmd->keyed || !(tx = tx_new(w, cmd))))
        return;
    tx->label = cmd->label;
    change_path(tx);
    keep_credit(tx);
    vn_tx_detach(tx);
    struct vn_end *end = vn_worker_end(w, cmd->tether);
    if (end)
        attach(tx, end, cmd->rev);
}

void vn_tx_report(struct vn_worker *w, const struct vn_delivery_msg *cmd)
{
    struct vn_tx *tx = vn_map_get(w->tx_by_handle, &cmd->handle);
    if (tx && cmd->delivery.lane < lane_count(tx))
        vn_retain_report(retain_of(tx, cmd->delivery.lane), &cmd->delivery, w->now_us);
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

void vn_tx_watch(struct vn_worker *w, const struct vn_cmd_watch *cmd)
{
    struct vn_tx *tx = vn_map_get(w->tx_by_handle, &cmd->tx);
    if (!tx)
        return;
    tx->watch_us = w->now_us + cmd->after_ms * UINT64_C(1000);
    tx->watch_frames = tx->frames;
    tx->watch_bytes = tx->bytes;
}

static void tell_sent(struct vn_tx *tx)
{
    struct vn_ev_sent *ev;
    if (vn_post_msg_new(VN_EV_TX_SENT, sizeof(*ev), &ev) != VN_OK)
        return;
    ev->handle = tx->handle;
    ev->frames = (uint32_t)VN_MIN(tx->frames - tx->watch_frames, (uint64_t)UINT32_MAX);
    ev->bytes = tx->bytes - tx->watch_bytes;
    ev->real_time = tx->real_time;
    ev->real_time_lost = tx->real_time_lost;
    const bool dry =
        tx->dry_us && vn_purse_is_empty(&tx->turn.purse) && tx->dry_limit == tx->turn.purse.limit;
    uint64_t overdue_us = dry ? tx->worker->now_us - tx->dry_us : 0;
    for (size_t lane = 0; lane < lane_count(tx); lane++) {
        const struct vn_retain *r = retain_of(tx, lane);
        overdue_us = VN_MAX(overdue_us, vn_retain_overdue_us(r));
        ev->arrived += r->arrived;
        ev->missed += r->missed;
    }
    ev->overdue_ms = (uint32_t)VN_MIN(overdue_us / 1000, (uint64_t)UINT32_MAX);
    vn_tx_tally_tell(tx, ev);
    if (!vn_worker_tell(tx->worker, &ev->msg))
        return;
    vn_tx_tally_told(tx);
    tx->watch_us = tx->real_time = tx->real_time_lost = 0;
    for (size_t lane = 0; lane < lane_count(tx); lane++)
        retain_of(tx, lane)->arrived = retain_of(tx, lane)->missed = 0;
}

/* ---- building ---- */

static size_t overhead_of(const struct vn_pktbuf *b)
{
    return VN_FRAME_PACKET_OVERHEAD + (b->kind == VN_PKT_NONE ? 0 : VN_FRAME_OFFLOAD_OVERHEAD);
}

/* The packets of the next frame, in order. */
struct batch {
    size_t count, bytes; /* packets, and plaintext bytes after the count */
    struct vn_pktbuf *packet[VN_FRAME_PACKETS_MAX];
};

static struct vn_pktbuf *next_packet(struct vn_tx *tx, struct vn_fq *q, size_t room)
{
    const size_t overhead = VN_FRAME_PACKET_OVERHEAD + VN_FRAME_OFFLOAD_OVERHEAD;
    struct vn_worker_counters *c = &tx->worker->counters;
    struct vn_fq_counters did = {0};
    struct vn_pktbuf *b = room <= overhead ? NULL
                                           : vn_fq_pop(q, &vn_end_path(tx->turn.end)->codel,
                                                       room - overhead, tx->worker->now_us, &did);
    c->drops[VN_DROP_CODEL] += did.dropped;
    c->ecn_marked += did.marked;
    return b;
}

/* Room for one packet more: a first one goes alone if it must, others keep to what the path carries
 * soon. */
static size_t room(const struct vn_tx *tx, const struct batch *b)
{
    const size_t most = VN_MIN(vn_end_path(tx->turn.end)->frame_bytes, (size_t)PLAIN_MAX);
    return b->count == 0 ? PLAIN_MAX : most - VN_MIN(most, b->bytes);
}

/* As much as goes in a frame: of the egresser in turn, then of others. The next frame begins with
 * another. */
static void collect(struct vn_tx *tx, enum vn_tether_class cls, struct batch *ret)
{
    ret->count = ret->bytes = 0;
    while (!vn_list_empty(&tx->ready[cls])) {
        struct vn_list *first = tx->ready[cls].next;
        struct vn_egresser *e = VN_CONTAINER_OF(first, struct vn_egresser, ready[cls]);
        struct vn_pktbuf *b;
        while (ret->count < VN_FRAME_PACKETS_MAX &&
               (b = next_packet(tx, &e->queue[cls], room(tx, ret)))) {
            ret->packet[ret->count++] = b;
            ret->bytes += overhead_of(b) + b->len;
            tx->packets++;
            tx->bytes += b->len;
        }
        vn_list_remove(first);
        if (e->queue[cls].count > 0) {
            vn_list_append(&tx->ready[cls], first);
            return;
        }
    }
}

static struct vn_frame_packet describe(const struct vn_pktbuf *b)
{
    return (struct vn_frame_packet){.kind = (enum vn_packet_kind)b->kind,
                                    .gso_size = b->gso_size,
                                    .l4_offset = (uint8_t)b->l4_offset,
                                    .packet = vn_pktbuf_span(b)};
}

/* The packet's own buffer becomes the frame. */
static void build_single(struct vn_pktbuf *b)
{
    struct vn_frame_packet p = describe(b);
    size_t head = 2 + overhead_of(b);
    vn_pktbuf_push(b, VN_HOP_HEADER_LEN + VN_E2E_HEADER_LEN + head);
    struct vn_writer w =
        vn_writer_of(b->data + VN_HOP_HEADER_LEN + VN_E2E_HEADER_LEN, head + p.packet.n);
    vn_write_u16(&w, 1);
    vn_frame_put_header(&w, &p);
    assert(vn_writer_ok(&w) && w.len == head);
}

static struct vn_pktbuf *build_bundle(const struct batch *batch)
{
    struct vn_pktbuf *f;
    if (vn_pktbuf_new(FRAME_HEAD + batch->bytes, &f) != VN_OK)
        return NULL;
    vn_pktbuf_put(f, FRAME_HEAD + batch->bytes);
    struct vn_writer w =
        vn_writer_of(f->data + VN_HOP_HEADER_LEN + VN_E2E_HEADER_LEN, 2 + batch->bytes);
    vn_write_u16(&w, (uint16_t)batch->count);
    for (size_t i = 0; i < batch->count; i++) {
        struct vn_frame_packet p = describe(batch->packet[i]);
        vn_frame_put_packet(&w, &p);
    }
    assert(vn_writer_ok(&w) && w.len == w.cap);
    return f;
}

static bool fits_in_place(const struct vn_pktbuf *b)
{
    return vn_pktbuf_headroom(b) >= FRAME_HEAD + overhead_of(b) &&
           vn_pktbuf_tailroom(b) >= VN_AEAD_TAG_LEN;
}

/* Takes the packets. */
static struct vn_pktbuf *build(struct batch *batch)
{
    if (batch->count == 1 && fits_in_place(batch->packet[0])) {
        build_single(batch->packet[0]);
        return batch->packet[0];
    }
    struct vn_pktbuf *f = build_bundle(batch);
    for (size_t i = 0; i < batch->count; i++)
        vn_pktbuf_free(batch->packet[i]);
    return f;
}

static void log_epoch(const struct vn_tx *tx, const char *step)
{
    vn_log(VN_LOG_DEBUG, "epoch_began", VN_KV_U64("handle", tx->handle), VN_KV_STR("step", step),
           VN_KV_U64("epoch", tx->keys.epoch));
}

/* Keys that may seal one more frame. */
static bool ready_keys(struct vn_tx *tx)
{
    struct vn_worker *w = tx->worker;
    uint32_t before = tx->keys.epoch;
    vn_status st = vn_tx_keys_ready(&tx->keys, w->now_us);
    if (st != VN_OK) {
        vn_log(VN_LOG_ERROR, "tx_failed", VN_KV_STATUS(st));
        return false;
    }
    if (tx->keys.epoch != before) {
        log_epoch(tx, "symmetric");
        vn_crew_lanes(tx);
    }
    if (vn_tx_keys_kem_due(&tx->keys, w->now_us) &&
        !vn_worker_tell_epoch(w, VN_EV_TX_KEM_DUE, tx->handle, tx->keys.epoch + 1))
        vn_tx_keys_kem_failed(&tx->keys, w->now_us);
    return true;
}

void vn_tx_kem(struct vn_worker *w, const struct vn_cmd_kem *cmd)
{
    struct vn_tx *tx = vn_map_get(w->tx_by_handle, &cmd->handle);
    if (!tx)
        return;
    struct vn_ev_kem *ev;
    if (!cmd->answered || vn_post_msg_new(VN_EV_TX_KEM, sizeof(*ev), &ev) != VN_OK) {
        vn_tx_keys_kem_failed(&tx->keys, w->now_us);
        return;
    }
    ev->handle = cmd->handle;
    ev->epoch = cmd->epoch;
    vn_status st = vn_tx_keys_kem(&tx->keys, cmd->epoch, &cmd->step, w->now_us, &ev->ctl);
    if (st != VN_OK) {
        vn_log(VN_LOG_DEBUG, "rekey_failed", VN_KV_STATUS(st));
        vn_tx_keys_kem_failed(&tx->keys, w->now_us);
        vn_post_msg_free(&ev->msg);
        return;
    }
    log_epoch(tx, "kem");
    vn_crew_lanes(tx);
    vn_worker_tell(w, &ev->msg);
}

static vn_status seal(struct vn_tx *tx, enum vn_tether_class cls, struct vn_pktbuf *f)
{
    put_label(tx, f);
    uint8_t *text = f->data + VN_HOP_HEADER_LEN + VN_E2E_HEADER_LEN;
    size_t n = f->len - VN_HOP_HEADER_LEN - VN_E2E_HEADER_LEN;
    return vn_tx_keys_seal(&tx->keys, (uint8_t)cls, f->data + VN_HOP_HEADER_LEN, text, n,
                           vn_pktbuf_put(f, VN_AEAD_TAG_LEN));
}

/* Until it has arrived. Without relays between, and so without credit, what the tether's other end
 * has acknowledged has. */
static void keep(struct vn_tx *tx, size_t lane, uint64_t seq, struct vn_pktbuf *f)
{
    struct vn_worker *w = tx->worker;
    struct vn_retain *r = retain_of(tx, lane);
    if (!tx->turn.purse.on)
        vn_retain_acked(r);
    w->counters.frames_let_go += vn_retain_add(r, f, seq, w->now_us);
}

static struct vn_pktbuf *next_again(struct vn_tx *tx)
{
    struct vn_pktbuf *f = NULL;
    for (size_t lane = 0; lane < lane_count(tx) && !f; lane++)
        f = vn_retain_next(retain_of(tx, lane));
    if (!f)
        return NULL;
    put_label(tx, f);
    tx->worker->counters.frames_resent++;
    return vn_pktbuf_share(f);
}

/* A frame of what waits here, or NULL. */
static struct vn_pktbuf *build_sealed(struct vn_tx *tx, enum vn_tether_class cls)
{
    struct vn_worker *w = tx->worker;
    struct batch batch;
    collect(tx, cls, &batch);
    if (batch.count == 0)
        return NULL; /* CoDel took all */
    struct vn_pktbuf *f = build(&batch);
    vn_status st = f ? seal(tx, cls, f) : VN_ERR_NOMEM;
    if (st != VN_OK) {
        vn_log(VN_LOG_ERROR, "seal_failed", VN_KV_STATUS(st));
        vn_worker_drop_n(w, VN_DROP_EGRESS_GONE, batch.count);
        vn_pktbuf_free(f);
        return NULL;
    }
    w->counters.frames_sealed++;
    /* What a hand has sealed, the first worker keeps: with the tether it shares the buffer. */
    if (cls == VN_TETHER_BULK && !vn_worker_is_hand(w))
        keep(tx, 0, tx->keys.seq - 1, f);
    return f;
}

/* One that a hand has sealed, or NULL. */
static struct vn_pktbuf *take_sealed(struct vn_tx *tx, size_t number, enum vn_tether_class cls)
{
    struct vn_pktbuf *f = vn_crew_next(tx, number, cls);
    if (!f)
        return NULL;
    put_label(tx, f);
    tx->keys.kem_bytes += f->len;
    struct vn_e2e_header h;
    struct vn_reader r =
        vn_reader_of(VN_SPAN(f->data + VN_HOP_HEADER_LEN, f->len - VN_HOP_HEADER_LEN));
    if (cls == VN_TETHER_BULK && vn_e2e_decode(&r, &h))
        keep(tx, number, h.seq, f);
    return f;
}

/* The next sealed frame of that class, or NULL. Lanes take turns. */
static struct vn_pktbuf *next(struct vn_turn *t, enum vn_tether_class cls)
{
    struct vn_tx *tx = tx_of(t);
    if (tx->sealed[cls])
        return VN_TAKE(tx->sealed[cls]);
    struct vn_pktbuf *f = cls == VN_TETHER_BULK ? next_again(tx) : NULL;
    if (f)
        return f;
    if (!waits(t, cls) || !ready_keys(tx))
        return NULL;
    const size_t lanes = lane_count(tx);
    size_t lane = 0;
    for (size_t i = 0; i < lanes && !f; i++) {
        lane = tx->lane_in_turn[cls];
        tx->lane_in_turn[cls] = (lane + 1) % lanes;
        f = lane == 0 ? build_sealed(tx, cls) : take_sealed(tx, lane, cls);
    }
    if (!f)
        return NULL;
    if (cls == VN_TETHER_REALTIME) {
        tx->real_time++;
        if (tx->turn.purse.on) /* relays are between */
            vn_tx_tally(tx, lane, f);
        if (tx->aside)
            vn_aside_copy(tx->aside, f);
    }
    tx->active_us = tx->worker->now_us;
    tx->frames++;
    if (tx->watch_us && tx->worker->now_us >= tx->watch_us)
        tell_sent(tx);
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
