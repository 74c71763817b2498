#include <errno.h>

#include "transport/peer_conn_i.h"

static struct vn_pc_socket *pair_socket(struct vn_pc *pc)
{
    return pc->has_pair ? &pc->sockets[pc->pair.local] : NULL;
}

void vn_pc_refused(struct vn_pc *pc)
{
    pc->transport->counters.refused++;
    if (pc->state > VN_PC_EXPECT_PAIR)
        vn_consent_refused(&pc->consent);
}

static void watch_write(struct vn_pc *pc, bool on)
{
    struct vn_pc_socket *s = pair_socket(pc);
    if (s && s->watch)
        pc->transport->io->rewatch(s->watch, on ? VN_IO_READ | VN_IO_WRITE : VN_IO_READ);
}

/* Sends what tx holds; false when the socket is full. */
static bool flush_tx(struct vn_pc *pc, struct vn_udp_tx *tx)
{
    struct vn_transport_counters *c = &pc->transport->counters;
    struct vn_pc_socket *s = pair_socket(pc);
    size_t dropped = 0;
    int err = 0;
    if (!s || s->fd < 0) {
        c->drop_tx += vn_udp_tx_clear(tx);
        return true;
    }
    vn_status st =
        vn_udp_flush(s->fd, tx, pc->connected ? NULL : &pc->pair.remote_addr, &dropped, &err);
    c->tx_flushes++;
    c->drop_tx += dropped;
    if (err == ECONNREFUSED)
        vn_pc_refused(pc);
    return st != VN_ERR_AGAIN;
}

void vn_pc_flush(struct vn_pc *pc)
{
    struct vn_transport *tp = pc->transport;
    if (tp->tx_owner != pc)
        return;
    tp->tx_owner = NULL;
    if (!tp->tx || vn_udp_tx_empty(tp->tx) || flush_tx(pc, tp->tx))
        return;
    /* The socket is full: the rest becomes this connection's own and waits for it. */
    struct vn_udp_tx *fresh;
    if (pc->backlog || vn_udp_tx_new(&fresh) != VN_OK) {
        tp->counters.drop_tx += vn_udp_tx_clear(tp->tx);
        return;
    }
    pc->backlog = tp->tx;
    tp->tx = fresh;
    watch_write(pc, true);
}

void vn_pc_drain_backlog(struct vn_pc *pc)
{
    if (pc->backlog && flush_tx(pc, pc->backlog)) {
        pc->backlog = vn_udp_tx_free(pc->backlog);
        watch_write(pc, false);
    }
}

static uint8_t *sink_room(void *arg, size_t n)
{
    struct vn_pc *pc = arg;
    struct vn_transport *tp = pc->transport;
    uint8_t *room = NULL;
    if (pc->backlog) {
        room = vn_udp_tx_room(pc->backlog, n);
    } else {
        if (tp->tx_owner && tp->tx_owner != pc)
            vn_pc_flush(tp->tx_owner);
        tp->tx_owner = pc;
        room = vn_udp_tx_room(tp->tx, n);
        if (!room) {
            vn_pc_flush(pc);
            tp->tx_owner = pc;
            room = vn_udp_tx_room(pc->backlog ? pc->backlog : tp->tx, n);
        }
    }
    tp->counters.drop_tx += !room;
    return room;
}

static void sink_keep(void *arg, size_t n)
{
    struct vn_pc *pc = arg;
    struct vn_transport *tp = pc->transport;
    vn_udp_tx_keep(pc->backlog ? pc->backlog : tp->tx, n);
    tp->counters.tx_datagrams++;
    tp->counters.tx_bytes += n;
    if (pc->state > VN_PC_EXPECT_PAIR)
        vn_consent_sending(&pc->consent, vn_pc_now(pc));
}

struct vn_dgram_sink vn_pc_sink(struct vn_pc *pc)
{
    return (struct vn_dgram_sink){pc, sink_room, sink_keep};
}

void vn_pc_send_stun(void *arg, size_t local, const struct vn_addr *to, struct vn_span datagram)
{
    struct vn_pc *pc = arg;
    struct vn_transport_counters *c = &pc->transport->counters;
    const struct vn_pc_socket *s = &pc->sockets[local];
    int err = 0;
    if (s->fd < 0)
        return;
    bool fixed = pc->connected && pc->has_pair && pc->pair.local == local;
    vn_status st = vn_udp_send(s->fd, datagram, fixed ? NULL : to, &err);
    if (st != VN_OK && err == ECONNREFUSED) {
        /* It told of an earlier datagram; this one was not tried. */
        vn_pc_refused(pc);
        st = vn_udp_send(s->fd, datagram, fixed ? NULL : to, &err);
    }
    c->tx_datagrams += st == VN_OK;
    c->drop_tx += st != VN_OK;
}
