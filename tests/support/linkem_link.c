#include "support/linkem_link.h"

#define QUEUE_MAX_BYTES ((size_t)256 << 20)
/* Below this rate a super-packet would come out as a visible lump. */
#define LUMPS_BELOW_BIT_S 500000000u
#define NS_PER_S 1000000000u

/* splitmix64 (Steele, Lea, Flood 2014): enough for dice, and the seed repeats a run. */
static uint64_t roll(struct linkem_link *l)
{
    uint64_t z = l->rng += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static bool chance(struct linkem_link *l, uint64_t of_2_32)
{
    return of_2_32 > 0 && (roll(l) >> 32) < of_2_32;
}

void linkem_link_init(struct linkem_link *l, uint64_t seed)
{
    *l = (struct linkem_link){.rng = seed};
}

void linkem_link_done(struct linkem_link *l)
{
    for (size_t i = 0; i < l->heap_len; i++)
        free(l->heap[i]);
    free(l->heap);
    *l = (struct linkem_link){0};
}

static bool before(const struct linkem_packet *a, const struct linkem_packet *b)
{
    return a->release_ns < b->release_ns || (a->release_ns == b->release_ns && a->order < b->order);
}

static bool heap_push(struct linkem_link *l, struct linkem_packet *p)
{
    if (l->heap_len == l->heap_cap) {
        size_t cap = l->heap_cap ? l->heap_cap * 2 : 1024;
        struct linkem_packet **heap = realloc(l->heap, cap * sizeof(struct linkem_packet *));
        if (!heap)
            return false;
        l->heap = heap;
        l->heap_cap = cap;
    }
    size_t i = l->heap_len++;
    for (; i > 0 && before(p, l->heap[(i - 1) / 2]); i = (i - 1) / 2)
        l->heap[i] = l->heap[(i - 1) / 2];
    l->heap[i] = p;
    return true;
}

static struct linkem_packet *heap_pop(struct linkem_link *l)
{
    struct linkem_packet *top = l->heap[0];
    struct linkem_packet *last = l->heap[--l->heap_len];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= l->heap_len)
            break;
        if (child + 1 < l->heap_len && before(l->heap[child + 1], l->heap[child]))
            child++;
        if (!before(l->heap[child], last))
            break;
        l->heap[i] = l->heap[child];
        i = child;
    }
    l->heap[i] = last;
    return top;
}

/*
 * Independent jitter per packet would either reorder, or, with order kept, push every packet of a
 * fast flow to the maximum. So the delay wanders: slope at most 1/4, hence no packet overtakes.
 */
static int64_t jitter_at(struct linkem_link *l, uint64_t now_ns)
{
    uint64_t j = l->figures.jitter_ns;
    if (j == 0)
        return 0;
    if (l->jitter_period_ns == 0 || now_ns - l->jitter_from_ns >= l->jitter_period_ns) {
        l->jitter_period_ns = 8 * j;
        l->jitter_from_ns = now_ns;
        l->jitter_a = l->jitter_b;
        l->jitter_b = (int64_t)(roll(l) % (2 * j + 1)) - (int64_t)j;
    }
    double part = (double)(now_ns - l->jitter_from_ns) / (double)l->jitter_period_ns;
    return l->jitter_a + (int64_t)((double)(l->jitter_b - l->jitter_a) * part);
}

static void enqueue(struct linkem_link *l, const struct linkem_frame *f,
                    const struct linkem_wire *w, uint64_t now_ns)
{
    const struct linkem_figures *g = &l->figures;
    uint64_t depart_ns = now_ns;
    if (g->rate_bit_s > 0) {
        uint64_t start_ns = l->next_free_ns > now_ns ? l->next_free_ns : now_ns;
        if (start_ns - now_ns > g->queue_ns) {
            l->counters.dropped_queue += w->packets;
            return;
        }
        depart_ns = start_ns + w->bytes * 8 * NS_PER_S / g->rate_bit_s;
        l->next_free_ns = depart_ns;
    }
    struct linkem_packet *p = NULL;
    if (l->queued_bytes + f->len <= QUEUE_MAX_BYTES)
        p = malloc(sizeof(*p) + f->len);
    if (!p) {
        l->counters.dropped_other += w->packets;
        return;
    }
    int64_t delay_ns = (int64_t)g->delay_ns + jitter_at(l, now_ns);
    uint64_t release_ns = depart_ns + (uint64_t)(delay_ns > 0 ? delay_ns : 0);
    if (chance(l, g->reorder)) {
        release_ns += g->reorder_ns;
        l->counters.reordered += w->packets;
    } else {
        /* A figure changed while packets wait must not reorder them. */
        if (release_ns < l->last_release_ns && l->heap_len > 0 && g->reorder == 0)
            release_ns = l->last_release_ns;
        l->last_release_ns = release_ns;
    }
    *p = (struct linkem_packet){
        .release_ns = release_ns,
        .order = l->next_order++,
        .vnet = f->vnet,
        .len = f->len,
        .wire_packets = w->packets,
        .wire_bytes = w->bytes,
    };
    memcpy(p->data, f->data, f->len);
    if (!heap_push(l, p)) {
        free(p);
        l->counters.dropped_other += w->packets;
        return;
    }
    l->queued_bytes += f->len;
}

/* Everything that is decided packet by packet. */
static void input_packet(struct linkem_link *l, const struct linkem_frame *f,
                         const struct linkem_wire *w, uint64_t now_ns)
{
    if (chance(l, l->figures.loss)) {
        l->counters.lost += w->packets;
        return;
    }
    enqueue(l, f, w, now_ns);
    if (chance(l, l->figures.dup)) {
        l->counters.duplicated += w->packets;
        enqueue(l, f, w, now_ns);
    }
}

void linkem_link_input(struct linkem_link *l, const struct linkem_frame *f, uint64_t now_ns)
{
    const struct linkem_figures *g = &l->figures;
    struct linkem_wire w = linkem_wire_of(f);
    l->counters.received += w.packets;
    if (g->mtu > 0 && w.largest_ip > g->mtu) {
        l->counters.dropped_mtu += w.packets;
        return;
    }
    bool dice = g->loss || g->dup || g->reorder;
    bool slow = g->rate_bit_s > 0 && g->rate_bit_s < LUMPS_BELOW_BIT_S;
    if (w.packets == 1 || !(dice || slow)) {
        input_packet(l, f, &w, now_ns);
        return;
    }
    uint8_t data[65536 + 256];
    for (size_t i = 0; i < w.packets; i++) {
        struct linkem_frame one;
        linkem_segment(f, &w, i, data, &one);
        struct linkem_wire one_wire = {.packets = 1, .bytes = one.len};
        input_packet(l, &one, &one_wire, now_ns);
    }
}

uint64_t linkem_link_due(const struct linkem_link *l)
{
    return l->heap_len > 0 ? l->heap[0]->release_ns : UINT64_MAX;
}

struct linkem_packet *linkem_link_output(struct linkem_link *l, uint64_t now_ns)
{
    if (l->heap_len == 0 || l->heap[0]->release_ns > now_ns)
        return NULL;
    struct linkem_packet *p = heap_pop(l);
    l->queued_bytes -= p->len;
    l->counters.delivered += p->wire_packets;
    l->counters.delivered_bytes += p->wire_bytes;
    return p;
}
