#include "loop/boot_timer.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/boot_timer.h"
#include "base/clock.h"
#include "loop/internal.h"
#include "loop/io.h"

struct vn_loop_boot_timer {
    struct vn_loop *loop;
    int fd;
    struct vn_io_watch *watch;
    void (*fn)(void *arg);
    void *arg;
    uint64_t at_ms;  /* UINT64_MAX: not set */
    uint64_t set_ms; /* what the descriptor fires at, at_ms or before; UINT64_MAX: it does not */
};

/* Waiting longer than before costs no call: it fires once too early, and is set anew. */
static void settle(struct vn_loop_boot_timer *t)
{
    if (t->at_ms >= t->set_ms)
        return;
    const uint64_t now_ms = vn_clock_boot_ms(); /* the turn may have taken a while */
    t->set_ms = t->at_ms;
    vn_boot_timer_arm(t->fd, t->at_ms > now_ms ? t->at_ms - now_ms : 0);
}

static void on_fired(void *arg, unsigned events)
{
    struct vn_loop_boot_timer *t = arg;
    (void)events;
    vn_boot_timer_drain(t->fd);
    t->set_ms = UINT64_MAX;
    if (t->at_ms > vn_loop_boot_ms(t->loop)) {
        settle(t);
        return;
    }
    vn_loop_boot_timer_set(t, UINT64_MAX);
    t->fn(t->arg);
}

vn_status vn_loop_boot_timer_new(struct vn_loop *l, void (*fn)(void *arg), void *arg,
                                 struct vn_loop_boot_timer **ret)
{
    struct vn_loop_boot_timer *t = calloc(1, sizeof(*t));
    if (!t)
        return VN_ERR_NOMEM;
    *t = (struct vn_loop_boot_timer){
        .loop = l, .fn = fn, .arg = arg, .at_ms = UINT64_MAX, .set_ms = UINT64_MAX};
    t->fd = vn_boot_timer_open();
    vn_status st = t->fd >= 0 ? vn_loop_watch(l, t->fd, 0, on_fired, t, &t->watch) : VN_ERR_IO;
    if (st != VN_OK) {
        vn_loop_boot_timer_free(t);
        return st;
    }
    *ret = t;
    return VN_OK;
}

void vn_loop_boot_timer_set(struct vn_loop_boot_timer *t, uint64_t at_ms)
{
    t->at_ms = at_ms;
    /* Who waits for nothing keeps no loop alive. */
    vn_loop_rewatch(t->watch, at_ms != UINT64_MAX ? VN_LOOP_READ : 0);
    settle(t);
}

struct vn_loop_boot_timer *vn_loop_boot_timer_free(struct vn_loop_boot_timer *t)
{
    if (!t)
        return NULL;
    vn_loop_unwatch(t->watch);
    if (t->fd >= 0)
        close(t->fd);
    free(t);
    return NULL;
}
