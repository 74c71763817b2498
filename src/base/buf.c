#include "base/buf.h"

#include <stdlib.h>

#include "base/secret.h"

#define CAP_MIN 64

void vn_buf_init(struct vn_buf *b, size_t max)
{
    *b = (struct vn_buf){.max = max};
}

void vn_buf_done(struct vn_buf *b)
{
    free(b->p);
    vn_buf_init(b, b->max);
}

void vn_buf_wipe(struct vn_buf *b)
{
    vn_wipe(b->p, b->cap);
    vn_buf_done(b);
}

/* Moves the content to storage of exactly cap bytes; with VEILNET_MOVE_BUFFERS always to another
 * address. */
static vn_status move_to(struct vn_buf *b, size_t cap)
{
#ifdef VEILNET_MOVE_BUFFERS
    uint8_t *p = malloc(cap);
    if (!p)
        return VN_ERR_NOMEM;
    if (b->len > 0)
        memcpy(p, b->p, b->len);
    free(b->p);
#else
    uint8_t *p = realloc(b->p, cap);
    if (!p)
        return VN_ERR_NOMEM;
#endif
    b->p = p;
    b->cap = cap;
    return VN_OK;
}

vn_status vn_buf_reserve(struct vn_buf *b, size_t n)
{
    size_t need;
    if (!vn_ckd_add(&need, b->len, n) || need > b->max)
        return VN_ERR_LIMIT;
    if (need <= b->cap) {
#ifdef VEILNET_MOVE_BUFFERS
        return b->cap > 0 ? move_to(b, b->cap) : VN_OK;
#else
        return VN_OK;
#endif
    }
    /* Doubling keeps appending linear; the first reserve is exact, so a buffer sized once wastes
     * nothing. */
    size_t cap = need;
    if (b->cap > 0 && b->cap <= b->max / 2)
        cap = VN_MAX(need, b->cap * 2);
    return move_to(b, VN_MIN(VN_MAX(cap, (size_t)CAP_MIN), b->max));
}

vn_status vn_buf_append(struct vn_buf *b, const void *p, size_t n)
{
    vn_status st = vn_buf_reserve(b, n);
    if (st != VN_OK)
        return st;
    if (n > 0)
        memcpy(b->p + b->len, p, n);
    b->len += n;
    return VN_OK;
}

void vn_buf_consume(struct vn_buf *b, size_t n)
{
    n = VN_MIN(n, b->len);
    if (n == 0)
        return;
    b->len -= n;
    memmove(b->p, b->p + n, b->len);
}
