/*
 * timer           armed by                               disarmed by        fires
 * stream.route    no circuit and no tether (1 s)         another circuit    a relay is tried, and
 *                                                                           again
 *                 a relay is tried (2 s, or less)        its answer         another one beside it
 *                 open through a relay (5 s, doubling)   direct, end        the direct tether is
 *                                                                           tried
 * stream.no_way   its last way is lost (4 s)             it is open, end    what waits is refused;
 *                                                                           closed if nobody waits
 */
#include "core/route.h"

#include "core/node_i.h"

void vn_routes_init(struct vn_node *n)
{
    struct vn_routes *r = &n->routes;
    vn_ccx_budget_init(&r->budget, n->now_ms);
    r->budget.sharers = 0;
    vn_bucket_init(&r->races, VN_RACE_BURST, n->now_ms);
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

/* Streams that wait for a relay go on, or end when there is none. One to the relay itself waited
 * for its name, too: it is known now that it goes directly. */
static void pin_decided(struct vn_node *n, bool found)
{
    VN_LIST_EACH(it, &n->peers.lru)
    {
        struct vn_peer *p = VN_LIST_ENTRY(it, struct vn_peer, lru);
        struct vn_stream *s = p->tx;
        if (!s || s->circuit)
            continue;
        if (found)
            vn_tx_advance(n, s);
        else if (vn_route_pinned(n, &p->id))
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
    vn_status st = vn_circuit_open_path(n, s, &s->circuit, nodes, r->pin_count + 1, &missing);
    return st == VN_ERR_NOTFOUND && !vn_id_equal(&missing, &s->peer->id) ? VN_OK : st;
}

void vn_route_lost(struct vn_node *n, struct vn_stream *s)
{
    bool pinned = vn_route_pinned(n, &s->peer->id);
    for (size_t i = 0; pinned && i < n->routes.pin_count; i++)
        n->routes.pins[i].good = false;
    if (s->relayed && !pinned)
        vn_timer_arm(&n->timers, &s->route, n->now_ms); /* another one, at once */
    if ((s->relayed || pinned) && !vn_list_empty(&s->peer->dests))
        vn_dests_refresh(n, s->peer); /* nor may its end be who it was */
}

/* ---- a relay, where the direct tether does not come up ---- */

void vn_route_failed(struct vn_node *n, const struct vn_id *relay)
{
    struct vn_peer *p = vn_peer_get(n, relay);
    if (p)
        p->relay_failed_ms = n->now_ms;
    vn_places_failed(n, relay);
}

bool vn_route_may_go_on(struct vn_node *n, const struct vn_peer *to)
{
    struct vn_place_candidate list[VN_CANDIDATES_MAX];
    size_t count = vn_places_candidates(n, to, list, VN_ARRAY_LEN(list));
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any |= list[i].ready;
    return any && !vn_route_pinned(n, &to->id);
}

bool vn_route_wants(struct vn_node *n, const struct vn_circuit *c)
{
    const struct vn_peer *r = vn_peer_get(n, &c->path->nodes[0]);
    return r && r->cert && vn_relay_grade(n, r, NULL) != VN_RELAY_UNWANTED;
}

void vn_routes_leave_unwanted(struct vn_node *n)
{
    VN_LIST_EACH(it, &n->peers.lru)
    {
        const struct vn_peer *p = VN_LIST_ENTRY(it, struct vn_peer, lru);
        if (!p->tx || vn_route_pinned(n, &p->id))
            continue;
        vn_race_leave_unwanted(n, p->tx);
        struct vn_circuit *c = p->tx->circuit;
        if (!c || !c->path || vn_route_wants(n, c))
            continue;
        /* It has not failed: when the settings allow it again, it may be used at once. */
        vn_circuit_detach(c);
        vn_learn_loses(p->tx, c, false);
        p->tx->circuit = NULL;
        vn_circuit_close(n, c, true);
        vn_tx_circuit_lost(n, p->tx);
    }
}

/* Streams that wait for a relay are tried at once. */
void vn_route_relay_known(struct vn_node *n)
{
    VN_LIST_EACH(it, &n->peers.lru)
    {
        struct vn_stream *s = VN_LIST_ENTRY(it, struct vn_peer, lru)->tx;
        if (s && s->relay_wanted)
            vn_timer_arm(&n->timers, &s->route, n->now_ms);
    }
}

static bool direct_up(const struct vn_stream *s)
{
    const struct vn_hop *h = s->peer->hop;
    return h && h->state == VN_HOP_UP;
}

void vn_route_on_timer(void *arg)
{
    struct vn_stream *s = arg;
    struct vn_node *n = s->node;
    if (!s->circuit) {
        vn_timer_arm(&n->timers, &s->route, n->now_ms + VN_DIRECT_WAIT_MS / 2);
        if (s->keyed && !direct_up(s))
            vn_race_join(n, s);
        return;
    }
    if (!s->circuit->path)
        return;
    if (s->state != VN_TX_OPEN) {
        vn_race_on_timer(n, s);
        return;
    }
    if (!s->peer->hop)
        (void)!vn_hop_offer(n, s->peer);
    uint64_t wait_ms = (uint64_t)VN_DIRECT_AGAIN_MS << VN_MIN(++s->direct_tries, 6u);
    vn_timer_arm(&n->timers, &s->route,
                 n->now_ms + vn_jitter(n, VN_MIN(wait_ms, (uint64_t)VN_DIRECT_AGAIN_MAX_MS)));
}

void vn_route_took(struct vn_node *n, struct vn_stream *s)
{
    vn_timer_disarm(&n->timers, &s->route);
    if (vn_route_pinned(n, &s->peer->id)) {
        vn_race_over(n, s);
        return;
    }
    s->relayed = s->circuit->path != NULL;
    if (s->relayed)
        vn_timer_arm(&n->timers, &s->route, n->now_ms + vn_jitter(n, VN_DIRECT_AGAIN_MS));
    else
        s->direct_tries = 0;
    vn_learn_took(n, s);
    vn_race_over(n, s);
    vn_learn_advance(n, s);
}

/* ---- */

vn_status vn_route_begin(struct vn_node *n, struct vn_stream *s)
{
    struct vn_peer *p = s->peer;
    if (vn_route_pinned(n, &p->id))
        return begin_pinned(n, s);
    if (!p->hop) {
        vn_status st = vn_hop_offer(n, p);
        if (st == VN_ERR_NOTFOUND)
            return st;
        if (st != VN_OK) { /* there is no room for another one: a relay may be a neighbour */
            vn_route_no_way(n, s);
            vn_route_wait(n, s);
            return VN_OK;
        }
    }
    if (p->hop->state == VN_HOP_UP)
        return vn_circuit_open(n, p->hop, s, &s->circuit);
    vn_route_wait(n, s);
    return VN_OK;
}

void vn_route_wait(struct vn_node *n, struct vn_stream *s)
{
    if (!s->route.armed && !vn_route_pinned(n, &s->peer->id))
        vn_timer_arm(&n->timers, &s->route, n->now_ms + VN_DIRECT_WAIT_MS);
}

/* ---- no way at all ---- */

bool vn_route_is_parted(const struct vn_node *n, const struct vn_peer *p)
{
    return p->parted_ms && p->parted_seen_ms >= p->parted_ms + VN_NO_WAY_MS &&
           n->now_ms - p->parted_seen_ms < VN_NO_WAY_COUNTS_MS;
}

void vn_route_no_way_goes_on(struct vn_node *n, struct vn_stream *s)
{
    if (s->peer->parted_ms && !s->no_way.armed)
        vn_timer_arm(&n->timers, &s->no_way, n->now_ms + VN_NO_WAY_MS);
}

void vn_route_no_way(struct vn_node *n, struct vn_stream *s)
{
    struct vn_peer *p = s->peer;
    if (!p->parted_ms || n->now_ms - VN_MAX(p->parted_ms, p->parted_seen_ms) > VN_NO_WAY_COUNTS_MS)
        p->parted_ms = n->now_ms;
    else if (n->now_ms - p->parted_ms >= VN_NO_WAY_MS)
        p->parted_seen_ms = n->now_ms;
    vn_route_no_way_goes_on(n, s);
}

void vn_route_gave_up(struct vn_node *n, struct vn_peer *p)
{
    p->parted_seen_ms = n->now_ms;
    p->parted_ms = VN_MAX(n->now_ms, (uint64_t)VN_NO_WAY_MS + 1) - VN_NO_WAY_MS;
}

void vn_route_found(struct vn_node *n, struct vn_peer *p)
{
    p->parted_ms = 0;
    if (p->tx)
        vn_timer_disarm(&n->timers, &p->tx->no_way);
}

void vn_route_on_no_way(void *arg)
{
    struct vn_stream *s = arg;
    struct vn_node *n = s->node;
    if (s->state == VN_TX_OPEN)
        return;
    s->peer->parted_seen_ms = n->now_ms;
    if (vn_list_empty(&s->peer->dests)) {
        vn_stream_close(n, s, VN_CLOSE_LOST, true);
        return;
    }
    vn_dests_refuse(n, s->peer);
    vn_timer_arm(&n->timers, &s->no_way, n->now_ms + VN_NO_WAY_MS);
}

/* ---- for the local commands ---- */

static bool in_use(const struct vn_stream *s, const struct vn_id *relay)
{
    const struct vn_circuit *c = s && s->state == VN_TX_OPEN ? s->circuit : NULL;
    if (!c || !relay || !c->path)
        return c && !relay && !c->path;
    for (size_t i = 0; i + 1 < c->path->count; i++) {
        if (vn_id_equal(&c->path->nodes[i], relay))
            return true;
    }
    return false;
}

static const char *why_direct(const struct vn_node *n, const struct vn_peer *p)
{
    if (in_use(p->tx, NULL))
        return "in_use";
    if (vn_route_pinned(n, &p->id))
        return "overruled";
    if (!p->hop)
        return "failed";
    return p->hop->state == VN_HOP_UP ? "ready" : "connecting";
}

static const char *why_relay(struct vn_node *n, const struct vn_peer *r, const struct vn_peer *to,
                             const struct vn_route_rule **ret_rule)
{
    const enum vn_relay_grade grade = vn_relay_grade(n, r, ret_rule);
    if (in_use(to->tx, &r->id))
        return "in_use";
    if (!vn_relaying_may(n, r->cert))
        return "forbidden";
    if (grade < VN_RELAY_ANY)
        return grade == VN_RELAY_UNWANTED ? "unwanted" : "unproven";
    if (vn_quarantine_refuses(n, r->cert))
        return "quarantined";
    if (vn_route_pinned(n, &to->id))
        return "overruled";
    if (!vn_peer_fresh(n, r))
        return "unknown_key";
    if (!vn_places_may_relay(n, &r->id, to))
        return "failed_lately";
    if (!r->hop)
        return "known";
    return r->hop->state == VN_HOP_UP ? "ready" : "connecting";
}

size_t vn_node_ways(struct vn_node *n, const struct vn_id *peer, struct vn_node_way *ret,
                    size_t cap)
{
    const struct vn_peer *p = vn_peer_get(n, peer);
    size_t count = 0;
    if (!p || !p->cert || cap == 0)
        return 0;
    ret[count++] = (struct vn_node_way){
        .direct = true, .tether = p->hop ? p->hop->handle : 0, .why = why_direct(n, p), .wish = ""};
    vn_learn_describe(p->tx, ret);
    VN_LIST_EACH(it, &n->peers.lru)
    {
        const struct vn_peer *r = VN_LIST_ENTRY(it, struct vn_peer, lru);
        if (r == p || !r->cert || count == cap)
            continue;
        struct vn_node_way *w = &ret[count++];
        const struct vn_route_rule *rule;
        *w = (struct vn_node_way){.relay = r->id,
                                  .tether = r->hop ? r->hop->handle : 0,
                                  .why = why_relay(n, r, p, &rule)};
        w->wish = rule ? vn_relay_wish_name(rule->wish) : "";
        if (rule)
            vn_route_rule_format(rule, w->rule);
        memcpy(w->tag, r->cert->tag, sizeof(w->tag));
        vn_learn_describe(p->tx, w);
    }
    return count;
}
