#include "loop/io.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "loop/internal.h"

/* ---- descriptors ---- */

struct vn_io_watch {
    uv_poll_t uv; /* first: vn_loop_close_free */
    struct vn_loop *loop;
    void (*fn)(void *arg, unsigned events);
    void *arg;
    unsigned events;
};

static int uv_events(unsigned events)
{
    return (events & VN_LOOP_READ ? UV_READABLE : 0) | (events & VN_LOOP_WRITE ? UV_WRITABLE : 0);
}

static void on_poll(uv_poll_t *h, int status, int uv)
{
    struct vn_io_watch *w = VN_CONTAINER_OF(h, struct vn_io_watch, uv);
    unsigned events = (uv & UV_READABLE ? (unsigned)VN_LOOP_READ : 0) |
                      (uv & UV_WRITABLE ? (unsigned)VN_LOOP_WRITE : 0);
    /* libuv reports an error (an ICMP answer to a datagram, say) and stops the watch. The owner
     * learns which from its next read or write; the watch goes on. */
    if (status < 0) {
        events = w->events;
        if (events)
            (void)uv_poll_start(&w->uv, uv_events(events), on_poll);
    }
    vn_loop_enter(w->loop);
    if (events)
        w->fn(w->arg, events);
}

vn_status vn_loop_watch(void *loop, int fd, unsigned events, void (*fn)(void *arg, unsigned events),
                        void *arg, struct vn_io_watch **ret)
{
    struct vn_loop *l = loop;
    struct vn_io_watch *w = calloc(1, sizeof(*w));
    if (!w)
        return VN_ERR_NOMEM;
    w->loop = l;
    w->fn = fn;
    w->arg = arg;
    w->events = events;
    int err = uv_poll_init(&l->uv, &w->uv, fd);
    if (err) {
        free(w);
        return vn_loop_uv_status(err);
    }
    if (events && (err = uv_poll_start(&w->uv, uv_events(events), on_poll))) {
        vn_loop_close_free((uv_handle_t *)&w->uv);
        return vn_loop_uv_status(err);
    }
    *ret = w;
    return VN_OK;
}

void vn_loop_rewatch(struct vn_io_watch *w, unsigned events)
{
    if (w->events == events)
        return;
    w->events = events;
    /* Neither can fail on a watch that was started or could be. */
    if (events)
        (void)uv_poll_start(&w->uv, uv_events(events), on_poll);
    else
        (void)uv_poll_stop(&w->uv);
}

void vn_loop_unwatch(struct vn_io_watch *w)
{
    if (!w)
        return;
    /* Here, not in uv_close alone: the descriptor may be closed by its owner right after. */
    (void)uv_poll_stop(&w->uv);
    vn_loop_close_free((uv_handle_t *)&w->uv);
}

/* ---- timers: a binary heap by due time over one timerfd ---- */

#define EARLY_US 5000

struct vn_io_timer {
    struct vn_loop_timers *timers;
    void (*fn)(void *arg);
    void *arg;
    uint64_t due_us;
    size_t at; /* place in the heap, SIZE_MAX when not armed */
};

struct vn_loop_timers {
    struct vn_loop *loop;
    int fd;
    struct vn_io_watch *watch;
    struct vn_io_timer **heap;
    size_t count; /* armed */
    size_t room;  /* entries of heap, enough for every timer that exists, so arming cannot fail */
    size_t alive;
    uint64_t set_us; /* what the timerfd is set to, 0: not set */
};

static void heap_put(struct vn_loop_timers *t, size_t at, struct vn_io_timer *e)
{
    t->heap[at] = e;
    e->at = at;
}

static void heap_up(struct vn_loop_timers *t, size_t at)
{
    struct vn_io_timer *e = t->heap[at];
    while (at > 0) {
        size_t up = (at - 1) / 2;
        if (t->heap[up]->due_us <= e->due_us)
            break;
        heap_put(t, at, t->heap[up]);
        at = up;
    }
    heap_put(t, at, e);
}

static void heap_down(struct vn_loop_timers *t, size_t at)
{
    struct vn_io_timer *e = t->heap[at];
    for (;;) {
        size_t kid = 2 * at + 1;
        if (kid >= t->count)
            break;
        if (kid + 1 < t->count && t->heap[kid + 1]->due_us < t->heap[kid]->due_us)
            kid++;
        if (t->heap[kid]->due_us >= e->due_us)
            break;
        heap_put(t, at, t->heap[kid]);
        at = kid;
    }
    heap_put(t, at, e);
}

static void heap_take(struct vn_loop_timers *t, struct vn_io_timer *e)
{
    size_t at = e->at;
    e->at = SIZE_MAX;
    struct vn_io_timer *last = t->heap[--t->count];
    if (last == e)
        return;
    heap_put(t, at, last);
    heap_up(t, at);
    heap_down(t, last->at);
}

static void on_timerfd(void *arg, unsigned events)
{
    (void)events;
    struct vn_loop_timers *t = arg;
    uint64_t expirations;
    if (read(t->fd, &expirations, sizeof(expirations)) < 0 && errno == EAGAIN)
        return;
    t->set_us = 0;
    uint64_t now = vn_loop_now_us(t->loop);
    /* What callbacks arm is due later than now by at least a microsecond: this ends. */
    while (t->count && t->heap[0]->due_us <= now) {
        struct vn_io_timer *e = t->heap[0];
        heap_take(t, e);
        e->fn(e->arg);
    }
    if (!t->count)
        uv_unref((uv_handle_t *)&t->watch->uv);
}

void vn_loop_timers_settle(struct vn_loop_timers *t)
{
    if (!t->count)
        return; /* a set timerfd costs one idle turn at most; to unset it costs a call for sure */
    uint64_t due = t->heap[0]->due_us;
    /* Set too early it costs an idle turn, and to move it a call: most turns move it by little. */
    if (t->set_us && t->set_us <= due && due - t->set_us < EARLY_US)
        return;
    struct itimerspec spec = {
        .it_value = {.tv_sec = (time_t)(due / 1000000), .tv_nsec = (long)(due % 1000000) * 1000}};
    if (timerfd_settime(t->fd, TFD_TIMER_ABSTIME, &spec, NULL) == 0)
        t->set_us = due;
}

static vn_status timers_new(struct vn_loop *l, struct vn_loop_timers **ret)
{
    struct vn_loop_timers *t = calloc(1, sizeof(*t));
    if (!t)
        return VN_ERR_NOMEM;
    t->loop = l;
    t->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (t->fd < 0) {
        free(t);
        return VN_ERR_IO;
    }
    vn_status st = vn_loop_watch(l, t->fd, VN_LOOP_READ, on_timerfd, t, &t->watch);
    if (st != VN_OK) {
        close(t->fd);
        free(t);
        return st;
    }
    /* An object that waits for nothing keeps no loop alive: only armed timers do. */
    uv_unref((uv_handle_t *)&t->watch->uv);
    *ret = t;
    return VN_OK;
}

struct vn_loop_timers *vn_loop_timers_free(struct vn_loop_timers *t)
{
    if (!t)
        return NULL;
    assert(t->alive == 0);
    vn_loop_unwatch(t->watch);
    close(t->fd);
    free(t->heap);
    free(t);
    return NULL;
}

vn_status vn_loop_timer_new(void *loop, void (*fn)(void *arg), void *arg, struct vn_io_timer **ret)
{
    struct vn_loop *l = loop;
    vn_status st;
    if (!l->timers && (st = timers_new(l, &l->timers)) != VN_OK)
        return st;
    struct vn_loop_timers *t = l->timers;
    if (t->alive == t->room) {
        size_t room = t->room ? 2 * t->room : 16;
        struct vn_io_timer **heap = realloc(t->heap, room * sizeof(struct vn_io_timer *));
        if (!heap)
            return VN_ERR_NOMEM;
        t->heap = heap;
        t->room = room;
    }
    struct vn_io_timer *e = calloc(1, sizeof(*e));
    if (!e)
        return VN_ERR_NOMEM;
    *e = (struct vn_io_timer){.timers = t, .fn = fn, .arg = arg, .at = SIZE_MAX};
    t->alive++;
    *ret = e;
    return VN_OK;
}

void vn_loop_timer_arm(struct vn_io_timer *e, uint64_t after_us)
{
    struct vn_loop_timers *t = e->timers;
    uint64_t due;
    if (!vn_ckd_add(&due, vn_loop_now_us(t->loop), VN_MAX(after_us, 1u)))
        due = UINT64_MAX;
    if (e->at == SIZE_MAX) {
        if (t->count == 0)
            uv_ref((uv_handle_t *)&t->watch->uv);
        e->due_us = due;
        heap_put(t, t->count++, e);
        heap_up(t, e->at);
        return;
    }
    e->due_us = due;
    heap_up(t, e->at);
    heap_down(t, e->at);
}

void vn_loop_timer_disarm(struct vn_io_timer *e)
{
    if (e->at == SIZE_MAX)
        return;
    heap_take(e->timers, e);
    if (e->timers->count == 0)
        uv_unref((uv_handle_t *)&e->timers->watch->uv);
}

void vn_loop_timer_free(struct vn_io_timer *e)
{
    if (!e)
        return;
    vn_loop_timer_disarm(e);
    e->timers->alive--;
    free(e);
}

uint64_t vn_loop_io_now_us(void *loop)
{
    return vn_loop_now_us(loop);
}
