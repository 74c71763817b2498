#include "heap.h"

#include <stdlib.h>

struct sim_heap {
    struct sim_event *events;
    size_t count, cap;
    uint64_t number;
};

struct sim_heap *sim_heap_new(void)
{
    struct sim_heap *h = calloc(1, sizeof(*h));
    if (!h)
        abort();
    return h;
}

void sim_heap_free(struct sim_heap *h)
{
    free(h->events);
    free(h);
}

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->number < b->number;
}

void sim_heap_put(struct sim_heap *h, double at_ms, uint32_t type, uint32_t id)
{
    if (h->count == h->cap) {
        size_t cap = h->cap ? 2 * h->cap : 1024;
        struct sim_event *more = realloc(h->events, cap * sizeof(*more));
        if (!more)
            abort();
        h->events = more;
        h->cap = cap;
    }
    struct sim_event e = {at_ms, h->number++, type, id};
    size_t i = h->count++;
    for (; i > 0 && is_before(&e, &h->events[(i - 1) / 2]); i = (i - 1) / 2)
        h->events[i] = h->events[(i - 1) / 2];
    h->events[i] = e;
}

bool sim_heap_take(struct sim_heap *h, struct sim_event *ret)
{
    if (h->count == 0)
        return false;
    *ret = h->events[0];
    struct sim_event last = h->events[--h->count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < h->count; i = child) {
        if (child + 1 < h->count && is_before(&h->events[child + 1], &h->events[child]))
            child++;
        if (!is_before(&h->events[child], &last))
            break;
        h->events[i] = h->events[child];
    }
    h->events[i] = last;
    return true;
}
