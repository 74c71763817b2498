/* Circuits through relays, at their source. */
#include "core/circuit.h"
#include "core/node_i.h"

struct vn_path *vn_path_free(struct vn_path *p)
{
    if (p)
        vn_wipe(p, sizeof(*p));
    free(p);
    return NULL;
}

/* A path and the blob for its first node. */
static vn_status path_make(struct vn_node *n, const struct vn_id *nodes, size_t count,
                           uint32_t bind, struct vn_buf *ret_blob, struct vn_path **ret,
                           struct vn_id *ret_missing)
{
    struct vn_setup_hop hops[VN_SETUP_SLOTS];
    uint8_t blob[VN_SETUP_BLOB_MAX];
    for (size_t i = 0; i < count; i++) {
        const struct vn_peer *p = vn_peer_get(n, &nodes[i]);
        if (!p || !vn_peer_fresh(n, p) || (i > 0 && !p->descriptor.n)) {
            *ret_missing = nodes[i];
            return VN_ERR_NOTFOUND;
        }
        hops[i] = (struct vn_setup_hop){.node = nodes[i], .ek = VN_SPAN(p->eks, p->eks_len)};
    }
    struct vn_path *path = calloc(1, sizeof(*path));
    if (!path)
        return VN_ERR_NOMEM;
    memcpy(path->nodes, nodes, count * sizeof(*nodes));
    path->count = count;
    vn_status st = vn_setup_seal(n->suite, hops, count, vn_protocol_now(n), bind, blob, path->keys);
    if (st == VN_OK)
        st = vn_buf_append(ret_blob, blob, vn_setup_blob_len(n->suite));
    if (st != VN_OK) {
        vn_path_free(path);
        return st;
    }
    *ret = path;
    return VN_OK;
}

vn_status vn_circuit_open_path(struct vn_node *n, struct vn_stream *s, struct vn_circuit **slot,
                               const struct vn_id *nodes, size_t count, struct vn_id *ret_missing)
{
    assert(count >= 2 && count <= VN_SETUP_SLOTS && !*slot);
    struct vn_buf blob;
    struct vn_path *path = NULL;
    uint32_t bind;
    vn_buf_init(&blob, VN_SETUP_BLOB_MAX);
    vn_status st = vn_random_fill(n, &bind, sizeof(bind));
    if (st == VN_OK)
        st = path_make(n, nodes, count, bind | 1, &blob, &path, ret_missing);
    struct vn_peer *first = vn_peer_get(n, &nodes[0]);
    if (st == VN_OK && !first->hop)
        st = vn_hop_offer(n, first);
    if (st == VN_OK && first->hop->circuit_count >= VN_LABELS_PER_NEIGHBOUR_MAX)
        st = VN_ERR_LIMIT;
    struct vn_circuit *c = st == VN_OK ? vn_circuit_make(n, first->hop, true, 0) : NULL;
    if (!c) {
        vn_path_free(path);
        vn_buf_done(&blob);
        return st == VN_OK ? VN_ERR_NOMEM : st;
    }
    c->hops = vn_circuit_random_hops(n);
    c->bind = bind | 1;
    c->sealed = true;
    c->blob = blob;
    c->path = path;
    vn_circuit_attach(c, s);
    *slot = c;
    vn_circuit_begin(n, c);
    return VN_OK;
}

/* A relay on the path does not know its next hop yet. */
void vn_source_on_need_desc(struct vn_node *n, struct vn_circuit *c, const struct vn_circuit_msg *m)
{
    struct vn_path *path = c->path;
    for (size_t i = 0; path && i + 1 < path->count; i++) {
        if (memcmp(path->keys[i].mark, m->mark.p, VN_SETUP_MARK_LEN) != 0)
            continue;
        const struct vn_peer *p = vn_peer_get(n, &path->nodes[i + 1]);
        uint8_t *sealed = p && p->descriptor.n && !path->told[i]
                              ? malloc(p->descriptor.n + VN_AEAD_TAG_LEN)
                              : NULL;
        struct vn_span desc = sealed ? VN_SPAN(p->descriptor.p, p->descriptor.n) : VN_SPAN_NONE;
        if (sealed && vn_setup_desc_seal(&path->keys[i], desc, sealed) == VN_OK) {
            path->told[i] = true;
            vn_circuit_send(
                n, c->hop,
                &(struct vn_circuit_msg){.type = VN_CIRCUIT_DESC,
                                         .request = c->request,
                                         .mark = m->mark,
                                         .blob = VN_SPAN(sealed, desc.n + VN_AEAD_TAG_LEN)});
        }
        free(sealed);
        return;
    }
    vn_drop(n, VN_NDROP_CIRCUIT);
}
