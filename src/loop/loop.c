#include "loop/loop.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "loop/internal.h"

struct vn_loop_signal {
    uv_signal_t uv; /* first: vn_loop_close_free */
    struct vn_loop *loop;
    void (*fn)(void *arg, int signum);
    void *arg;
};

vn_status vn_loop_uv_status(int err)
{
    switch (err) {
    case 0:
        return VN_OK;
    case UV_ENOMEM:
        return VN_ERR_NOMEM;
    case UV_EINVAL:
    case UV_EBADF:
        return VN_ERR_ARG;
    case UV_EEXIST:
        return VN_ERR_EXISTS;
    case UV_EPERM:
    case UV_EACCES:
        return VN_ERR_DENIED;
    default:
        return VN_ERR_IO;
    }
}

static void on_closed_free(uv_handle_t *h)
{
    free(h);
}

void vn_loop_close_free(uv_handle_t *h)
{
    uv_close(h, on_closed_free);
}

void vn_loop_enter(struct vn_loop *l)
{
    if (l->begun)
        return;
    l->begun = true;
    if (l->turn.begin)
        l->turn.begin(l->turn.arg);
}

static void end_turn(struct vn_loop *l)
{
    if (l->turn.end)
        l->turn.end(l->turn.arg);
    if (l->timers)
        vn_loop_timers_settle(l->timers);
    l->begun = false;
    l->now_us = 0;
    l->boot_ms = 0;
}

static void on_prepare(uv_prepare_t *p)
{
    end_turn(p->data);
}

vn_status vn_loop_new(struct vn_loop **ret)
{
    struct vn_loop *l = calloc(1, sizeof(*l));
    if (!l)
        return VN_ERR_NOMEM;
    int err = uv_loop_init(&l->uv);
    if (err) {
        free(l);
        return vn_loop_uv_status(err);
    }
    uv_prepare_init(&l->uv, &l->prepare);
    l->prepare.data = l;
    uv_prepare_start(&l->prepare, on_prepare);
    /* The hooks alone are no reason to go on turning. */
    uv_unref((uv_handle_t *)&l->prepare);
    *ret = l;
    return VN_OK;
}

static void report_leak(uv_handle_t *h, void *arg)
{
    size_t *leaks = arg;
    if (uv_is_closing(h))
        return;
    (*leaks)++;
    vn_log(VN_LOG_ERROR, "loop_leak", VN_KV_STR("handle", uv_handle_type_name(h->type)));
}

struct vn_loop *vn_loop_free(struct vn_loop *l)
{
    if (!l)
        return NULL;
    l->turn = (struct vn_loop_turn){0};
    l->timers = vn_loop_timers_free(l->timers);
    uv_close((uv_handle_t *)&l->prepare, NULL);
    /* Close callbacks may close more (adapters of libraries do), so a few rounds. */
    int err = UV_EBUSY;
    for (int i = 0; i < 64 && err == UV_EBUSY; i++) {
        uv_run(&l->uv, UV_RUN_NOWAIT);
        err = uv_loop_close(&l->uv);
    }
    if (err) {
        size_t leaks = 0;
        uv_walk(&l->uv, report_leak, &leaks);
        assert(leaks == 0);
        return NULL; /* something still points into it: better leaked than freed under it */
    }
    free(l);
    return NULL;
}

void vn_loop_run(struct vn_loop *l)
{
    uv_run(&l->uv, UV_RUN_DEFAULT);
    end_turn(l);
}

void vn_loop_stop(struct vn_loop *l)
{
    uv_stop(&l->uv);
}

void vn_loop_poll(struct vn_loop *l)
{
    uv_run(&l->uv, UV_RUN_NOWAIT);
    end_turn(l);
}

struct uv_loop_s *vn_loop_uv(struct vn_loop *l)
{
    return &l->uv;
}

uint64_t vn_loop_now_us(struct vn_loop *l)
{
    if (!l->now_us)
        l->now_us = vn_clock_mono_us();
    return l->now_us;
}

uint64_t vn_loop_boot_ms(struct vn_loop *l)
{
    if (!l->boot_ms)
        l->boot_ms = vn_clock_boot_ms();
    return l->boot_ms;
}

void vn_loop_set_turn(struct vn_loop *l, const struct vn_loop_turn *turn)
{
    l->turn = turn ? *turn : (struct vn_loop_turn){0};
}

static void on_signal(uv_signal_t *h, int signum)
{
    struct vn_loop_signal *s = VN_CONTAINER_OF(h, struct vn_loop_signal, uv);
    vn_loop_enter(s->loop);
    s->fn(s->arg, signum);
}

vn_status vn_loop_signal(struct vn_loop *l, int signum, void (*fn)(void *arg, int signum),
                         void *arg, struct vn_loop_signal **ret)
{
    struct vn_loop_signal *s = calloc(1, sizeof(*s));
    if (!s)
        return VN_ERR_NOMEM;
    s->loop = l;
    s->fn = fn;
    s->arg = arg;
    int err = uv_signal_init(&l->uv, &s->uv);
    if (err) {
        free(s);
        return vn_loop_uv_status(err);
    }
    err = uv_signal_start(&s->uv, on_signal, signum);
    if (err) {
        vn_loop_close_free((uv_handle_t *)&s->uv);
        return vn_loop_uv_status(err);
    }
    *ret = s;
    return VN_OK;
}

struct vn_loop_signal *vn_loop_signal_free(struct vn_loop_signal *s)
{
    if (s)
        vn_loop_close_free((uv_handle_t *)&s->uv);
    return NULL;
}
