#include "core/timer.h"

static struct vn_timer *meld(struct vn_timer *a, struct vn_timer *b)
{
    if (!a)
        return b;
    if (!b)
        return a;
    if (b->at_ms < a->at_ms) {
        struct vn_timer *t = a;
        a = b;
        b = t;
    }
    b->next = a->child;
    if (b->next)
        b->next->prev = b;
    b->prev = a;
    a->child = b;
    return a;
}

/* The two passes of a pairing heap: pairs from the left, then all into one from the right. */
static struct vn_timer *merge_siblings(struct vn_timer *first)
{
    struct vn_timer *done = NULL;
    while (first) {
        struct vn_timer *a = first, *b = a->next;
        first = b ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b)
            b->next = b->prev = NULL;
        a = meld(a, b);
        a->next = done;
        done = a;
    }
    struct vn_timer *root = NULL;
    while (done) {
        struct vn_timer *next = done->next;
        done->next = NULL;
        root = meld(root, done);
        done = next;
    }
    return root;
}

void vn_timer_init(struct vn_timer *t, void (*fn)(void *arg), void *arg)
{
    *t = (struct vn_timer){.fn = fn, .arg = arg};
}

void vn_timer_disarm(struct vn_timers *ts, struct vn_timer *t)
{
    if (!t->armed)
        return;
    t->armed = false;
    struct vn_timer *below = merge_siblings(t->child);
    if (t == ts->root) {
        ts->root = below;
    } else {
        if (t->prev->child == t)
            t->prev->child = t->next;
        else
            t->prev->next = t->next;
        if (t->next)
            t->next->prev = t->prev;
        ts->root = meld(ts->root, below);
    }
    t->child = t->next = t->prev = NULL;
    if (ts->root)
        ts->root->prev = ts->root->next = NULL;
}

void vn_timer_arm(struct vn_timers *ts, struct vn_timer *t, uint64_t at_ms)
{
    vn_timer_disarm(ts, t);
    /* Not before the next millisecond, or a callback that arms itself again would never end. */
    t->at_ms = VN_MAX(at_ms, ts->now_ms + 1);
    t->armed = true;
    ts->root = meld(ts->root, t);
}

void vn_timers_run(struct vn_timers *ts, uint64_t now_ms)
{
    ts->now_ms = VN_MAX(ts->now_ms, now_ms);
    while (ts->root && ts->root->at_ms <= ts->now_ms) {
        struct vn_timer *t = ts->root;
        vn_timer_disarm(ts, t);
        t->fn(t->arg);
    }
}

uint64_t vn_timers_next(const struct vn_timers *ts)
{
    return ts->root ? ts->root->at_ms : UINT64_MAX;
}
