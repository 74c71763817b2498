#include "base/reader.h"

bool vn_read_skip(struct vn_reader *r, size_t n)
{
    struct vn_span s;
    return vn_read_span(r, n, &s);
}

bool vn_read_copy(struct vn_reader *r, void *dst, size_t n)
{
    struct vn_span s;
    if (!vn_read_span(r, n, &s))
        return false;
    if (n > 0)
        memcpy(dst, s.p, n);
    return true;
}

static bool read_be(struct vn_reader *r, size_t n, uint64_t *ret)
{
    struct vn_span s;
    if (!vn_read_span(r, n, &s))
        return false;
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | s.p[i];
    *ret = v;
    return true;
}

bool vn_read_u24(struct vn_reader *r, uint32_t *ret)
{
    uint64_t v;
    if (!read_be(r, 3, &v))
        return false;
    *ret = (uint32_t)v;
    return true;
}

static bool read_block(struct vn_reader *r, size_t prefix, struct vn_reader *ret)
{
    struct vn_reader ahead = *r;
    uint64_t n;
    struct vn_span s;
    if (!read_be(&ahead, prefix, &n) || !vn_read_span(&ahead, (size_t)n, &s))
        return false;
    *r = ahead;
    *ret = vn_reader_of(s);
    return true;
}

bool vn_read_block8(struct vn_reader *r, struct vn_reader *ret)
{
    return read_block(r, 1, ret);
}

bool vn_read_block16(struct vn_reader *r, struct vn_reader *ret)
{
    return read_block(r, 2, ret);
}

bool vn_read_span16(struct vn_reader *r, struct vn_span *ret)
{
    struct vn_reader block;
    if (!vn_read_block16(r, &block))
        return false;
    *ret = vn_reader_rest(&block);
    return true;
}

bool vn_read_block24(struct vn_reader *r, struct vn_reader *ret)
{
    return read_block(r, 3, ret);
}
