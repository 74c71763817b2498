#include <stdlib.h>

#include "core/crew.h"
#include "core/end.h"
#include "core/rx.h"
#include "core/tx_i.h"

/* ---- where frames of a stream go ---- */

struct gate {
    struct vn_worker *worker;
    uint32_t tx;
    unsigned room[VN_OUTLETS]; /* for frames on the way to the first worker */
    uint32_t flows;            /* of bulk packets, before the last frame took some */
    uint32_t srtt_us;
    uint64_t rate;
};

/* Takes b, for which there is room: nothing is sealed else. Without memory for the message it is
 * dropped, for nothing would say when to try again. */
static void pass_on(struct gate *g, enum vn_tether_class cls, struct vn_pktbuf *b)
{
    struct vn_worker *w = g->worker;
    const struct vn_tx *tx = vn_map_get(w->tx_by_handle, &g->tx);
    const size_t outlet = vn_crew_outlet(cls, b);
    struct vn_crew_frame *m;
    if (vn_post_msg_new(VN_CREW_SEALED, sizeof(*m), &m) != VN_OK) {
        vn_worker_drop(w, VN_DROP_CREW_FULL);
        vn_pktbuf_free(b);
        return;
    }
    m->handle = g->tx;
    m->cls = (uint8_t)cls;
    if (cls == VN_TETHER_BULK && tx) {
        (void)vn_tx_flows(tx, &m->waits);
        m->flows = g->flows;
    }
    m->buf = b;
    if (vn_worker_tell(w, &m->msg))
        g->room[outlet]--;
    else
        vn_worker_drop(w, VN_DROP_CREW_FULL);
}

static vn_status gate_send(struct vn_tether *t, enum vn_tether_class cls, struct vn_pktbuf **bufs,
                           size_t n, size_t *ret_taken)
{
    for (size_t i = 0; i < n; i++)
        pass_on((struct gate *)t, cls, bufs[i]);
    *ret_taken = n;
    return VN_OK;
}

static void gate_stats(const struct vn_tether *t, struct vn_tether_stats *ret)
{
    const struct gate *g = (const struct gate *)t;
    *ret = (struct vn_tether_stats){.srtt_us = g->srtt_us, .rate = g->rate};
}

static void gate_drops(const void *self, uint64_t ret[VN_TDROP_COUNT])
{
    (void)self;
    memset(ret, 0, VN_TDROP_COUNT * sizeof(*ret));
}

static void gate_ice_servers(void *self, const struct vn_ice_server *servers, size_t count)
{
    (void)self;
    (void)servers;
    (void)count;
}

static void gate_close(struct vn_tether *t)
{
    free(t);
}

const struct vn_tether_port *vn_hand_port(void)
{
    static const struct vn_tether_port port = {.ice_servers = gate_ice_servers,
                                               .send = gate_send,
                                               .stats = gate_stats,
                                               .drops = gate_drops,
                                               .close = gate_close};
    return &port;
}

static struct vn_end *gate_end(struct vn_worker *w, uint32_t tx)
{
    struct gate *g = calloc(1, sizeof(*g));
    if (!g)
        return NULL;
    *g = (struct gate){.worker = w, .tx = tx};
    for (size_t outlet = 0; outlet < VN_OUTLETS; outlet++)
        g->room[outlet] = VN_HAND_FRAMES;
    struct vn_end *end = vn_end_made(w, tx, (struct vn_tether *)g);
    if (!end)
        free(g);
    return end;
}

/* ---- a stream's turn ---- */

/* Of that class, with packets, and room for their frames; VN_OUTLETS: there is none. A way that
 * stands still keeps no other waiting. */
static size_t outlet_in_turn(const struct vn_turn *t, enum vn_tether_class cls)
{
    const struct vn_tx *tx = VN_CONTAINER_OF(t, struct vn_tx, turn);
    const struct gate *g = (struct gate *)t->end->port;
    const size_t ways = cls == VN_TETHER_BULK ? VN_WAYS_MAX : 1;
    for (size_t i = 0; i < ways; i++) {
        const size_t outlet = vn_outlet(cls, (tx->way_in_turn + i) % ways);
        if (g->room[outlet] && !vn_list_empty(&tx->ready[outlet]))
            return outlet;
    }
    return VN_OUTLETS;
}

static bool waits(const struct vn_turn *t, enum vn_tether_class cls)
{
    return outlet_in_turn(t, cls) < VN_OUTLETS;
}

static struct vn_pktbuf *next(struct vn_turn *t, enum vn_tether_class cls)
{
    struct vn_tx *tx = VN_CONTAINER_OF(t, struct vn_tx, turn);
    struct gate *g = (struct gate *)t->end->port;
    struct vn_pktbuf *f = NULL;
    size_t outlet;
    bool any;
    if (cls == VN_TETHER_BULK)
        g->flows = vn_tx_flows(tx, &any);
    /* Of one way nothing may be left, when CoDel took it or its flows moved to another. */
    while (!f && (outlet = outlet_in_turn(t, cls)) < VN_OUTLETS && vn_tx_ready_keys(tx)) {
        if (cls == VN_TETHER_BULK)
            tx->way_in_turn = vn_outlet_way(outlet) + 1;
        f = vn_tx_seal_next(tx, outlet);
    }
    if (f)
        tx->active_us = tx->worker->now_us;
    return f;
}

const struct vn_turn_kind *vn_hand_turn(void)
{
    static const struct vn_turn_kind kind = {.waits = waits, .next = next};
    return &kind;
}

/* ---- what the first worker says ---- */

static void on_lane(struct vn_worker *w, const struct vn_crew_lane *m)
{
    struct vn_end *end = vn_worker_end(w, m->tx);
    if (end || (end = gate_end(w, m->tx)))
        vn_tx_follow(w, end, m);
}

static void on_taken(struct vn_worker *w, const struct vn_crew_taken *m)
{
    struct vn_end *end = vn_worker_end(w, m->tx);
    if (!end)
        return;
    struct gate *g = (struct gate *)end->port;
    struct vn_tx *tx = vn_map_get(w->tx_by_handle, &m->tx);
    for (size_t outlet = 0; outlet < VN_OUTLETS; outlet++)
        g->room[outlet] += m->count[outlet];
    for (enum vn_tether_class cls = 0; tx && cls < VN_CLASSES; cls++)
        vn_turn_queue(&tx->turn, cls);
    if (m->srtt_us) {
        g->srtt_us = m->srtt_us;
        g->rate = m->rate;
    }
}

static void on_shares(struct vn_worker *w, const struct vn_crew_shares *m)
{
    struct vn_tx *tx = vn_map_get(w->tx_by_handle, &m->tx);
    if (tx)
        vn_spread_follow(tx, m);
}

static void on_to_open(struct vn_worker *w, struct vn_crew_frame *m)
{
    struct vn_rx *rx = vn_map_get(w->rx_by_handle, &m->handle);
    w->opened_bytes += vn_crew_memory(m->buf);
    if (rx)
        vn_rx_frame(rx, &m->way, VN_TAKE(m->buf));
    else
        vn_worker_drop(w, VN_DROP_LABEL_UNKNOWN);
}

static void on_epoch(struct vn_worker *w, const struct vn_crew_epoch *m)
{
    struct vn_rx *rx = vn_map_get(w->rx_by_handle, &m->rx);
    if (!rx || !vn_rx_keys_follow(&rx->keys, m->epoch, m->kem, w->now_us))
        return;
    vn_rx_epoch_began(rx);
    rx->told_epoch = m->epoch;
    rx->keys.kem_taken = rx->keys.kem_way = false; /* the first worker tells the node */
}

bool vn_hand_command(struct vn_worker *w, struct vn_post_msg *m)
{
    switch (m->type) {
    case VN_CREW_LANE:
        on_lane(w, (const struct vn_crew_lane *)m);
        return true;
    case VN_CREW_TAKEN:
        on_taken(w, (const struct vn_crew_taken *)m);
        return true;
    case VN_CREW_SHARES:
        on_shares(w, (const struct vn_crew_shares *)m);
        return true;
    case VN_CREW_TO_OPEN:
        on_to_open(w, (struct vn_crew_frame *)m);
        return true;
    case VN_CREW_EPOCH:
        on_epoch(w, (const struct vn_crew_epoch *)m);
        return true;
    default:
        return false;
    }
}

/* ---- what it says ---- */

void vn_hand_opened(struct vn_rx *rx)
{
    struct vn_crew_epoch *m;
    const uint32_t epoch = vn_rx_keys_epoch(&rx->keys);
    rx->keys.kem_taken = false;
    if ((rx->first_told && rx->told_epoch == epoch) ||
        vn_post_msg_new(VN_CREW_EPOCH, sizeof(*m), &m) != VN_OK)
        return;
    m->rx = rx->handle;
    m->epoch = epoch;
    m->kem = rx->keys.kem_way;
    if (!vn_worker_tell(rx->worker, &m->msg))
        return;
    rx->first_told = true;
    rx->told_epoch = epoch;
    rx->keys.kem_way = false;
}

void vn_hand_flush(struct vn_worker *w)
{
    struct vn_crew_opened *m;
    if (!w->opened_bytes || vn_post_msg_new(VN_CREW_OPENED, sizeof(*m), &m) != VN_OK)
        return;
    m->bytes = w->opened_bytes;
    if (vn_worker_tell(w, &m->msg))
        w->opened_bytes = 0;
}
