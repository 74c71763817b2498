/* What Guardian's queries about ways and what is behind them are answered with (admin.h). */
#include "anchor.pb-c.h"
#include "core/admin.h"
#include "core/node_i.h"

/* ---- routes ---- */

struct route {
    Vn__NodeRoute m;
    ProtobufCBinaryData via[VN_CIRCUIT_RELAYS_MAX];
    struct vn_node_way ways[VN_NODE_WAYS_MAX];
    Vn__NodeWay items[VN_NODE_WAYS_MAX], *pointers[VN_NODE_WAYS_MAX];
};

struct routes {
    struct vn_node_link links[VN_ADMIN_LINKS_MAX];
    struct route r[VN_COMMAND_ROUTES_MAX];
    Vn__NodeRoute *pointers[VN_COMMAND_ROUTES_MAX];
};

static ProtobufCBinaryData id_data(struct vn_id *id)
{
    return (ProtobufCBinaryData){VN_ID_LEN, id->b};
}

static void fill(struct vn_node *n, struct vn_node_link *l, struct route *r)
{
    vn__node_route__init(&r->m);
    r->m.node = id_data(&l->node);
    r->m.tag = l->tag;
    r->m.state = (char *)l->tx_state;
    r->m.via = r->via;
    r->m.n_via = l->via_count;
    for (size_t i = 0; i < l->via_count; i++)
        r->via[i] = id_data(&l->via[i]);
    r->m.ways = r->pointers;
    r->m.n_ways = vn_node_ways(n, &l->node, r->ways, VN_ARRAY_LEN(r->ways));
    for (size_t i = 0; i < r->m.n_ways; i++) {
        struct vn_node_way *w = &r->ways[i];
        vn__node_way__init(&r->items[i]);
        if (!w->direct)
            r->items[i].relay = id_data(&w->relay);
        r->items[i].tag = w->tag;
        r->items[i].why = (char *)w->why;
        r->items[i].cost_us = w->cost_us;
        r->pointers[i] = &r->items[i];
    }
}

void vn_admin_routes(struct vn_node *n, size_t offset, const struct vn_admin_send *to)
{
    Vn__NodeRoutes out = VN__NODE_ROUTES__INIT;
    Vn__CommandAnswer m = VN__COMMAND_ANSWER__INIT;
    struct routes *all = calloc(1, sizeof(*all));
    if (!all) {
        vn_admin_failed(to);
        return;
    }
    const size_t count =
        VN_MIN(vn_node_links(n, all->links, VN_ADMIN_LINKS_MAX), (size_t)VN_ADMIN_LINKS_MAX);
    out.routes = all->pointers;
    for (size_t i = 0; i < count; i++) {
        if (!all->links[i].tx_state)
            continue;
        if (out.total++ < offset || out.n_routes == VN_COMMAND_ROUTES_MAX)
            continue;
        fill(n, &all->links[i], &all->r[out.n_routes]);
        all->pointers[out.n_routes] = &all->r[out.n_routes].m;
        out.n_routes++;
    }
    m.detail_case = VN__COMMAND_ANSWER__DETAIL_ROUTES;
    m.routes = &out;
    to->send(to->arg, &m);
    free(all);
}

/* ---- networks behind peers ---- */

void vn_admin_remotes(struct vn_node *n, const struct vn_admin_send *to)
{
    Vn__NodeRemote items[VN_COMMAND_REMOTES_MAX], *pointers[VN_COMMAND_REMOTES_MAX];
    Vn__NodeRemotes out = VN__NODE_REMOTES__INIT;
    Vn__CommandAnswer m = VN__COMMAND_ANSWER__INIT;
    out.networks = pointers;
    VN_LIST_EACH(it, &n->peers.lru)
    {
        struct vn_peer *p = VN_LIST_ENTRY(it, struct vn_peer, lru);
        if (!p->tx && vn_list_empty(&p->rxs))
            continue;
        for (size_t i = 0; i < p->cert->prefix_count && out.n_networks < VN_ARRAY_LEN(items); i++) {
            Vn__NodeRemote *o = &items[out.n_networks];
            const struct vn_prefix *prefix = &p->cert->prefixes[i];
            vn__node_remote__init(o);
            o->node = (ProtobufCBinaryData){VN_ID_LEN, (uint8_t *)p->id.b};
            o->tag = (char *)p->cert->tag;
            o->addr = (ProtobufCBinaryData){sizeof(prefix->ip.b), (uint8_t *)prefix->ip.b};
            o->bits = prefix->bits;
            pointers[out.n_networks++] = o;
        }
    }
    m.detail_case = VN__COMMAND_ANSWER__DETAIL_REMOTES;
    m.remotes = &out;
    to->send(to->arg, &m);
}
