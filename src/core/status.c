/* What the local commands ask of a node; nothing here changes it. */
#include "core/node_i.h"

const char *vn_node_drop_name(enum vn_node_drop d)
{
    static const char *const names[VN_NDROP_COUNT] = {
        "subject",    "malformed", "hour_mac",  "stale",  "replay",   "rate",
        "seal",       "cert",      "signature", "body",   "affinity", "statement",
        "hs_state",   "control",   "circuit",   "cookie", "limit",    "revoked",
        "quarantine", "loop",      "inband",    "path"};
    return (unsigned)d < VN_NDROP_COUNT ? names[d] : "unknown";
}

static uint32_t permille(uint32_t q16)
{
    return (uint32_t)((uint64_t)q16 * 1000 / VN_Q16);
}

void vn_node_get_status(const struct vn_node *n, struct vn_node_status *ret)
{
    const struct vn_session *s = &n->session;
    *ret = (struct vn_node_status){
        .state = n->state,
        .control = s->control,
        .node = s->self,
        .cred = s->cred,
        .protocol_time_ms = vn_protocol_now(n),
        .renew_in_ms = s->renew_at_ms > n->now_ms ? s->renew_at_ms - n->now_ms : 0,
        .peer_count = vn_map_count(n->peers.by_id),
        .stream_tx_count = n->streams.tx_count,
        .stream_rx_count = n->streams.rx_count,
        .tether_count = vn_map_count(n->hops.by_handle),
        .relay_count = n->relaying.count,
        .relays_accepted = n->relaying.accepted,
        .probes = n->routes.probes,
        .heartbeats = n->routes.heartbeats,
        .moves = n->routes.moves,
        .failovers = n->routes.failovers,
        .relays_told = n->places.told,
        .relays_heard = n->places.heard,
        .place = n->places.at,
        .headroom_permille = permille(n->places.headroom.headroom_q16),
        .relay_allowed = s->own && vn_relaying_allowed(n),
        .inband_sent = n->inband.sent,
        .inband_received = n->inband.received,
        .inband_passed = n->inband.passed,
        .handshakes_started = n->handshakes_started,
        .handshakes_done = n->handshakes_done,
        .handshakes_answered = n->handshakes_answered,
        .cookies_sent = n->cookies_sent,
        .verified = n->turns.spent_milli / 1000,
        .messages_waited = n->turns.waited,
        .load_periods = n->load_periods,
        .under_load = n->cookies.under_load,
        .quarantined = n->quarantine.list.all,
        .quarantined_from = n->quarantine.list.count,
    };
    memcpy(ret->control_reason, s->control_reason, sizeof(ret->control_reason));
    /* Why Master refuses it. It closes the connection before it could say so. */
    if (s->cred && s->cred->expires_ms <= ret->protocol_time_ms)
        snprintf(ret->control_reason, sizeof(ret->control_reason),
                 "this node's credentials have ended, and Guardian has not renewed them");
    memcpy(ret->guardian_error, s->error, sizeof(ret->guardian_error));
    memcpy(ret->drops, n->drops, sizeof(ret->drops));
}

static const char *tx_state_name(enum vn_stream_state st)
{
    if (st == VN_TX_OPEN)
        return "open";
    return st == VN_TX_EXPECT_M1 || st == VN_TX_EXPECT_M2 ? "handshake" : "circuit";
}

static void link_fill(const struct vn_node *n, const struct vn_peer *p, struct vn_node_link *ret)
{
    *ret = (struct vn_node_link){.node = p->id, .addr_count = p->cert->addr_count};
    memcpy(ret->tag, p->cert->tag, sizeof(ret->tag));
    memcpy(ret->country, p->cert->country, sizeof(ret->country));
    memcpy(ret->addrs, p->cert->addrs, sizeof(ret->addrs));
    uint64_t since = n->now_ms;
    if (p->tx) {
        ret->tx = p->tx->handle;
        ret->tx_state = tx_state_name(p->tx->state);
        ret->handshake_us = p->tx->handshake_ms * 1000;
        since = VN_MIN(since, p->tx->since_ms);
        const struct vn_path *path = p->tx->circuit ? p->tx->circuit->path : NULL;
        ret->via_count = path ? path->count - 1 : 0;
        for (size_t i = 0; i < ret->via_count; i++)
            ret->via[i] = path->nodes[i];
    }
    VN_LIST_EACH(it, &p->rxs)
    {
        const struct vn_stream *s = VN_LIST_ENTRY(it, struct vn_stream, of_peer);
        ret->rx = s->handle;
        since = VN_MIN(since, s->since_ms);
    }
    if (p->hop) {
        ret->tether = p->hop->handle;
        ret->tether_up = p->hop->state == VN_HOP_UP;
    }
    ret->since_ms = n->now_ms - since;
}

size_t vn_node_links(const struct vn_node *n, struct vn_node_link *ret, size_t cap)
{
    size_t count = 0;
    VN_LIST_EACH(it, &n->peers.lru)
    {
        const struct vn_peer *p = VN_LIST_ENTRY(it, struct vn_peer, lru);
        if (!p->tx && vn_list_empty(&p->rxs) && !p->hop)
            continue;
        if (count < cap)
            link_fill(n, p, &ret[count]);
        count++;
    }
    return count;
}

static void relay_fill(struct vn_node *n, const struct vn_place_known *k, struct vn_node_relay *ret)
{
    const struct vn_peer *p = vn_peer_get(n, &k->node);
    const struct vn_relay *r = vn_book_find(&n->places.book, k->key);
    *ret = (struct vn_node_relay){.node = k->node,
                                  .rtt_us = r->rtt_us,
                                  .guess_us = vn_coord_rtt_us(&n->places.at, &r->at),
                                  .headroom_permille = 1000,
                                  .wish = "",
                                  .public = k->flags & VN_PLACE_PUBLIC};
    if (!p)
        return;
    memcpy(ret->tag, p->cert->tag, sizeof(ret->tag));
    memcpy(ret->country, p->cert->country, sizeof(ret->country));
    if (p->headroom != UINT16_MAX)
        ret->headroom_permille = permille(p->headroom);
    const struct vn_route_rule *rule;
    const enum vn_relay_grade grade = vn_relay_grade(n, p, &rule);
    ret->wish = grade < VN_RELAY_ANY ? vn_relay_wish_name(VN_RELAY_EXCLUDE)
                : grade > VN_RELAY_ANY
                    ? vn_relay_wish_name(grade == VN_RELAY_PINNED ? VN_RELAY_PIN : VN_RELAY_PREFER)
                    : "";
    if (rule)
        vn_route_rule_format(rule, ret->rule);
    ret->ready = vn_peer_fresh(n, p) && grade >= VN_RELAY_ANY;
    ret->tethered = p->hop && p->hop->state == VN_HOP_UP;
}

size_t vn_node_relays(struct vn_node *n, struct vn_node_relay *ret, size_t cap)
{
    size_t count = 0;
    for (size_t i = 0; i < VN_BOOK_MAX && count < cap; i++) {
        const struct vn_place_known *k = &n->places.known[i];
        if (k->key && vn_book_find(&n->places.book, k->key))
            relay_fill(n, k, &ret[count++]);
    }
    return count;
}

/* ---- counters of the worker ---- */

#define STATS_WAIT_MS 5000u

struct stats_request {
    struct vn_list all;
    uint32_t id;
    uint64_t asked_ms;
    void (*fn)(void *arg, const struct vn_ev_stats *stats);
    void *arg;
};

vn_status vn_node_stats(struct vn_node *n, void (*fn)(void *arg, const struct vn_ev_stats *stats),
                        void *arg)
{
    struct stats_request *r = calloc(1, sizeof(*r));
    if (!r)
        return VN_ERR_NOMEM;
    *r = (struct stats_request){
        .id = vn_next_handle(n), .asked_ms = n->now_ms, .fn = fn, .arg = arg};
    vn_list_init(&r->all);
    vn_list_append(&n->stats_requests, &r->all);
    if (!n->stats_timer.armed)
        vn_timer_arm(&n->timers, &n->stats_timer, n->now_ms + STATS_WAIT_MS);
    vn_tell_handle(n, VN_CMD_STATS, r->id);
    return VN_OK;
}

static void end_request(struct stats_request *r, const struct vn_ev_stats *ev)
{
    vn_list_remove(&r->all);
    r->fn(r->arg, ev);
    free(r);
}

/* Question or answer was lost: a mailbox was full, or there was no memory. */
static void on_stats_timer(void *arg)
{
    struct vn_node *n = arg;
    while (!vn_list_empty(&n->stats_requests)) {
        struct stats_request *r = VN_LIST_ENTRY(n->stats_requests.next, struct stats_request, all);
        if (n->now_ms < r->asked_ms + STATS_WAIT_MS) {
            vn_timer_arm(&n->timers, &n->stats_timer, r->asked_ms + STATS_WAIT_MS);
            return;
        }
        end_request(r, NULL);
    }
}

void vn_node_on_stats(struct vn_node *n, const struct vn_ev_stats *ev)
{
    VN_LIST_EACH(it, &n->stats_requests)
    {
        struct stats_request *r = VN_LIST_ENTRY(it, struct stats_request, all);
        if (r->id != ev->request)
            continue;
        end_request(r, ev);
        return;
    }
}

void vn_node_stats_init(struct vn_node *n)
{
    vn_list_init(&n->stats_requests);
    vn_timer_init(&n->stats_timer, on_stats_timer, n);
}

void vn_node_stats_done(struct vn_node *n)
{
    vn_timer_disarm(&n->timers, &n->stats_timer);
    VN_LIST_EACH(it, &n->stats_requests)
    free(VN_LIST_ENTRY(it, struct stats_request, all));
    vn_list_init(&n->stats_requests);
}
