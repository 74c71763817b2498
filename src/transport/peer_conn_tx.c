#include <errno.h>

#include "transport/peer_conn_i.h"
#include "transport/sctp/wire.h"
#include "wire/frame.h"

/* The frame of a super-packet goes in one call, and comes in one read, at the sizes of datagram
 * that probes find: on the usual path, of IPv6's least, and through a TURN server on either. */
#define CUT(payload)                                                                               \
    (VN_UDP_GSO_BYTES / (payload) *                                                                \
     ((payload) - VN_DTLS_OVERHEAD_BYTES - VN_SCTP_HEADER_LEN - VN_SCTP_DATA_LEN))
#define FRAME                                                                                      \
    (VN_SUPER_PACKET_OURS + VN_FRAME_OVERHEAD + VN_FRAME_PACKET_OVERHEAD +                         \
     VN_FRAME_OFFLOAD_OVERHEAD)
_Static_assert(FRAME <= CUT(VN_UDP_PAYLOAD_MAX_BYTES), "");
_Static_assert(FRAME <= CUT(VN_UDP_PAYLOAD_MAX_BYTES - VN_TURN_CHANNEL_HEADER), "");
_Static_assert(FRAME <= CUT(VN_UDP_PAYLOAD_BYTES), "");
_Static_assert(FRAME <= CUT(VN_UDP_PAYLOAD_BYTES - VN_TURN_CHANNEL_HEADER), "");
#undef FRAME
#undef CUT

static struct vn_pc_socket *pair_socket(struct vn_pc *pc)
{
    return pc->has_pair ? &pc->sockets[pc->pair.local] : NULL;
}

struct vn_relay *vn_pc_pair_relay(const struct vn_pc *pc)
{
    return pc->has_pair ? vn_pc_relay_of(pc, pc->pair.local) : NULL;
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
    struct vn_relay *relay = vn_pc_pair_relay(pc);
    if (relay)
        vn_relay_watch_write(relay, on);
    else if (s && s->watch)
        pc->transport->io->rewatch(s->watch, on ? VN_IO_READ | VN_IO_WRITE : VN_IO_READ);
}

/* Sends what tx holds; false when the socket is full. */
static bool flush_tx(struct vn_pc *pc, struct vn_udp_tx *tx)
{
    struct vn_transport_counters *c = &pc->transport->counters;
    const struct vn_pc_socket *s = pair_socket(pc);
    const struct vn_relay *relay = vn_pc_pair_relay(pc);
    const int fd = relay ? vn_relay_fd(relay) : s ? s->fd : -1;
    size_t dropped = 0;
    int err = 0;
    if (fd < 0) {
        c->drop_tx += vn_udp_tx_clear(tx);
        return true;
    }
    vn_status st =
        vn_udp_flush(fd, tx, pc->connected || relay ? NULL : &pc->pair.remote_addr, &dropped, &err);
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

/* Room in what is sent in one go. */
static uint8_t *tx_room(struct vn_pc *pc, size_t n)
{
    struct vn_transport *tp = pc->transport;
    if (pc->backlog)
        return vn_udp_tx_room(pc->backlog, n);
    if (tp->tx_owner && tp->tx_owner != pc)
        vn_pc_flush(tp->tx_owner);
    tp->tx_owner = pc;
    uint8_t *room = vn_udp_tx_room(tp->tx, n);
    if (!room) {
        vn_pc_flush(pc);
        tp->tx_owner = pc;
        room = vn_udp_tx_room(pc->backlog ? pc->backlog : tp->tx, n);
    }
    return room;
}

/* The channel by which datagrams to the peer go in batches; 0: they go one by one. */
static uint16_t batch_channel(const struct vn_pc *pc, const struct vn_relay *relay)
{
    return vn_relay_is_udp(relay) ? vn_relay_channel(relay, &pc->pair.remote_addr) : 0;
}

static uint8_t *sink_room(void *arg, size_t n)
{
    struct vn_pc *pc = arg;
    const struct vn_relay *relay = vn_pc_pair_relay(pc);
    uint8_t *room;
    if (!relay) {
        room = tx_room(pc, n);
    } else if (batch_channel(pc, relay)) {
        room = tx_room(pc, n + VN_TURN_CHANNEL_HEADER);
        room = room ? room + VN_TURN_CHANNEL_HEADER : NULL;
    } else {
        room = n <= sizeof(pc->relay_room) ? pc->relay_room : NULL;
    }
    pc->room = relay ? room : NULL;
    pc->transport->counters.drop_tx += !room;
    return room;
}

static void sink_keep(void *arg, size_t n)
{
    struct vn_pc *pc = arg;
    struct vn_transport *tp = pc->transport;
    struct vn_relay *relay = vn_pc_pair_relay(pc);
    if (relay && pc->room == pc->relay_room) {
        tp->counters.drop_tx +=
            !vn_relay_send(relay, &pc->pair.remote_addr, VN_SPAN(pc->relay_room, n));
    } else {
        if (pc->room) {
            vn_turn_put_channel_header(pc->room - VN_TURN_CHANNEL_HEADER, batch_channel(pc, relay),
                                       n);
            n += VN_TURN_CHANNEL_HEADER;
        }
        vn_udp_tx_keep(pc->backlog ? pc->backlog : tp->tx, n);
    }
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
    struct vn_relay *relay = vn_pc_relay_of(pc, local);
    int err = 0;
    if (relay) {
        const bool sent = vn_relay_send(relay, to, datagram);
        c->tx_datagrams += sent;
        c->drop_tx += !sent;
        return;
    }
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
