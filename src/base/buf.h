/* A growable byte buffer with a named ceiling. */
#pragma once

#include "base/span.h"
#include "base/status.h"

struct vn_buf {
    uint8_t *p;
    size_t len;
    size_t cap;
    size_t max; /* never grows beyond; named where the buffer is created */
};

void vn_buf_init(struct vn_buf *b, size_t max);
/** Frees the storage; the buffer may be used again. Does not wipe. */
void vn_buf_done(struct vn_buf *b);
/** Wipes, then frees. For buffers that held secrets; such a buffer must be reserved to its full
 * size before use. */
void vn_buf_wipe(struct vn_buf *b);
/** Makes room for n more bytes. VN_ERR_LIMIT beyond max, VN_ERR_NOMEM; the buffer is unchanged on
 * error. */
VN_MUST_CHECK vn_status vn_buf_reserve(struct vn_buf *b, size_t n);
VN_MUST_CHECK vn_status vn_buf_append(struct vn_buf *b, const void *p, size_t n);
/** Removes the first n bytes. */
void vn_buf_consume(struct vn_buf *b, size_t n);
static inline struct vn_span vn_buf_span(const struct vn_buf *b)
{
    return (struct vn_span){b->p, b->len};
}
