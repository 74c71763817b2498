#include "wire/merkle.h"

#include <stdlib.h>

#include "base/attr.h"

struct vn_merkle {
    size_t leaves, count; /* of all nodes: leaves first, the root last */
    struct vn_hash nodes[];
};

static vn_status join(enum vn_hash_alg alg, const struct vn_hash *l, const struct vn_hash *r,
                      struct vn_hash *ret)
{
    static const uint8_t inner[] = {0x03};
    return vn_hash(alg, VN_PARTS(VN_SPAN_ARRAY(inner), vn_hash_span(l), vn_hash_span(r)), ret);
}

vn_status vn_merkle_leaf(enum vn_hash_alg alg, struct vn_span message, struct vn_hash *ret)
{
    static const uint8_t first[] = {0x01};
    return vn_hash(alg, VN_PARTS(VN_SPAN_ARRAY(first), message), ret);
}

vn_status vn_merkle_new(enum vn_hash_alg alg, const struct vn_hash *leaves, size_t n,
                        struct vn_merkle **ret)
{
    if (n == 0 || n > VN_MERKLE_LEAVES_MAX)
        return VN_ERR_ARG;
    /* Every level but the last halves, rounded up. */
    size_t most = 2 * n + VN_MERKLE_PATH_MAX;
    VN_CLEANUP(vn_merkle_freep)
    struct vn_merkle *m = calloc(1, sizeof(*m) + most * sizeof(m->nodes[0]));
    if (!m)
        return VN_ERR_NOMEM;
    m->leaves = n;
    for (size_t i = 0; i < n; i++) {
        if (leaves[i].n != vn_hash_len(alg))
            return VN_ERR_ARG;
        m->nodes[m->count++] = leaves[i];
    }
    for (size_t level = 0, width = n; width > 1; level += width, width = (width + 1) / 2) {
        for (size_t i = 0; i < width; i += 2) {
            const struct vn_hash *l = &m->nodes[level + i];
            struct vn_hash *up = &m->nodes[m->count++];
            vn_status st = VN_OK;
            if (i + 1 < width)
                st = join(alg, l, l + 1, up);
            else
                *up = *l;
            if (st != VN_OK)
                return st;
        }
    }
    *ret = VN_TAKE(m);
    return VN_OK;
}

struct vn_merkle *vn_merkle_free(struct vn_merkle *m)
{
    free(m);
    return NULL;
}

void vn_merkle_freep(struct vn_merkle **m)
{
    *m = vn_merkle_free(*m);
}

const struct vn_hash *vn_merkle_root(const struct vn_merkle *m)
{
    return &m->nodes[m->count - 1];
}

size_t vn_merkle_path(const struct vn_merkle *m, size_t i,
                      const struct vn_hash *ret[VN_MERKLE_PATH_MAX])
{
    size_t n = 0;
    for (size_t level = 0, width = m->leaves; width > 1;
         level += width, width = (width + 1) / 2, i /= 2)
        if ((i ^ 1) < width)
            ret[n++] = &m->nodes[level + (i ^ 1)];
    return n;
}

size_t vn_merkle_path_len(size_t i, size_t n)
{
    size_t len = 0;
    for (; n > 1; n = (n + 1) / 2, i /= 2)
        len += (i ^ 1) < n;
    return len;
}

vn_status vn_merkle_climb(enum vn_hash_alg alg, const struct vn_hash *leaf, size_t i, size_t n,
                          struct vn_span path, struct vn_hash *ret_root)
{
    size_t len = vn_hash_len(alg);
    if (i >= n || n > VN_MERKLE_LEAVES_MAX || path.n != vn_merkle_path_len(i, n) * len)
        return VN_ERR_ARG;
    struct vn_hash at = *leaf;
    for (const uint8_t *p = path.p; n > 1; n = (n + 1) / 2, i /= 2) {
        if ((i ^ 1) >= n)
            continue;
        struct vn_hash sibling = {.n = len};
        memcpy(sibling.b, p, len);
        p += len;
        struct vn_hash up;
        vn_status st = i & 1 ? join(alg, &sibling, &at, &up) : join(alg, &at, &sibling, &up);
        if (st != VN_OK)
            return st;
        at = up;
    }
    *ret_root = at;
    return VN_OK;
}

void vn_merkle_write_place(const struct vn_merkle *m, size_t i, struct vn_writer *w)
{
    const struct vn_hash *path[VN_MERKLE_PATH_MAX];
    const size_t n = vn_merkle_path(m, i, path);
    vn_write_u16(w, (uint16_t)i);
    vn_write_u16(w, (uint16_t)m->leaves);
    for (size_t k = 0; k < n; k++)
        vn_write_span(w, vn_hash_span(path[k]));
}

bool vn_merkle_read_place(struct vn_reader *r, size_t hash_len, size_t most,
                          struct vn_merkle_place *ret)
{
    return vn_read_u16(r, &ret->index) && vn_read_u16(r, &ret->leaves) && ret->leaves <= most &&
           ret->index < ret->leaves &&
           vn_read_span(r, vn_merkle_path_len(ret->index, ret->leaves) * hash_len, &ret->path);
}
