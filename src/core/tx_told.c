/* What a stream's node is told of what was sent, and what its destination tells. */
#include "core/tx_i.h"

void vn_tx_report(struct vn_worker *w, const struct vn_delivery_msg *cmd)
{
    struct vn_tx *tx = vn_map_get(w->tx_by_handle, &cmd->handle);
    if (!tx || cmd->delivery.lane >= vn_tx_lanes(tx))
        return;
    for (size_t i = cmd->delivery.lane; i < vn_tx_retains(tx); i += vn_tx_lanes(tx))
        vn_retain_report(vn_tx_retain_at(tx, i), &cmd->delivery, w->now_us);
}

void vn_tx_watch(struct vn_worker *w, const struct vn_cmd_watch *cmd)
{
    struct vn_tx *tx = vn_map_get(w->tx_by_handle, &cmd->tx);
    if (!tx)
        return;
    tx->watch_us = w->now_us + cmd->after_ms * UINT64_C(1000);
    tx->watch_frames = tx->frames;
    tx->watch_bytes = tx->bytes;
}

static void tell_ways(const struct vn_tx *tx, struct vn_ev_sent *ev)
{
    const uint64_t now_us = tx->worker->now_us;
    for (size_t i = 0; i < vn_tx_retains(tx); i++) {
        const struct vn_retain *r = vn_tx_retain_at(tx, i);
        const size_t way = i / vn_tx_lanes(tx);
        ev->ways[way].arrived += r->arrived;
        ev->ways[way].missed += r->missed;
        ev->delivered += r->delivered;
        if (way == 0)
            continue;
        const struct vn_side *s = &tx->spread->sides[way - 1];
        const uint64_t overdue_us =
            VN_MAX(vn_retain_overdue_us(r), vn_dry_us(&s->dry, &s->turn.purse, now_us));
        const uint32_t overdue_ms = (uint32_t)VN_MIN(overdue_us / 1000, (uint64_t)UINT32_MAX);
        if (s->tether)
            ev->ways[way].overdue_ms = VN_MAX(ev->ways[way].overdue_ms, overdue_ms);
    }
}

uint32_t vn_tx_flows(const struct vn_tx *tx, bool *ret_waits)
{
    size_t flows = 0;
    *ret_waits = false;
    VN_LIST_EACH(it, &tx->egressers)
    {
        const struct vn_egresser *e = VN_LIST_ENTRY(it, struct vn_egresser, of_tx);
        flows += e->queue[VN_TETHER_BULK].flows;
        *ret_waits |= e->queue[VN_TETHER_BULK].count > 0;
    }
    return (uint32_t)flows;
}

void vn_tx_tell_sent(struct vn_tx *tx)
{
    struct vn_ev_sent *ev;
    if (vn_post_msg_new(VN_EV_TX_SENT, sizeof(*ev), &ev) != VN_OK)
        return;
    ev->handle = tx->handle;
    ev->frames = (uint32_t)VN_MIN(tx->frames - tx->watch_frames, (uint64_t)UINT32_MAX);
    ev->bytes = tx->bytes - tx->watch_bytes;
    ev->real_time = tx->real_time;
    ev->real_time_lost = tx->real_time_lost;
    uint64_t overdue_us = vn_dry_us(&tx->dry, &tx->turn.purse, tx->worker->now_us);
    for (size_t lane = 0; lane < vn_tx_lanes(tx); lane++)
        overdue_us = VN_MAX(overdue_us, vn_retain_overdue_us(vn_tx_retain_of(tx, lane)));
    ev->overdue_ms = (uint32_t)VN_MIN(overdue_us / 1000, (uint64_t)UINT32_MAX);
    tell_ways(tx, ev);
    ev->flows = vn_tx_flows(tx, &ev->waits);
    vn_crew_flows(tx, ev);
    vn_tx_tally_tell(tx, ev);
    if (!vn_worker_tell(tx->worker, &ev->msg))
        return;
    vn_tx_tally_told(tx);
    vn_crew_flows_told(tx);
    tx->watch_us = tx->real_time = tx->real_time_lost = 0;
    for (size_t i = 0; i < vn_tx_retains(tx); i++) {
        struct vn_retain *r = vn_tx_retain_at(tx, i);
        r->arrived = r->missed = r->delivered = 0;
    }
}
