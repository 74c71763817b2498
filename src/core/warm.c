/*
 * timer        armed by                                    disarmed by   fires
 * warm.timer   online, control channel up (at once); then  the end       who is cold is looked for;
 *              30 s, or while somebody is cold 2 s,                      circuits of the others get
 *              doubling to 60 s                                          a BIND
 */
#include "core/warm.h"

#include "core/node_i.h"

#define LOOK_MS 30000 /* shorter than what a relay bears without a frame: VN_RELAY_IDLE_MS */
#define COLD_MS 2000
#define COLD_DOUBLINGS 5u

bool vn_warm_keeps(const struct vn_node *n, const struct vn_peer *p)
{
    for (size_t i = 0; i < n->warm.count; i++) {
        if (n->warm.peers[i].known && vn_id_equal(&n->warm.peers[i].id, &p->id))
            return true;
    }
    return false;
}

static void on_found(void *arg, const struct vn_resolved *list, size_t count)
{
    struct vn_warm_peer *w = arg;
    struct vn_node *n = w->node;
    struct vn_peer *p = count > 0 ? vn_peer_get(n, &list[0].node) : NULL;
    if (!p || n->state != VN_NODE_ONLINE)
        return;
    w->known = true;
    w->id = p->id;
    if (!p->tx)
        (void)vn_tx_want(n, p);
}

/* True: its stream is open, and was asked for again if it slept. */
static bool tend(struct vn_node *n, struct vn_warm_peer *w)
{
    const struct vn_peer *p = w->known ? vn_peer_get(n, &w->id) : NULL;
    struct vn_stream *s = p ? p->tx : NULL;
    if (!s) {
        if (vn_node_resolve(n, w->name, on_found, w) != VN_OK)
            vn_log(VN_LOG_DEBUG, "peer_cold", VN_KV_STR("what", w->name));
        return false;
    }
    if (s->state != VN_TX_OPEN)
        return false;
    vn_bind_ask(n, s, s->circuit, false);
    return true;
}

static void on_timer(void *arg)
{
    struct vn_node *n = arg;
    struct vn_warm *w = &n->warm;
    bool cold = false;
    if (n->state != VN_NODE_ONLINE)
        return;
    for (size_t i = 0; i < w->count; i++)
        cold = !tend(n, &w->peers[i]) || cold;
    w->searches = cold ? w->searches + 1 : 0;
    const uint64_t wait_ms =
        cold ? (uint64_t)COLD_MS << VN_MIN(w->searches - 1, COLD_DOUBLINGS) : LOOK_MS;
    vn_timer_arm(&n->timers, &w->timer, n->now_ms + vn_jitter(n, wait_ms));
}

void vn_warm_start(struct vn_node *n)
{
    n->warm.searches = 0;
    if (n->warm.count > 0)
        vn_timer_arm(&n->timers, &n->warm.timer, n->now_ms);
}

void vn_warm_init(struct vn_node *n)
{
    struct vn_warm *w = &n->warm;
    w->count = VN_MIN(n->cfg.keep_warm_count, VN_ARRAY_LEN(w->peers));
    for (size_t i = 0; i < w->count; i++) {
        w->peers[i].node = n;
        snprintf(w->peers[i].name, sizeof(w->peers[i].name), "%s", n->cfg.keep_warm[i]);
    }
    vn_timer_init(&w->timer, on_timer, n);
}

void vn_warm_done(struct vn_node *n)
{
    vn_timer_disarm(&n->timers, &n->warm.timer);
}
