/* Frames of a stream: what goes in one, and its seal. */
#include <assert.h>

#include "base/log.h"
#include "core/end.h"
#include "core/tx_i.h"

/* What stands before the first packet's own header, and after the last packet. */
#define FRAME_HEAD (VN_HOP_HEADER_LEN + VN_E2E_HEADER_LEN + 2)
#define PLAIN_MAX (VN_FRAME_MAX - VN_FRAME_OVERHEAD)

static size_t overhead_of(const struct vn_pktbuf *b)
{
    return VN_FRAME_PACKET_OVERHEAD + (b->kind == VN_PKT_NONE ? 0 : VN_FRAME_OFFLOAD_OVERHEAD);
}

/* The packets of the next frame, in order. */
struct batch {
    size_t count, bytes; /* packets, and plaintext bytes after the count */
    struct vn_pktbuf *packet[VN_FRAME_PACKETS_MAX];
};

/* NULL: the stream's own way, or a hand's, which all lead to the first worker. */
static struct vn_side *side_of(const struct vn_tx *tx, size_t outlet)
{
    const size_t way = vn_outlet_way(outlet);
    return way == 0 || vn_worker_is_hand(tx->worker) ? NULL : &tx->spread->sides[way - 1];
}

static struct vn_end *end_of(const struct vn_tx *tx, size_t outlet)
{
    const struct vn_side *side = side_of(tx, outlet);
    return side ? side->turn.end : tx->turn.end;
}

static struct vn_pktbuf *next_packet(struct vn_tx *tx, struct vn_fq *q, size_t outlet, size_t room)
{
    const size_t overhead = VN_FRAME_PACKET_OVERHEAD + VN_FRAME_OFFLOAD_OVERHEAD;
    struct vn_worker_counters *c = &tx->worker->counters;
    struct vn_fq_counters did = {0};
    struct vn_pktbuf *b = room <= overhead ? NULL
                                           : vn_fq_pop(q, vn_outlet_way(outlet),
                                                       &vn_end_path(end_of(tx, outlet))->codel,
                                                       room - overhead, tx->worker->now_us, &did);
    c->drops[VN_DROP_CODEL] += did.dropped;
    c->ecn_marked += did.marked;
    return b;
}

/* Room for one packet more: a first one goes alone if it must, others keep to what the path carries
 * soon. */
static size_t room(const struct vn_tx *tx, size_t outlet, const struct batch *b)
{
    const size_t most = VN_MIN(vn_end_path(end_of(tx, outlet))->frame_bytes, (size_t)PLAIN_MAX);
    return b->count == 0 ? PLAIN_MAX : most - VN_MIN(most, b->bytes);
}

/* As much as goes in a frame: of the egresser in turn, then of others. The next frame begins with
 * another. */
static void collect(struct vn_tx *tx, size_t outlet, struct batch *ret)
{
    ret->count = ret->bytes = 0;
    while (!vn_list_empty(&tx->ready[outlet])) {
        struct vn_list *first = tx->ready[outlet].next;
        struct vn_egresser *e = VN_CONTAINER_OF(first, struct vn_egresser, ready[outlet]);
        struct vn_fq *q = &e->queue[vn_outlet_class(outlet)];
        struct vn_pktbuf *b;
        while (ret->count < VN_FRAME_PACKETS_MAX &&
               (b = next_packet(tx, q, outlet, room(tx, outlet, ret)))) {
            ret->packet[ret->count++] = b;
            ret->bytes += overhead_of(b) + b->len;
            tx->packets++;
            tx->bytes += b->len;
        }
        vn_list_remove(first);
        if (q->way[vn_outlet_way(outlet)].count > 0) {
            vn_list_append(&tx->ready[outlet], first);
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

bool vn_tx_ready_keys(struct vn_tx *tx)
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

void vn_tx_put_label(uint32_t label, struct vn_pktbuf *f)
{
    struct vn_writer w = vn_writer_of(f->data, VN_HOP_HEADER_LEN);
    vn_hop_encode(&w, &(struct vn_hop_header){.type = VN_HOP_FRAME, .label = label});
}

static uint32_t label_of(const struct vn_tx *tx, size_t outlet)
{
    const struct vn_side *side = side_of(tx, outlet);
    if (vn_worker_is_hand(tx->worker))
        return 1 + (uint32_t)vn_outlet_way(outlet); /* see vn_crew_outlet */
    return side ? side->label : tx->label;
}

static vn_status seal(struct vn_tx *tx, size_t outlet, struct vn_pktbuf *f)
{
    const enum vn_tether_class cls = vn_outlet_class(outlet);
    vn_tx_put_label(label_of(tx, outlet), f);
    uint8_t *text = f->data + VN_HOP_HEADER_LEN + VN_E2E_HEADER_LEN;
    size_t n = f->len - VN_HOP_HEADER_LEN - VN_E2E_HEADER_LEN;
    return vn_tx_keys_seal(&tx->keys, (uint8_t)cls, f->data + VN_HOP_HEADER_LEN, text, n,
                           vn_pktbuf_put(f, VN_AEAD_TAG_LEN));
}

/* Until it has arrived. Without relays between, and so without credit, what the tether's other end
 * has acknowledged has. */
static void keep(struct vn_tx *tx, size_t outlet, size_t lane, uint64_t seq, struct vn_pktbuf *f)
{
    struct vn_worker *w = tx->worker;
    const struct vn_side *side = side_of(tx, outlet);
    struct vn_retain *r = side ? &side->retains[lane] : vn_tx_retain_of(tx, lane);
    if (side ? side->direct : !tx->turn.purse.on)
        vn_retain_acked(r);
    w->counters.frames_let_go += vn_retain_add(r, f, seq, w->now_us);
}

struct vn_pktbuf *vn_tx_again(struct vn_tx *tx, struct vn_retain *r, uint32_t label)
{
    struct vn_pktbuf *f = vn_retain_next(r);
    if (!f)
        return NULL;
    vn_tx_put_label(label, f);
    tx->worker->counters.frames_resent++;
    return vn_pktbuf_share(f);
}

struct vn_pktbuf *vn_tx_seal_next(struct vn_tx *tx, size_t outlet)
{
    struct vn_worker *w = tx->worker;
    struct batch batch;
    collect(tx, outlet, &batch);
    if (batch.count == 0)
        return NULL; /* CoDel took all */
    struct vn_pktbuf *f = build(&batch);
    vn_status st = f ? seal(tx, outlet, f) : VN_ERR_NOMEM;
    if (st != VN_OK) {
        vn_log(VN_LOG_ERROR, "seal_failed", VN_KV_STATUS(st));
        vn_worker_drop_n(w, VN_DROP_EGRESS_GONE, batch.count);
        vn_pktbuf_free(f);
        return NULL;
    }
    w->counters.frames_sealed++;
    /* What a hand has sealed, the first worker keeps: with the tether it shares the buffer. */
    if (vn_outlet_class(outlet) == VN_TETHER_BULK && !vn_worker_is_hand(w))
        keep(tx, outlet, 0, tx->keys.seq - 1, f);
    return f;
}

struct vn_pktbuf *vn_tx_take_sealed(struct vn_tx *tx, size_t number, size_t outlet)
{
    struct vn_pktbuf *f = vn_crew_next(tx, number, outlet);
    if (!f)
        return NULL;
    vn_tx_put_label(label_of(tx, outlet), f);
    tx->keys.kem_bytes += f->len;
    struct vn_e2e_header h;
    struct vn_reader r =
        vn_reader_of(VN_SPAN(f->data + VN_HOP_HEADER_LEN, f->len - VN_HOP_HEADER_LEN));
    if (vn_outlet_class(outlet) == VN_TETHER_BULK && vn_e2e_decode(&r, &h))
        keep(tx, outlet, number, h.seq, f);
    return f;
}
