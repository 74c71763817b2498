#include "core/dest.h"

#include "core/node_i.h"

struct vn_dest {
    struct vn_ip ip;
    struct vn_peer *peer; /* NULL: asked for */
    struct vn_list of;    /* peer->dests or dests.asking */
};

vn_status vn_dests_init(struct vn_node *n)
{
    vn_list_init(&n->dests.asking);
    return vn_map_new(sizeof(struct vn_ip), VN_EGRESSERS_MAX, &n->dests.by_ip);
}

static void dest_free(struct vn_node *n, struct vn_dest *d)
{
    vn_list_remove(&d->of);
    (void)vn_map_take(n->dests.by_ip, &d->ip);
    free(d);
}

void vn_dests_done(struct vn_node *n)
{
    size_t cursor = 0;
    const void *key;
    void *value;
    while (n->dests.by_ip && vn_map_next(n->dests.by_ip, &cursor, &key, &value))
        dest_free(n, value);
    n->dests.by_ip = vn_map_free(n->dests.by_ip);
}

static struct vn_dest *dest_get(struct vn_node *n, const struct vn_ip *ip)
{
    return vn_map_get(n->dests.by_ip, ip);
}

/* A peer that we know comes back, most often soon: the longer it was away, the longer it may take
 * us to see that it is back. */
static uint32_t reject_ms(struct vn_node *n, const struct vn_ip *ip)
{
    struct vn_peer *p = vn_peer_by_ip(n, ip);
    if (!p)
        return VN_UNREACHABLE_MS;
    if (!p->lost_ms)
        p->lost_ms = n->now_ms;
    uint64_t ms = VN_MAX((n->now_ms - p->lost_ms) / VN_LOST_SHARE, (uint64_t)VN_LOST_REJECT_MIN_MS);
    return (uint32_t)VN_MIN(ms, (uint64_t)VN_UNREACHABLE_MS);
}

static void dest_reject(struct vn_node *n, struct vn_dest *d)
{
    vn_tell_dest(n, &d->ip, VN_DEST_REJECT, 0, reject_ms(n, &d->ip));
    dest_free(n, d);
}

static void dest_attach(struct vn_node *n, struct vn_dest *d, struct vn_peer *p)
{
    d->peer = p;
    vn_list_remove(&d->of);
    vn_list_append(&p->dests, &d->of);
    if (p->tx && p->tx->state == VN_TX_OPEN)
        vn_tell_dest(n, &d->ip, VN_DEST_USE, p->tx->handle, 0);
    else if (vn_route_is_parted(n, p))
        vn_tell_dest(n, &d->ip, VN_DEST_REJECT, 0, reject_ms(n, &d->ip));
}

/* ---- the worker ---- */

static bool routable(const struct vn_node *n, const struct vn_ip *ip)
{
    const struct vn_realm_info *r = &n->session.cred->realm;
    if (!vn_prefix_contains(&r->range4, ip) && !vn_prefix_contains(&r->range6, ip))
        return false;
    for (size_t i = 0; i < n->session.own->addr_count; i++) {
        if (vn_ip_equal(&n->session.own->addrs[i], ip))
            return false;
    }
    return true;
}

/* Known, with a key that still counts, and as far as we know allowed. */
static struct vn_peer *usable_peer(struct vn_node *n, const struct vn_ip *ip)
{
    struct vn_peer *p = vn_peer_by_ip(n, ip);
    if (!p || !vn_peer_fresh(n, p) || vn_quarantine_refuses(n, p->cert))
        return NULL;
    if (p->has_statement && !vn_affinity_allows(n, &p->statement, true, NULL, NULL))
        return NULL;
    return p;
}

/* Makes the stream to whoever is known to serve it, or asks. */
static void dest_start(struct vn_node *n, struct vn_dest *d)
{
    struct vn_ip ip = d->ip;
    struct vn_peer *p = usable_peer(n, &ip);
    if (p) {
        dest_attach(n, d, p);
        if (vn_tx_want(n, p))
            return;
    }
    if (dest_get(n, &ip) == d && vn_query_ip(n, &ip) != VN_OK)
        dest_reject(n, d);
}

void vn_dest_wanted(struct vn_node *n, const struct vn_ip *ip)
{
    if (n->state != VN_NODE_ONLINE || !routable(n, ip)) {
        vn_tell_dest(n, ip, VN_DEST_REJECT, 0, VN_UNREACHABLE_MS);
        return;
    }
    struct vn_dest *d = dest_get(n, ip);
    if (d) {
        /* The worker was told to use a stream that it could not open, for want of memory: waiting
         * is better than telling it again. */
        if (d->peer && d->peer->tx && d->peer->tx->state == VN_TX_OPEN)
            vn_tx_failed(n, d->peer->tx, VN_CLOSE_LOST);
        else if (d->peer && vn_route_is_parted(n, d->peer))
            vn_tell_dest(n, ip, VN_DEST_REJECT, 0, reject_ms(n, ip));
        return;
    }
    d = calloc(1, sizeof(*d));
    if (!d)
        return;
    d->ip = *ip;
    vn_list_init(&d->of);
    if (vn_map_put(n->dests.by_ip, ip, d) != VN_OK) {
        free(d);
        vn_tell_dest(n, ip, VN_DEST_REJECT, 0, VN_UNREACHABLE_MS);
        return;
    }
    vn_list_append(&n->dests.asking, &d->of);
    dest_start(n, d);
}

void vn_dest_idle(struct vn_node *n, const struct vn_ip *ip)
{
    struct vn_dest *d = dest_get(n, ip);
    if (d)
        dest_free(n, d);
}

/* ---- queries ---- */

void vn_dest_answered(struct vn_node *n, const struct vn_ip *ip)
{
    struct vn_dest *d = dest_get(n, ip);
    if (d && (!d->peer || !d->peer->tx))
        dest_start(n, d); /* what the answer began has ended within those 50 ms */
}

void vn_dest_unreachable(struct vn_node *n, const struct vn_ip *ip)
{
    struct vn_dest *d = dest_get(n, ip);
    if (!d)
        return;
    struct vn_peer *p = d->peer;
    if (p && p->tx && p->tx->state == VN_TX_OPEN)
        return; /* its stream came back meanwhile */
    if (p)
        vn_route_found(n, p); /* or rather: it is not the ways that fail */
    dest_reject(n, d);
    if (!p || !vn_list_empty(&p->dests))
        return;
    vn_peer_drop_descriptor(p);
    if (p->tx)
        vn_stream_close(n, p->tx, VN_CLOSE_LOST, true);
}

void vn_dests_descriptor(struct vn_node *n, struct vn_peer *p)
{
    for (size_t i = 0; i < p->cert->addr_count; i++) {
        struct vn_dest *d = dest_get(n, &p->cert->addrs[i]);
        if (d && d->peer != p && vn_peer_by_ip(n, &d->ip) == p)
            dest_attach(n, d, p);
    }
    if (vn_list_empty(&p->dests) || !vn_peer_fresh(n, p))
        return;
    if (!p->tx) {
        if (!vn_tx_want(n, p))
            vn_dests_reject(n, p);
        return;
    }
    vn_tx_descriptor_changed(n, p);
    vn_hop_descriptor_changed(n, p);
    if (p->tx)
        vn_tx_advance(n, p->tx);
}

/* ---- the peer's stream ---- */

static void each(struct vn_node *n, struct vn_peer *p, enum vn_dest_verdict verdict, uint32_t tx,
                 bool drop)
{
    VN_LIST_EACH(it, &p->dests)
    {
        struct vn_dest *d = VN_LIST_ENTRY(it, struct vn_dest, of);
        vn_tell_dest(n, &d->ip, verdict, tx, verdict == VN_DEST_REJECT ? reject_ms(n, &d->ip) : 0);
        if (drop)
            dest_free(n, d);
    }
}

void vn_dests_use(struct vn_node *n, struct vn_peer *p)
{
    each(n, p, VN_DEST_USE, p->tx->handle, false);
}

void vn_dests_wait(struct vn_node *n, struct vn_peer *p)
{
    each(n, p, vn_route_is_parted(n, p) ? VN_DEST_REJECT : VN_DEST_WAIT, 0, false);
}

void vn_dests_refuse(struct vn_node *n, struct vn_peer *p)
{
    each(n, p, VN_DEST_REJECT, 0, false);
}

void vn_dests_forget(struct vn_node *n, struct vn_peer *p)
{
    each(n, p, VN_DEST_FORGET, 0, true);
}

void vn_dests_reject(struct vn_node *n, struct vn_peer *p)
{
    each(n, p, VN_DEST_REJECT, 0, true);
}

void vn_dests_retry(struct vn_node *n)
{
    static const struct vn_ip all;
    vn_tell_dest(n, &all, VN_DEST_FORGET, 0, 0);
}

void vn_dests_retry_peer(struct vn_node *n, const struct vn_peer *p)
{
    for (size_t i = 0; p->cert && i < p->cert->addr_count; i++) {
        if (!dest_get(n, &p->cert->addrs[i]))
            vn_tell_dest(n, &p->cert->addrs[i], VN_DEST_FORGET, 0, 0);
    }
}

void vn_dests_refresh(struct vn_node *n, struct vn_peer *p)
{
    VN_LIST_EACH(it, &p->dests)
    {
        struct vn_dest *d = VN_LIST_ENTRY(it, struct vn_dest, of);
        if (vn_query_ip(n, &d->ip) != VN_OK)
            dest_reject(n, d);
    }
}

void vn_dests_move(struct vn_node *n, struct vn_peer *from, struct vn_peer *to)
{
    VN_LIST_EACH(it, &from->dests)
    {
        struct vn_dest *d = VN_LIST_ENTRY(it, struct vn_dest, of);
        bool owned = false;
        for (size_t i = 0; i < to->cert->addr_count; i++)
            owned = owned || vn_ip_equal(&to->cert->addrs[i], &d->ip);
        if (!owned)
            continue;
        vn_tell_dest(n, &d->ip, VN_DEST_WAIT, 0, 0);
        dest_attach(n, d, to);
    }
    vn_dests_refresh(n, to); /* its descriptor makes the stream, see vn_dests_descriptor */
}
