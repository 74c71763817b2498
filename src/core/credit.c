#include "core/credit.h"

#include "core/end.h"
#include "wire/circuit.h"
#include "wire/frame.h"

/* Beside the round trip: a grant waits for the loops of both ends. */
#define LOOPS_US 2000

void vn_meter_init(struct vn_meter *m, struct vn_end *end, uint32_t rev)
{
    *m = (struct vn_meter){.end = end, .rev = rev, .told = 1};
    vn_list_init(&m->of_grants);
}

void vn_meter_done(struct vn_meter *m)
{
    if (!m->end)
        return;
    m->end->worker->pool_used -= m->share;
    vn_list_remove(&m->of_grants);
    m->end = NULL;
}

bool vn_meter_receive(struct vn_meter *m, size_t n)
{
    if (!m->end)
        return true;
    if (m->received >= m->told)
        return false;
    m->received += n;
    return true;
}

/* What the pool has of it; at least the one frame. */
static void set_window(struct vn_meter *m, uint64_t want)
{
    struct vn_worker *w = m->end->worker;
    want = VN_MAX(want, (uint64_t)VN_RELAY_WINDOW_MIN);
    uint64_t share = VN_MIN(want, (uint64_t)VN_RELAY_WINDOW_MAX) - VN_FRAME_MAX;
    uint64_t others = w->pool_used - m->share;
    share = VN_MIN(share, VN_RELAY_POOL_BYTES - others);
    w->pool_used = (size_t)(others + share);
    m->share = (size_t)share;
    m->window = VN_FRAME_MAX + share;
}

static void adapt(struct vn_meter *m)
{
    uint64_t now = m->end->worker->now_us;
    uint64_t rtt = vn_end_path(m->end)->srtt_us;
    if (m->window == 0) {
        set_window(m, 0);
    } else {
        uint64_t took = now - m->since_us;
        if (took < VN_MAX(rtt, (uint64_t)VN_RELAY_RATE_US))
            return;
        uint64_t bytes = m->consumed - m->since_bytes;
        set_window(m, bytes * 5 / 4 * (rtt + LOOPS_US) / took);
    }
    m->since_us = now;
    m->since_bytes = m->consumed;
}

void vn_meter_consume(struct vn_meter *m, size_t n)
{
    if (!m->end)
        return;
    m->consumed += n;
    adapt(m);
    uint64_t limit = m->consumed + m->window;
    bool worth = limit >= m->told + m->window / 4;
    bool starved = m->told < m->received + VN_FRAME_MAX;
    if (limit <= m->told || !(worth || starved))
        return;
    m->told = limit;
    if (vn_list_empty(&m->of_grants))
        vn_list_append(&m->end->grants, &m->of_grants);
}

static struct vn_pktbuf *grant(const struct vn_meter *m)
{
    const size_t n = VN_HOP_HEADER_LEN + VN_CREDIT_LEN;
    struct vn_pktbuf *b;
    if (vn_pktbuf_new(n, &b) != VN_OK)
        return NULL;
    struct vn_writer w = vn_writer_of(vn_pktbuf_put(b, n), n);
    vn_hop_encode(&w, &(struct vn_hop_header){.type = VN_HOP_CREDIT, .label = m->rev});
    vn_credit_encode(&w, m->told);
    return b;
}

void vn_grants_flush(struct vn_end *end)
{
    while (end->up && !end->control_blocked && !vn_list_empty(&end->grants)) {
        struct vn_meter *m = VN_LIST_ENTRY(end->grants.next, struct vn_meter, of_grants);
        struct vn_pktbuf *b = grant(m);
        if (!b)
            return; /* without memory it waits for the next flush */
        size_t taken = 0;
        vn_list_remove(&m->of_grants);
        (void)end->worker->cfg.tether->send(end->port, VN_TETHER_CONTROL, &b, 1, &taken);
        if (taken)
            continue;
        vn_pktbuf_free(b);
        if (!end->up)
            return; /* and the meter with it */
        vn_list_append(&end->grants, &m->of_grants);
        end->control_blocked = true;
    }
}
