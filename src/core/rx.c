#include "core/rx.h"

#include <stdlib.h>

#include "base/log.h"
#include "core/crew.h"
#include "core/end.h"
#include "core/forward.h"
#include "core/offload.h"
#include "core/packet.h"

/* As long as a circuit may take to come about. */
#define EARLY_US (VN_SETUP_WAIT_MS * UINT64_C(1000))

/* ---- labels ---- */

static void make_key(uint32_t tether, uint32_t label, uint8_t ret[8])
{
    struct vn_writer w = vn_writer_of(ret, 8);
    vn_write_u32(&w, tether);
    vn_write_u32(&w, label);
}

struct vn_label *vn_label_find(const struct vn_end *end, uint32_t label)
{
    uint8_t key[8];
    make_key(end->handle, label, key);
    return vn_map_get(end->worker->label_by_key, key);
}

static struct vn_label *label_new(struct vn_end *end, uint32_t label)
{
    struct vn_label *l = calloc(1, sizeof(*l));
    if (!l)
        return NULL;
    make_key(end->handle, label, l->key);
    l->end = end;
    vn_list_init(&l->of_rx);
    if (vn_map_put(end->worker->label_by_key, l->key, l) != VN_OK) {
        free(l);
        return NULL;
    }
    vn_list_append(&end->labels, &l->of_end);
    return l;
}

/* Takes the held frames out. */
static struct vn_pktqueue end_early(struct vn_label *l)
{
    struct vn_pktqueue q = l->early;
    l->early = (struct vn_pktqueue){0};
    if (q.count) {
        l->end->early_bytes -= q.bytes;
        l->end->early_labels--;
    }
    return q;
}

void vn_label_release(struct vn_label *l)
{
    struct vn_worker *w = l->end->worker;
    struct vn_pktqueue q = end_early(l);
    vn_worker_drop_n(w, VN_DROP_LABEL_UNKNOWN, q.count);
    vn_pktqueue_clear(&q);
    vn_meter_done(&l->meter);
    if (l->owner)
        *l->owner = NULL;
    vn_list_remove(&l->of_end);
    vn_list_remove(&l->of_rx);
    vn_map_take(w->label_by_key, l->key);
    free(l);
}

struct vn_label *vn_label_claim(struct vn_end *end, uint32_t label)
{
    struct vn_label *l = vn_label_find(end, label);
    if (l)
        vn_label_release(l);
    return label_new(end, label);
}

void vn_label_close(struct vn_worker *w, const struct vn_cmd_label *cmd)
{
    struct vn_end *end = vn_worker_end(w, cmd->tether);
    struct vn_label *l = end ? vn_label_find(end, cmd->label) : NULL;
    if (l && !l->forward)
        vn_label_release(l);
}

static void hold(struct vn_end *end, uint32_t label, struct vn_label *l, struct vn_pktbuf *b)
{
    struct vn_worker *w = end->worker;
    bool fits =
        end->early_bytes + b->len <= VN_EARLY_BYTES_MAX &&
        (l ? l->early.count < VN_EARLY_FRAMES_MAX : end->early_labels < VN_EARLY_LABELS_MAX);
    if (!fits || (!l && !(l = label_new(end, label)))) {
        vn_worker_drop(w, VN_DROP_EARLY_FULL);
        vn_pktbuf_free(b);
        return;
    }
    if (l->early.count == 0) {
        end->early_labels++;
        l->early_until_us = w->now_us + EARLY_US;
        vn_worker_wake_at(w, l->early_until_us);
    }
    end->early_bytes += b->len;
    vn_pktqueue_push(&l->early, b);
}

/* ---- streams ---- */

static void rx_free(struct vn_rx *rx)
{
    VN_LIST_EACH(it, &rx->labels)
    {
        vn_label_release(VN_LIST_ENTRY(it, struct vn_label, of_rx));
    }
    for (size_t i = 0; i < VN_LANES_MAX; i++)
        vn_replay_done(&rx->lanes[i].replay);
    vn_rx_tallies_free(rx);
    vn_list_remove(&rx->of_reporting);
    vn_rx_keys_done(&rx->keys);
    free(rx);
}

static struct vn_rx *rx_new(struct vn_worker *w, const struct vn_cmd_rx_open *cmd)
{
    struct vn_rx *rx = calloc(1, sizeof(*rx));
    if (!rx)
        return NULL;
    rx->worker = w;
    rx->handle = cmd->rx;
    rx->active_us = w->now_us;
    rx->report_us = UINT64_MAX;
    vn_list_init(&rx->of_reporting);
    rx->told_epoch = cmd->epoch;
    vn_rx_keys_init(&rx->keys, (enum vn_hash_alg)cmd->hash_alg, cmd->epoch, &cmd->ck, w->now_us);
    vn_list_init(&rx->labels);
    if (vn_map_put(w->rx_by_handle, &rx->handle, rx) != VN_OK) {
        rx_free(rx);
        return NULL;
    }
    return rx;
}

static void bind_label(struct vn_label *l, struct vn_rx *rx)
{
    vn_list_remove(&l->of_rx);
    l->rx = rx;
    vn_list_append(&rx->labels, &l->of_rx);
}

/* To whose worker it belongs. */
static void frame_input(struct vn_rx *rx, const struct vn_label *on, struct vn_pktbuf *b)
{
    /* Credit, hence relays between. */
    const struct vn_rx_way way = {.relayed = on->meter.end != NULL,
                                  .srtt_us = vn_end_path(on->end)->srtt_us,
                                  .bind = on->bind};
    if (!rx->worker->cfg.hand_count || !vn_crew_to_open(rx, &way, b))
        vn_rx_frame(rx, &way, b);
}

void vn_rx_open(struct vn_worker *w, const struct vn_cmd_rx_open *cmd)
{
    struct vn_rx *rx = vn_map_get(w->rx_by_handle, &cmd->rx);
    if (rx)
        vn_rx_report_all(rx); /* another path: what has arrived need not go again */
    else if (!cmd->keyed || !(rx = rx_new(w, cmd)))
        return;
    memcpy(rx->addrs, cmd->addrs, sizeof(rx->addrs));
    rx->addr_count = VN_MIN(cmd->addr_count, VN_ARRAY_LEN(rx->addrs));
    memcpy(rx->prefixes, cmd->prefixes, sizeof(rx->prefixes));
    rx->prefix_count = VN_MIN(cmd->prefix_count, VN_ARRAY_LEN(rx->prefixes));

    struct vn_end *end = vn_worker_end(w, cmd->tether);
    if (!end)
        return; /* the tether went first: frames may come by another label later */
    struct vn_label *l = vn_label_find(end, cmd->label);
    if (!l && !(l = label_new(end, cmd->label)))
        return;
    bind_label(l, rx);
    l->bind = cmd->bind;
    if (cmd->rev && !l->meter.end)
        vn_meter_init(&l->meter, end, cmd->rev);
    struct vn_pktqueue early = end_early(l);
    struct vn_pktbuf *b;
    while ((b = vn_pktqueue_pop(&early)))
        frame_input(rx, l, b);
}

void vn_rx_close(struct vn_worker *w, struct vn_rx *rx)
{
    vn_map_take(w->rx_by_handle, &rx->handle);
    rx_free(rx);
}

void vn_rx_kem(struct vn_worker *w, const struct vn_cmd_kem *cmd)
{
    struct vn_rx *rx = vn_map_get(w->rx_by_handle, &cmd->handle);
    struct vn_ev_kem *ev;
    if (!rx || vn_post_msg_new(VN_EV_RX_KEM, sizeof(*ev), &ev) != VN_OK)
        return;
    ev->handle = cmd->handle;
    ev->epoch = cmd->epoch;
    ev->request = cmd->request;
    vn_status st =
        vn_rx_keys_kem(&rx->keys, cmd->epoch, cmd->taken, &cmd->step, w->now_us, &ev->ctl);
    if (st == VN_OK && !vn_worker_is_hand(w)) {
        vn_worker_tell(w, &ev->msg);
        return;
    }
    if (st != VN_OK)
        vn_log(VN_LOG_DEBUG, "rekey_failed", VN_KV_STATUS(st));
    vn_post_msg_free(&ev->msg);
}

/* ---- packets ---- */

static bool source_allowed(const struct vn_rx *rx, const struct vn_ip *ip)
{
    for (size_t i = 0; i < rx->addr_count; i++)
        if (vn_ip_equal(&rx->addrs[i], ip))
            return true;
    for (size_t i = 0; i < rx->prefix_count; i++)
        if (vn_prefix_contains(&rx->prefixes[i], ip))
            return true;
    return false;
}

/* VN_DROP_COUNT: let it in. */
static enum vn_worker_drop judge(const struct vn_rx *rx, const struct vn_packet *p,
                                 struct vn_span bytes)
{
    const struct vn_worker *w = rx->worker;
    if (!vn_worker_is_own(w, &p->dst))
        return VN_DROP_INNER_DEST;
    struct vn_packet quoted;
    switch (vn_packet_icmp_kind(p, bytes)) {
    case VN_ICMP_LINK:
        return VN_DROP_INNER_MALFORMED;
    case VN_ICMP_ERROR:
        /* Routers behind the peer may speak; but only of what we sent to the peer (DESIGN 4.5). */
        if (!vn_packet_icmp_quoted(p, bytes, &quoted))
            return VN_DROP_INNER_MALFORMED;
        return vn_worker_is_own(w, &quoted.src) && source_allowed(rx, &quoted.dst)
                   ? VN_DROP_COUNT
                   : VN_DROP_INNER_SOURCE;
    case VN_ICMP_NONE:
    case VN_ICMP_OTHER:
        break;
    }
    return source_allowed(rx, &p->src) ? VN_DROP_COUNT : VN_DROP_INNER_SOURCE;
}

struct writing {
    const struct vn_tun_port *tun;
    bool full;
};

static void write_segment(void *arg, struct vn_span segment)
{
    struct writing *w = arg;
    w->full |= w->tun->write(w->tun->self, segment) != VN_OK;
}

/* For a device that takes whole packets only. */
static bool write_finished(const struct vn_tun_port *tun, const struct vn_packet *p,
                           struct vn_span bytes, const struct vn_tun_offload *o)
{
    uint8_t scratch[VN_MTU_MAX]; /* vn_offload_check knows the MTU */
    struct writing w = {.tun = tun};
    if (o->kind == VN_PKT_CSUM) {
        /* The plaintext is ours to change. */
        vn_offload_finish(p, (uint8_t *)bytes.p, bytes.n, o);
        write_segment(&w, bytes);
    } else {
        vn_offload_segment(p, bytes, o, scratch, write_segment, &w);
    }
    return !w.full;
}

static void wrote(struct vn_rx *rx, vn_status st, size_t packets, size_t bytes)
{
    struct vn_worker *w = rx->worker;
    if (st != VN_OK) {
        vn_worker_drop_n(w, VN_DROP_TUN_FULL, packets);
        return;
    }
    rx->packets += packets;
    rx->bytes += bytes;
    w->counters.tun_tx_packets += packets;
    w->counters.tun_tx_bytes += bytes;
}

/* What was held back for more of its kind. */
static void write_coalesced(struct vn_rx *rx)
{
    struct vn_coalesce *c = &rx->worker->coalesce;
    const size_t packets = c->count, bytes = c->bytes;
    if (packets)
        wrote(rx, vn_coalesce_write(c, rx->worker->cfg.tun), packets, bytes);
}

static bool coalesce(struct vn_rx *rx, const struct vn_packet *p, struct vn_span bytes)
{
    struct vn_worker *w = rx->worker;
    if (!w->cfg.tun->write_offload || !w->cfg.tun->cuts_udp)
        return false;
    if (vn_coalesce_add(&w->coalesce, p, bytes, w->mtu_bytes))
        return true;
    write_coalesced(rx);
    return vn_coalesce_add(&w->coalesce, p, bytes, w->mtu_bytes);
}

static vn_status write_packet(const struct vn_tun_port *tun, const struct vn_packet *p,
                              struct vn_span bytes, const struct vn_tun_offload *o)
{
    if (tun->write_offload && (o->kind != VN_PKT_UDP_L4 || tun->cuts_udp))
        return tun->write_offload(tun->self, &bytes, 1, o);
    return write_finished(tun, p, bytes, o) ? VN_OK : VN_ERR_AGAIN;
}

/* Each packet of a frame, in its order. */
static enum vn_worker_drop packet_input(struct vn_rx *rx, const struct vn_frame_packet *fp)
{
    const struct vn_worker *w = rx->worker;
    const struct vn_tun_port *tun = w->cfg.tun;
    struct vn_packet p;
    struct vn_tun_offload o;
    if (!vn_packet_parse(fp->packet, &p))
        return VN_DROP_INNER_MALFORMED;
    const enum vn_worker_drop why = judge(rx, &p, fp->packet);
    if (why != VN_DROP_COUNT)
        return why;
    if (fp->kind == VN_PKT_NONE) {
        write_coalesced(rx);
        wrote(rx, tun->write(tun->self, fp->packet), 1, fp->packet.n);
        return VN_DROP_COUNT;
    }
    if (!vn_offload_check(&p, fp->packet, fp->kind, fp->gso_size, fp->l4_offset, w->mtu_bytes, &o))
        return VN_DROP_INNER_MALFORMED;
    if (o.kind != VN_PKT_CSUM || !coalesce(rx, &p, fp->packet)) {
        write_coalesced(rx);
        wrote(rx, write_packet(tun, &p, fp->packet, &o), 1, fp->packet.n);
    }
    return VN_DROP_COUNT;
}

/* ---- frames ---- */

/*
 * A frame from beyond the look ahead, and none that opened for as long as an old epoch is kept: so
 * many frames were lost that the keys of the source are out of reach. Who forges one while the
 * source is silent gains a new handshake between the two.
 */
static void look_for_loss(struct vn_rx *rx, uint32_t epoch)
{
    struct vn_worker *w = rx->worker;
    uint32_t present = vn_rx_keys_epoch(&rx->keys);
    if (!rx->lost_told && epoch > present && epoch - present > VN_REKEY_AHEAD_MAX &&
        w->now_us >= rx->active_us + VN_EPOCH_KEEP_MS * UINT64_C(1000))
        rx->lost_told = vn_worker_tell_handle(w, VN_EV_RX_LOST, rx->handle);
}

/* Opens in place. VN_DROP_COUNT: good, and *ret is the plaintext. */
static enum vn_worker_drop open_frame(struct vn_rx *rx, const struct vn_rx_way *way,
                                      struct vn_pktbuf *b, struct vn_e2e_header *ret_head,
                                      struct vn_span *ret)
{
    struct vn_e2e_header h;
    struct vn_reader r =
        vn_reader_of(VN_SPAN(b->data + VN_HOP_HEADER_LEN, b->len - VN_HOP_HEADER_LEN));
    /* Batches belong to signed evidence, which no stream of today has (DESIGN section 8). */
    if (!vn_e2e_decode(&r, &h) || r.left < 2 + VN_AEAD_TAG_LEN || h.lane >= VN_LANES_MAX ||
        h.cls >= VN_CLASSES || h.batch != 0 || h.idx != 0)
        return VN_DROP_FRAME_MALFORMED;
    struct vn_replay *replay = &rx->lanes[h.lane].replay;
    if (!replay->words && vn_replay_init(replay, VN_REPLAY_BITS_MIN) != VN_OK)
        return VN_DROP_TAG;
    const bool is_new = vn_replay_check(replay, h.seq);
    const bool counts = vn_rx_tally_wants(rx, way, &h);
    if (!is_new && !counts)
        return VN_DROP_REPLAY;
    uint8_t *text = b->data + VN_HOP_HEADER_LEN + VN_E2E_HEADER_LEN;
    size_t n = r.left - VN_AEAD_TAG_LEN;
    enum vn_worker_drop why =
        vn_rx_keys_open(&rx->keys, &h, VN_SPAN(b->data + VN_HOP_HEADER_LEN, VN_E2E_HEADER_LEN),
                        text, n, rx->worker->now_us);
    if (why == VN_DROP_EPOCH_UNKNOWN)
        look_for_loss(rx, h.epoch);
    if (why != VN_DROP_COUNT)
        return why;
    if (counts)
        vn_rx_tally(rx, way, &h);
    if (!is_new)
        return VN_DROP_REPLAY;
    vn_replay_commit(replay, h.seq, rx->worker->now_us);
    *ret = VN_SPAN(text, n);
    *ret_head = h;
    return VN_DROP_COUNT;
}

void vn_rx_epoch_began(struct vn_rx *rx)
{
    struct vn_worker *w = rx->worker;
    vn_worker_wake_at(w, w->now_us + VN_EPOCH_KEEP_MS * UINT64_C(1000));
    if (!vn_worker_is_hand(w)) /* the first worker goes there too */
        vn_log(VN_LOG_DEBUG, "epoch_seen", VN_KV_U64("handle", rx->handle),
               VN_KV_U64("epoch", vn_rx_keys_epoch(&rx->keys)));
}

void vn_rx_opened(struct vn_rx *rx, bool new_epoch)
{
    struct vn_worker *w = rx->worker;
    rx->active_us = w->now_us;
    if (new_epoch)
        vn_rx_epoch_began(rx);
    if (vn_worker_is_hand(w)) {
        vn_hand_opened(rx);
        return;
    }
    if (!rx->first_told)
        rx->first_told = vn_worker_tell_handle(w, VN_EV_RX_FIRST, rx->handle);
    if (rx->keys.kem_taken)
        rx->keys.kem_taken =
            !vn_worker_tell_epoch(w, VN_EV_RX_KEM_BEGUN, rx->handle, rx->keys.kem_epoch);
    if (new_epoch)
        vn_crew_epoch(rx);
}

void vn_rx_frame(struct vn_rx *rx, const struct vn_rx_way *way, struct vn_pktbuf *b)
{
    struct vn_worker *w = rx->worker;
    struct vn_e2e_header head;
    struct vn_span plain;
    uint32_t before = vn_rx_keys_epoch(&rx->keys);
    enum vn_worker_drop why = open_frame(rx, way, b, &head, &plain);
    if (why != VN_DROP_COUNT) {
        vn_worker_drop(w, why);
        vn_pktbuf_free(b);
        return;
    }
    w->counters.frames_opened++;
    rx->frames++;
    vn_rx_arrived(rx, way, &head, b->len);
    vn_rx_opened(rx, vn_rx_keys_epoch(&rx->keys) != before);

    struct vn_reader r;
    size_t count;
    if (!vn_frame_open(plain, &r, &count)) {
        vn_worker_drop(w, VN_DROP_INNER_MALFORMED);
    } else {
        struct vn_frame_packet fp;
        while (count-- && vn_frame_next_packet(&r, &fp)) {
            why = packet_input(rx, &fp);
            if (why != VN_DROP_COUNT)
                vn_worker_drop(w, why);
        }
        write_coalesced(rx); /* its bytes go with the frame */
    }
    vn_pktbuf_free(b);
}

static void bound_input(struct vn_label *l, enum vn_tether_class cls, struct vn_pktbuf *b)
{
    size_t n = b->len;
    if (cls == VN_TETHER_BULK && !vn_meter_receive(&l->meter, n)) {
        vn_worker_drop(l->end->worker, VN_DROP_CREDIT);
        vn_pktbuf_free(b);
        return;
    }
    frame_input(l->rx, l, b);
    if (cls == VN_TETHER_BULK)
        vn_meter_consume(&l->meter, n);
}

static void message_input(struct vn_end *end, enum vn_tether_class cls, struct vn_pktbuf *b)
{
    struct vn_worker *w = end->worker;
    struct vn_reader r = vn_reader_of(vn_pktbuf_span(b));
    struct vn_hop_header hop;
    if (!vn_hop_decode(&r, &hop) || hop.type != VN_HOP_FRAME) {
        vn_worker_drop(w, VN_DROP_HOP_MALFORMED);
        vn_pktbuf_free(b);
        return;
    }
    struct vn_label *l = vn_label_find(end, hop.label);
    if (l && l->rx) {
        bound_input(l, cls, b);
    } else if (l && l->forward) {
        vn_forward_frame(l->forward, l, cls, b);
    } else if (l && (l->turn || l->kept)) {
        vn_worker_drop(w, VN_DROP_LABEL_UNKNOWN);
        vn_pktbuf_free(b);
    } else {
        hold(end, hop.label, l, b);
    }
}

void vn_rx_input(struct vn_end *end, enum vn_tether_class cls, struct vn_pktbuf **bufs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        message_input(end, cls, bufs[i]);
}

void vn_rx_end_gone(struct vn_end *end)
{
    VN_LIST_EACH(it, &end->labels)
    {
        struct vn_label *l = VN_LIST_ENTRY(it, struct vn_label, of_end);
        if (l->forward)
            vn_forward_close(l->forward);
        else
            vn_label_release(l);
    }
}

static uint64_t tick_early(struct vn_worker *w)
{
    uint64_t next = UINT64_MAX;
    VN_LIST_EACH(it, &w->ends)
    {
        struct vn_end *end = VN_LIST_ENTRY(it, struct vn_end, link);
        if (end->early_labels == 0)
            continue;
        VN_LIST_EACH(lt, &end->labels)
        {
            struct vn_label *l = VN_LIST_ENTRY(lt, struct vn_label, of_end);
            if (l->early.count == 0)
                continue;
            if (l->early_until_us <= w->now_us)
                vn_label_release(l);
            else
                next = VN_MIN(next, l->early_until_us);
        }
    }
    return next;
}

static uint64_t tick_keys(struct vn_worker *w)
{
    uint64_t next = UINT64_MAX;
    size_t cursor = 0;
    const void *key;
    void *value;
    while (vn_map_next(w->rx_by_handle, &cursor, &key, &value)) {
        uint64_t at = vn_rx_keys_tick(&((struct vn_rx *)value)->keys, w->now_us);
        next = VN_MIN(next, at);
    }
    return next;
}

uint64_t vn_rx_tick(struct vn_worker *w)
{
    uint64_t early = tick_early(w), keys = tick_keys(w);
    return VN_MIN(early, keys);
}

void vn_rx_free_all(struct vn_worker *w)
{
    size_t cursor = 0;
    const void *key;
    void *value;
    while (vn_map_next(w->rx_by_handle, &cursor, &key, &value)) {
        vn_map_take(w->rx_by_handle, key);
        rx_free(value);
    }
}
