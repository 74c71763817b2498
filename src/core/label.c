#include "core/label.h"

#include "core/node_i.h"

struct vn_label {
    uint8_t key[2 * sizeof(uint32_t)]; /* tether handle, label */
    struct vn_circuit *circuit;        /* NULL: retired */
    uint64_t reuse_ms;
    struct vn_list retired;
};

static void label_key(uint32_t tether, uint32_t label, uint8_t ret[8])
{
    memcpy(ret, &tether, sizeof(tether));
    memcpy(ret + sizeof(tether), &label, sizeof(label));
}

static void label_free(struct vn_node *n, struct vn_label *l)
{
    (void)vn_map_take(n->hops.labels, l->key);
    vn_list_remove(&l->retired);
    free(l);
}

static void forget_retired(struct vn_node *n)
{
    while (!vn_list_empty(&n->hops.retired)) {
        struct vn_label *l = VN_LIST_ENTRY(n->hops.retired.next, struct vn_label, retired);
        if (l->reuse_ms > n->now_ms)
            break;
        label_free(n, l);
    }
}

vn_status vn_label_make(struct vn_node *n, struct vn_circuit *c, uint32_t *ret)
{
    forget_retired(n);
    struct vn_label *l = calloc(1, sizeof(*l));
    if (!l)
        return VN_ERR_NOMEM;
    uint32_t label;
    do {
        vn_status st = vn_random_fill(n, &label, sizeof(label));
        if (st != VN_OK) {
            free(l);
            return st;
        }
        label_key(c->hop->handle, label, l->key);
    } while (label == 0 || vn_map_get(n->hops.labels, l->key));
    l->circuit = c;
    vn_list_init(&l->retired);
    vn_status st = vn_map_put(n->hops.labels, l->key, l);
    if (st != VN_OK) {
        free(l);
        return st;
    }
    *ret = label;
    return VN_OK;
}

void vn_label_retire(struct vn_node *n, uint32_t tether, uint32_t label)
{
    uint8_t key[8];
    label_key(tether, label, key);
    struct vn_label *l = vn_map_get(n->hops.labels, key);
    if (!l)
        return;
    l->circuit = NULL;
    l->reuse_ms = n->now_ms + VN_LABEL_REUSE_MS;
    vn_list_append(&n->hops.retired, &l->retired);
}

void vn_labels_done(struct vn_node *n)
{
    while (n->hops.labels && !vn_list_empty(&n->hops.retired))
        label_free(n, VN_LIST_ENTRY(n->hops.retired.next, struct vn_label, retired));
}

struct vn_circuit *vn_circuit_by_label(struct vn_node *n, const struct vn_hop *h, uint32_t label)
{
    uint8_t key[8];
    label_key(h->handle, label, key);
    const struct vn_label *l = vn_map_get(n->hops.labels, key);
    return l ? l->circuit : NULL;
}
