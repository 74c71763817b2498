#include "transport/transport.h"

#include <assert.h>
#include <stdlib.h>

#include "transport/peer_conn_i.h"
#include "transport/tether.h"

static void drops(const void *self, uint64_t ret[VN_TDROP_COUNT])
{
    const struct vn_transport *tp = self;
    const struct vn_transport_counters *c = &tp->counters;
    ret[VN_TDROP_STUN_MALFORMED] = c->drop_stun_malformed;
    ret[VN_TDROP_STUN_AUTH] = c->drop_stun_auth;
    ret[VN_TDROP_STUN_UNKNOWN] = c->drop_stun_unknown;
    ret[VN_TDROP_STRANGER] = c->drop_stranger;
    ret[VN_TDROP_KIND] = c->drop_kind;
    ret[VN_TDROP_EARLY] = c->drop_early;
    ret[VN_TDROP_RECORD] = c->drop_record;
    ret[VN_TDROP_CHANNEL] = c->drop_channel;
    ret[VN_TDROP_LIMIT] = c->drop_stun_limit;
    ret[VN_TDROP_SEND] = c->drop_tx;
    const struct vn_public_stun_counters none = {0};
    const struct vn_public_stun_counters *p =
        tp->public ? vn_public_stun_counters(tp->public) : &none;
    ret[VN_TDROP_PUBLIC_STRANGER] = p->stranger;
    ret[VN_TDROP_PUBLIC_RATE] = p->rate;
}

static void ice_servers(void *self, const struct vn_ice_server *servers, size_t count)
{
    struct vn_transport *tp = self;
    vn_wipe(tp->turn, sizeof(tp->turn));
    tp->stun_count = tp->turn_count = tp->turn_failed = 0;
    for (size_t i = 0; i < count; i++)
        if (!vn_ice_server_is_turn(&servers[i]) && tp->stun_count < VN_ARRAY_LEN(tp->stun))
            tp->stun[tp->stun_count++] = servers[i].addr;
    /* The cheapest way first: UDP, TCP, TLS. */
    for (int kind = VN_ICE_SERVER_TURN_UDP; kind <= VN_ICE_SERVER_TURN_TLS; kind++)
        for (size_t i = 0; i < count; i++)
            if ((int)servers[i].kind == kind && tp->turn_count < VN_ARRAY_LEN(tp->turn))
                tp->turn[tp->turn_count++] = servers[i];
}

static void member_stun(void *self, const struct vn_addr *servers, size_t count,
                        const struct vn_stun_keys *keys)
{
    struct vn_transport *tp = self;
    tp->member_stun_count = VN_MIN(count, VN_ARRAY_LEN(tp->member_stun));
    for (size_t i = 0; i < tp->member_stun_count; i++)
        tp->member_stun[i] = servers[i];
    tp->member_keys = *keys;
    if (tp->public)
        vn_public_stun_set_keys(tp->public, keys);
}

vn_status vn_transport_new(const struct vn_transport_config *cfg, struct vn_transport **ret)
{
    if (cfg->exclude_ifname && strlen(cfg->exclude_ifname) >= IF_NAMESIZE)
        return VN_ERR_ARG;
    if (cfg->not_over && !vn_ifnames_valid(cfg->not_over))
        return VN_ERR_ARG;
    struct vn_transport *tp = calloc(1, sizeof(*tp));
    if (!tp)
        return VN_ERR_NOMEM;
    tp->port = (struct vn_tether_port){.self = tp,
                                       .ice_servers = ice_servers,
                                       .member_stun = member_stun,
                                       .open = vn_tether_open,
                                       .start = vn_tether_start,
                                       .restart = vn_tether_restart,
                                       .restart_start = vn_tether_restart_start,
                                       .add_remote_candidate = vn_tether_add_remote_candidate,
                                       .send = vn_tether_send,
                                       .stats = vn_tether_stats,
                                       .drops = drops,
                                       .close = vn_tether_close};
    tp->io = cfg->io;
    tp->random = cfg->random;
    tp->so_mark = cfg->so_mark;
    tp->allow_loopback = cfg->allow_loopback;
    tp->by_turns = cfg->by_turns;
    tp->key_bytes = cfg->key_bytes;
    tp->filter = cfg->filter;
    tp->addr_fd = -1;
    if (cfg->exclude_ifname)
        memcpy(tp->exclude_ifname, cfg->exclude_ifname, strlen(cfg->exclude_ifname));
    if (cfg->not_over)
        memcpy(tp->not_over, cfg->not_over, strlen(cfg->not_over));
    vn_list_init(&tp->pcs);
    vn_list_init(&tp->waiting);
    vn_list_init(&tp->graves);
    vn_status st = vn_dtls_ctx_new(&tp->dtls);
    if (st == VN_OK && cfg->public_port)
        st = vn_public_stun_new(tp->io, tp->random, tp->so_mark, cfg->public_port, &tp->public);
    if (st != VN_OK) {
        (void)vn_transport_free(tp);
        return st;
    }
    *ret = tp;
    return VN_OK;
}

struct vn_transport *vn_transport_free(struct vn_transport *tp)
{
    if (!tp)
        return NULL;
    assert(tp->busy == 0 && vn_list_empty(&tp->pcs));
    (void)vn_udp_rx_free(tp->rx);
    (void)vn_udp_tx_free(tp->tx);
    (void)vn_dtls_ctx_free(tp->dtls);
    (void)vn_public_stun_free(tp->public);
    vn_stun_keys_wipe(&tp->member_keys);
    vn_wipe(tp->turn, sizeof(tp->turn));
    free(tp);
    return NULL;
}

void vn_transport_freep(struct vn_transport **tp)
{
    *tp = vn_transport_free(*tp);
}

const struct vn_tether_port *vn_transport_port(struct vn_transport *tp)
{
    return &tp->port;
}

vn_status vn_transport_exclude(struct vn_transport *tp, const struct vn_prefix *prefixes,
                               size_t count)
{
    if (count > VN_EXCLUDE_MAX)
        return VN_ERR_LIMIT;
    for (size_t i = 0; i < count; i++)
        tp->exclude[i] = prefixes[i];
    tp->exclude_count = count;
    return VN_OK;
}

void vn_transport_counters(const struct vn_transport *tp, struct vn_transport_counters *ret)
{
    *ret = tp->counters;
}

vn_status vn_transport_need_buffers(struct vn_transport *tp)
{
    vn_status st = VN_OK;
    if (!tp->rx)
        st = vn_udp_rx_new(&tp->rx);
    if (st == VN_OK && !tp->tx)
        st = vn_udp_tx_new(&tp->tx);
    if (st == VN_OK)
        vn_roam_watch(tp);
    return st;
}

void vn_transport_enter(struct vn_transport *tp)
{
    tp->busy++;
}

void vn_transport_leave(struct vn_transport *tp)
{
    assert(tp->busy > 0);
    if (--tp->busy > 0)
        return;
    VN_LIST_EACH(l, &tp->graves)
    {
        vn_list_remove(l);
        free(VN_LIST_ENTRY(l, struct vn_grave, link)->storage);
    }
    if (vn_list_empty(&tp->pcs)) {
        tp->rx = vn_udp_rx_free(tp->rx);
        tp->tx = vn_udp_tx_free(tp->tx);
        vn_roam_unwatch(tp);
    }
}

void vn_transport_bury(struct vn_transport *tp, struct vn_grave *g, void *storage)
{
    assert(tp->busy > 0);
    g->storage = storage;
    vn_list_append(&tp->graves, &g->link);
}

void vn_transport_each(struct vn_transport *tp, void (*fn)(struct vn_pc *pc))
{
    /* Callbacks may close any, so each is taken from a list of its own and put back first.
     */
    struct vn_list work;
    vn_list_init(&work);
    while (!vn_list_empty(&tp->pcs)) {
        struct vn_list *l = tp->pcs.next;
        vn_list_remove(l);
        vn_list_append(&work, l);
    }
    while (!vn_list_empty(&work)) {
        struct vn_list *l = work.next;
        vn_list_remove(l);
        vn_list_append(&tp->pcs, l);
        fn(VN_LIST_ENTRY(l, struct vn_pc, link));
    }
}

void vn_transport_end_turn(struct vn_transport *tp)
{
    vn_transport_enter(tp);
    while (!vn_list_empty(&tp->waiting)) {
        struct vn_pc *pc = VN_LIST_ENTRY(tp->waiting.next, struct vn_pc, of_waiting);
        vn_list_remove(&pc->of_waiting);
        vn_pc_end_turn(pc);
    }
    vn_transport_leave(tp);
}

struct vn_netif_filter vn_transport_filter(const struct vn_transport *tp)
{
    return (struct vn_netif_filter){.exclude_ifname =
                                        tp->exclude_ifname[0] ? tp->exclude_ifname : NULL,
                                    .not_over = tp->not_over,
                                    .exclude = tp->exclude,
                                    .exclude_count = tp->exclude_count,
                                    .loopback = tp->allow_loopback};
}
