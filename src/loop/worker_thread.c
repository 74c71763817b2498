#include "loop/worker_thread.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "loop/internal.h"
#include "loop/mailbox.h"

struct vn_thread {
    struct vn_thread_config cfg;
    char name[16];
    pthread_t id;
    struct vn_loop *loop;
    struct vn_mailbox *mailbox;
    uv_async_t *stop;
    /* written by the thread before `started` is posted */
    uv_sem_t started;
    vn_status init_status;
};

static void on_item(void *arg, void *item)
{
    struct vn_thread *t = arg;
    t->cfg.item(t->cfg.arg, item);
}

static void on_drained(void *arg)
{
    struct vn_thread *t = arg;
    if (t->cfg.drained)
        t->cfg.drained(t->cfg.arg);
}

/* Posted after the last item, but libuv may call this first. */
static void on_stop(uv_async_t *h)
{
    struct vn_thread *t = h->data;
    vn_mailbox_flush(t->mailbox);
    vn_loop_stop(t->loop);
}

static void *thread_main(void *arg)
{
    struct vn_thread *t = arg;
    pthread_setname_np(pthread_self(), t->name);
    t->init_status = t->cfg.init ? t->cfg.init(t->cfg.arg, t->loop) : VN_OK;
    bool run = t->init_status == VN_OK;
    uv_sem_post(&t->started);
    if (!run)
        return NULL;
    vn_loop_run(t->loop);
    if (t->cfg.done)
        t->cfg.done(t->cfg.arg);
    return NULL;
}

/* The thread has ended or was never begun. */
static void destroy(struct vn_thread *t)
{
    t->mailbox = vn_mailbox_free(t->mailbox);
    if (t->stop)
        vn_loop_close_free((uv_handle_t *)t->stop);
    t->loop = vn_loop_free(t->loop);
    uv_sem_destroy(&t->started);
    free(t);
}

vn_status vn_thread_start(const struct vn_thread_config *cfg, struct vn_thread **ret)
{
    struct vn_thread *t = calloc(1, sizeof(*t));
    if (!t)
        return VN_ERR_NOMEM;
    t->cfg = *cfg;
    snprintf(t->name, sizeof(t->name), "%s", cfg->name);
    if (uv_sem_init(&t->started, 0)) {
        free(t);
        return VN_ERR_NOMEM;
    }
    vn_status st = vn_loop_new(&t->loop);
    if (st != VN_OK)
        goto fail;
    st = vn_mailbox_new(&(struct vn_mailbox_config){.loop = t->loop,
                                                    .max = cfg->mailbox_max,
                                                    .arg = t,
                                                    .item = on_item,
                                                    .drained = on_drained,
                                                    .drop = cfg->drop},
                        &t->mailbox);
    if (st != VN_OK)
        goto fail;
    uv_async_t *stop = malloc(sizeof(*stop));
    if (!stop) {
        st = VN_ERR_NOMEM;
        goto fail;
    }
    int err = uv_async_init(&t->loop->uv, stop, on_stop);
    if (err) {
        free(stop);
        st = vn_loop_uv_status(err);
        goto fail;
    }
    stop->data = t;
    t->stop = stop;
    if (pthread_create(&t->id, NULL, thread_main, t)) {
        st = VN_ERR_IO;
        goto fail;
    }
    uv_sem_wait(&t->started);
    st = t->init_status;
    if (st != VN_OK) {
        pthread_join(t->id, NULL);
        goto fail;
    }
    *ret = t;
    return VN_OK;
fail:
    destroy(t);
    return st;
}

vn_status vn_thread_post(struct vn_thread *t, void *item)
{
    return vn_mailbox_send(t->mailbox, item);
}

struct vn_thread *vn_thread_stop(struct vn_thread *t)
{
    if (!t)
        return NULL;
    uv_async_send(t->stop);
    pthread_join(t->id, NULL);
    destroy(t);
    return NULL;
}
