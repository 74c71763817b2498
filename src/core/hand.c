#include <stdlib.h>

#include "core/crew.h"
#include "core/end.h"
#include "core/rx.h"
#include "core/tx.h"

/* ---- where frames of a stream go ---- */

struct gate {
    struct vn_worker *worker;
    uint32_t tx;
    unsigned room[VN_CLASSES]; /* for frames on the way to the first worker */
    uint32_t srtt_us;
    uint64_t rate;
};

static vn_status gate_send(struct vn_tether *t, enum vn_tether_class cls, struct vn_pktbuf **bufs,
                           size_t n, size_t *ret_taken)
{
    struct gate *g = (struct gate *)t;
    struct vn_worker *w = g->worker;
    for (*ret_taken = 0; *ret_taken < n && g->room[cls]; ++*ret_taken) {
        struct vn_crew_frame *m;
        struct vn_pktbuf *b = bufs[*ret_taken];
        if (vn_post_msg_new(VN_CREW_SEALED, sizeof(*m), &m) != VN_OK) {
            vn_worker_drop(w, VN_DROP_CREW_FULL); /* nothing would say when to try again */
            vn_pktbuf_free(b);
            continue;
        }
        m->handle = g->tx;
        m->cls = (uint8_t)cls;
        m->buf = b;
        if (vn_worker_tell(w, &m->msg))
            g->room[cls]--;
        else
            vn_worker_drop(w, VN_DROP_CREW_FULL);
    }
    return *ret_taken < n ? VN_ERR_AGAIN : VN_OK;
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
    *g = (struct gate){.worker = w, .tx = tx, .room = {VN_HAND_FRAMES, VN_HAND_FRAMES}};
    struct vn_end *end = vn_end_made(w, tx, (struct vn_tether *)g);
    if (!end)
        free(g);
    return end;
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
    for (size_t cls = 0; cls < VN_CLASSES; cls++) {
        g->room[cls] += m->count[cls];
        if (m->count[cls])
            end->blocked[cls] = false;
    }
    if (m->srtt_us) {
        g->srtt_us = m->srtt_us;
        g->rate = m->rate;
    }
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
