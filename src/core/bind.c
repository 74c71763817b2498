/*
 * From keys and a circuit to an open stream, and back when the circuit is lost.
 *
 * timer           armed by                               disarmed by        fires
 * stream.timer    tx, EXPECT_BOUND: BIND sent (250 ms,   BOUND, end         BIND again; after 5
 *                 doubling); rx: see responder.c                            another circuit
 */
#include "anchor.pb-c.h"
#include "core/node_i.h"

#define LOSSES_MAX 3            /* between two times a stream to the peer was open */
#define BIND_RESEND_MAX_MS 1000 /* doubling ends here: the tether itself delivers */

void vn_bind_ask(struct vn_node *n, struct vn_stream *s, struct vn_circuit *c, bool standby)
{
    Vn__Bind b = VN__BIND__INIT;
    Vn__StreamControl m = VN__STREAM_CONTROL__INIT;
    if (++s->bind_request == 0)
        s->bind_request = 1;
    c->asks[c->ask_count++ % VN_ASKS_MAX] =
        (struct vn_ask){.request = s->bind_request, .sent_ms = n->now_ms};
    b.request = s->bind_request;
    b.label = c->bind;
    b.standby = standby;
    m.kind_case = VN__STREAM_CONTROL__KIND_BIND;
    m.bind = &b;
    vn_ctl_send_on(n, s, c, &m);
}

uint64_t vn_bind_answered(struct vn_circuit *c, uint32_t request)
{
    for (size_t i = 0; request && i < VN_ASKS_MAX; i++) {
        if (c->asks[i].request == request) {
            const uint64_t sent_ms = c->asks[i].sent_ms; /* its place may be taken again */
            c->asks[i].request = 0;
            c->bound = true;
            vn_race_bound(c);
            return sent_ms;
        }
    }
    return 0;
}

static void send_bind(struct vn_node *n, struct vn_stream *s)
{
    vn_bind_ask(n, s, s->circuit, false);
    uint64_t wait_ms = (uint64_t)VN_STREAM_CTL_RESEND_MS << s->sends++;
    vn_timer_arm(&n->timers, &s->timer, n->now_ms + VN_MIN(wait_ms, (uint64_t)BIND_RESEND_MAX_MS));
}

void vn_tx_advance(struct vn_node *n, struct vn_stream *s)
{
    struct vn_peer *p = s->peer;
    vn_status st = s->circuit ? VN_OK : vn_route_begin(n, s);
    if (st == VN_ERR_NOTFOUND) {
        /* No descriptor. When there is one, vn_dests_descriptor comes. */
        if (vn_list_empty(&p->dests))
            vn_stream_close(n, s, VN_CLOSE_LOST, true);
        else
            vn_dests_refresh(n, p);
        return;
    }
    if (st != VN_OK) {
        vn_tx_failed(n, s, VN_CLOSE_LOST);
        return;
    }
    if (s->state == VN_TX_OPEN) {
        vn_learn_advance(n, s);
        return;
    }
    if (s->state == VN_TX_EXPECT_BOUND)
        vn_race_bind(n, s);
    if (s->state != VN_TX_EXPECT_CIRCUIT)
        return;
    vn_race_advance(n, s);
    if (!s->circuit || s->circuit->state != VN_CIRCUIT_UP)
        return;
    s->sends = 0;
    vn_stream_set_state(s, VN_TX_EXPECT_BOUND);
    send_bind(n, s);
}

void vn_tx_bind_timer(struct vn_node *n, struct vn_stream *s)
{
    if (s->state != VN_TX_EXPECT_BOUND)
        return;
    if (s->sends <= VN_STREAM_CTL_RESEND_MAX) {
        send_bind(n, s);
        return;
    }
    /* The other end has lost the stream, since tethers deliver, or a relay keeps what it gets:
     * start anew. */
    if (s->circuit->path)
        vn_route_failed(n, &s->circuit->path->nodes[0]);
    vn_tx_renew(n, s, VN_CLOSE_LOST, true);
}

void vn_tx_park(struct vn_node *n, struct vn_stream *s)
{
    if (s->state != VN_TX_EXPECT_BOUND && s->state != VN_TX_OPEN)
        return;
    vn_timer_disarm(&n->timers, &s->timer);
    vn_stream_set_state(s, VN_TX_EXPECT_CIRCUIT);
    vn_dests_wait(n, s->peer);
    vn_route_no_way(n, s);
}

void vn_tx_circuit_lost(struct vn_node *n, struct vn_stream *s)
{
    struct vn_peer *p = s->peer;
    if (vn_learn_rescue(n, s) || vn_race_goes_on(n, s))
        return;
    bool refused = s->state == VN_TX_EXPECT_BOUND;
    /* The tether to it may come up yet, or another relay carry it: each that fails is left out for
     * a while. */
    bool trying =
        s->relayed && ((p->hop && p->hop->state != VN_HOP_UP) || vn_route_may_go_on(n, p));
    vn_tx_park(n, s);
    vn_route_no_way(n, s);
    vn_route_lost(n, s);
    if (vn_list_empty(&p->dests)) {
        vn_stream_close(n, s, VN_CLOSE_LOST, true); /* nobody waits for it */
    } else if (!trying && ++p->losses > LOSSES_MAX) {
        vn_route_gave_up(n, p);
        vn_tx_failed(n, s, VN_CLOSE_LOST);
    } else if (refused) {
        vn_tx_renew(n, s, VN_CLOSE_LOST, true); /* the other end does not know the stream */
    } else {
        vn_tx_advance(n, s);
    }
}

void vn_rx_circuit_lost(struct vn_node *n, struct vn_stream *s)
{
    if (s->state != VN_RX_OPEN)
        return;
    if (!vn_list_empty(&s->circuits)) { /* its source has others, and will go there */
        s->circuit = VN_LIST_ENTRY(s->circuits.next, struct vn_circuit, of_stream);
        return;
    }
    vn_stream_set_state(s, VN_RX_EXPECT_BIND);
    vn_timer_arm(&n->timers, &s->timer, n->now_ms + 2 * (uint64_t)n->cfg.idle_ms);
}
