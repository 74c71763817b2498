#include "core/egress.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "core/offload.h"
#include "core/tx.h"
#include "core/unreachable.h"

/* ICMP errors to programs here, per second and worker: RFC 1812 section 4.3.2.8. */
#define UNREACHABLE_RATE 1000
#define UNREACHABLE_BURST 256

static size_t queued(const struct vn_egresser *e)
{
    return e->queue[VN_TETHER_BULK].count + e->queue[VN_TETHER_REALTIME].count;
}

static size_t queued_bytes(const struct vn_egresser *e)
{
    return e->queue[VN_TETHER_BULK].bytes + e->queue[VN_TETHER_REALTIME].bytes;
}

static void set_state(struct vn_egresser *e, enum vn_egress_state state)
{
    static const char *const names[] = {"expect_verdict", "use", "wait", "reject"};
    assert((state == VN_EGRESS_USE) == (e->tx != NULL));
    if (e->state != state)
        vn_log(VN_LOG_DEBUG, "egresser_state", VN_KV_IP("destination", &e->ip),
               VN_KV_STR("from", names[e->state]), VN_KV_STR("to", names[state]));
    e->state = state;
}

static size_t clear(struct vn_egresser *e)
{
    size_t n = queued(e);
    for (size_t cls = 0; cls < VN_CLASSES; cls++)
        vn_fq_clear(&e->queue[cls]);
    for (size_t i = 0; i < VN_OUTLETS; i++)
        vn_list_remove(&e->ready[i]);
    return n;
}

static void detach(struct vn_egresser *e)
{
    for (size_t i = 0; i < VN_OUTLETS; i++)
        vn_list_remove(&e->ready[i]);
    for (size_t way = 1; way < VN_WAYS_MAX; way++)
        vn_fq_leave(&e->queue[VN_TETHER_BULK], way);
    vn_list_remove(&e->of_tx);
    e->tx = NULL;
}

static void attach(struct vn_egresser *e, struct vn_tx *tx)
{
    e->tx = tx;
    vn_list_append(&tx->egressers, &e->of_tx);
    for (enum vn_tether_class cls = 0; cls < VN_CLASSES; cls++)
        if (e->queue[cls].count)
            vn_tx_ready(tx, e, vn_outlet(cls, 0));
}

static void egresser_free(struct vn_worker *w, struct vn_egresser *e, enum vn_worker_drop why)
{
    vn_worker_drop_n(w, why, clear(e));
    detach(e);
    vn_map_take(w->egresser_by_ip, e->ip.b);
    if (w->last_egresser == e)
        w->last_egresser = NULL;
    vn_log(VN_LOG_DEBUG, "egresser_destroyed", VN_KV_IP("destination", &e->ip));
    free(e);
}

static struct vn_egresser *find(struct vn_worker *w, const struct vn_ip *ip)
{
    if (w->last_egresser && vn_ip_equal(&w->last_egresser->ip, ip))
        return w->last_egresser;
    struct vn_egresser *e = vn_map_get(w->egresser_by_ip, ip->b);
    if (e)
        w->last_egresser = e;
    return e;
}

static struct vn_egresser *create(struct vn_worker *w, const struct vn_ip *ip)
{
    struct vn_egresser *e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    e->ip = *ip;
    vn_list_init(&e->of_tx);
    for (size_t i = 0; i < VN_OUTLETS; i++)
        vn_list_init(&e->ready[i]);
    for (size_t cls = 0; cls < VN_CLASSES; cls++)
        vn_fq_init(&e->queue[cls]);
    e->active_us = w->now_us;
    if (vn_map_put(w->egresser_by_ip, e->ip.b, e) != VN_OK) {
        free(e);
        return NULL;
    }
    w->last_egresser = e;
    vn_worker_wake_at(w, w->now_us + w->idle_us);
    vn_log(VN_LOG_DEBUG, "egresser_created", VN_KV_IP("destination", &e->ip));
    return e;
}

static void tell_unreachable(struct vn_worker *w, struct vn_span bytes)
{
    struct vn_packet p;
    uint8_t out[VN_UNREACHABLE_MAX];
    if (!vn_packet_parse(bytes, &p) ||
        !vn_bucket_take(&w->unreachable, UNREACHABLE_RATE, UNREACHABLE_BURST, w->now_us / 1000))
        return;
    size_t n = vn_unreachable_build(&p, bytes, out);
    if (n && w->cfg.tun->write(w->cfg.tun->self, VN_SPAN(out, n)) != VN_OK)
        vn_worker_drop(w, VN_DROP_TUN_FULL);
}

static void reject_waiting(struct vn_worker *w, struct vn_egresser *e)
{
    for (size_t cls = 0; cls < VN_CLASSES; cls++) {
        struct vn_pktbuf *b;
        while ((b = vn_fq_pop_fattest(&e->queue[cls]))) {
            tell_unreachable(w, vn_pktbuf_span(b));
            vn_worker_drop(w, VN_DROP_REJECTED);
            vn_pktbuf_free(b);
        }
        vn_list_remove(&e->ready[cls]);
    }
}

static bool in_ranges(const struct vn_worker *w, const struct vn_ip *ip)
{
    for (size_t i = 0; i < w->range_count; i++)
        if (vn_prefix_contains(&w->ranges[i], ip))
            return true;
    return false;
}

static bool has_room(const struct vn_egresser *e, size_t packets, size_t bytes)
{
    return queued(e) + (bytes > 0) <= packets && queued_bytes(e) + bytes <= VN_EGRESS_QUEUE_BYTES;
}

static enum vn_tether_class fuller(const struct vn_egresser *e)
{
    return e->queue[VN_TETHER_REALTIME].bytes > e->queue[VN_TETHER_BULK].bytes ? VN_TETHER_REALTIME
                                                                               : VN_TETHER_BULK;
}

/* When that is over, the node may be asked again. */
static bool still_rejected(const struct vn_worker *w, struct vn_egresser *e)
{
    if (e->state != VN_EGRESS_REJECT)
        return false;
    if (w->now_us < e->reject_until_us)
        return true;
    e->asked = false;
    set_state(e, VN_EGRESS_EXPECT_VERDICT);
    return false;
}

static void ask(struct vn_worker *w, struct vn_egresser *e)
{
    if (e->state == VN_EGRESS_EXPECT_VERDICT && !e->asked)
        e->asked = vn_worker_tell_dest(w, VN_EV_DEST_WANTED, &e->ip);
}

/* Takes the packet in, or says why not. When the queue overflows, the flow that fills it pays. */
static bool admit(struct vn_worker *w, struct vn_egresser *e, const struct vn_packet *p,
                  struct vn_pktbuf *b, enum vn_worker_drop *ret_why)
{
    if (still_rejected(w, e)) {
        tell_unreachable(w, vn_pktbuf_span(b));
        *ret_why = VN_DROP_REJECTED;
        return false;
    }
    if (e->state == VN_EGRESS_EXPECT_VERDICT && !has_room(e, VN_EGRESS_WAIT_PACKETS, b->len)) {
        *ret_why = VN_DROP_QUEUE_FULL; /* the first ones are those that somebody waits for */
        return false;
    }
    enum vn_tether_class cls = vn_packet_class(p);
    uint32_t flow = vn_packet_flow(p, vn_pktbuf_span(b), w->flow_key);
    const size_t way = cls == VN_TETHER_BULK && e->tx && e->tx->spread
                           ? vn_spread_way(e->tx->spread, &e->queue[cls], flow, w->now_us)
                           : 0;
    if (vn_fq_push(&e->queue[cls], way, flow, b, w->now_us) != VN_OK) {
        *ret_why = VN_DROP_QUEUE_FULL;
        return false;
    }
    while (!has_room(e, VN_EGRESS_QUEUE_PACKETS, 0)) {
        vn_pktbuf_free(vn_fq_pop_fattest(&e->queue[fuller(e)]));
        vn_worker_drop(w, VN_DROP_QUEUE_FULL);
    }
    e->active_us = w->now_us;
    if (e->state == VN_EGRESS_USE)
        vn_tx_ready(e->tx, e, vn_outlet(cls, way));
    return true;
}

static void queue_packet(struct vn_worker *w, const struct vn_packet *p, struct vn_pktbuf *b)
{
    enum vn_worker_drop why;
    struct vn_egresser *e;
    if (b->len > VN_TX_PACKET_MAX)
        why = VN_DROP_TUN_MALFORMED;
    else if (!in_ranges(w, &p->dst))
        why = VN_DROP_NO_ROUTE;
    else if (!(e = find(w, &p->dst)) && !(e = create(w, &p->dst)))
        why = VN_DROP_QUEUE_FULL;
    else if (admit(w, e, p, b, &why)) {
        ask(w, e);
        return;
    }
    vn_worker_drop(w, why);
    vn_pktbuf_free(b);
}

struct cutting {
    struct vn_worker *w;
    const struct vn_packet *p;
};

static void queue_segment(void *arg, struct vn_span segment)
{
    struct cutting *c = arg;
    struct vn_pktbuf *b;
    if (vn_pktbuf_new(segment.n, &b) != VN_OK) {
        vn_worker_drop(c->w, VN_DROP_QUEUE_FULL);
        return;
    }
    memcpy(vn_pktbuf_put(b, segment.n), segment.p, segment.n);
    queue_packet(c->w, c->p, b);
}

/* What no receiver takes is done here: small segments, headers beyond the wire's one byte. */
static bool do_offload(struct vn_worker *w, const struct vn_packet *p, struct vn_pktbuf *b)
{
    struct vn_tun_offload o;
    uint8_t scratch[VN_MTU_MAX];
    if (!vn_offload_check_own(p, vn_pktbuf_span(b), (enum vn_packet_kind)b->kind, b->gso_size,
                              b->l4_offset, &o) ||
        o.header_len + (size_t)o.gso_size > sizeof(scratch))
        return false;
    b->kind = (uint8_t)o.kind;
    b->gso_size = o.gso_size;
    if (o.l4_offset <= UINT8_MAX && vn_offload_may_travel(&o, b->len)) {
        queue_packet(w, p, b);
        return true;
    }
    if (o.kind == VN_PKT_CSUM) {
        vn_offload_finish(p, b->data, b->len, &o);
        b->kind = VN_PKT_NONE;
        queue_packet(w, p, b);
        return true;
    }
    struct cutting c = {w, p};
    vn_offload_segment(p, vn_pktbuf_span(b), &o, scratch, queue_segment, &c);
    vn_pktbuf_free(b);
    return true;
}

void vn_egress_input(struct vn_worker *w, struct vn_pktbuf *b)
{
    w->counters.tun_rx_packets++;
    w->counters.tun_rx_bytes += b->len;
    struct vn_packet p;
    bool good = vn_packet_parse(vn_pktbuf_span(b), &p);
    if (good && b->kind == VN_PKT_NONE)
        queue_packet(w, &p, b);
    else if (!good || !do_offload(w, &p, b)) {
        vn_worker_drop(w, VN_DROP_TUN_MALFORMED);
        vn_pktbuf_free(b);
    }
}

static void forget_rejected(struct vn_worker *w)
{
    size_t cursor = 0;
    const void *key;
    void *value;
    while (vn_map_next(w->egresser_by_ip, &cursor, &key, &value)) {
        struct vn_egresser *e = value;
        if (e->state == VN_EGRESS_REJECT)
            egresser_free(w, e, VN_DROP_EGRESS_GONE);
    }
}

bool vn_egress_wanted(struct vn_worker *w, const struct vn_ip *ip, struct vn_cmd_dest *ret)
{
    struct vn_egresser *e = find(w, ip);
    *ret = (struct vn_cmd_dest){.ip = *ip};
    if (!e && !(e = create(w, ip))) {
        ret->verdict = VN_DEST_FORGET; /* too many: the next packet asks again */
        return true;
    }
    e->active_us = w->now_us;
    if (still_rejected(w, e)) {
        ret->verdict = VN_DEST_REJECT;
        ret->for_ms = (uint32_t)((e->reject_until_us - w->now_us) / 1000);
    } else if (e->state == VN_EGRESS_USE) {
        ret->verdict = VN_DEST_USE;
        ret->tx = e->tx->handle;
    } else if (e->state == VN_EGRESS_WAIT) {
        ret->verdict = VN_DEST_WAIT;
    } else {
        ask(w, e);
        return false;
    }
    return true;
}

void vn_egress_verdict(struct vn_worker *w, const struct vn_cmd_dest *cmd)
{
    static const struct vn_ip all;
    if (cmd->verdict == VN_DEST_FORGET && vn_ip_equal(&cmd->ip, &all)) {
        forget_rejected(w);
        return;
    }
    struct vn_egresser *e = find(w, &cmd->ip);
    if (!e) {
        /* A verdict may come before the first packet: the node knows that a peer is unreachable. */
        if (vn_worker_is_hand(w) || (cmd->verdict != VN_DEST_USE && cmd->verdict != VN_DEST_REJECT))
            return;
        if (!(e = create(w, &cmd->ip)))
            return;
    }
    detach(e);
    switch (cmd->verdict) {
    case VN_DEST_USE: {
        struct vn_tx *tx = vn_map_get(w->tx_by_handle, &cmd->tx);
        if (tx) {
            attach(e, tx);
            e->active_us = w->now_us;
            set_state(e, VN_EGRESS_USE);
            vn_worker_wake_at(w, w->now_us + w->idle_us);
            return;
        }
        /* Closed meanwhile: as if that had come after. A hand had no memory for its lane, and does
         * not ask again before the next packet. */
        if (vn_worker_is_hand(w))
            egresser_free(w, e, VN_DROP_EGRESS_GONE);
        else
            vn_egress_lost_tx(w, e);
        return;
    }
    case VN_DEST_REJECT:
        reject_waiting(w, e);
        e->reject_until_us = w->now_us + (uint64_t)cmd->for_ms * 1000;
        set_state(e, VN_EGRESS_REJECT);
        vn_worker_wake_at(w, e->reject_until_us);
        return;
    case VN_DEST_WAIT:
        set_state(e, VN_EGRESS_WAIT);
        e->active_us = w->now_us;
        return;
    case VN_DEST_FORGET:
        egresser_free(w, e, VN_DROP_EGRESS_GONE);
        return;
    }
}

void vn_egress_lost_tx(struct vn_worker *w, struct vn_egresser *e)
{
    detach(e);
    if (queued(e) == 0) {
        struct vn_ip ip = e->ip;
        egresser_free(w, e, VN_DROP_EGRESS_GONE);
        vn_worker_tell_dest(w, VN_EV_DEST_IDLE, &ip);
        return;
    }
    set_state(e, VN_EGRESS_EXPECT_VERDICT);
    e->asked = vn_worker_tell_dest(w, VN_EV_DEST_WANTED, &e->ip);
}

/* The node's verdict comes within the query's waits and a tether's connecting, or never: packets
 * that await it are not idle, however short the idle time. */
#define VERDICT_US ((VN_QUERY_WAIT_3_MS * 2 + VN_TETHER_CONNECT_MS) * UINT64_C(1000))

static uint64_t ends_us(const struct vn_worker *w, const struct vn_egresser *e)
{
    if (e->state == VN_EGRESS_REJECT)
        return e->reject_until_us;
    if (e->state != VN_EGRESS_USE && (queued(e) > 0 || w->cfg.hand_count > 0))
        return e->active_us + VN_MAX(w->idle_us, VERDICT_US);
    /* Those of a stream stand for the hands' as well: none is idle while the stream is not. */
    if (e->state == VN_EGRESS_USE && w->cfg.hand_count > 0)
        return VN_MAX(e->active_us, e->tx->active_us) + w->idle_us;
    return e->active_us + w->idle_us;
}

uint64_t vn_egress_tick(struct vn_worker *w)
{
    uint64_t next = UINT64_MAX;
    size_t cursor = 0;
    const void *key;
    void *value;
    while (vn_map_next(w->egresser_by_ip, &cursor, &key, &value)) {
        struct vn_egresser *e = value;
        if (ends_us(w, e) > w->now_us) {
            next = VN_MIN(next, ends_us(w, e));
            continue;
        }
        struct vn_ip ip = e->ip;
        egresser_free(w, e, VN_DROP_EGRESS_GONE);
        vn_worker_tell_dest(w, VN_EV_DEST_IDLE, &ip);
    }
    return next;
}

void vn_egress_free_all(struct vn_worker *w)
{
    size_t cursor = 0;
    const void *key;
    void *value;
    while (vn_map_next(w->egresser_by_ip, &cursor, &key, &value))
        egresser_free(w, value, VN_DROP_EGRESS_GONE);
}
