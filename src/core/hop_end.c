/*
 * The end of a tether, and what it was of use for.
 *
 * timer        armed by                                   disarmed by     fires
 * hop.idle     no circuit and no stream wants it (0.5 s;  SETUP, stream   closes
 *              10 s if it never had one)
 */
#include "core/hop.h"
#include "core/node_i.h"

#define HOP_LINGER_MS 500u

/* Streams of ours that were on one of them go to ret_lost. */
static void circuits_gone(struct vn_node *n, struct vn_hop *h, bool tell_peer,
                          struct vn_list *ret_lost)
{
    vn_list_init(ret_lost);
    VN_LIST_EACH(it, &h->circuits)
    {
        struct vn_circuit *c = VN_LIST_ENTRY(it, struct vn_circuit, of_hop);
        struct vn_stream *s = c->stream;
        bool carried = s && vn_stream_loses(n, s, c, true);
        vn_relay_half_gone(n, c, VN_RELAY_FAILED, VN_REFUSE_NO_ROUTE);
        vn_circuit_close(n, c, tell_peer);
        if (carried && s->is_tx)
            vn_list_append(ret_lost, &s->lost);
        else if (carried)
            vn_rx_circuit_lost(n, s);
    }
}

/* p's stream waited for the tether itself. */
static void tether_gone(struct vn_node *n, struct vn_peer *p, bool was_up, bool answered)
{
    if (!was_up && !p->hop) {
        if (answered)
            vn_route_gave_up(n, p);
        vn_tx_failed(n, p->tx, VN_CLOSE_LOST);
        return;
    }
    if (!vn_list_empty(&p->dests))
        vn_dests_refresh(n, p); /* perhaps another node has its addresses by now */
    if (p->tx)
        vn_tx_advance(n, p->tx);
}

void vn_hop_gone(struct vn_node *n, struct vn_hop *h, bool tell_peer)
{
    struct vn_peer *p = h->peer;
    bool was_up = h->state == VN_HOP_UP;
    bool answered = was_up || (h->offerer && h->state == VN_HOP_EXPECT_UP);
    struct vn_list lost;
    vn_log(VN_LOG_DEBUG, "tether_destroyed", VN_KV_ID("peer", &p->id),
           VN_KV_U64("handle", h->handle));
    circuits_gone(n, h, tell_peer, &lost);
    vn_hop_free(n, h);
    if (!answered)
        vn_peer_drop_descriptor(p); /* nor may the node be who it was */
    if (p->tx && !p->tx->circuit && vn_list_empty(&p->tx->lost) && !vn_route_pinned(n, &p->id))
        tether_gone(n, p, was_up, answered);
    while (!vn_list_empty(&lost)) {
        struct vn_stream *s = VN_LIST_ENTRY(lost.next, struct vn_stream, lost);
        if (s->peer == p && !vn_list_empty(&p->dests))
            vn_dests_refresh(n, p); /* as above */
        if (lost.next != &s->lost)
            continue; /* ended by that */
        vn_list_remove(&s->lost);
        vn_tx_circuit_lost(n, s);
    }
}

void vn_hop_close(struct vn_node *n, struct vn_hop *h)
{
    uint32_t handle = h->handle;
    vn_hop_gone(n, h, true);
    vn_tell_handle(n, VN_CMD_TETHER_CLOSE, handle);
}

void vn_hop_replace(struct vn_node *n, struct vn_hop *h)
{
    struct vn_peer *p = h->peer;
    uint32_t handle = h->handle;
    vn_log(VN_LOG_DEBUG, "tether_destroyed", VN_KV_ID("peer", &p->id), VN_KV_U64("handle", handle));
    struct vn_list lost;
    circuits_gone(n, h, true, &lost);
    vn_hop_free(n, h);
    vn_tell_handle(n, VN_CMD_TETHER_CLOSE, handle);
    while (!vn_list_empty(&lost)) {
        struct vn_stream *s = VN_LIST_ENTRY(lost.next, struct vn_stream, lost);
        vn_list_remove(&s->lost);
        if (vn_learn_rescue(n, s) || vn_race_goes_on(n, s))
            continue;
        vn_tx_park(n, s);
        if (!s->circuit)
            vn_route_wait(n, s); /* the other one may not come up */
    }
}

void vn_hops_close_peer(struct vn_node *n, struct vn_peer *p)
{
    if (p->beside)
        vn_hop_close(n, p->beside);
    if (p->hop)
        vn_hop_close(n, p->hop);
}

void vn_hops_close_all(struct vn_node *n)
{
    VN_LIST_EACH(it, &n->hops.list)
    vn_hop_close(n, VN_LIST_ENTRY(it, struct vn_hop, all));
}

/* ---- of no use ---- */

static bool in_use(const struct vn_node *n, const struct vn_hop *h)
{
    return h->circuit_count > 0 || (!vn_hop_is_left(h) && (h->peer->tx || vn_inband_wants(n, h)));
}

void vn_hop_check_use(struct vn_node *n, struct vn_hop *h)
{
    if (in_use(n, h)) {
        h->was_used = true;
        vn_timer_disarm(&n->timers, &h->idle);
    } else if (h->kept_until_ms > n->now_ms) {
        vn_timer_arm(&n->timers, &h->idle, h->kept_until_ms);
    } else if (!h->idle.armed) {
        vn_timer_arm(&n->timers, &h->idle,
                     n->now_ms + (h->was_used ? HOP_LINGER_MS : VN_TETHER_CONNECT_MS));
    }
}

void vn_hop_on_idle(void *arg)
{
    struct vn_hop *h = arg;
    if (!in_use(h->node, h))
        vn_hop_close(h->node, h);
}
