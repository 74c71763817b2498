#include <stdlib.h>

#include "base/log.h"
#include "transport/peer_conn_i.h"

void vn_pc_release(struct vn_pc *pc)
{
    struct vn_transport *tp = pc->transport;
    vn_list_remove(&pc->of_waiting);
    pc->next = vn_pc_close(pc->next);
    pc->sctp = vn_sctp_free(pc->sctp); /* sends ABORT, */
    if (pc->dtls)
        vn_dtls_close(pc->dtls); /* close_notify, */
    vn_pc_drain_backlog(pc);
    vn_pc_flush(pc); /* and out */
    if (tp->tx_owner == pc)
        tp->tx_owner = NULL;
    pc->dtls = vn_dtls_free(pc->dtls);
    vn_pc_close_sockets(pc);
    vn_pc_close_relays(pc);
    pc->backlog = vn_udp_tx_free(pc->backlog);
    pc->ice = vn_ice_free(pc->ice);
    tp->io->timer_free(pc->timer);
    pc->timer = NULL;
    vn_pc_clear_channels(pc);
    vn_reflex_wipe(&pc->reflex);
    vn_wipe(&pc->keys, sizeof(pc->keys));
    vn_wipe(&pc->cfg.local, sizeof(pc->cfg.local));
}

vn_status vn_pc_open(struct vn_transport *tp, const struct vn_pc_config *cfg,
                     const struct vn_pc_handler *h, struct vn_pc **ret)
{
    if (strlen(cfg->local.ufrag) != VN_ICE_UFRAG_LEN || strlen(cfg->local.pwd) != VN_ICE_PWD_LEN ||
        strlen(cfg->identity) > VN_DTLS_IDENTITY_MAX || cfg->streams > VN_SCTP_STREAMS_MAX)
        return VN_ERR_ARG;
    struct vn_pc *pc = calloc(1, sizeof(*pc));
    if (!pc)
        return VN_ERR_NOMEM;
    pc->transport = tp;
    pc->cfg = *cfg;
    memcpy(pc->identity, cfg->identity, strlen(cfg->identity));
    pc->cfg.identity = pc->identity;
    pc->handler = *h;
    pc->send_max = cfg->message_max;
    if (cfg->streams == 0)
        pc->cfg.streams = VN_SCTP_STREAMS;
    pc->due_us = pc->better_us = UINT64_MAX;
    pc->started_us = vn_pc_now(pc);
    vn_list_append(&tp->pcs, &pc->link);
    vn_list_init(&pc->of_waiting);
    const struct vn_ice_config ice = {.local = cfg->local,
                                      .controlling = cfg->controlling,
                                      .than = cfg->than,
                                      .tie_breaker = cfg->tie_breaker,
                                      .random = tp->random,
                                      .arg = pc,
                                      .send = vn_pc_send_stun};
    pc->channels = calloc(pc->cfg.streams, sizeof(*pc->channels));
    pc->order = calloc(pc->cfg.streams, sizeof(*pc->order));
    vn_status st = pc->channels && pc->order ? vn_transport_need_buffers(tp) : VN_ERR_NOMEM;
    if (st == VN_OK)
        st = tp->io->timer_new(tp->io->self, vn_pc_on_timer, pc, &pc->timer);
    if (st == VN_OK)
        st = vn_ice_new(&ice, &pc->ice);
    if (st == VN_OK)
        st = vn_pc_gather(pc);
    vn_log(VN_LOG_DEBUG, "peer_connection_created", VN_KV_STR("connection", pc->identity),
           VN_KV_U64("candidates", pc->socket_count));
    if (st != VN_OK) {
        (void)vn_pc_close(pc);
        return st;
    }
    vn_pc_plan_relays(pc);
    const bool stranded = pc->socket_count == 0 && !vn_pc_may_relay(pc);
    if (stranded && !tp->stranded)
        vn_log(VN_LOG_WARN, "no_interface",
               VN_KV_STR("hint", "no peer can be reached: is one up that --not-over leaves?"));
    tp->stranded = stranded;
    if (stranded)
        vn_pc_fail(pc, VN_TETHER_DOWN_NO_INTERFACE);
    vn_pc_arm(pc); /* to report the candidates */
    *ret = pc;
    return VN_OK;
}

struct vn_pc *vn_pc_close(struct vn_pc *pc)
{
    if (!pc || pc->closed)
        return NULL;
    struct vn_transport *tp = pc->transport;
    vn_transport_enter(tp);
    pc->closed = true;
    if (!vn_list_empty(&pc->of_waiting))
        vn_pc_end_turn(pc); /* the last words */
    if (pc->state != VN_PC_DOWN)
        vn_pc_release(pc);
    free(pc->channels);
    free(pc->order);
    pc->channels = NULL;
    pc->order = NULL;
    pc->channel_count = 0;
    vn_list_remove(&pc->link);
    vn_transport_bury(tp, &pc->grave, pc);
    vn_log(VN_LOG_DEBUG, "peer_connection_destroyed", VN_KV_STR("connection", pc->identity));
    vn_transport_leave(tp);
    return NULL;
}

vn_status vn_pc_start(struct vn_pc *pc, const struct vn_ice_params *remote,
                      const struct vn_pc_keys *keys)
{
    if (pc->state != VN_PC_EXPECT_START || pc->closed)
        return VN_ERR_STATE;
    uint64_t now_us = vn_pc_now(pc);
    pc->keys = *keys;
    pc->started_us = now_us;
    vn_pc_set_state(pc, VN_PC_EXPECT_PAIR);
    vn_status st = vn_ice_start(pc->ice, remote, now_us);
    if (st != VN_OK)
        vn_pc_fail(pc, VN_TETHER_DOWN_ICE_FAILED);
    vn_pc_arm(pc);
    return st;
}

void vn_pc_add_remote_candidate(struct vn_pc *pc, const struct vn_candidate *c)
{
    struct vn_netif_filter filter = vn_transport_filter(pc->transport);
    pc = pc->next ? pc->next : pc;
    if (!vn_pc_is_live(pc) || !vn_netif_usable(&filter, &c->addr) ||
        (vn_addr_is_loopback(&c->addr) && !pc->transport->allow_loopback))
        return;
    vn_pc_permit(pc, &c->addr);
    vn_ice_add_remote(pc->ice, c, vn_pc_now(pc));
    vn_pc_arm(pc);
}

void vn_pc_stats(const struct vn_pc *pc, struct vn_pc_stats *ret)
{
    *ret = (struct vn_pc_stats){.tx_bytes = pc->tx_bytes,
                                .rx_bytes = pc->rx_bytes,
                                .tx_msgs = pc->tx_msgs,
                                .rx_msgs = pc->rx_msgs,
                                .queued_bytes = vn_pc_queued(pc),
                                .local = pc->pair.local_addr,
                                .remote = pc->pair.remote_addr,
                                .local_type = pc->pair.local_type,
                                .remote_type = pc->pair.remote_type};
    if (pc->ice)
        ret->srtt_us = vn_ice_srtt_us(pc->ice);
    if (pc->sctp) {
        ret->rate = vn_sctp_rate(pc->sctp);
        ret->queued_bytes += vn_sctp_outstanding(pc->sctp);
        ret->srtt_us = VN_MAX(ret->srtt_us, vn_sctp_srtt_us(pc->sctp));
    }
}
