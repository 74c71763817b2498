/* The only way from received bytes to values. Integers are big-endian. A failed read moves nothing.
 */
#pragma once

#include <stdbool.h>

#include "base/span.h"

struct vn_reader {
    const uint8_t *cur;
    size_t left;
};

static inline struct vn_reader vn_reader_of(struct vn_span s)
{
    return (struct vn_reader){s.p, s.n};
}
/** The bytes not yet read, without reading them. */
static inline struct vn_span vn_reader_rest(const struct vn_reader *r)
{
    return (struct vn_span){r->cur, r->left};
}
static inline bool vn_reader_done(const struct vn_reader *r)
{
    return r->left == 0;
}

/* Inline, and integers in one expression, which compilers make one load: received packets are read
 * by these, a dozen times each. */

/** Borrows the next n bytes; valid as long as the input. */
VN_MUST_CHECK static inline bool vn_read_span(struct vn_reader *r, size_t n, struct vn_span *ret)
{
    if (n > r->left)
        return false;
    *ret = (struct vn_span){r->cur, n};
    if (n > 0) /* NULL + 0 is undefined in C17 */
        r->cur += n;
    r->left -= n;
    return true;
}
VN_MUST_CHECK static inline bool vn_read_u8(struct vn_reader *r, uint8_t *ret)
{
    struct vn_span s;
    if (!vn_read_span(r, 1, &s))
        return false;
    *ret = s.p[0];
    return true;
}
VN_MUST_CHECK static inline bool vn_read_u16(struct vn_reader *r, uint16_t *ret)
{
    struct vn_span s;
    if (!vn_read_span(r, 2, &s))
        return false;
    *ret = (uint16_t)(s.p[0] << 8 | s.p[1]);
    return true;
}
VN_MUST_CHECK static inline bool vn_read_u32(struct vn_reader *r, uint32_t *ret)
{
    struct vn_span s;
    if (!vn_read_span(r, 4, &s))
        return false;
    *ret = (uint32_t)s.p[0] << 24 | (uint32_t)s.p[1] << 16 | (uint32_t)s.p[2] << 8 | s.p[3];
    return true;
}
VN_MUST_CHECK static inline bool vn_read_u64(struct vn_reader *r, uint64_t *ret)
{
    struct vn_span s;
    if (!vn_read_span(r, 8, &s))
        return false;
    *ret = (uint64_t)s.p[0] << 56 | (uint64_t)s.p[1] << 48 | (uint64_t)s.p[2] << 40 |
           (uint64_t)s.p[3] << 32 | (uint64_t)s.p[4] << 24 | (uint64_t)s.p[5] << 16 |
           (uint64_t)s.p[6] << 8 | s.p[7];
    return true;
}
VN_MUST_CHECK bool vn_read_u24(struct vn_reader *r, uint32_t *ret);
/** Likewise, with a u16 length before them. */
VN_MUST_CHECK bool vn_read_span16(struct vn_reader *r, struct vn_span *ret);
/** Copies the next n bytes to dst. */
VN_MUST_CHECK bool vn_read_copy(struct vn_reader *r, void *dst, size_t n);
VN_MUST_CHECK bool vn_read_skip(struct vn_reader *r, size_t n);
/** A block with a u8, u16 or u24 length before it, as a reader of its own. */
VN_MUST_CHECK bool vn_read_block8(struct vn_reader *r, struct vn_reader *ret);
VN_MUST_CHECK bool vn_read_block16(struct vn_reader *r, struct vn_reader *ret);
VN_MUST_CHECK bool vn_read_block24(struct vn_reader *r, struct vn_reader *ret);
