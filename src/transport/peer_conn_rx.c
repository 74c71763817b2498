#include <errno.h>

#include "transport/peer_conn_i.h"

static void take_stun(struct vn_pc *pc, size_t local, const struct vn_addr *from, struct vn_span in,
                      uint64_t now_us)
{
    struct vn_transport_counters *c = &pc->transport->counters;
    struct vn_netif_filter filter = vn_transport_filter(pc->transport);
    if (!vn_netif_usable(&filter, from)) {
        c->drop_stranger++;
        return;
    }
    struct vn_addr mapped;
    if (vn_reflex_input(&pc->reflex, local, from, in, &mapped)) {
        vn_pc_take_mapped(pc, local, &mapped);
        return;
    }
    switch (vn_ice_input(pc->ice, local, from, in, now_us)) {
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

static bool from_pair(const struct vn_pc *pc, size_t local, const struct vn_addr *from)
{
    return pc->has_pair && pc->pair.local == local && vn_addr_equal(&pc->pair.remote_addr, from);
}

/*
 * The DTLS client starts when it sees the nomination; the answer to the server's nominating check
 * may be lost, so the server takes DTLS from any pair that passed one of its checks.
 */
static bool admit(struct vn_pc *pc, size_t local, const struct vn_addr *from)
{
    vn_pc_follow_ice(pc);
    if (pc->failure || !vn_pc_is_connecting(pc))
        return false;
    if (!pc->has_pair && vn_ice_is_valid(pc->ice, local, from)) {
        pc->has_pair = true;
        pc->pair = (struct vn_ice_selected){.local = local,
                                            .local_addr = pc->candidates[local].addr,
                                            .remote_addr = *from,
                                            .local_type = pc->candidates[local].type,
                                            .remote_type = VN_CAND_PRFLX};
    }
    return from_pair(pc, local, from);
}

static void take_dtls(struct vn_pc *pc, const struct vn_dgram *in, size_t n, uint64_t now_us)
{
    struct vn_dgram plain[VN_DTLS_RECORDS_MAX];
    if (!pc->dtls && pc->state == VN_PC_EXPECT_PAIR)
        vn_pc_make_dtls(pc);
    while (n > 0 && pc->dtls) {
        size_t used;
        const uint64_t dropped = vn_dtls_dropped(pc->dtls);
        size_t count = vn_dtls_open(pc->dtls, in, n, plain, VN_ARRAY_LEN(plain), now_us, &used);
        pc->transport->counters.drop_record += vn_dtls_dropped(pc->dtls) - dropped;
        in += used;
        n -= used;
        if (pc->state <= VN_PC_EXPECT_DTLS)
            vn_pc_follow_dtls(pc); /* SCTP may follow in the same batch */
        if (count == 0 && used == 0)
            break;
        if (count == 0)
            continue;
        if (pc->state > VN_PC_EXPECT_PAIR)
            vn_consent_heard(&pc->consent, now_us);
        if (pc->sctp)
            vn_sctp_input(pc->sctp, plain, count, now_us);
    }
}

/* RFC 7983: the first byte tells STUN from DTLS. */
void vn_pc_take(struct vn_pc *pc, size_t local, const struct vn_addr *from,
                const struct vn_dgram *d, size_t n, uint64_t now_us)
{
    struct vn_transport_counters *c = &pc->transport->counters;
    size_t first = 0; /* of the DTLS records that come together */
    for (size_t i = 0; i < n; i++) {
        const uint8_t kind = d[i].p[0];
        c->rx_datagrams++;
        c->rx_bytes += d[i].n;
        if (kind >= 20 && kind <= 63 && !pc->before) {
            if (from_pair(pc, local, from) || admit(pc, local, from))
                continue;
            c->drop_stranger++;
        }
        if (i > first)
            take_dtls(pc, d + first, i - first, now_us);
        first = i + 1;
        if (kind <= 3)
            take_stun(pc, local, from, VN_SPAN(d[i].p, d[i].n), now_us);
        else if (kind < 20 || kind > 63)
            c->drop_kind++;
        else if (pc->before)
            c->drop_early++;
    }
    if (n > first)
        take_dtls(pc, d + first, n - first, now_us);
}

/* What came from one address goes up together, joined by the system or not. */
static void take_runs(struct vn_pc *pc, size_t local, const struct vn_udp_run *runs, size_t count,
                      uint64_t now_us)
{
    struct vn_dgram batch[64];
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct vn_udp_run *run = &runs[i];
        for (size_t at = 0; at < run->n; at += run->seg) {
            batch[n++] = (struct vn_dgram){run->p + at, VN_MIN(run->seg, run->n - at)};
            if (n < VN_ARRAY_LEN(batch))
                continue;
            vn_pc_take(pc, local, &run->from, batch, n, now_us);
            n = 0;
        }
        if (n > 0 && (i + 1 == count || !vn_addr_equal(&run->from, &runs[i + 1].from))) {
            vn_pc_take(pc, local, &run->from, batch, n, now_us);
            n = 0;
        }
    }
}

/* What came last, its caller lets progress. */
static void read_socket(struct vn_pc *pc, struct vn_pc_socket *s, uint64_t now_us)
{
    struct vn_transport *tp = pc->transport;
    for (unsigned round = 0; round < VN_UDP_READ_ROUNDS && vn_pc_is_live(pc) && s->fd >= 0;
         round++) {
        const struct vn_udp_run *runs;
        size_t count;
        int err;
        vn_status st = vn_udp_read(s->fd, tp->rx, &runs, &count, &err);
        if (st == VN_ERR_AGAIN)
            break;
        if (st != VN_OK) {
            if (err == ECONNREFUSED)
                vn_pc_refused(pc);
            continue; /* reading took the error off the socket */
        }
        tp->counters.rx_reads += count;
        take_runs(pc, s->index, runs, count, now_us);
        if (!vn_udp_more(tp->rx))
            break;
        vn_pc_progress(pc);
    }
}

void vn_pc_on_socket(void *arg, unsigned events)
{
    struct vn_pc_socket *s = arg;
    struct vn_pc *pc = s->pc;
    struct vn_transport *tp = pc->transport;
    vn_transport_enter(tp);
    if (events & VN_IO_WRITE)
        vn_pc_drain_backlog(pc);
    if (events & VN_IO_READ)
        read_socket(pc, s, vn_pc_now(pc));
    if (vn_pc_is_live(pc))
        vn_pc_progress(pc);
    vn_transport_leave(tp);
}
