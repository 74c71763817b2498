#include "core/quarantine.h"

#include "core/node_i.h"

static int compare(const void *a, const void *b)
{
    return memcmp(((const struct vn_ip *)a)->b, ((const struct vn_ip *)b)->b, sizeof(struct vn_ip));
}

bool vn_quarantine_refuses(const struct vn_node *n, const struct vn_identity *peer)
{
    const struct vn_quarantine_list *l = &n->quarantine.list;
    if (l->all)
        return true;
    for (size_t i = 0; l->count && i < peer->addr_count; i++) {
        if (bsearch(&peer->addrs[i], l->addrs, l->count, sizeof(*l->addrs), compare))
            return true;
    }
    return false;
}

/* Everything that lives between us and who is on the list. */
static void cut(struct vn_node *n)
{
    VN_LIST_EACH(it, &n->peers.lru)
    {
        struct vn_peer *p = VN_LIST_ENTRY(it, struct vn_peer, lru);
        if (!vn_quarantine_refuses(n, p->cert))
            continue;
        vn_peer_drop_descriptor(p);
        vn_streams_close_peer(n, p, VN_CLOSE_NOT_ALLOWED);
        vn_hops_close_peer(n, p);
    }
}

void vn_quarantine_set(struct vn_node *n, struct vn_quarantine_list *l)
{
    struct vn_quarantine_list *now = &n->quarantine.list;
    if (l->number <= now->number) { /* the one in force, or late */
        free(VN_TAKE(l->addrs));
        return;
    }
    bool news = l->all != now->all || l->count || now->count;
    if (news)
        vn_log(VN_LOG_WARN, l->all || l->count ? "quarantined" : "quarantine_lifted",
               VN_KV_STR("from", l->all ? "all" : "some"), VN_KV_U64("nodes", l->count));
    free(now->addrs);
    *now = *l;
    l->addrs = NULL;
    if (now->count)
        qsort(now->addrs, now->count, sizeof(*now->addrs), compare);
    if (!news)
        return;
    cut(n);
    vn_dests_retry(n); /* who is on it no more is asked for again at once */
}

void vn_quarantine_done(struct vn_node *n)
{
    free(n->quarantine.list.addrs);
    n->quarantine.list = (struct vn_quarantine_list){0};
}
