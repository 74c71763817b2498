#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "transport/peer_conn_i.h"

static void ask_servers(struct vn_pc *pc, size_t local, const struct vn_addr *addr)
{
    const struct vn_transport *tp = pc->transport;
    const struct vn_stun_key *key = &tp->member_keys.keys[0];
    for (size_t i = 0; i < tp->stun_count; i++)
        vn_reflex_ask(&pc->reflex, tp->random, local, addr, &tp->stun[i], NULL, vn_pc_now(pc));
    for (size_t i = 0; tp->member_keys.count > 0 && i < tp->member_stun_count; i++)
        vn_reflex_ask(&pc->reflex, tp->random, local, addr, &tp->member_stun[i], key,
                      vn_pc_now(pc));
}

vn_status vn_pc_gather(struct vn_pc *pc)
{
    struct vn_transport *tp = pc->transport;
    struct vn_netif_filter filter = vn_transport_filter(tp);
    struct vn_addr addrs[VN_ICE_CANDIDATES_MAX];
    size_t count;
    if (tp->filter == VN_CANDIDATES_RELAY)
        return VN_OK; /* no socket that could say where this machine is */
    vn_status st = vn_netif_list(&filter, addrs, VN_ARRAY_LEN(addrs) - VN_RELAYS_RESERVED, &count);
    for (size_t i = 0; st == VN_OK && i < count; i++) {
        struct vn_pc_socket *s = &pc->sockets[pc->socket_count];
        *s = (struct vn_pc_socket){.pc = pc, .index = pc->socket_count, .fd = -1};
        if (vn_udp_open(&addrs[i], tp->so_mark, &s->fd) != VN_OK) {
            vn_log(VN_LOG_DEBUG, "tether_socket_failed", VN_KV_IP("ip", &addrs[i].ip),
                   VN_KV_ERRNO(errno));
            continue; /* the address went away, or is not ready yet */
        }
        pc->socket_count++;
        st = tp->io->watch(tp->io->self, s->fd, VN_IO_READ, vn_pc_on_socket, s, &s->watch);
        if (st == VN_OK)
            st = vn_ice_add_local(pc->ice, VN_CAND_HOST, &addrs[i], (uint16_t)(65535 - i),
                                  &pc->candidates[s->index]);
        if (st == VN_OK)
            ask_servers(pc, s->index, &addrs[i]);
    }
    pc->host_count = pc->socket_count;
    return st;
}

bool vn_pc_may_tell(const struct vn_pc *pc, enum vn_candidate_type type)
{
    switch (pc->transport->filter) {
    case VN_CANDIDATES_ALL:
        return true;
    case VN_CANDIDATES_REFLEXIVE:
        return type != VN_CAND_HOST;
    case VN_CANDIDATES_RELAY:
        break;
    }
    return type == VN_CAND_RELAY;
}

void vn_pc_announce(struct vn_pc *pc)
{
    pc->announced = true;
    for (size_t i = 0; i < pc->host_count && vn_pc_is_live(pc); i++)
        if (vn_pc_may_tell(pc, VN_CAND_HOST))
            pc->handler.candidate(pc->handler.arg, &pc->candidates[i]);
    if (vn_pc_is_live(pc) && (pc->host_count > 0 || vn_pc_may_relay(pc)))
        pc->handler.gathered(pc->handler.arg);
}

/* RFC 8445 section 5.1.1.4: what repeats a candidate says nothing new. */
static bool is_known(const struct vn_pc *pc, const struct vn_addr *a)
{
    for (size_t i = 0; i < pc->host_count; i++)
        if (vn_pc_may_tell(pc, VN_CAND_HOST) && vn_addr_equal(&pc->candidates[i].addr, a))
            return true;
    for (size_t i = 0; i < pc->reflexive_count; i++)
        if (vn_addr_equal(&pc->reflexive[i].addr, a))
            return true;
    return false;
}

/* Our checks leave from the base anyway, so ICE need not know; the peer must. */
void vn_pc_take_mapped(struct vn_pc *pc, size_t local, const struct vn_addr *mapped)
{
    enum { TYPE_PREF_SRFLX = 100 }; /* RFC 8445 section 5.1.2.2 */
    const struct vn_netif_filter filter = vn_transport_filter(pc->transport);
    if (pc->reflexive_count == VN_REFLEX_MAX || !vn_netif_usable(&filter, mapped) ||
        is_known(pc, mapped))
        return;
    pc->reflexive[pc->reflexive_count++] = (struct vn_candidate){
        .type = VN_CAND_SRFLX,
        .priority = (uint32_t)TYPE_PREF_SRFLX << 24 | (pc->candidates[local].priority & 0xffffff),
        .foundation = 0x20000 + (uint32_t)local,
        .addr = *mapped};
}

void vn_pc_tell_reflexive(struct vn_pc *pc)
{
    while (vn_pc_is_live(pc) && pc->announced && pc->reflexive_told < pc->reflexive_count)
        pc->handler.candidate(pc->handler.arg, &pc->reflexive[pc->reflexive_told++]);
}

static void close_socket(struct vn_pc_socket *s)
{
    if (s->fd < 0)
        return;
    s->pc->transport->io->unwatch(s->watch);
    s->watch = NULL;
    close(s->fd);
    s->fd = -1;
}

void vn_pc_settle(struct vn_pc *pc)
{
    for (size_t i = 0; i < pc->socket_count; i++)
        if (i != pc->pair.local)
            close_socket(&pc->sockets[i]);
    vn_pc_settle_relays(pc);
    pc->connected = vn_pc_pair_relay(pc) ||
                    vn_udp_connect(pc->sockets[pc->pair.local].fd, &pc->pair.remote_addr) == VN_OK;
}

void vn_pc_close_sockets(struct vn_pc *pc)
{
    for (size_t i = 0; i < pc->socket_count; i++)
        close_socket(&pc->sockets[i]);
}
