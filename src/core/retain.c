#include "core/retain.h"

#include <assert.h>
#include <stdlib.h>

struct vn_retained {
    struct vn_pktbuf *frame; /* NULL: it has arrived, or nobody will say so any more */
    uint64_t seq;
    uint64_t at_us;
    uint64_t missed_us; /* later ones were reported first; 0: none were */
};

#define COUNTED UINT64_MAX /* as missed: says nothing more of the path in use */

static struct vn_retained *slot(const struct vn_retain *r, uint64_t at)
{
    return &r->slots[at & (r->room - 1)];
}

/* The oldest there are may have arrived one by one. */
static void forget_arrived(struct vn_retain *r)
{
    while (r->head < r->tail && !slot(r, r->head)->frame)
        r->head++;
    r->again = VN_MAX(r->again, r->head);
}

static void let_go(struct vn_retain *r, struct vn_retained *s)
{
    const size_t bytes = sizeof(*s->frame) + s->frame->cap;
    r->bytes -= bytes;
    *r->node_bytes -= bytes;
    s->frame = vn_pktbuf_free(s->frame);
}

static void let_oldest_go(struct vn_retain *r)
{
    let_go(r, slot(r, r->head));
    forget_arrived(r);
}

/* Tethers repeat what they lose, so it may come yet; but not for long, and not if for_good. */
static void miss(struct vn_retain *r, struct vn_retained *s, bool for_good, uint64_t now_us)
{
    if (s->missed_us == COUNTED)
        return;
    if (!s->missed_us)
        s->missed_us = now_us;
    if (!for_good && now_us - s->missed_us < VN_MISSED_US)
        return;
    s->missed_us = COUNTED;
    r->missed++;
}

void vn_retain_init(struct vn_retain *r, size_t *node_bytes)
{
    *r = (struct vn_retain){.node_bytes = node_bytes};
}

void vn_retain_done(struct vn_retain *r)
{
    while (r->head < r->tail)
        let_oldest_go(r);
    free(r->slots);
    r->slots = NULL;
    r->room = 0;
}

static bool have_room(struct vn_retain *r)
{
    if (r->tail - r->head < r->room)
        return true;
    const size_t room = VN_MAX(2 * r->room, (size_t)64);
    struct vn_retained *slots = room <= VN_RETAIN_FRAMES_MAX ? calloc(room, sizeof(*slots)) : NULL;
    if (!slots)
        return false;
    for (uint64_t at = r->head; at < r->tail; at++)
        slots[at & (room - 1)] = *slot(r, at);
    free(r->slots);
    r->slots = slots;
    r->room = room;
    return true;
}

/* Twice what is under way at a time. */
static size_t limit(const struct vn_retain *r)
{
    const uint64_t twice = 2 * r->under_way;
    return (size_t)VN_MIN(VN_MAX(twice, (uint64_t)VN_RETAIN_MIN), (uint64_t)VN_RETAIN_MAX);
}

size_t vn_retain_add(struct vn_retain *r, struct vn_pktbuf *frame, uint64_t seq, uint64_t now_us)
{
    const size_t bytes = sizeof(*frame) + frame->cap;
    size_t gone = 0;
    assert(!vn_retain_waits(r));
    r->sent += bytes;
    if (!r->mark.set) {
        r->mark.set = true;
        r->mark.seq = seq;
        r->mark.sent = r->sent;
    }
    while (r->head < r->tail &&
           (r->bytes + bytes > limit(r) || *r->node_bytes + bytes > VN_RETAIN_NODE_MAX ||
            (r->tail - r->head == r->room && !have_room(r)))) {
        if (slot(r, r->head)->missed_us)
            miss(r, slot(r, r->head), true, now_us);
        let_oldest_go(r);
        gone++;
    }
    if (*r->node_bytes + bytes > VN_RETAIN_NODE_MAX || !have_room(r))
        return gone + 1;
    if (r->head == r->tail || r->news)
        r->waited_us = 0;
    else
        r->waited_us += VN_MIN(now_us - r->last_us, VN_OVERDUE_PAUSE_US);
    r->news = false;
    r->last_us = now_us;
    *slot(r, r->tail) =
        (struct vn_retained){.frame = vn_pktbuf_share(frame), .seq = seq, .at_us = now_us};
    r->again = ++r->tail;
    r->bytes += bytes;
    *r->node_bytes += bytes;
    return gone;
}

static bool arrived(const struct vn_delivery *d, uint64_t seq)
{
    if (seq < d->next)
        return true;
    const uint64_t at = seq - d->next;
    return at < 8 * (uint64_t)d->bits_len && (d->bits[at / 8] >> (at % 8) & 1);
}

static void mark_arrived(struct vn_retain *r)
{
    r->mark.set = false;
    r->under_way = VN_MAX(r->sent - r->mark.sent, r->under_way - r->under_way / 16);
}

void vn_retain_acked(struct vn_retain *r)
{
    while (r->head < r->again && !vn_pktbuf_is_shared(slot(r, r->head)->frame)) {
        if (r->mark.set && slot(r, r->head)->seq >= r->mark.seq)
            mark_arrived(r);
        r->delivered += slot(r, r->head)->frame->len;
        let_oldest_go(r);
    }
}

/* Behind the last that arrived. */
static uint64_t end_of(const struct vn_delivery *d)
{
    size_t n = d->bits_len;
    while (n > 0 && d->bits[n - 1] == 0)
        n--;
    const uint64_t end = d->next + 8 * (uint64_t)n;
    return n == 0 ? end : end - (uint64_t)(__builtin_clz(d->bits[n - 1]) - 24);
}

void vn_retain_report(struct vn_retain *r, const struct vn_delivery *d, uint64_t now_us)
{
    const uint64_t end = end_of(d);
    for (uint64_t at = r->head; at < r->tail && slot(r, at)->seq < end; at++) {
        struct vn_retained *s = slot(r, at);
        if (!s->frame)
            continue;
        const bool is_known = s->seq >= d->known;
        if (is_known && arrived(d, s->seq)) {
            r->arrived += s->missed_us != COUNTED;
            r->delivered += s->frame->len;
            r->news = true;
            let_go(r, s);
        } else {
            miss(r, s, !is_known, now_us);
            if (!is_known)
                let_go(r, s);
        }
    }
    forget_arrived(r);
    if (r->mark.set && arrived(d, r->mark.seq))
        mark_arrived(r);
}

uint64_t vn_retain_overdue_us(const struct vn_retain *r)
{
    return r->head == r->tail || r->news ? 0 : r->waited_us;
}

void vn_retain_move(struct vn_retain *r, uint64_t now_us)
{
    while (r->head < r->tail && slot(r, r->head)->at_us + VN_RETAIN_US < now_us)
        let_oldest_go(r);
    r->again = r->head;
    for (uint64_t at = r->head; at < r->tail; at++)
        slot(r, at)->missed_us = COUNTED;
    r->arrived = r->missed = 0;
    r->mark.set = false; /* how long it takes now is no measure */
    r->waited_us = 0;
    r->last_us = now_us;
}

void vn_retain_unsent(struct vn_retain *r, const struct vn_pktbuf *frame)
{
    for (uint64_t at = r->head; at < r->again; at++)
        if (slot(r, at)->frame == frame)
            r->again = at;
}

struct vn_pktbuf *vn_retain_next(struct vn_retain *r)
{
    while (vn_retain_waits(r)) {
        struct vn_retained *s = slot(r, r->again++);
        /* The tether it went to before may still have it: that one's stays as it is. */
        const size_t before = s->frame ? s->frame->cap : 0;
        if (!s->frame || vn_pktbuf_unshare(s->frame, &s->frame) != VN_OK)
            continue;
        r->bytes += s->frame->cap - before;
        *r->node_bytes += s->frame->cap - before;
        return s->frame;
    }
    return NULL;
}
