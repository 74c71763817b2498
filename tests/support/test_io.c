#include "support/test_io.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"

struct vn_io_watch {
    struct vn_list link;
    struct test_io *io;
    int fd;
    void (*fn)(void *arg, unsigned events);
    void *arg;
    bool dead; /* removed in a callback of this turn */
};

struct vn_io_timer {
    struct vn_list link;
    struct test_io *io;
    void (*fn)(void *arg);
    void *arg;
    bool armed;
    uint64_t due_us;
};

struct test_io {
    struct vn_io port;
    int epoll;
    uint64_t now_us;
    struct vn_list watches, timers, dead;
};

static uint32_t epoll_events(unsigned events)
{
    return (events & VN_IO_READ ? (uint32_t)EPOLLIN : 0u) |
           (events & VN_IO_WRITE ? (uint32_t)EPOLLOUT : 0u);
}

static vn_status io_watch(void *self, int fd, unsigned events,
                          void (*fn)(void *arg, unsigned events), void *arg,
                          struct vn_io_watch **ret)
{
    struct test_io *t = self;
    struct vn_io_watch *w = calloc(1, sizeof(*w));
    if (!w)
        return VN_ERR_NOMEM;
    *w = (struct vn_io_watch){.io = t, .fd = fd, .fn = fn, .arg = arg};
    struct epoll_event ev = {.events = epoll_events(events), .data.ptr = w};
    if (epoll_ctl(t->epoll, EPOLL_CTL_ADD, fd, &ev) != 0) {
        free(w);
        return VN_ERR_IO;
    }
    vn_list_append(&t->watches, &w->link);
    *ret = w;
    return VN_OK;
}

static void io_rewatch(struct vn_io_watch *w, unsigned events)
{
    struct epoll_event ev = {.events = epoll_events(events), .data.ptr = w};
    (void)epoll_ctl(w->io->epoll, EPOLL_CTL_MOD, w->fd, &ev);
}

static void io_unwatch(struct vn_io_watch *w)
{
    if (!w)
        return;
    (void)epoll_ctl(w->io->epoll, EPOLL_CTL_DEL, w->fd, NULL);
    w->dead = true;
    vn_list_remove(&w->link);
    vn_list_append(&w->io->dead, &w->link);
}

static vn_status io_timer_new(void *self, void (*fn)(void *arg), void *arg,
                              struct vn_io_timer **ret)
{
    struct test_io *t = self;
    struct vn_io_timer *timer = calloc(1, sizeof(*timer));
    if (!timer)
        return VN_ERR_NOMEM;
    *timer = (struct vn_io_timer){.io = t, .fn = fn, .arg = arg};
    vn_list_append(&t->timers, &timer->link);
    *ret = timer;
    return VN_OK;
}

static void io_timer_arm(struct vn_io_timer *timer, uint64_t after_us)
{
    timer->armed = true;
    timer->due_us = timer->io->now_us + after_us;
}

static void io_timer_disarm(struct vn_io_timer *timer)
{
    timer->armed = false;
}

static void io_timer_free(struct vn_io_timer *timer)
{
    if (!timer)
        return;
    vn_list_remove(&timer->link);
    free(timer);
}

static uint64_t io_now_us(void *self)
{
    return ((struct test_io *)self)->now_us;
}

struct test_io *test_io_new(void)
{
    struct test_io *t = calloc(1, sizeof(*t));
    if (!t)
        abort();
    t->port = (struct vn_io){.self = t,
                             .watch = io_watch,
                             .rewatch = io_rewatch,
                             .unwatch = io_unwatch,
                             .timer_new = io_timer_new,
                             .timer_arm = io_timer_arm,
                             .timer_disarm = io_timer_disarm,
                             .timer_free = io_timer_free,
                             .now_us = io_now_us};
    t->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (t->epoll < 0)
        abort();
    t->now_us = vn_clock_mono_us();
    vn_list_init(&t->watches);
    vn_list_init(&t->timers);
    vn_list_init(&t->dead);
    return t;
}

static void bury(struct test_io *t)
{
    VN_LIST_EACH(l, &t->dead)
    {
        vn_list_remove(l);
        free(VN_LIST_ENTRY(l, struct vn_io_watch, link));
    }
}

struct test_io *test_io_free(struct test_io *t)
{
    if (!t)
        return NULL;
    bury(t);
    assert(vn_list_empty(&t->watches) && vn_list_empty(&t->timers));
    close(t->epoll);
    free(t);
    return NULL;
}

const struct vn_io *test_io_port(struct test_io *t)
{
    return &t->port;
}

static struct vn_io_timer *earliest(struct test_io *t)
{
    struct vn_io_timer *first = NULL;
    VN_LIST_EACH(l, &t->timers)
    {
        struct vn_io_timer *timer = VN_LIST_ENTRY(l, struct vn_io_timer, link);
        if (timer->armed && (!first || timer->due_us < first->due_us))
            first = timer;
    }
    return first;
}

void test_io_turn(struct test_io *t, int max_ms)
{
    struct epoll_event events[16];
    t->now_us = vn_clock_mono_us();
    struct vn_io_timer *timer = earliest(t);
    int wait = max_ms;
    if (timer) {
        uint64_t in = timer->due_us > t->now_us ? (timer->due_us - t->now_us + 999) / 1000 : 0;
        wait = (int)VN_MIN(in, (uint64_t)max_ms);
    }
    int n = epoll_wait(t->epoll, events, VN_ARRAY_LEN(events), wait);
    t->now_us = vn_clock_mono_us();
    for (int i = 0; i < n; i++) {
        struct vn_io_watch *w = events[i].data.ptr;
        if (w->dead)
            continue;
        w->fn(w->arg, (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP) ? VN_IO_READ : 0u) |
                          (events[i].events & EPOLLOUT ? VN_IO_WRITE : 0u));
    }
    /* Each due timer once; one armed for at once in a callback waits for the next turn. */
    uint64_t until = t->now_us;
    for (int left = 1000; left > 0 && (timer = earliest(t)) && timer->due_us <= until; left--) {
        timer->armed = false;
        timer->fn(timer->arg);
        until = t->now_us - 1;
    }
    bury(t);
}

bool test_io_within(struct test_io *t, int max_ms, bool (*done)(void *arg), void *arg)
{
    uint64_t end = vn_clock_mono_us() + (uint64_t)max_ms * 1000;
    while (!done(arg)) {
        uint64_t now = vn_clock_mono_us();
        if (now >= end)
            return false;
        test_io_turn(t, (int)((end - now) / 1000) + 1);
    }
    return true;
}

bool test_io_until(struct test_io *t, bool (*done)(void *arg), void *arg)
{
    return test_io_within(t, TEST_IO_WAIT_MS, done, arg);
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

void test_io_for(struct test_io *t, int ms)
{
    (void)test_io_within(t, ms, never, NULL);
}

static vn_status fill(void *self, void *ret, size_t n)
{
    (void)self;
    return getrandom(ret, n, 0) == (ssize_t)n ? VN_OK : VN_ERR_IO;
}

const struct vn_random *test_random(void)
{
    static const struct vn_random r = {.fill = fill};
    return &r;
}
