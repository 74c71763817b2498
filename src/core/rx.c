#include "core/rx.h"

#include <stdlib.h>

#include "base/log.h"
#include "core/crew.h"
#include "core/end.h"
#include "core/forward.h"
#include "core/rx_label.h"

/* ---- streams ---- */

static void rx_free(struct vn_rx *rx)
{
    VN_LIST_EACH(it, &rx->labels)
    {
        vn_label_release(VN_LIST_ENTRY(it, struct vn_label, of_rx));
    }
    for (size_t i = 0; i < VN_LANES_MAX; i++)
        vn_replay_done(&rx->lanes[i].replay);
    vn_rx_tallies_free(rx);
    vn_list_remove(&rx->of_reporting);
    vn_rx_keys_done(&rx->keys);
    free(rx);
}

static struct vn_rx *rx_new(struct vn_worker *w, const struct vn_cmd_rx_open *cmd)
{
    struct vn_rx *rx = calloc(1, sizeof(*rx));
    if (!rx)
        return NULL;
    rx->worker = w;
    rx->handle = cmd->rx;
    rx->active_us = w->now_us;
    rx->report_us = UINT64_MAX;
    vn_list_init(&rx->of_reporting);
    rx->told_epoch = cmd->epoch;
    vn_rx_keys_init(&rx->keys, (enum vn_hash_alg)cmd->hash_alg, cmd->epoch, &cmd->ck, w->now_us);
    vn_list_init(&rx->labels);
    if (vn_map_put(w->rx_by_handle, &rx->handle, rx) != VN_OK) {
        rx_free(rx);
        return NULL;
    }
    return rx;
}

static void bind_label(struct vn_label *l, struct vn_rx *rx)
{
    vn_list_remove(&l->of_rx);
    l->rx = rx;
    vn_list_append(&rx->labels, &l->of_rx);
}

/* To whose worker it belongs. */
static void frame_input(struct vn_rx *rx, const struct vn_label *on, struct vn_pktbuf *b)
{
    /* Credit, hence relays between. */
    const struct vn_rx_way way = {.relayed = on->meter.end != NULL,
                                  .srtt_us = vn_end_path(on->end)->srtt_us,
                                  .bind = on->bind};
    if (!rx->worker->cfg.hand_count || !vn_crew_to_open(rx, &way, b))
        vn_rx_frame(rx, &way, b);
}

void vn_rx_open(struct vn_worker *w, const struct vn_cmd_rx_open *cmd)
{
    struct vn_rx *rx = vn_map_get(w->rx_by_handle, &cmd->rx);
    if (rx)
        vn_rx_report_all(rx); /* another path: what has arrived need not go again */
    else if (!cmd->keyed || !(rx = rx_new(w, cmd)))
        return;
    memcpy(rx->addrs, cmd->addrs, sizeof(rx->addrs));
    rx->addr_count = VN_MIN(cmd->addr_count, VN_ARRAY_LEN(rx->addrs));
    memcpy(rx->prefixes, cmd->prefixes, sizeof(rx->prefixes));
    rx->prefix_count = VN_MIN(cmd->prefix_count, VN_ARRAY_LEN(rx->prefixes));

    struct vn_end *end = vn_worker_end(w, cmd->tether);
    if (!end)
        return; /* the tether went first: frames may come by another label later */
    struct vn_label *l = vn_label_find(end, cmd->label);
    if (!l && !(l = vn_label_new(end, cmd->label)))
        return;
    bind_label(l, rx);
    l->bind = cmd->bind;
    if (cmd->rev && !l->meter.end)
        vn_meter_init(&l->meter, end, cmd->rev);
    struct vn_pktqueue early = vn_label_take_early(l);
    struct vn_pktbuf *b;
    while ((b = vn_pktqueue_pop(&early)))
        frame_input(rx, l, b);
}

void vn_rx_close(struct vn_worker *w, struct vn_rx *rx)
{
    vn_map_take(w->rx_by_handle, &rx->handle);
    rx_free(rx);
}

void vn_rx_kem(struct vn_worker *w, const struct vn_cmd_kem *cmd)
{
    struct vn_rx *rx = vn_map_get(w->rx_by_handle, &cmd->handle);
    struct vn_ev_kem *ev;
    if (!rx || vn_post_msg_new(VN_EV_RX_KEM, sizeof(*ev), &ev) != VN_OK)
        return;
    ev->handle = cmd->handle;
    ev->epoch = cmd->epoch;
    ev->request = cmd->request;
    vn_status st =
        vn_rx_keys_kem(&rx->keys, cmd->epoch, cmd->taken, &cmd->step, w->now_us, &ev->ctl);
    if (st == VN_OK && !vn_worker_is_hand(w)) {
        vn_worker_tell(w, &ev->msg);
        return;
    }
    if (st != VN_OK)
        vn_log(VN_LOG_DEBUG, "rekey_failed", VN_KV_STATUS(st));
    vn_post_msg_free(&ev->msg);
}

/* ---- what arrives ---- */

static void bound_input(struct vn_label *l, enum vn_tether_class cls, struct vn_pktbuf *b)
{
    size_t n = b->len;
    if (cls == VN_TETHER_BULK && !vn_meter_receive(&l->meter, n)) {
        vn_worker_drop(l->end->worker, VN_DROP_CREDIT);
        vn_pktbuf_free(b);
        return;
    }
    frame_input(l->rx, l, b);
    if (cls == VN_TETHER_BULK)
        vn_meter_consume(&l->meter, n);
}

static void message_input(struct vn_end *end, enum vn_tether_class cls, struct vn_pktbuf *b)
{
    struct vn_worker *w = end->worker;
    struct vn_reader r = vn_reader_of(vn_pktbuf_span(b));
    struct vn_hop_header hop;
    if (!vn_hop_decode(&r, &hop) || hop.type != VN_HOP_FRAME) {
        vn_worker_drop(w, VN_DROP_HOP_MALFORMED);
        vn_pktbuf_free(b);
        return;
    }
    struct vn_label *l = vn_label_find(end, hop.label);
    if (l && l->rx) {
        bound_input(l, cls, b);
    } else if (l && l->forward) {
        vn_forward_frame(l->forward, l, cls, b);
    } else if (l && (l->turn || l->kept)) {
        vn_worker_drop(w, VN_DROP_LABEL_UNKNOWN);
        vn_pktbuf_free(b);
    } else {
        vn_label_hold(end, hop.label, l, b);
    }
}

void vn_rx_input(struct vn_end *end, enum vn_tether_class cls, struct vn_pktbuf **bufs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        message_input(end, cls, bufs[i]);
}

void vn_rx_end_gone(struct vn_end *end)
{
    VN_LIST_EACH(it, &end->labels)
    {
        struct vn_label *l = VN_LIST_ENTRY(it, struct vn_label, of_end);
        if (l->forward)
            vn_forward_close(l->forward);
        else
            vn_label_release(l);
    }
}

static uint64_t tick_keys(struct vn_worker *w)
{
    uint64_t next = UINT64_MAX;
    size_t cursor = 0;
    const void *key;
    void *value;
    while (vn_map_next(w->rx_by_handle, &cursor, &key, &value)) {
        uint64_t at = vn_rx_keys_tick(&((struct vn_rx *)value)->keys, w->now_us);
        next = VN_MIN(next, at);
    }
    return next;
}

uint64_t vn_rx_tick(struct vn_worker *w)
{
    uint64_t early = vn_label_tick(w), keys = tick_keys(w);
    return VN_MIN(early, keys);
}

void vn_rx_free_all(struct vn_worker *w)
{
    size_t cursor = 0;
    const void *key;
    void *value;
    while (vn_map_next(w->rx_by_handle, &cursor, &key, &value)) {
        vn_map_take(w->rx_by_handle, key);
        rx_free(value);
    }
}
