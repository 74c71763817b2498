#include "base/pktbuf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

/*
 * Freed buffers of the common sizes (a packet of the usual MTU, the longest that our kernel makes,
 * a whole frame) wait for the next use. Without that malloc gives the memory of large ones back to
 * the kernel each time, and a fifth of a bulk transfer is page faults. Not with AddressSanitizer,
 * which finds more in fresh memory.
 */
#if defined(__SANITIZE_ADDRESS__)
#define KEEP 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEEP 0
#endif
#endif
#ifndef KEEP
#define KEEP 1
#endif

#define SUPER_CAP (VN_PKTBUF_HEAD + VN_SUPER_PACKET_OURS + VN_PKTBUF_TAIL)

struct kept {
    size_t min, cap; /* storage of buffers that need min < n <= cap bytes */
    size_t max;      /* buffers kept at most */
    size_t count;
    struct vn_pktbuf *first;
};

static _Thread_local struct kept kept[] = {
    {.min = 512, .cap = VN_PKTBUF_HEAD + 2048 + VN_PKTBUF_TAIL, .max = 128},
    {.min = 16384, .cap = SUPER_CAP, .max = 24},
    {.min = SUPER_CAP, .cap = VN_PKTBUF_HEAD + 66560 + VN_PKTBUF_TAIL, .max = 24},
};

static struct kept *kept_for(size_t cap)
{
    for (size_t i = 0; KEEP && i < VN_ARRAY_LEN(kept); i++)
        if (cap > kept[i].min && cap <= kept[i].cap)
            return &kept[i];
    return NULL;
}

vn_status vn_pktbuf_new(size_t size, struct vn_pktbuf **ret)
{
    size_t cap, total;
    if (!vn_ckd_add(&cap, size, (size_t)(VN_PKTBUF_HEAD + VN_PKTBUF_TAIL)) ||
        !vn_ckd_add(&total, cap, sizeof(struct vn_pktbuf)))
        return VN_ERR_LIMIT;
    struct kept *k = kept_for(cap);
    struct vn_pktbuf *b = NULL;
    if (k) {
        cap = k->cap;
        total = cap + sizeof(struct vn_pktbuf);
        if ((b = k->first)) {
            k->first = b->next;
            k->count--;
        }
    }
    if (!b && !(b = malloc(total)))
        return VN_ERR_NOMEM;
    *b = (struct vn_pktbuf){.data = b->storage + VN_PKTBUF_HEAD, .cap = cap};
    *ret = b;
    return VN_OK;
}

struct vn_pktbuf *vn_pktbuf_free(struct vn_pktbuf *b)
{
    if (!b)
        return NULL;
    if (b->shares > 0) {
        b->shares--;
        return NULL;
    }
    struct kept *k = kept_for(b->cap);
    if (k && k->count < k->max) {
        b->next = k->first;
        k->first = b;
        k->count++;
        return NULL;
    }
    free(b);
    return NULL;
}

vn_status vn_pktbuf_unshare(struct vn_pktbuf *b, struct vn_pktbuf **ret)
{
    struct vn_pktbuf *copy;
    if (!vn_pktbuf_is_shared(b)) {
        *ret = b;
        return VN_OK;
    }
    const vn_status st = vn_pktbuf_new(b->len, &copy);
    if (st != VN_OK)
        return st;
    memcpy(vn_pktbuf_put(copy, b->len), b->data, b->len);
    copy->stamp_us = b->stamp_us;
    copy->gso_size = b->gso_size;
    copy->l4_offset = b->l4_offset;
    copy->kind = b->kind;
    copy->text = b->text;
    (void)vn_pktbuf_free(b);
    *ret = copy;
    return VN_OK;
}

void vn_pktbuf_trim(void)
{
    for (size_t i = 0; i < VN_ARRAY_LEN(kept); i++) {
        struct vn_pktbuf *b;
        while ((b = kept[i].first)) {
            kept[i].first = b->next;
            free(b);
        }
        kept[i].count = 0;
    }
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

void vn_pktqueue_unpop(struct vn_pktqueue *q, struct vn_pktbuf *b)
{
    b->next = q->head;
    q->head = b;
    if (!q->tail)
        q->tail = b;
    q->count++;
    q->bytes += b->len;
}

void vn_pktqueue_clear(struct vn_pktqueue *q)
{
    struct vn_pktbuf *b;
    while ((b = vn_pktqueue_pop(q)))
        vn_pktbuf_free(b);
}
