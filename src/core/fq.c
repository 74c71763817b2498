#include "core/fq.h"

#include <stdlib.h>

#include "base/limits.h"
#include "core/offload.h"

/* Bytes a flow may send before it is another's turn: one frame (DESIGN section 11). */
#define QUANTUM VN_FRAME_MAX

struct vn_fq_flow {
    struct vn_list link; /* fq.fresh or fq.old */
    struct vn_pktqueue queue;
    struct vn_codel codel;
    int64_t deficit;
    uint32_t slot;
};

void vn_fq_init(struct vn_fq *q)
{
    *q = (struct vn_fq){0};
    vn_list_init(&q->fresh);
    vn_list_init(&q->old);
}

static void flow_free(struct vn_fq *q, struct vn_fq_flow *f)
{
    q->slot[f->slot] = NULL;
    vn_list_remove(&f->link);
    free(f);
}

static void clear_list(struct vn_fq *q, struct vn_list *list)
{
    VN_LIST_EACH(it, list)
    {
        struct vn_fq_flow *f = VN_LIST_ENTRY(it, struct vn_fq_flow, link);
        vn_pktqueue_clear(&f->queue);
        flow_free(q, f);
    }
}

void vn_fq_clear(struct vn_fq *q)
{
    clear_list(q, &q->fresh);
    clear_list(q, &q->old);
    q->count = q->bytes = 0;
}

vn_status vn_fq_push(struct vn_fq *q, uint32_t flow, struct vn_pktbuf *b, uint64_t now_us)
{
    uint32_t slot = flow % VN_FQ_SLOTS;
    struct vn_fq_flow *f = q->slot[slot];
    if (!f) {
        f = calloc(1, sizeof(*f));
        if (!f)
            return VN_ERR_NOMEM;
        f->slot = slot;
        f->deficit = QUANTUM;
        vn_list_append(&q->fresh, &f->link);
        q->slot[slot] = f;
    }
    b->stamp_us = now_us;
    vn_pktqueue_push(&f->queue, b);
    q->count++;
    q->bytes += b->len;
    return VN_OK;
}

static struct vn_pktbuf *take(struct vn_fq *q, struct vn_fq_flow *f)
{
    struct vn_pktbuf *b = vn_pktqueue_pop(&f->queue);
    q->count--;
    q->bytes -= b->len;
    f->deficit -= (int64_t)b->len;
    return b;
}

/* The flow whose turn it is; NULL when nothing waits. */
static struct vn_fq_flow *turn(struct vn_fq *q)
{
    for (;;) {
        bool fresh = !vn_list_empty(&q->fresh);
        struct vn_list *list = fresh ? &q->fresh : &q->old;
        if (vn_list_empty(list))
            return NULL;
        struct vn_fq_flow *f = VN_LIST_ENTRY(list->next, struct vn_fq_flow, link);
        if (f->deficit <= 0) {
            f->deficit += QUANTUM;
        } else if (f->queue.head) {
            return f;
        } else if (!fresh || vn_list_empty(&q->old)) {
            flow_free(q, f);
            continue;
        }
        /* RFC 8290 section 4.2: a fresh flow that ran empty waits its turn among the old, so that
         * it does not become fresh with each packet. */
        vn_list_remove(&f->link);
        vn_list_append(&q->old, &f->link);
    }
}

/* Cuts off the first segment of the super-packet at the head; NULL: it is none, or no memory. */
static struct vn_pktbuf *split(struct vn_fq *q, struct vn_fq_flow *f)
{
    struct vn_pktbuf *head = f->queue.head, *first;
    size_t before = head->len;
    if (vn_offload_split(head, &first) != VN_OK)
        return NULL;
    f->queue.bytes -= before - head->len;
    q->bytes -= before - head->len;
    f->deficit -= (int64_t)first->len;
    return first;
}

/* What CoDel's verdict means for the head: NULL when it, or its first segment, was dropped; else
 * the marked packet. */
static struct vn_pktbuf *hit(struct vn_fq *q, struct vn_fq_flow *f, struct vn_fq_counters *counters)
{
    struct vn_pktbuf *b = split(q, f);
    if (!b)
        b = take(q, f);
    if (vn_packet_mark_ce(b->data, b->len)) {
        counters->marked++;
        return b;
    }
    counters->dropped++;
    return vn_pktbuf_free(b);
}

struct vn_pktbuf *vn_fq_pop(struct vn_fq *q, const struct vn_codel_params *p, size_t max,
                            uint64_t now_us, struct vn_fq_counters *counters)
{
    struct vn_fq_flow *f;
    while ((f = turn(q))) {
        const struct vn_pktbuf *head = f->queue.head;
        if (head->len > max)
            return NULL;
        if (!vn_codel_hit(&f->codel, p, now_us - head->stamp_us, f->queue.count == 1, now_us))
            return take(q, f);
        struct vn_pktbuf *marked = hit(q, f, counters);
        if (marked)
            return marked;
    }
    return NULL;
}

static struct vn_fq_flow *fatter(struct vn_list *list, struct vn_fq_flow *best)
{
    VN_LIST_EACH(it, list)
    {
        struct vn_fq_flow *f = VN_LIST_ENTRY(it, struct vn_fq_flow, link);
        if (f->queue.head && (!best || f->queue.bytes > best->queue.bytes))
            best = f;
    }
    return best;
}

struct vn_pktbuf *vn_fq_pop_fattest(struct vn_fq *q)
{
    struct vn_fq_flow *f = fatter(&q->old, fatter(&q->fresh, NULL));
    return f ? take(q, f) : NULL;
}
