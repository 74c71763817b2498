/*
 * timer           armed by                               disarmed by        fires
 * stream.life     keys; a new statement of either end    the stream's end   closes: EXPIRED
 * stream.rekey    see rekey.c
 * stream.timer    see initiator.c, responder.c, bind.c
 */
#include "core/stream.h"

#include "anchor.pb-c.h"
#include "core/node_i.h"

vn_status vn_streams_init(struct vn_node *n)
{
    /* Each direction has its own limit: streams to us never keep us from making ours. */
    const size_t max = (size_t)2 * VN_STREAMS_MAX;
    vn_status st = vn_map_new(sizeof(struct vn_id), max, &n->streams.by_sid);
    return st == VN_OK ? vn_map_new(sizeof(uint32_t), max, &n->streams.by_handle) : st;
}

struct vn_stream *vn_stream_by_sid(struct vn_node *n, const struct vn_id *sid)
{
    return vn_map_get(n->streams.by_sid, sid);
}

struct vn_stream *vn_stream_by_handle(struct vn_node *n, uint32_t handle, bool is_tx)
{
    struct vn_stream *s = vn_map_get(n->streams.by_handle, &handle);
    return s && s->is_tx == is_tx ? s : NULL;
}

static const char *state_name(enum vn_stream_state st)
{
    static const char *const names[] = {"expect_m1",    "expect_m2", "expect_circuit",
                                        "expect_bound", "tx_open",   "expect_m2_made",
                                        "expect_bind",  "rx_open"};
    return names[st];
}

static bool may_follow(enum vn_stream_state from, enum vn_stream_state to)
{
    switch (from) {
    case VN_TX_EXPECT_M1:
        return to == VN_TX_EXPECT_M2 || to == VN_TX_EXPECT_M1;
    case VN_TX_EXPECT_M2:
        return to == VN_TX_EXPECT_CIRCUIT || to == VN_TX_EXPECT_M1;
    case VN_TX_EXPECT_CIRCUIT:
        return to == VN_TX_EXPECT_BOUND;
    case VN_TX_EXPECT_BOUND:
        return to == VN_TX_OPEN || to == VN_TX_EXPECT_CIRCUIT;
    case VN_TX_OPEN:
        return to == VN_TX_EXPECT_CIRCUIT;
    case VN_RX_EXPECT_M2_MADE:
        return to == VN_RX_EXPECT_BIND;
    case VN_RX_EXPECT_BIND:
        return to == VN_RX_OPEN;
    case VN_RX_OPEN:
        return to == VN_RX_EXPECT_BIND;
    }
    return false;
}

void vn_stream_set_state(struct vn_stream *s, enum vn_stream_state state)
{
    assert(may_follow(s->state, state));
    vn_log(VN_LOG_DEBUG, "stream_state", VN_KV_ID("peer", &s->peer->id),
           VN_KV_U64("handle", s->handle), VN_KV_STR("from", state_name(s->state)),
           VN_KV_STR("to", state_name(state)));
    s->state = state;
}

void vn_stream_opened(struct vn_node *n, struct vn_stream *s)
{
    if (!s->was_open)
        n->streams.half_open_count--;
    s->was_open = true;
}

static void on_life(void *arg)
{
    struct vn_stream *s = arg;
    if (s->is_tx)
        vn_tx_renew(s->node, s, VN_CLOSE_EXPIRED, true);
    else
        vn_stream_close(s->node, s, VN_CLOSE_EXPIRED, true);
}

static void on_m2_timer(void *arg)
{
    struct vn_stream *s = arg;
    vn_buf_done(&s->m2);
}

static void rx_on_timer(void *arg)
{
    struct vn_stream *s = arg;
    vn_stream_close(s->node, s, VN_CLOSE_LOST, s->keyed);
}

vn_status vn_stream_new(struct vn_node *n, struct vn_peer *p, bool is_tx, const struct vn_id *sid,
                        struct vn_stream **ret)
{
    if (vn_stream_by_sid(n, sid))
        return VN_ERR_EXISTS;
    if ((is_tx ? n->streams.tx_count : n->streams.rx_count) >= VN_STREAMS_MAX)
        return VN_ERR_LIMIT;
    struct vn_stream *s = calloc(1, sizeof(*s));
    if (!s)
        return VN_ERR_NOMEM;
    s->handle = vn_next_handle(n);
    vn_status st = vn_map_put(n->streams.by_sid, sid, s);
    if (st == VN_OK)
        st = vn_map_put(n->streams.by_handle, &s->handle, s);
    if (st != VN_OK) {
        (void)vn_map_take(n->streams.by_sid, sid);
        free(s);
        return st;
    }
    s->node = n;
    s->is_tx = is_tx;
    s->state = is_tx ? VN_TX_EXPECT_M1 : VN_RX_EXPECT_M2_MADE;
    s->sid = *sid;
    s->peer = p;
    s->since_ms = n->now_ms;
    vn_list_init(&s->of_peer);
    vn_list_init(&s->lost);
    vn_list_init(&s->circuits);
    vn_timer_init(&s->timer, is_tx ? vn_tx_on_timer : rx_on_timer, s);
    vn_timer_init(&s->life, on_life, s);
    vn_timer_init(&s->route, vn_route_on_timer, s);
    vn_timer_init(&s->no_way, vn_route_on_no_way, s);
    vn_timer_init(&s->m2_timer, on_m2_timer, s);
    vn_rekey_init(&s->rekey, s);
    vn_buf_init(&s->m1, VN_CONTROL_PAYLOAD_MAX);
    vn_buf_init(&s->m2, VN_CONTROL_PAYLOAD_MAX);
    if (is_tx) {
        p->tx = s;
        n->streams.tx_count++;
        vn_route_no_way_goes_on(n, s);
    } else {
        vn_list_append(&p->rxs, &s->of_peer);
        n->streams.rx_count++;
        n->streams.half_open_count++;
    }
    vn_log(VN_LOG_DEBUG, "stream_created", VN_KV_ID("peer", &p->id), VN_KV_U64("handle", s->handle),
           VN_KV_STR("direction", is_tx ? "tx" : "rx"));
    *ret = s;
    return VN_OK;
}

vn_status vn_stream_rename(struct vn_node *n, struct vn_stream *s, const struct vn_id *sid)
{
    if (vn_stream_by_sid(n, sid))
        return VN_ERR_EXISTS;
    (void)vn_map_take(n->streams.by_sid, &s->sid);
    s->sid = *sid;
    return vn_map_put(n->streams.by_sid, sid, s);
}

static void stream_free(struct vn_node *n, struct vn_stream *s)
{
    s->learner = vn_learn_free(n, s->learner);
    VN_LIST_EACH(it, &s->circuits)
    vn_circuit_detach(VN_LIST_ENTRY(it, struct vn_circuit, of_stream));
    vn_timer_disarm(&n->timers, &s->timer);
    vn_timer_disarm(&n->timers, &s->life);
    vn_timer_disarm(&n->timers, &s->route);
    vn_timer_disarm(&n->timers, &s->no_way);
    vn_timer_disarm(&n->timers, &s->m2_timer);
    (void)vn_map_take(n->streams.by_sid, &s->sid);
    (void)vn_map_take(n->streams.by_handle, &s->handle);
    vn_list_remove(&s->of_peer);
    vn_list_remove(&s->lost);
    if (s->is_tx) {
        s->peer->tx = NULL;
        n->streams.tx_count--;
    } else {
        vn_stream_opened(n, s);
        n->streams.rx_count--;
    }
    vn_hs_state_free(s->hs);
    vn_rekey_done(n, &s->rekey);
    vn_hs_keys_wipe(&s->keys);
    vn_buf_done(&s->m1);
    vn_buf_done(&s->m2);
    free(s);
}

void vn_stream_close(struct vn_node *n, struct vn_stream *s, enum vn_close_reason why, bool tell)
{
    struct vn_peer *p = s->peer;
    vn_log(VN_LOG_DEBUG, "stream_destroyed", VN_KV_ID("peer", &p->id),
           VN_KV_U64("handle", s->handle), VN_KV_U64("why", why));
    if (tell && s->keyed) {
        Vn__StreamClose c = VN__STREAM_CLOSE__INIT;
        Vn__StreamControl m = VN__STREAM_CONTROL__INIT;
        c.reason = why;
        m.kind_case = VN__STREAM_CONTROL__KIND_CLOSE;
        m.close = &c;
        vn_ctl_send(n, s, &m);
    }
    if (s->at_worker)
        vn_tell_handle(n, s->is_tx ? VN_CMD_TX_CLOSE : VN_CMD_RX_CLOSE, s->handle);
    s->learner = vn_learn_free(n, s->learner);
    s->circuit = NULL;
    VN_LIST_EACH(it, &s->circuits)
    vn_circuit_close(n, VN_LIST_ENTRY(it, struct vn_circuit, of_stream), true);
    stream_free(n, s);
    if (p->hop)
        vn_hop_check_use(n, p->hop);
    if (p->beside)
        vn_hop_check_use(n, p->beside);
}

bool vn_stream_loses(struct vn_node *n, struct vn_stream *s, struct vn_circuit *c, bool failed)
{
    bool carried = s->circuit == c;
    vn_circuit_detach(c);
    if (c->path && !c->retired)
        vn_route_failed(n, &c->path->nodes[0]);
    vn_learn_loses(s, c, failed || carried);
    if (carried)
        s->circuit = NULL;
    else
        vn_race_lost(n, s, c);
    return carried;
}

void vn_tx_failed(struct vn_node *n, struct vn_stream *s, enum vn_close_reason why)
{
    vn_dests_reject(n, s->peer);
    vn_stream_close(n, s, why, true);
}

void vn_tx_renew(struct vn_node *n, struct vn_stream *s, enum vn_close_reason why, bool tell)
{
    struct vn_peer *p = s->peer;
    vn_dests_wait(n, p);
    vn_stream_close(n, s, why, tell);
    vn_peer_drop_descriptor(p);
    vn_dests_refresh(n, p);
}

void vn_streams_close_peer(struct vn_node *n, struct vn_peer *p, enum vn_close_reason why)
{
    vn_dests_forget(n, p);
    if (p->tx)
        vn_stream_close(n, p->tx, why, true);
    VN_LIST_EACH(it, &p->rxs)
    vn_stream_close(n, VN_LIST_ENTRY(it, struct vn_stream, of_peer), why, true);
}

void vn_streams_close_all(struct vn_node *n, enum vn_close_reason why)
{
    VN_LIST_EACH(it, &n->peers.lru)
    vn_streams_close_peer(n, VN_LIST_ENTRY(it, struct vn_peer, lru), why);
}

void vn_streams_done(struct vn_node *n)
{
    if (!n->streams.by_sid)
        return;
    size_t cursor = 0;
    const void *key;
    void *value;
    while (vn_map_next(n->streams.by_sid, &cursor, &key, &value))
        stream_free(n, value);
    n->streams.by_sid = vn_map_free(n->streams.by_sid);
    n->streams.by_handle = vn_map_free(n->streams.by_handle);
}

/* ---- life ---- */

static void arm_life(struct vn_node *n, struct vn_stream *s)
{
    const struct vn_peer *p = s->peer;
    if (!s->keyed)
        return;
    uint64_t end = VN_MIN(p->cert->not_after_ms, n->session.own->not_after_ms);
    end = VN_MIN(end, n->session.statement.not_after_ms);
    if (p->has_statement)
        end = VN_MIN(end, p->statement.not_after_ms);
    vn_timer_arm(&n->timers, &s->life, vn_local_time(n, end));
}

void vn_streams_rearm_life(struct vn_node *n, struct vn_peer *p)
{
    if (p->tx)
        arm_life(n, p->tx);
    VN_LIST_EACH(it, &p->rxs)
    arm_life(n, VN_LIST_ENTRY(it, struct vn_stream, of_peer));
}

/* ---- what the worker says ---- */

void vn_stream_event_idle(struct vn_node *n, uint32_t tx)
{
    struct vn_stream *s = vn_stream_by_handle(n, tx, true);
    if (!s || s->state != VN_TX_OPEN || vn_warm_keeps(n, s->peer))
        return;
    vn_dests_forget(n, s->peer);
    vn_stream_close(n, s, VN_CLOSE_IDLE, true);
}

/* Its source makes it anew when it hears of that. */
void vn_stream_event_lost(struct vn_node *n, uint32_t rx)
{
    struct vn_stream *s = vn_stream_by_handle(n, rx, false);
    if (s)
        vn_stream_close(n, s, VN_CLOSE_LOST, true);
}

/* The old stream lives until the new one's first valid frame. */
void vn_stream_event_first(struct vn_node *n, uint32_t rx)
{
    struct vn_stream *s = vn_stream_by_handle(n, rx, false);
    if (!s)
        return;
    VN_LIST_EACH(it, &s->peer->rxs)
    {
        struct vn_stream *old = VN_LIST_ENTRY(it, struct vn_stream, of_peer);
        if (old == s)
            break; /* in order of arrival: those behind are newer */
        vn_stream_close(n, old, VN_CLOSE_SUPERSEDED, true);
    }
}
