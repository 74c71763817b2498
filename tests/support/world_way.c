#include "support/world_way.h"

#include "support/test.h"

struct vn_stream *world_tx(const struct vn_world_node *from, const struct vn_world_node *to)
{
    const struct vn_peer *p = vn_world_peer(from, to);
    return p ? p->tx : NULL;
}

struct vn_world_node *world_relay(const struct vn_world_node *from, const struct vn_world_node *to)
{
    const struct vn_stream *tx = world_tx(from, to);
    struct vn_world *w = from->world;
    assert_non_null(tx);
    if (!tx->circuit || !tx->circuit->path)
        return NULL;
    for (size_t i = 0; i < w->count; i++) {
        const struct vn_node *n = w->nodes[i].node;
        if (n && vn_id_equal(&n->session.self, &tx->circuit->path->nodes[0]))
            return &w->nodes[i];
    }
    fail_msg("a relay that is no node of this world");
    return NULL;
}
