/*
 * Addresses of this machine come and go while tethers run. One whose address is gone will only fall
 * silent; where the system has another way to the peer, it goes down at once, so that core offers a
 * new one without waiting for the silence. Without another way it is left alone: an address that
 * comes back within that time carries on as if nothing had been. What an address that came is worth
 * to those that have theirs is looked at once, at the change (peer_conn_better.c).
 *
 * Timer: one per transport, armed while a tether's address is gone and there is no other way yet,
 * since routes often follow an address by a moment.
 */
#include <unistd.h>

#include "base/addr_watch.h"
#include "transport/peer_conn_i.h"

/* Whether the system would send to this peer, from an address that a tether may have. */
static bool has_way(const struct vn_transport *tp, const struct vn_addr *to)
{
    const struct vn_netif_filter filter = vn_transport_filter(tp);
    struct vn_addr from;
    return vn_udp_source_of(to, tp->so_mark, &from) == VN_OK && vn_netif_usable(&filter, &from);
}

static void look(struct vn_pc *pc)
{
    struct vn_transport *tp = pc->transport;
    if (pc->state != VN_PC_OPEN || pc->closed)
        return;
    const struct vn_relay *relay = vn_pc_pair_relay(pc);
    const int fd = relay ? vn_relay_fd(relay) : pc->sockets[pc->pair.local].fd;
    if (!vn_addr_watch_gone(fd))
        return;
    if (has_way(tp, relay ? vn_relay_server(relay) : &pc->pair.remote_addr)) {
        vn_pc_lose_pair(pc);
        vn_pc_progress(pc);
    } else {
        tp->io->timer_arm(tp->addr_timer, VN_ROAM_RETRY_US);
    }
}

static void hurry(struct vn_pc *pc)
{
    vn_pc_hurry_better(pc);
    vn_pc_hurry_first(pc);
}

/* For all of them once: the system is slow to tell. */
static void list_addresses(struct vn_transport *tp)
{
    const struct vn_netif_filter filter = vn_transport_filter(tp);
    if (tp->filter == VN_CANDIDATES_RELAY ||
        vn_netif_list(&filter, tp->here, VN_ARRAY_LEN(tp->here), &tp->here_count) != VN_OK)
        tp->here_count = 0;
}

static void on_timer(void *arg)
{
    struct vn_transport *tp = arg;
    vn_transport_enter(tp);
    vn_transport_each(tp, look);
    vn_transport_leave(tp);
}

static void on_change(void *arg, unsigned events)
{
    struct vn_transport *tp = arg;
    (void)events;
    vn_transport_enter(tp);
    vn_addr_watch_drain(tp->addr_fd);
    list_addresses(tp);
    vn_transport_each(tp, hurry);
    vn_transport_each(tp, look);
    vn_transport_leave(tp);
}

void vn_roam_watch(struct vn_transport *tp)
{
    if (tp->addr_fd >= 0)
        return;
    tp->addr_fd = vn_addr_watch_open();
    if (tp->addr_fd >= 0 &&
        (tp->io->timer_new(tp->io->self, on_timer, tp, &tp->addr_timer) != VN_OK ||
         tp->io->watch(tp->io->self, tp->addr_fd, VN_IO_READ, on_change, tp, &tp->addr_watch) !=
             VN_OK))
        vn_roam_unwatch(tp);
}

void vn_roam_unwatch(struct vn_transport *tp)
{
    if (tp->addr_fd < 0)
        return;
    tp->io->unwatch(tp->addr_watch);
    tp->addr_watch = NULL;
    tp->io->timer_free(tp->addr_timer);
    tp->addr_timer = NULL;
    close(tp->addr_fd);
    tp->addr_fd = -1;
}
