#include "core/worker.h"

#include <stdlib.h>

#include "base/log.h"
#include "core/crew.h"
#include "core/egress.h"
#include "core/end.h"
#include "core/forward.h"
#include "core/rx.h"
#include "core/rx_label.h"
#include "core/tx.h"
#include "core/worker_i.h"

bool vn_worker_is_own(const struct vn_worker *w, const struct vn_ip *ip)
{
    for (size_t i = 0; i < w->addr_count; i++)
        if (vn_ip_equal(&w->addrs[i], ip))
            return true;
    return false;
}

struct vn_end *vn_worker_end(const struct vn_worker *w, uint32_t handle)
{
    return vn_map_get(w->end_by_handle, &handle);
}

/* ---- events ---- */

bool vn_worker_tell(struct vn_worker *w, struct vn_post_msg *m)
{
    unsigned type = m->type;
    vn_status st = w->cfg.to_node->send(w->cfg.to_node->self, m);
    if (st != VN_OK)
        vn_log(VN_LOG_WARN, "event_lost", VN_KV_U64("type", type), VN_KV_STATUS(st));
    return st == VN_OK;
}

bool vn_worker_tell_handle(struct vn_worker *w, enum vn_ev_type type, uint32_t handle)
{
    struct vn_ev_handle *ev;
    if (vn_post_msg_new(type, sizeof(*ev), &ev) != VN_OK)
        return false;
    ev->handle = handle;
    return vn_worker_tell(w, &ev->msg);
}

bool vn_worker_tell_epoch(struct vn_worker *w, enum vn_ev_type type, uint32_t handle,
                          uint32_t epoch)
{
    struct vn_ev_epoch *ev;
    if (vn_post_msg_new(type, sizeof(*ev), &ev) != VN_OK)
        return false;
    ev->handle = handle;
    ev->epoch = epoch;
    return vn_worker_tell(w, &ev->msg);
}

bool vn_worker_tell_dest(struct vn_worker *w, enum vn_ev_type type, const struct vn_ip *ip)
{
    struct vn_ev_dest *ev;
    if (vn_post_msg_new(type, sizeof(*ev), &ev) != VN_OK)
        return false;
    ev->ip = *ip;
    return vn_worker_tell(w, &ev->msg);
}

/* ---- life ---- */

vn_status vn_worker_new(const struct vn_worker_config *cfg, uint64_t now_us, struct vn_worker **ret)
{
    if (cfg->number >= VN_WORKERS_MAX || cfg->hand_count >= VN_WORKERS_MAX)
        return VN_ERR_ARG;
    struct vn_worker *w = calloc(1, sizeof(*w));
    if (!w)
        return VN_ERR_NOMEM;
    w->cfg = *cfg;
    if (vn_worker_is_hand(w))
        w->cfg.tether = vn_hand_port();
    w->now_us = now_us;
    w->deadline_us = UINT64_MAX;
    w->idle_us = VN_IDLE_MS * UINT64_C(1000);
    w->mtu_bytes = VN_MTU_DEFAULT;
    vn_list_init(&w->ends);
    vn_list_init(&w->buried);
    vn_list_init(&w->reporting);
    w->report_us = UINT64_MAX;
    vn_list_init(&w->taken);
    vn_list_init(&w->stats);
    vn_bucket_init(&w->unreachable, 256, now_us / 1000);
    vn_status st = cfg->random->fill(cfg->random->self, &w->flow_key, sizeof(w->flow_key));
    if (st == VN_OK)
        st = vn_map_new(sizeof(uint32_t), vn_worker_is_hand(w) ? VN_STREAMS_MAX : VN_TETHERS_MAX,
                        &w->end_by_handle);
    if (st == VN_OK)
        st = vn_map_new(sizeof(uint32_t), VN_STREAMS_MAX, &w->tx_by_handle);
    if (st == VN_OK)
        st = vn_map_new(sizeof(uint32_t), VN_STREAMS_MAX, &w->rx_by_handle);
    if (st == VN_OK)
        st = vn_map_new(8, VN_LABELS_MAX, &w->label_by_key);
    if (st == VN_OK)
        st = vn_map_new(sizeof(uint32_t), VN_RELAY_CIRCUITS_MAX, &w->forward_by_handle);
    if (st == VN_OK)
        st = vn_map_new(VN_ID_LEN, VN_EGRESSERS_MAX, &w->egresser_by_ip);
    if (st != VN_OK) {
        vn_worker_free(w);
        return st;
    }
    *ret = w;
    return VN_OK;
}

struct vn_worker *vn_worker_free(struct vn_worker *w)
{
    if (!w)
        return NULL;
    vn_crew_done(w);
    if (w->egresser_by_ip)
        vn_egress_free_all(w);
    if (w->tx_by_handle)
        vn_tx_free_all(w);
    if (w->forward_by_handle)
        vn_forward_close_all(w);
    if (w->rx_by_handle)
        vn_rx_free_all(w);
    VN_LIST_EACH(it, &w->ends)
    {
        vn_end_close(w, VN_LIST_ENTRY(it, struct vn_end, link));
    }
    vn_end_bury(w);
    vn_map_free(w->end_by_handle);
    vn_map_free(w->tx_by_handle);
    vn_map_free(w->rx_by_handle);
    vn_map_free(w->label_by_key);
    vn_map_free(w->forward_by_handle);
    vn_map_free(w->egresser_by_ip);
    free(w);
    vn_pktbuf_trim();
    return NULL;
}

/* ---- commands ---- */

static void set_member_stun(struct vn_worker *w, const struct vn_cmd_member_stun *c)
{
    w->cfg.tether->member_stun(w->cfg.tether->self, c->servers, c->count, &c->keys);
}

static void set_local(struct vn_worker *w, const struct vn_cmd_local *c)
{
    w->addr_count = VN_MIN(c->addr_count, VN_ARRAY_LEN(w->addrs));
    memcpy(w->addrs, c->addrs, sizeof(w->addrs));
    w->range_count = VN_MIN(c->range_count, VN_ARRAY_LEN(w->ranges));
    memcpy(w->ranges, c->ranges, sizeof(w->ranges));
    w->cfg.tether->ice_servers(w->cfg.tether->self, c->ice, c->ice_count);
    if (c->mtu_bytes)
        w->mtu_bytes = (uint16_t)VN_MIN(c->mtu_bytes, VN_MTU_MAX);
    if (c->idle_ms)
        w->idle_us = (uint64_t)c->idle_ms * 1000;
    vn_worker_wake_at(w, w->now_us); /* deadlines may have come closer */
}

static uint64_t ms_since(const struct vn_worker *w, uint64_t us)
{
    return (w->now_us - us) / 1000;
}

static vn_status fill_stats(struct vn_worker *w, struct vn_ev_stats *s)
{
    s->counters = w->counters;
    s->workers[w->cfg.number] = w->counters;
    s->worker_count = w->cfg.number + 1u;
    w->cfg.tether->drops(w->cfg.tether->self, s->tether_drops);
    s->egresser_count = vn_map_count(w->egresser_by_ip);
    size_t tx = vn_map_count(w->tx_by_handle), rx = vn_map_count(w->rx_by_handle);
    size_t ends = vn_map_count(w->end_by_handle);
    s->tx = calloc(VN_MAX(tx, 1u), sizeof(*s->tx));
    s->rx = calloc(VN_MAX(rx, 1u), sizeof(*s->rx));
    s->tethers = calloc(VN_MAX(ends, 1u), sizeof(*s->tethers));
    if (!s->tx || !s->rx || !s->tethers)
        return VN_ERR_NOMEM;
    size_t cursor = 0;
    const void *key;
    void *value;
    while (vn_map_next(w->tx_by_handle, &cursor, &key, &value)) {
        const struct vn_tx *t = value;
        s->tx[s->tx_count++] = (struct vn_tx_stats){.tx = t->handle,
                                                    .packets = t->packets,
                                                    .bytes = t->bytes,
                                                    .frames = t->frames,
                                                    .idle_ms = ms_since(w, t->active_us),
                                                    .queued_packets = vn_tx_queued(t)};
    }
    cursor = 0;
    while (vn_map_next(w->rx_by_handle, &cursor, &key, &value)) {
        const struct vn_rx *r = value;
        s->rx[s->rx_count++] = (struct vn_rx_stats){.rx = r->handle,
                                                    .packets = r->packets,
                                                    .bytes = r->bytes,
                                                    .frames = r->frames,
                                                    .idle_ms = ms_since(w, r->active_us)};
    }
    VN_LIST_EACH(it, &w->ends)
    {
        const struct vn_end *e = VN_LIST_ENTRY(it, struct vn_end, link);
        s->tethers[s->tether_count].tether = e->handle;
        w->cfg.tether->stats(e->port, &s->tethers[s->tether_count].stats);
        s->tether_count++;
    }
    return VN_OK;
}

static void answer_stats(struct vn_worker *w, uint32_t request)
{
    struct vn_ev_stats *ev;
    if (vn_post_msg_new(VN_EV_STATS, sizeof(*ev), &ev) != VN_OK)
        return;
    ev->request = request;
    if (fill_stats(w, ev) != VN_OK)
        vn_post_msg_free(&ev->msg);
    else if (w->cfg.hand_count)
        vn_crew_stats(w, ev);
    else
        vn_worker_tell(w, &ev->msg);
}

static void on_handle(struct vn_worker *w, unsigned type, uint32_t handle)
{
    void *found;
    switch (type) {
    case VN_CMD_TETHER_CLOSE:
        if ((found = vn_worker_end(w, handle)))
            vn_end_close(w, found);
        return;
    case VN_CMD_TX_CLOSE:
        if ((found = vn_map_get(w->tx_by_handle, &handle)))
            vn_tx_close(w, found);
        if (vn_worker_is_hand(w) && (found = vn_worker_end(w, handle)))
            vn_end_close(w, found);
        return;
    case VN_CMD_RX_CLOSE:
        if ((found = vn_map_get(w->rx_by_handle, &handle)))
            vn_rx_close(w, found);
        return;
    case VN_CMD_RELAY_CLOSE:
        if ((found = vn_map_get(w->forward_by_handle, &handle)))
            vn_forward_close(found);
        return;
    case VN_CMD_STATS:
        answer_stats(w, handle);
        return;
    }
}

void vn_worker_command(struct vn_worker *w, struct vn_post_msg *m, uint64_t now_us)
{
    w->now_us = now_us;
    vn_end_bury(w);
    if (vn_worker_is_hand(w) && vn_hand_command(w, m)) {
        vn_post_msg_free(m);
        return;
    }
    vn_crew_pass_on(w, m);
    switch (m->type) {
    case VN_CMD_LOCAL:
        set_local(w, (const struct vn_cmd_local *)m);
        break;
    case VN_CMD_MEMBER_STUN:
        set_member_stun(w, (const struct vn_cmd_member_stun *)m);
        break;
    case VN_CMD_TETHER_OPEN:
        vn_end_open(w, (const struct vn_cmd_tether_open *)m);
        break;
    case VN_CMD_TETHER_START:
        vn_end_start(w, (const struct vn_cmd_tether_start *)m);
        break;
    case VN_CMD_TETHER_RESTART:
        vn_end_restart(w, (const struct vn_cmd_tether_restart *)m);
        break;
    case VN_CMD_TETHER_CANDIDATE:
        vn_end_candidate(w, (const struct vn_cmd_tether_candidate *)m);
        break;
    case VN_CMD_TETHER_SEND:
        vn_end_send(w, (struct vn_cmd_tether_send *)m);
        break;
    case VN_CMD_TX_OPEN:
        vn_tx_open(w, (const struct vn_cmd_tx_open *)m);
        break;
    case VN_CMD_TX_ASIDE:
        vn_tx_aside(w, (const struct vn_cmd_tx_aside *)m);
        break;
    case VN_CMD_TX_SPREAD:
        vn_tx_spread(w, (const struct vn_cmd_tx_spread *)m);
        break;
    case VN_CMD_TX_WATCH:
        vn_tx_watch(w, (const struct vn_cmd_watch *)m);
        break;
    case VN_CMD_LABEL_CLOSE:
        vn_label_close(w, (const struct vn_cmd_label *)m);
        break;
    case VN_CMD_TX_TALLY:
        vn_tx_on_tally(w, (const struct vn_tally_msg *)m);
        break;
    case VN_CMD_TX_REPORT:
        vn_tx_report(w, (const struct vn_delivery_msg *)m);
        break;
    case VN_CMD_RX_OPEN:
        vn_rx_open(w, (const struct vn_cmd_rx_open *)m);
        break;
    case VN_CMD_TX_KEM:
        vn_tx_kem(w, (const struct vn_cmd_kem *)m);
        break;
    case VN_CMD_RX_KEM:
        vn_rx_kem(w, (const struct vn_cmd_kem *)m);
        break;
    case VN_CMD_RELAY_OPEN:
        vn_forward_open(w, (const struct vn_cmd_relay_open *)m);
        break;
    case VN_CMD_DEST:
        vn_egress_verdict(w, (const struct vn_cmd_dest *)m);
        break;
    default:
        on_handle(w, m->type, ((const struct vn_cmd_handle *)m)->handle);
        break;
    }
    vn_post_msg_free(m);
}

/* ---- data and time ---- */

void vn_worker_tun_input(struct vn_worker *w, struct vn_pktbuf *packet, uint64_t now_us)
{
    w->now_us = now_us;
    vn_egress_input(w, packet);
}

/* Between hands and the first worker there is one message more for all of a turn. */
static void flush_crew(struct vn_worker *w)
{
    if (w->cfg.hand_count)
        vn_crew_flush(w);
    else if (vn_worker_is_hand(w))
        vn_hand_flush(w);
}

void vn_worker_flush(struct vn_worker *w, uint64_t now_us)
{
    w->now_us = now_us;
    vn_end_bury(w);
    do {
        w->flush_again = false;
        VN_LIST_EACH(it, &w->ends)
        {
            vn_turn_flush(VN_LIST_ENTRY(it, struct vn_end, link));
        }
    } while (w->flush_again);
    /* Behind it: what was passed on makes room. */
    VN_LIST_EACH(it, &w->ends)
    {
        vn_grants_flush(VN_LIST_ENTRY(it, struct vn_end, link));
    }
    flush_crew(w);
}

void vn_worker_tick(struct vn_worker *w, uint64_t now_us)
{
    w->now_us = now_us;
    vn_end_bury(w);
    if (now_us >= w->report_us)
        vn_rx_report_due(w);
    if (now_us < w->deadline_us)
        return;
    w->deadline_us = UINT64_MAX;
    uint64_t egress = vn_egress_tick(w);
    uint64_t tx = vn_tx_tick(w);
    uint64_t rx = vn_rx_tick(w);
    uint64_t forward = vn_forward_tick(w);
    vn_worker_wake_at(w, egress);
    vn_worker_wake_at(w, tx);
    vn_worker_wake_at(w, rx);
    vn_worker_wake_at(w, forward);
    /* With thousands of egressers each going at its own time, look at all of them 100 times a
     * second and no more. */
    if (w->deadline_us != UINT64_MAX)
        w->deadline_us = VN_MAX(w->deadline_us, now_us + 10000);
}

uint64_t vn_worker_next_deadline(const struct vn_worker *w)
{
    return VN_MIN(w->deadline_us, w->report_us);
}

const struct vn_worker_counters *vn_worker_counters(const struct vn_worker *w)
{
    return &w->counters;
}

void vn_worker_set_now(struct vn_worker *w, uint64_t now_us)
{
    w->now_us = now_us;
}
