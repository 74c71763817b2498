/*
 * A tether: sockets, ICE, DTLS, SCTP and three data channels, tied together.
 *
 * Every event from the loop ends in progress(), which looks at what each layer has become, moves
 * the tether on, hands up messages and reports. Only there are the user's callbacks called; the
 * port's functions leave what they find out to the next event, at the latest the timer, which they
 * then arm for at once.
 *
 * Timers: one of the loop's per tether, armed for the earliest deadline of
 *   - ICE: checks, retransmissions, nomination, size probes, 10 s for a pair    (armed by start,
 * disarmed by selection)
 *   - DTLS: the flight's retransmission                                          (while the
 * handshake runs)
 *   - connecting: 10 s from start to up                                          (disarmed by up)
 *   - SCTP: see vn_sctp_due_us                                                  (from DTLS to the
 * end)
 *   - consent: see consent.h                                                     (from selection to
 * the end)
 */
#include "transport/tether.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "transport/dcep.h"

static const struct {
    const char *label;
    uint8_t channel;
    uint32_t reliability;
    struct vn_sctp_how how;
    size_t queue_bytes;
} classes[VN_TETHER_CLASSES] = {
    [VN_TETHER_BULK] = {"bulk",
                        VN_DCEP_TIMED | VN_DCEP_UNORDERED,
                        VN_BULK_LIFETIME_MS,
                        {true, VN_SCTP_MILLISECONDS, VN_BULK_LIFETIME_MS},
                        VN_TETHER_QUEUE_BULK_BYTES},
    [VN_TETHER_REALTIME] = {"realtime",
                            VN_DCEP_RETRANSMITS | VN_DCEP_UNORDERED,
                            0,
                            {true, VN_SCTP_RETRANSMITS, 0},
                            VN_TETHER_QUEUE_REALTIME_BYTES},
    [VN_TETHER_CONTROL] = {"control",
                           VN_DCEP_RELIABLE,
                           0,
                           {false, VN_SCTP_RELIABLE, 0},
                           VN_TETHER_QUEUE_CONTROL_BYTES},
};

static const struct vn_sctp_how reliable_ordered = {0};

/* The DTLS client opens all three, so their streams are even (RFC 8832 section 6). */
static uint16_t stream_of(size_t cls)
{
    return (uint16_t)(cls * 2);
}

static uint64_t now_of(const struct vn_tether *t)
{
    return t->transport->io->now_us(t->transport->io->self);
}

static bool is_live(const struct vn_tether *t)
{
    return t->state != VN_TETHER_DOWN && !t->closed;
}

static void set_state(struct vn_tether *t, enum vn_tether_state state)
{
    static const char *const names[] = {"expect_start", "expect_pair",     "expect_dtls",
                                        "expect_sctp",  "expect_channels", "up",
                                        "down"};
    assert(state > t->state);
    t->state = state;
    vn_log(VN_LOG_DEBUG, "tether_state", VN_KV_ID("tether", &t->cfg.tether),
           VN_KV_STR("state", names[state]));
}

static void fail(struct vn_tether *t, enum vn_tether_down why)
{
    if (!t->failure)
        t->failure = why;
}

/* ---- sending datagrams ---- */

static struct vn_tether_socket *pair_socket(struct vn_tether *t)
{
    return t->has_pair ? &t->sockets[t->pair.local] : NULL;
}

static void refused(struct vn_tether *t)
{
    t->transport->counters.refused++;
    if (t->state > VN_TETHER_EXPECT_PAIR)
        vn_consent_refused(&t->consent);
}

static void watch_write(struct vn_tether *t, bool on)
{
    struct vn_tether_socket *s = pair_socket(t);
    if (s && s->watch)
        t->transport->io->rewatch(s->watch, on ? VN_IO_READ | VN_IO_WRITE : VN_IO_READ);
}

/* Sends what tx holds; false when the socket is full. */
static bool flush_tx(struct vn_tether *t, struct vn_udp_tx *tx)
{
    struct vn_transport_counters *c = &t->transport->counters;
    struct vn_tether_socket *s = pair_socket(t);
    size_t dropped = 0;
    int err = 0;
    if (!s || s->fd < 0) {
        c->drop_tx += vn_udp_tx_clear(tx);
        return true;
    }
    vn_status st =
        vn_udp_flush(s->fd, tx, t->connected ? NULL : &t->pair.remote_addr, &dropped, &err);
    c->tx_flushes++;
    c->drop_tx += dropped;
    if (err == ECONNREFUSED)
        refused(t);
    return st != VN_ERR_AGAIN;
}

/* Ends a batch: nothing stays in the shared buffer. */
static void flush(struct vn_tether *t)
{
    struct vn_transport *tp = t->transport;
    if (tp->tx_owner != t)
        return;
    tp->tx_owner = NULL;
    if (!tp->tx || vn_udp_tx_empty(tp->tx) || flush_tx(t, tp->tx))
        return;
    /* The socket is full: the rest becomes this tether's own and waits for it. */
    struct vn_udp_tx *fresh;
    if (t->backlog || vn_udp_tx_new(&fresh) != VN_OK) {
        tp->counters.drop_tx += vn_udp_tx_clear(tp->tx);
        return;
    }
    t->backlog = tp->tx;
    tp->tx = fresh;
    watch_write(t, true);
}

static void drain_backlog(struct vn_tether *t)
{
    if (t->backlog && flush_tx(t, t->backlog)) {
        t->backlog = vn_udp_tx_free(t->backlog);
        watch_write(t, false);
    }
}

static uint8_t *sink_room(void *arg, size_t n)
{
    struct vn_tether *t = arg;
    struct vn_transport *tp = t->transport;
    uint8_t *room = NULL;
    if (t->backlog) {
        room = vn_udp_tx_room(t->backlog, n);
    } else {
        if (tp->tx_owner && tp->tx_owner != t)
            flush(tp->tx_owner);
        tp->tx_owner = t;
        room = vn_udp_tx_room(tp->tx, n);
        if (!room) {
            flush(t);
            tp->tx_owner = t;
            room = vn_udp_tx_room(t->backlog ? t->backlog : tp->tx, n);
        }
    }
    tp->counters.drop_tx += !room;
    return room;
}

static void sink_keep(void *arg, size_t n)
{
    struct vn_tether *t = arg;
    struct vn_transport *tp = t->transport;
    vn_udp_tx_keep(t->backlog ? t->backlog : tp->tx, n);
    tp->counters.tx_datagrams++;
    tp->counters.tx_bytes += n;
    if (t->state > VN_TETHER_EXPECT_PAIR)
        vn_consent_sending(&t->consent, now_of(t));
}

static void sctp_output(void *arg, const struct vn_dgram *packets, size_t n)
{
    struct vn_tether *t = arg;
    if (vn_dtls_seal(t->dtls, packets, n) != VN_OK)
        return; /* its state tells why, and SCTP sends again what was lost */
}

static void ice_send(void *arg, size_t local, const struct vn_addr *to, struct vn_span datagram)
{
    struct vn_tether *t = arg;
    struct vn_transport_counters *c = &t->transport->counters;
    const struct vn_tether_socket *s = &t->sockets[local];
    int err = 0;
    if (s->fd < 0)
        return;
    bool fixed = t->connected && t->has_pair && t->pair.local == local;
    vn_status st = vn_udp_send(s->fd, datagram, fixed ? NULL : to, &err);
    if (st != VN_OK && err == ECONNREFUSED) {
        /* It told of an earlier datagram; this one was not tried. */
        refused(t);
        st = vn_udp_send(s->fd, datagram, fixed ? NULL : to, &err);
    }
    c->tx_datagrams += st == VN_OK;
    c->drop_tx += st != VN_OK;
}

/* ---- sockets ---- */

static void close_socket(struct vn_tether_socket *s)
{
    if (s->fd < 0)
        return;
    s->tether->transport->io->unwatch(s->watch);
    s->watch = NULL;
    close(s->fd);
    s->fd = -1;
}

static void on_socket(void *arg, unsigned events);

static vn_status gather(struct vn_tether *t)
{
    struct vn_transport *tp = t->transport;
    struct vn_netif_filter filter = vn_transport_filter(tp);
    struct vn_addr addrs[VN_ICE_CANDIDATES_MAX];
    size_t count;
    vn_status st = vn_netif_list(&filter, addrs, VN_ARRAY_LEN(addrs), &count);
    for (size_t i = 0; st == VN_OK && i < count; i++) {
        struct vn_tether_socket *s = &t->sockets[t->socket_count];
        *s = (struct vn_tether_socket){.tether = t, .index = t->socket_count, .fd = -1};
        if (vn_udp_open(&addrs[i], tp->so_mark, &s->fd) != VN_OK) {
            vn_log(VN_LOG_DEBUG, "tether_socket_failed", VN_KV_IP("ip", &addrs[i].ip),
                   VN_KV_ERRNO(errno));
            continue; /* the address went away, or is not ready yet */
        }
        t->socket_count++;
        st = tp->io->watch(tp->io->self, s->fd, VN_IO_READ, on_socket, s, &s->watch);
        if (st == VN_OK)
            st = vn_ice_add_local(t->ice, &addrs[i], (uint16_t)(65535 - i),
                                  &t->candidates[s->index]);
        for (size_t k = 0; st == VN_OK && k < tp->stun_count; k++)
            vn_reflex_ask(&t->reflex, tp->random, s->index, &addrs[i], &tp->stun[k], now_of(t));
    }
    return st;
}

/* The pair is final: strangers end in the kernel, ICMP errors arrive, other sockets go. */
static void settle(struct vn_tether *t)
{
    for (size_t i = 0; i < t->socket_count; i++)
        if (i != t->pair.local)
            close_socket(&t->sockets[i]);
    t->connected = vn_udp_connect(t->sockets[t->pair.local].fd, &t->pair.remote_addr) == VN_OK;
}

/* ---- life ---- */

static void release(struct vn_tether *t)
{
    struct vn_transport *tp = t->transport;
    t->sctp = vn_sctp_free(t->sctp); /* sends ABORT, */
    if (t->dtls)
        vn_dtls_close(t->dtls); /* close_notify, */
    drain_backlog(t);
    flush(t); /* and out */
    if (tp->tx_owner == t)
        tp->tx_owner = NULL;
    t->dtls = vn_dtls_free(t->dtls);
    for (size_t i = 0; i < t->socket_count; i++)
        close_socket(&t->sockets[i]);
    t->backlog = vn_udp_tx_free(t->backlog);
    t->ice = vn_ice_free(t->ice);
    tp->io->timer_free(t->timer);
    t->timer = NULL;
    for (size_t i = 0; i < VN_TETHER_CLASSES; i++)
        vn_pktqueue_clear(&t->channels[i].queue);
    vn_secret32_wipe(&t->psk);
    vn_wipe(&t->cfg.local, sizeof(t->cfg.local));
}

static void on_timer(void *arg);
static void arm(struct vn_tether *t);

vn_status vn_tether_open(void *transport, const struct vn_tether_config *cfg,
                         const struct vn_tether_handler *h, struct vn_tether **ret)
{
    struct vn_transport *tp = transport;
    if (strlen(cfg->local.ufrag) != VN_ICE_UFRAG_LEN || strlen(cfg->local.pwd) != VN_ICE_PWD_LEN)
        return VN_ERR_ARG;
    struct vn_tether *t = calloc(1, sizeof(*t));
    if (!t)
        return VN_ERR_NOMEM;
    t->transport = tp;
    t->cfg = *cfg;
    t->handler = *h;
    t->due_us = UINT64_MAX;
    vn_list_append(&tp->tethers, &t->link);
    tp->counters.tethers_opened++;
    const struct vn_ice_config ice = {.local = cfg->local,
                                      .controlling = cfg->controlling,
                                      .tie_breaker = cfg->tie_breaker,
                                      .random = tp->random,
                                      .arg = t,
                                      .send = ice_send};
    vn_status st = vn_transport_need_buffers(tp);
    if (st == VN_OK)
        st = tp->io->timer_new(tp->io->self, on_timer, t, &t->timer);
    if (st == VN_OK)
        st = vn_ice_new(&ice, &t->ice);
    if (st == VN_OK)
        st = gather(t);
    vn_log(VN_LOG_INFO, "tether_created", VN_KV_ID("tether", &cfg->tether),
           VN_KV_U64("candidates", t->socket_count));
    if (st != VN_OK) {
        vn_tether_close(t);
        return st;
    }
    if (t->socket_count == 0)
        fail(t, VN_TETHER_DOWN_NO_INTERFACE);
    arm(t); /* to report the candidates */
    *ret = t;
    return VN_OK;
}

void vn_tether_close(struct vn_tether *t)
{
    if (!t || t->closed)
        return;
    struct vn_transport *tp = t->transport;
    vn_transport_enter(tp);
    t->closed = true;
    if (t->state != VN_TETHER_DOWN)
        release(t);
    vn_list_remove(&t->link);
    vn_list_append(&tp->graves, &t->link);
    tp->counters.tethers_closed++;
    vn_log(VN_LOG_INFO, "tether_destroyed", VN_KV_ID("tether", &t->cfg.tether),
           VN_KV_U64("tx_bytes", t->tx_bytes), VN_KV_U64("rx_bytes", t->rx_bytes));
    vn_transport_leave(tp);
}

static void go_down(struct vn_tether *t)
{
    enum vn_tether_down why = t->failure;
    set_state(t, VN_TETHER_DOWN);
    release(t);
    t->handler.down(t->handler.arg, why);
}

vn_status vn_tether_start(struct vn_tether *t, const struct vn_tether_start *s)
{
    if (t->state != VN_TETHER_EXPECT_START || t->closed)
        return VN_ERR_STATE;
    uint64_t now_us = now_of(t);
    t->psk = s->psk;
    t->started_us = now_us;
    set_state(t, VN_TETHER_EXPECT_PAIR);
    vn_status st = vn_ice_start(t->ice, &s->remote, now_us);
    if (st != VN_OK)
        fail(t, VN_TETHER_DOWN_ICE_FAILED);
    arm(t);
    return st;
}

void vn_tether_add_remote_candidate(struct vn_tether *t, const struct vn_candidate *c)
{
    struct vn_netif_filter filter = vn_transport_filter(t->transport);
    if (!is_live(t) || !vn_netif_usable(&filter, &c->addr) ||
        (vn_addr_is_loopback(&c->addr) && !t->transport->allow_loopback))
        return;
    vn_ice_add_remote(t->ice, c, now_of(t));
    arm(t);
}

/* ---- channels and messages ---- */

static vn_status send_dcep(struct vn_tether *t, uint16_t stream, const struct vn_dcep_msg *m)
{
    uint8_t room[128];
    struct vn_writer w = vn_writer_of(room, sizeof(room));
    VN_CLEANUP(vn_pktbuf_freep) struct vn_pktbuf *buf = NULL;
    vn_dcep_encode(&w, m);
    struct vn_span msg = vn_writer_span(&w);
    vn_status st = vn_pktbuf_new(msg.n, &buf);
    if (st != VN_OK)
        return st;
    memcpy(vn_pktbuf_put(buf, msg.n), msg.p, msg.n);
    st = vn_sctp_send(t->sctp, stream, VN_DCEP_PPID, &reliable_ordered, buf, now_of(t));
    if (st == VN_OK)
        (void)VN_TAKE(buf);
    return st;
}

static void open_channels(struct vn_tether *t)
{
    for (size_t i = 0; i < VN_TETHER_CLASSES; i++) {
        const struct vn_dcep_msg m = {.type = VN_DCEP_OPEN,
                                      .channel = classes[i].channel,
                                      .reliability = classes[i].reliability,
                                      .label = VN_SPAN_STR(classes[i].label)};
        if (send_dcep(t, stream_of(i), &m) != VN_OK)
            fail(t, VN_TETHER_DOWN_SCTP_FAILED);
        t->channels[i].open = true;
    }
}

static void take_dcep(struct vn_tether *t, size_t cls, struct vn_span in)
{
    struct vn_tether_channel *c = &t->channels[cls];
    struct vn_dcep_msg m;
    if (vn_dcep_decode(in, &m) != VN_OK) {
        t->transport->counters.drop_channel++;
        return;
    }
    if (m.type == VN_DCEP_ACK) {
        c->confirmed |= c->open;
        return;
    }
    if (t->cfg.dtls_client || c->open || m.channel != classes[cls].channel ||
        m.reliability != classes[cls].reliability ||
        !vn_span_equal(m.label, VN_SPAN_STR(classes[cls].label))) {
        t->transport->counters.drop_channel++;
        return;
    }
    const struct vn_dcep_msg ack = {.type = VN_DCEP_ACK};
    if (send_dcep(t, stream_of(cls), &ack) != VN_OK)
        fail(t, VN_TETHER_DOWN_SCTP_FAILED);
    c->open = c->confirmed = true;
}

/* True: it is the user's. */
static bool take_message(struct vn_tether *t, struct vn_sctp_msg *m)
{
    size_t cls = m->stream / 2;
    if (m->stream % 2 != 0 || cls >= VN_TETHER_CLASSES) {
        t->transport->counters.drop_channel++;
        return false;
    }
    if (m->ppid == VN_DCEP_PPID) {
        take_dcep(t, cls, vn_pktbuf_span(m->buf));
        return false;
    }
    if (m->ppid == VN_BINARY_EMPTY_PPID)
        m->buf->len = 0;
    else if (m->ppid != VN_BINARY_PPID)
        cls = VN_TETHER_CLASSES;
    if (cls == VN_TETHER_CLASSES || !t->channels[cls].open) {
        t->transport->counters.drop_channel++;
        return false;
    }
    t->channels[cls].confirmed = true; /* RFC 8832 section 6: any message confirms */
    t->rx_msgs++;
    t->rx_bytes += m->buf->len;
    return true;
}

static void check_up(struct vn_tether *t)
{
    bool any = false;
    for (size_t i = 0; i < VN_TETHER_CLASSES; i++)
        any |= t->channels[i].open;
    /* One is enough: on each stream the channel's opening comes before its messages, and they may
     * be on that one. */
    if (t->state != VN_TETHER_EXPECT_CHANNELS || !any)
        return;
    set_state(t, VN_TETHER_UP);
    settle(t);
    vn_log(VN_LOG_INFO, "tether_up", VN_KV_ID("tether", &t->cfg.tether),
           VN_KV_U64("after_us", now_of(t) - t->started_us),
           VN_KV_IP("ip", &t->pair.remote_addr.ip), VN_KV_U64("rtt_us", vn_ice_srtt_us(t->ice)));
    t->handler.up(t->handler.arg);
}

/* Hands up runs of one class. Takes every buffer, also when the user closes in between. */
static void hand_up(struct vn_tether *t, struct vn_sctp_msg *msgs, size_t n)
{
    struct vn_pktbuf *run[VN_TETHER_BATCH];
    size_t i = 0;
    while (i < n) {
        size_t count = 0;
        uint16_t stream = msgs[i].stream;
        for (; i < n && msgs[i].stream == stream; i++)
            run[count++] = msgs[i].buf;
        if (is_live(t)) {
            t->handler.messages(t->handler.arg, (enum vn_tether_class)(stream / 2), run, count);
            continue;
        }
        for (size_t k = 0; k < count; k++)
            (void)vn_pktbuf_free(run[k]);
    }
}

static void follow_sctp(struct vn_tether *t)
{
    switch (vn_sctp_state(t->sctp)) {
    case VN_SCTP_CONNECTING:
        break;
    case VN_SCTP_OPEN:
        if (t->state == VN_TETHER_EXPECT_SCTP) {
            set_state(t, VN_TETHER_EXPECT_CHANNELS);
            if (t->cfg.dtls_client)
                open_channels(t);
        }
        break;
    case VN_SCTP_CLOSED:
        fail(t, VN_TETHER_DOWN_CLOSED);
        break;
    case VN_SCTP_FAILED:
        fail(t, VN_TETHER_DOWN_SCTP_FAILED);
        break;
    }
}

static void receive(struct vn_tether *t)
{
    struct vn_sctp_msg msgs[VN_TETHER_BATCH];
    size_t n;
    while (is_live(t) && t->sctp && (n = vn_sctp_receive(t->sctp, msgs, VN_ARRAY_LEN(msgs))) > 0) {
        size_t kept = 0;
        follow_sctp(t);
        for (size_t i = 0; i < n; i++) {
            if (take_message(t, &msgs[i]))
                msgs[kept++] = msgs[i];
            else
                (void)vn_pktbuf_free(msgs[i].buf);
        }
        check_up(t);
        hand_up(t, msgs, kept);
    }
}

/* SCTP takes what has room: true, and the buffer is its own. */
static bool give(struct vn_tether *t, size_t cls, struct vn_pktbuf *b, uint64_t now_us)
{
    const struct vn_sctp_how *how =
        t->channels[cls].confirmed ? &classes[cls].how : &reliable_ordered;
    const bool empty = b->len == 0;
    if (empty) /* RFC 8831 section 6.6: SCTP carries no empty message */
        *vn_pktbuf_put(b, 1) = 0;
    if (vn_sctp_send(t->sctp, stream_of(cls), empty ? VN_BINARY_EMPTY_PPID : VN_BINARY_PPID, how, b,
                     now_us) == VN_OK)
        return true;
    b->len -= empty;
    return false;
}

/* Gives SCTP what it takes: control first, bulk last. */
static void pump(struct vn_tether *t)
{
    static const enum vn_tether_class order[] = {VN_TETHER_CONTROL, VN_TETHER_REALTIME,
                                                 VN_TETHER_BULK};
    uint64_t now_us = now_of(t);
    if (t->state >= VN_TETHER_EXPECT_CHANNELS && !t->backlog) {
        for (size_t i = 0; i < VN_ARRAY_LEN(order) && t->state == VN_TETHER_UP; i++) {
            struct vn_pktqueue *q = &t->channels[order[i]].queue;
            struct vn_pktbuf *b;
            while ((b = vn_pktqueue_pop(q)))
                if (!give(t, order[i], b, now_us)) {
                    vn_pktqueue_unpop(q, b); /* for want of room, or its state tells why */
                    break;
                }
        }
        vn_sctp_flush(t->sctp, now_us);
    }
}

static void report_writable(struct vn_tether *t)
{
    for (size_t i = 0; i < VN_TETHER_CLASSES && is_live(t); i++) {
        struct vn_tether_channel *c = &t->channels[i];
        if (c->blocked && c->queue.bytes <= classes[i].queue_bytes / 2) {
            c->blocked = false;
            t->handler.writable(t->handler.arg, (enum vn_tether_class)i);
        }
    }
}

vn_status vn_tether_send(struct vn_tether *t, enum vn_tether_class cls, struct vn_pktbuf **bufs,
                         size_t n, size_t *ret_taken)
{
    *ret_taken = 0;
    if (t->state != VN_TETHER_UP || t->closed || t->failure)
        return VN_ERR_STATE;
    if ((size_t)cls >= VN_TETHER_CLASSES)
        return VN_ERR_ARG;
    struct vn_tether_channel *c = &t->channels[cls];
    size_t taken = 0;
    for (; taken < n && bufs[taken]->len <= VN_TETHER_MSG_MAX; taken++) {
        if (c->queue.bytes >= classes[cls].queue_bytes) {
            c->blocked = true;
            break;
        }
        t->tx_msgs++;
        t->tx_bytes += bufs[taken]->len;
        vn_pktqueue_push(&c->queue, bufs[taken]);
    }
    *ret_taken = taken;
    pump(t);
    flush(t);
    arm(t);
    return taken < n && !c->blocked ? VN_ERR_ARG : VN_OK;
}

void vn_tether_stats(const struct vn_tether *t, struct vn_tether_stats *ret)
{
    *ret = (struct vn_tether_stats){.tx_bytes = t->tx_bytes,
                                    .rx_bytes = t->rx_bytes,
                                    .tx_msgs = t->tx_msgs,
                                    .rx_msgs = t->rx_msgs,
                                    .local = t->pair.local_addr,
                                    .remote = t->pair.remote_addr,
                                    .local_type = t->pair.local_type,
                                    .remote_type = t->pair.remote_type};
    for (size_t i = 0; i < VN_TETHER_CLASSES; i++)
        ret->queued_bytes += t->channels[i].queue.bytes;
    if (t->ice)
        ret->srtt_us = vn_ice_srtt_us(t->ice);
    if (t->sctp) {
        ret->queued_bytes += vn_sctp_outstanding(t->sctp);
        ret->srtt_us = VN_MAX(ret->srtt_us, vn_sctp_srtt_us(t->sctp));
    }
}

/* ---- moving on ---- */

static void make_dtls(struct vn_tether *t)
{
    char identity[VN_ID_TEXT + 2];
    vn_id_format(&t->cfg.tether, identity);
    memcpy(identity + VN_ID_TEXT - 1, ".0", 3); /* association 0, the only one so far */
    const struct vn_dtls_config cfg = {.client = t->cfg.dtls_client,
                                       .identity = identity,
                                       .psk = &t->psk,
                                       .mtu = VN_UDP_PAYLOAD_BYTES,
                                       .out = {t, sink_room, sink_keep}};
    if (vn_dtls_new(t->transport->dtls, &cfg, &t->dtls) != VN_OK) {
        fail(t, VN_TETHER_DOWN_INTERNAL);
        return;
    }
    vn_secret32_wipe(&t->psk);
    vn_dtls_start(t->dtls);
}

/* The shortest time seen is that of empty queues; a longer one would make them longer still. */
static void fit_to_path(struct vn_tether *t)
{
    uint64_t window = (uint64_t)vn_ice_min_rtt_us(t->ice) * VN_SCTP_SNDBUF_BYTES_PER_US;
    window = VN_MAX(window, (uint64_t)VN_SCTP_SNDBUF_BYTES);
    window = VN_MIN(window, (uint64_t)VN_SCTP_SNDBUF_MAX_BYTES);
    vn_sctp_set_window(t->sctp, (size_t)window);
    uint64_t hold_us = (uint64_t)vn_ice_min_rtt_us(t->ice) * VN_BULK_HOLD_RTTS;
    hold_us = VN_MAX(hold_us, (uint64_t)VN_BULK_HOLD_MIN_US);
    hold_us = VN_MIN(hold_us, (uint64_t)VN_BULK_HOLD_MAX_US);
    vn_sctp_hold(t->sctp, stream_of(VN_TETHER_BULK), hold_us);
}

static void make_sctp(struct vn_tether *t)
{
    /* The size probe was answered during the handshake, if the path is a full-size one. */
    size_t payload =
        vn_ice_full_size_passes(t->ice) ? VN_UDP_PAYLOAD_MAX_BYTES : VN_UDP_PAYLOAD_BYTES;
    const struct vn_sctp_config cfg = {.arg = t,
                                       .output = sctp_output,
                                       .random = t->transport->random,
                                       .mtu = payload - VN_DTLS_OVERHEAD_BYTES,
                                       .message_max = VN_TETHER_MSG_MAX};
    uint64_t now_us = now_of(t);
    if (vn_sctp_new(&cfg, now_us, &t->sctp) != VN_OK)
        fail(t, VN_TETHER_DOWN_INTERNAL);
    else if (vn_sctp_connect(t->sctp, now_us) != VN_OK)
        fail(t, VN_TETHER_DOWN_SCTP_FAILED);
    else
        fit_to_path(t);
}

static void follow_ice(struct vn_tether *t)
{
    struct vn_ice_selected pair;
    uint64_t heard = vn_ice_last_heard_us(t->ice), answered = vn_ice_last_answer_us(t->ice);
    if (vn_ice_state(t->ice) == VN_ICE_FAILED) {
        fail(t, VN_TETHER_DOWN_ICE_FAILED);
        return;
    }
    if (!vn_ice_selected(t->ice, &pair))
        return;
    if (!t->connected) {
        t->has_pair = true;
        t->pair = pair;
    }
    if (t->state == VN_TETHER_EXPECT_PAIR) {
        set_state(t, VN_TETHER_EXPECT_DTLS);
        vn_consent_init(&t->consent, t->transport->random, now_of(t));
        if (!t->dtls)
            make_dtls(t);
    }
    if (heard != t->ice_heard_us)
        vn_consent_heard(&t->consent, heard);
    if (answered != t->ice_answered_us) {
        vn_consent_answered(&t->consent, answered);
        if (t->sctp)
            fit_to_path(t);
    }
    t->ice_heard_us = heard;
    t->ice_answered_us = answered;
}

static void follow_dtls(struct vn_tether *t)
{
    switch (vn_dtls_state(t->dtls)) {
    case VN_DTLS_HANDSHAKE:
        break;
    case VN_DTLS_OPEN:
        if (t->state == VN_TETHER_EXPECT_DTLS) {
            set_state(t, VN_TETHER_EXPECT_SCTP);
            make_sctp(t);
        }
        break;
    case VN_DTLS_CLOSED:
        fail(t, VN_TETHER_DOWN_CLOSED);
        break;
    case VN_DTLS_FAILED:
        fail(t, VN_TETHER_DOWN_DTLS_FAILED);
        break;
    }
}

/* RFC 8445 section 5.1.1.4: what repeats a candidate says nothing new. */
static bool is_known(const struct vn_tether *t, const struct vn_addr *a)
{
    for (size_t i = 0; i < t->socket_count; i++)
        if (vn_addr_equal(&t->candidates[i].addr, a))
            return true;
    for (size_t i = 0; i < t->reflexive_count; i++)
        if (vn_addr_equal(&t->reflexive[i].addr, a))
            return true;
    return false;
}

/* Our checks leave from the base anyway, so ICE need not know; the peer must. */
static void take_mapped(struct vn_tether *t, size_t local, const struct vn_addr *mapped)
{
    enum { TYPE_PREF_SRFLX = 100 }; /* RFC 8445 section 5.1.2.2 */
    const struct vn_netif_filter filter = vn_transport_filter(t->transport);
    if (t->reflexive_count == VN_REFLEX_MAX || !vn_netif_usable(&filter, mapped) ||
        is_known(t, mapped))
        return;
    t->reflexive[t->reflexive_count++] = (struct vn_candidate){
        .type = VN_CAND_SRFLX,
        .priority = (uint32_t)TYPE_PREF_SRFLX << 24 | (t->candidates[local].priority & 0xffffff),
        .foundation = 0x20000 + (uint32_t)local,
        .addr = *mapped};
}

static void tell_reflexive(struct vn_tether *t)
{
    while (is_live(t) && t->announced && t->reflexive_told < t->reflexive_count)
        t->handler.candidate(t->handler.arg, &t->reflexive[t->reflexive_told++]);
}

/* Looks at every layer from the bottom up. May call the user; the tether may be closed or down
 * afterwards. */
static void progress(struct vn_tether *t)
{
    tell_reflexive(t);
    if (is_live(t) && !t->failure && t->state > VN_TETHER_EXPECT_START)
        follow_ice(t);
    if (is_live(t) && t->dtls)
        follow_dtls(t);
    if (is_live(t) && t->sctp) {
        receive(t);
        if (is_live(t))
            follow_sctp(t);
        if (is_live(t) && !t->failure)
            check_up(t);
        if (is_live(t))
            pump(t);
        if (is_live(t))
            report_writable(t);
    }
    if (is_live(t) && t->failure)
        go_down(t);
    if (!is_live(t))
        return;
    flush(t);
    arm(t);
}

/* ---- time ---- */

static enum vn_tether_down late_reason(const struct vn_tether *t)
{
    return t->state == VN_TETHER_EXPECT_PAIR   ? VN_TETHER_DOWN_ICE_FAILED
           : t->state == VN_TETHER_EXPECT_DTLS ? VN_TETHER_DOWN_DTLS_FAILED
                                               : VN_TETHER_DOWN_SCTP_FAILED;
}

static bool is_connecting(const struct vn_tether *t)
{
    return t->state > VN_TETHER_EXPECT_START && t->state < VN_TETHER_UP;
}

static bool is_outstanding(struct vn_tether *t)
{
    for (size_t i = 0; i < VN_TETHER_CLASSES; i++)
        if (t->channels[i].queue.head)
            return true;
    return t->sctp && vn_sctp_outstanding(t->sctp) > 0;
}

static void arm(struct vn_tether *t)
{
    uint64_t now_us = now_of(t), due = UINT64_MAX;
    if (!is_live(t))
        return;
    if (!t->announced || t->failure)
        due = now_us;
    due = VN_MIN(due, vn_ice_deadline(t->ice));
    if (t->state <= VN_TETHER_EXPECT_PAIR)
        due = VN_MIN(due, vn_reflex_deadline(&t->reflex));
    if (t->dtls) {
        uint64_t in = vn_dtls_due_in_us(t->dtls);
        due = VN_MIN(due, in == UINT64_MAX ? in : now_us + in);
    }
    if (t->sctp)
        due = VN_MIN(due, vn_sctp_due_us(t->sctp));
    if (is_connecting(t))
        due = VN_MIN(due, t->started_us + VN_TETHER_CONNECT_MS * 1000ull);
    if (t->state > VN_TETHER_EXPECT_PAIR)
        due = VN_MIN(due, vn_consent_deadline(&t->consent));
    /* A timer that fires early just looks again: moving it at every packet would cost more. */
    if (due == UINT64_MAX || t->due_us <= due)
        return;
    t->due_us = due;
    t->transport->io->timer_arm(t->timer, due > now_us ? due - now_us : 0);
}

static void announce(struct vn_tether *t)
{
    t->announced = true;
    for (size_t i = 0; i < t->socket_count && is_live(t); i++)
        t->handler.candidate(t->handler.arg, &t->candidates[i]);
    if (is_live(t) && t->socket_count > 0)
        t->handler.gathered(t->handler.arg);
}

static void watch_consent(struct vn_tether *t, uint64_t now_us)
{
    switch (vn_consent_tick(&t->consent, is_outstanding(t), now_us)) {
    case VN_CONSENT_WAIT:
        break;
    case VN_CONSENT_CHECK:
        vn_ice_consent_check(t->ice, now_us);
        break;
    case VN_CONSENT_LOST:
        fail(t, VN_TETHER_DOWN_SILENT);
    }
}

static void on_timer(void *arg)
{
    struct vn_tether *t = arg;
    struct vn_transport *tp = t->transport;
    uint64_t now_us = now_of(t);
    vn_transport_enter(tp);
    t->due_us = UINT64_MAX;
    if (!t->announced)
        announce(t);
    if (is_live(t)) {
        vn_ice_tick(t->ice, now_us);
        if (t->state <= VN_TETHER_EXPECT_PAIR)
            vn_reflex_tick(&t->reflex, now_us, t, ice_send);
        if (t->dtls)
            vn_dtls_timeout(t->dtls);
        if (t->sctp && now_us >= vn_sctp_due_us(t->sctp))
            vn_sctp_tick(t->sctp, now_us);
        if (t->state > VN_TETHER_EXPECT_PAIR)
            watch_consent(t, now_us);
        if (is_connecting(t) && now_us >= t->started_us + VN_TETHER_CONNECT_MS * 1000ull)
            fail(t, late_reason(t));
        progress(t);
    }
    vn_transport_leave(tp);
}

void vn_tether_lost_address(struct vn_tether *t)
{
    if (is_live(t)) {
        fail(t, VN_TETHER_DOWN_ADDRESS_GONE);
        progress(t);
    }
}

/* ---- receiving datagrams ---- */

static void take_stun(struct vn_tether *t, size_t local, const struct vn_addr *from,
                      struct vn_span in, uint64_t now_us)
{
    struct vn_transport_counters *c = &t->transport->counters;
    struct vn_netif_filter filter = vn_transport_filter(t->transport);
    if (!vn_netif_usable(&filter, from)) {
        c->drop_stranger++;
        return;
    }
    struct vn_addr mapped;
    if (vn_reflex_input(&t->reflex, local, from, in, &mapped)) {
        take_mapped(t, local, &mapped);
        return;
    }
    switch (vn_ice_input(t->ice, local, from, in, now_us)) {
    case VN_ICE_OK:
        break;
    case VN_ICE_DROP_MALFORMED:
        c->drop_stun_malformed++;
        break;
    case VN_ICE_DROP_AUTH:
        c->drop_stun_auth++;
        break;
    case VN_ICE_DROP_UNKNOWN:
        c->drop_stun_unknown++;
        break;
    case VN_ICE_DROP_LIMIT:
        c->drop_stun_limit++;
        break;
    }
}

static bool from_pair(const struct vn_tether *t, size_t local, const struct vn_addr *from)
{
    return t->has_pair && t->pair.local == local && vn_addr_equal(&t->pair.remote_addr, from);
}

/*
 * The DTLS client starts when it sees the nomination; the answer to the server's nominating check
 * may be lost, so the server takes DTLS from any pair that passed one of its checks.
 */
static bool admit(struct vn_tether *t, size_t local, const struct vn_addr *from)
{
    follow_ice(t);
    if (t->failure || !is_connecting(t))
        return false;
    if (!t->has_pair && vn_ice_is_valid(t->ice, local, from)) {
        t->has_pair = true;
        t->pair = (struct vn_ice_selected){.local = local,
                                           .local_addr = t->candidates[local].addr,
                                           .remote_addr = *from,
                                           .local_type = VN_CAND_HOST,
                                           .remote_type = VN_CAND_PRFLX};
    }
    return from_pair(t, local, from);
}

static void take_dtls(struct vn_tether *t, const struct vn_dgram *in, size_t n, uint64_t now_us)
{
    struct vn_dgram plain[VN_DTLS_RECORDS_MAX];
    if (!t->dtls && t->state == VN_TETHER_EXPECT_PAIR)
        make_dtls(t);
    while (n > 0 && t->dtls) {
        size_t used;
        const uint64_t dropped = vn_dtls_dropped(t->dtls);
        size_t count = vn_dtls_open(t->dtls, in, n, plain, VN_ARRAY_LEN(plain), now_us, &used);
        t->transport->counters.drop_record += vn_dtls_dropped(t->dtls) - dropped;
        in += used;
        n -= used;
        if (t->state <= VN_TETHER_EXPECT_DTLS)
            follow_dtls(t); /* SCTP may follow in the same batch */
        if (count == 0 && used == 0)
            break;
        if (count == 0)
            continue;
        if (t->state > VN_TETHER_EXPECT_PAIR)
            vn_consent_heard(&t->consent, now_us);
        if (t->sctp)
            vn_sctp_input(t->sctp, plain, count, now_us);
    }
}

/* RFC 7983: the first byte tells STUN from DTLS. */
static void take_run(struct vn_tether *t, size_t local, const struct vn_udp_run *run,
                     uint64_t now_us)
{
    enum { BATCH = 64 };
    struct vn_transport_counters *c = &t->transport->counters;
    struct vn_dgram batch[BATCH];
    size_t n = 0;
    c->rx_bytes += run->n;
    for (size_t at = 0; at < run->n; at += run->seg) {
        struct vn_dgram d = {run->p + at, VN_MIN(run->seg, run->n - at)};
        c->rx_datagrams++;
        if (d.p[0] >= 20 && d.p[0] <= 63) {
            if (!from_pair(t, local, &run->from) && !admit(t, local, &run->from)) {
                c->drop_stranger++;
                continue;
            }
            batch[n++] = d;
            if (n < BATCH)
                continue;
        }
        if (n > 0)
            take_dtls(t, batch, n, now_us);
        n = 0;
        if (d.p[0] <= 3)
            take_stun(t, local, &run->from, VN_SPAN(d.p, d.n), now_us);
        else if (d.p[0] < 20 || d.p[0] > 63)
            c->drop_kind++;
    }
    if (n > 0)
        take_dtls(t, batch, n, now_us);
}

static void read_socket(struct vn_tether *t, struct vn_tether_socket *s, uint64_t now_us)
{
    struct vn_transport *tp = t->transport;
    for (unsigned round = 0; round < VN_UDP_READ_ROUNDS && is_live(t) && s->fd >= 0; round++) {
        const struct vn_udp_run *runs;
        size_t count;
        int err;
        vn_status st = vn_udp_read(s->fd, tp->rx, &runs, &count, &err);
        if (st == VN_ERR_AGAIN)
            break;
        if (st != VN_OK) {
            if (err == ECONNREFUSED)
                refused(t);
            continue; /* reading took the error off the socket */
        }
        tp->counters.rx_reads += count;
        for (size_t i = 0; i < count; i++)
            take_run(t, s->index, &runs[i], now_us);
        progress(t);
        if (count < VN_UDP_READ_COUNT)
            break;
    }
}

static void on_socket(void *arg, unsigned events)
{
    struct vn_tether_socket *s = arg;
    struct vn_tether *t = s->tether;
    struct vn_transport *tp = t->transport;
    vn_transport_enter(tp);
    if (events & VN_IO_WRITE)
        drain_backlog(t);
    if (events & VN_IO_READ)
        read_socket(t, s, now_of(t));
    if (is_live(t))
        progress(t);
    vn_transport_leave(tp);
}
