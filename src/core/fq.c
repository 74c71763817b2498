#include "core/fq.h"

#include <stdlib.h>

#include "base/limits.h"
#include "core/offload.h"

/* Bytes a flow may send before it is another's turn: one frame (DESIGN section 11). */
#define QUANTUM VN_FRAME_MAX

struct vn_fq_flow {
    struct vn_list link; /* of its way: fresh or old */
    struct vn_pktqueue queue;
    struct vn_codel codel;
    int64_t deficit;
    uint32_t slot;
    size_t way;
};

void vn_fq_init(struct vn_fq *q)
{
    *q = (struct vn_fq){0};
    for (size_t i = 0; i < VN_FQ_WAYS; i++) {
        vn_list_init(&q->way[i].fresh);
        vn_list_init(&q->way[i].old);
    }
}

static void flow_free(struct vn_fq *q, struct vn_fq_flow *f)
{
    q->slot[f->slot] = NULL;
    q->flows--;
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
    for (size_t i = 0; i < VN_FQ_WAYS; i++) {
        clear_list(q, &q->way[i].fresh);
        clear_list(q, &q->way[i].old);
        q->way[i].count = 0;
    }
    q->count = q->bytes = 0;
}

bool vn_fq_waits(const struct vn_fq *q, uint32_t flow)
{
    const struct vn_fq_flow *f = q->slot[flow % VN_FQ_SLOTS];
    return f && f->queue.head;
}

static void move(struct vn_fq *q, struct vn_fq_flow *f, size_t way)
{
    q->way[f->way].count -= f->queue.count;
    q->way[way].count += f->queue.count;
    vn_list_remove(&f->link);
    vn_list_append(&q->way[way].old, &f->link);
    f->way = way;
}

void vn_fq_leave(struct vn_fq *q, size_t way)
{
    struct vn_list *lists[] = {&q->way[way].fresh, &q->way[way].old};
    for (size_t i = 0; i < VN_ARRAY_LEN(lists); i++)
        while (!vn_list_empty(lists[i]))
            move(q, VN_LIST_ENTRY(lists[i]->next, struct vn_fq_flow, link), 0);
}

vn_status vn_fq_push(struct vn_fq *q, size_t way, uint32_t flow, struct vn_pktbuf *b,
                     uint64_t now_us)
{
    uint32_t slot = flow % VN_FQ_SLOTS;
    struct vn_fq_flow *f = q->slot[slot];
    if (!f) {
        f = calloc(1, sizeof(*f));
        if (!f)
            return VN_ERR_NOMEM;
        f->slot = slot;
        f->deficit = QUANTUM;
        f->way = way;
        vn_list_append(&q->way[way].fresh, &f->link);
        q->slot[slot] = f;
        q->flows++;
    } else if (f->way != way) {
        move(q, f, way);
    }
    b->stamp_us = now_us;
    vn_pktqueue_push(&f->queue, b);
    q->way[way].count++;
    q->count++;
    q->bytes += b->len;
    return VN_OK;
}

static struct vn_pktbuf *take(struct vn_fq *q, struct vn_fq_flow *f)
{
    struct vn_pktbuf *b = vn_pktqueue_pop(&f->queue);
    q->way[f->way].count--;
    q->count--;
    q->bytes -= b->len;
    f->deficit -= (int64_t)b->len;
    return b;
}

/* The flow whose turn it is; NULL when nothing waits. */
static struct vn_fq_flow *turn(struct vn_fq *q, size_t way)
{
    struct vn_fq_way *w = &q->way[way];
    for (;;) {
        bool fresh = !vn_list_empty(&w->fresh);
        struct vn_list *list = fresh ? &w->fresh : &w->old;
        if (vn_list_empty(list))
            return NULL;
        struct vn_fq_flow *f = VN_LIST_ENTRY(list->next, struct vn_fq_flow, link);
        if (f->deficit <= 0) {
            f->deficit += QUANTUM;
        } else if (f->queue.head) {
            return f;
        } else if (!fresh || vn_list_empty(&w->old)) {
            flow_free(q, f);
            continue;
        }
        /* RFC 8290 section 4.2: a fresh flow that ran empty waits its turn among the old, so that
         * it does not become fresh with each packet. */
        vn_list_remove(&f->link);
        vn_list_append(&w->old, &f->link);
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

struct vn_pktbuf *vn_fq_pop(struct vn_fq *q, size_t way, const struct vn_codel_params *p,
                            size_t max, uint64_t now_us, struct vn_fq_counters *counters)
{
    struct vn_fq_flow *f;
    while ((f = turn(q, way))) {
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
    struct vn_fq_flow *f = NULL;
    for (size_t i = 0; i < VN_FQ_WAYS; i++)
        f = fatter(&q->way[i].old, fatter(&q->way[i].fresh, f));
    return f ? take(q, f) : NULL;
}
