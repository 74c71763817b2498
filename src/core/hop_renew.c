/*
 * Make before break: a tether whose DTLS key is nearly used up gets a successor beside it. When
 * that is up, circuits of ours are set up through it, one by one, and streams move to them; the
 * sources of circuits of others are told to do the same. What is left behind stays while a circuit
 * uses it.
 *
 * timer        armed by                              disarmed by     fires
 * hop.renew    worn (at once), then after 2 s, 4 s,  the tether's    offers a second one, unless
 *              ... 30 s                              end             there is one
 *              left behind (at once), then every     it is the one    circuits of ours are renewed,
 *              2 s while circuits use it             again           sources of others told
 */
#include "core/node_i.h"

#define RENEW_AGAIN_MS 2000
#define RENEW_AGAIN_MAX_MS 30000u /* of offers: nobody answers, or somebody refuses */
#define RENEW_LEAST_MS 10000      /* of one path, at the word of another node */
#define TELL_LEAST_MS 1000        /* likewise, of what is passed on */
#define RETIRED_MS 2000           /* what was sent on it has arrived by then */

/* ---- tethers ---- */

bool vn_hop_is_left(const struct vn_hop *h)
{
    return h == h->peer->beside && h->state == VN_HOP_UP;
}

static void renew_now(struct vn_node *n, struct vn_hop *h)
{
    vn_timer_arm(&n->timers, &h->renew, n->now_ms);
}

void vn_hop_event_worn(struct vn_node *n, uint32_t handle)
{
    struct vn_hop *h = vn_hop_get(n, handle);
    if (!h || h->state != VN_HOP_UP)
        return;
    h->worn = true;
    h->renew_gap_ms = RENEW_AGAIN_MS;
    vn_log(VN_LOG_DEBUG, "tether_worn", VN_KV_ID("peer", &h->peer->id),
           VN_KV_U64("handle", handle));
    renew_now(n, h);
}

void vn_hop_take_place(struct vn_node *n, struct vn_hop *h)
{
    struct vn_peer *p = h->peer;
    struct vn_hop *old = p->hop;
    assert(old->state == VN_HOP_UP); /* nothing stands beside another */
    p->hop = h;
    p->beside = old;
    renew_now(n, old);
}

static void want_successor(struct vn_node *n, struct vn_hop *h)
{
    struct vn_peer *p = h->peer;
    vn_timer_arm(&n->timers, &h->renew, n->now_ms + h->renew_gap_ms);
    h->renew_gap_ms = VN_MIN(2 * h->renew_gap_ms, RENEW_AGAIN_MAX_MS);
    if (p->beside && p->beside->state == VN_HOP_UP)
        vn_hop_close(n, p->beside); /* it had its time */
    if (!p->beside && vn_hop_offer(n, p) == VN_ERR_NOTFOUND)
        vn_query_peer(n, &p->id);
}

void vn_hop_on_renew(void *arg)
{
    struct vn_hop *h = arg;
    struct vn_node *n = h->node;
    if (h == h->peer->hop) {
        if (h->worn)
            want_successor(n, h);
        return;
    }
    vn_timer_arm(&n->timers, &h->renew, n->now_ms + RENEW_AGAIN_MS);
    VN_LIST_EACH(it, &h->circuits)
    {
        struct vn_circuit *c = VN_LIST_ENTRY(it, struct vn_circuit, of_hop);
        if (c->out)
            vn_circuit_renew(n, c);
    }
    vn_hop_check_use(n, h);
}

/* ---- circuits ---- */

/* The source of a circuit of others. */
static void tell_upstream(struct vn_node *n, const struct vn_circuit *in)
{
    vn_circuit_send(n, in->hop,
                    &(struct vn_circuit_msg){.type = VN_CIRCUIT_WORN, .label = in->rev});
}

static vn_status open_again(struct vn_node *n, struct vn_circuit *c, struct vn_circuit **ret)
{
    struct vn_stream *s = c->stream;
    struct vn_id missing;
    if (!c->path)
        return vn_circuit_open(n, s->peer->hop, s, ret);
    vn_status st = vn_circuit_open_path(n, s, ret, c->path->nodes, c->path->count, &missing);
    if (st == VN_ERR_NOTFOUND)
        vn_query_peer(n, &missing);
    return st;
}

void vn_circuit_renew(struct vn_node *n, struct vn_circuit *c)
{
    bool ours = vn_hop_is_left(c->hop);
    if (!c->out || c->state != VN_CIRCUIT_UP || c->retired || c->successor || c->replaces)
        return;
    if (!ours && n->now_ms - c->renewed_ms < (c->link ? TELL_LEAST_MS : RENEW_LEAST_MS))
        return;
    if (c->link) {
        c->renewed_ms = n->now_ms;
        tell_upstream(n, c->link);
        return;
    }
    if (!c->stream || (!ours && !c->path))
        return;
    struct vn_circuit *next = NULL;
    c->renewed_ms = n->now_ms;
    vn_status st = open_again(n, c, &next);
    if (st != VN_OK) {
        vn_log(VN_LOG_DEBUG, "route_failed", VN_KV_STATUS(st));
        return;
    }
    c->successor = next;
    next->replaces = c;
}

void vn_circuit_successor_up(struct vn_node *n, struct vn_circuit *c)
{
    struct vn_stream *s = c->stream;
    vn_bind_ask(n, s, c, c->replaces != s->circuit);
}

void vn_circuit_succeed(struct vn_node *n, struct vn_circuit *c)
{
    struct vn_stream *s = c->stream;
    struct vn_circuit *old = c->replaces;
    old->successor = c->replaces = NULL;
    vn_learn_renewed(s, old, c);
    c->racing = old->racing;
    if (s->circuit == old) {
        s->circuit = c;
        if (s->state == VN_TX_OPEN)
            vn_tell_tx_open(n, s);
        vn_bind_ask(n, s, c, false); /* it may have been for standby */
    }
    vn_log(VN_LOG_DEBUG, "circuit_renewed", VN_KV_ID("peer", &s->peer->id),
           VN_KV_U64("handle", c->hop->handle));
    vn_circuit_retire(old, RETIRED_MS);
}
