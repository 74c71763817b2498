/* The frames of a stream: opened, and their packets judged and written to the device. */
#include "base/log.h"
#include "core/crew.h"
#include "core/offload.h"
#include "core/packet.h"
#include "core/rx.h"

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
