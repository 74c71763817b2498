#include "base/pktbuf.h"

#include <assert.h>
#include <stdlib.h>

vn_status vn_pktbuf_new(size_t size, struct vn_pktbuf **ret)
{
    size_t cap, total;
    if (!vn_ckd_add(&cap, size, (size_t)(VN_PKTBUF_HEAD + VN_PKTBUF_TAIL)) ||
        !vn_ckd_add(&total, cap, sizeof(struct vn_pktbuf)))
        return VN_ERR_LIMIT;
    struct vn_pktbuf *b = malloc(total);
    if (!b)
        return VN_ERR_NOMEM;
    *b = (struct vn_pktbuf){.data = b->storage + VN_PKTBUF_HEAD, .cap = cap};
    *ret = b;
    return VN_OK;
}

struct vn_pktbuf *vn_pktbuf_free(struct vn_pktbuf *b)
{
    free(b);
    return NULL;
}

void vn_pktbuf_freep(struct vn_pktbuf **b)
{
    *b = vn_pktbuf_free(*b);
}

size_t vn_pktbuf_headroom(const struct vn_pktbuf *b)
{
    return (size_t)(b->data - b->storage);
}

size_t vn_pktbuf_tailroom(const struct vn_pktbuf *b)
{
    return b->cap - vn_pktbuf_headroom(b) - b->len;
}

uint8_t *vn_pktbuf_push(struct vn_pktbuf *b, size_t n)
{
    assert(n <= vn_pktbuf_headroom(b));
    b->data -= n;
    b->len += n;
    return b->data;
}

uint8_t *vn_pktbuf_put(struct vn_pktbuf *b, size_t n)
{
    assert(n <= vn_pktbuf_tailroom(b));
    uint8_t *end = b->data + b->len;
    b->len += n;
    return end;
}

void vn_pktqueue_push(struct vn_pktqueue *q, struct vn_pktbuf *b)
{
    b->next = NULL;
    if (q->tail)
        q->tail->next = b;
    else
        q->head = b;
    q->tail = b;
    q->count++;
    q->bytes += b->len;
}

struct vn_pktbuf *vn_pktqueue_pop(struct vn_pktqueue *q)
{
    struct vn_pktbuf *b = q->head;
    if (!b)
        return NULL;
    q->head = b->next;
    if (!q->head)
        q->tail = NULL;
    b->next = NULL;
    q->count--;
    q->bytes -= b->len;
    return b;
}

void vn_pktqueue_clear(struct vn_pktqueue *q)
{
    struct vn_pktbuf *b;
    while ((b = vn_pktqueue_pop(q)))
        vn_pktbuf_free(b);
}
