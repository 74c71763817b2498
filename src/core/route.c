#include "core/route.h"

#include "core/node_i.h"

void vn_routes_init(struct vn_node *n)
{
    struct vn_routes *r = &n->routes;
    r->pin_count = VN_MIN(n->cfg.via_count, VN_ARRAY_LEN(r->pins));
    for (size_t i = 0; i < r->pin_count; i++) {
        r->pins[i].node = n;
        snprintf(r->pins[i].name, sizeof(r->pins[i].name), "%s", n->cfg.via[i]);
    }
}

/* A relay itself is reached directly. */
bool vn_route_pinned(const struct vn_node *n, const struct vn_id *peer)
{
    const struct vn_routes *r = &n->routes;
    for (size_t i = 0; i < r->pin_count; i++) {
        if (r->pins[i].known && vn_id_equal(&r->pins[i].id, peer))
            return false;
    }
    return r->pin_count > 0;
}

/* Streams that wait for a relay go on, or end when there is none. */
static void pin_decided(struct vn_node *n, bool found)
{
    VN_LIST_EACH(it, &n->peers.lru)
    {
        struct vn_peer *p = VN_LIST_ENTRY(it, struct vn_peer, lru);
        struct vn_stream *s = p->tx;
        if (!s || s->circuit || !vn_route_pinned(n, &p->id))
            continue;
        if (found)
            vn_tx_advance(n, s);
        else
            vn_tx_failed(n, s, VN_CLOSE_LOST);
    }
}

static void on_pin(void *arg, const struct vn_resolved *list, size_t count)
{
    struct vn_route_pin *pin = arg;
    pin->asking = false;
    pin->good = count > 0;
    if (count > 0) {
        pin->known = true;
        pin->id = list[0].node;
    }
    pin_decided(pin->node, pin->good);
}

/* True: it is known, with a descriptor that counts. */
static bool pin_ready(struct vn_node *n, struct vn_route_pin *pin)
{
    const struct vn_peer *p = pin->good ? vn_peer_get(n, &pin->id) : NULL;
    if (p && vn_peer_fresh(n, p) && p->descriptor.n)
        return true;
    if (!pin->asking) {
        pin->asking = true;
        if (vn_node_resolve(n, pin->name, on_pin, pin) != VN_OK)
            pin->asking = false;
    }
    return false;
}

static vn_status begin_pinned(struct vn_node *n, struct vn_stream *s)
{
    struct vn_routes *r = &n->routes;
    struct vn_id nodes[VN_SETUP_SLOTS], missing;
    bool ready = true;
    for (size_t i = 0; i < r->pin_count; i++) {
        ready = pin_ready(n, &r->pins[i]) && ready;
        nodes[i] = r->pins[i].id;
    }
    if (!ready || s->circuit)
        return VN_OK;
    if (!vn_route_pinned(n, &s->peer->id))
        return vn_route_begin(n, s); /* it is one of them itself */
    nodes[r->pin_count] = s->peer->id;
    vn_status st = vn_circuit_open_path(n, s, nodes, r->pin_count + 1, &missing);
    return st == VN_ERR_NOTFOUND && !vn_id_equal(&missing, &s->peer->id) ? VN_OK : st;
}

void vn_route_lost(struct vn_node *n, const struct vn_stream *s)
{
    if (!vn_route_pinned(n, &s->peer->id))
        return;
    for (size_t i = 0; i < n->routes.pin_count; i++)
        n->routes.pins[i].good = false;
    if (!vn_list_empty(&s->peer->dests))
        vn_dests_refresh(n, s->peer); /* nor may its end be who it was */
}

vn_status vn_route_begin(struct vn_node *n, struct vn_stream *s)
{
    struct vn_peer *p = s->peer;
    if (vn_route_pinned(n, &p->id))
        return begin_pinned(n, s);
    if (!p->hop) {
        vn_status st = vn_hop_offer(n, p);
        if (st != VN_OK)
            return VN_ERR_NOTFOUND;
    }
    return p->hop->state == VN_HOP_UP ? vn_circuit_open(n, p->hop, s) : VN_OK;
}
