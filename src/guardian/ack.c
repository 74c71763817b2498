#include "guardian/ack.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"

struct vn_acks {
    struct vn_guardian *g;
    struct vn_ack *first, **last; /* in the order of their changes */
    bool running;                 /* the thread waits for the disk */
    uint64_t target;              /* what it will have waited for */
    uint64_t on_disk;             /* changes */
    uv_async_t done;

    pthread_t thread;
    uv_sem_t go;
    atomic_bool stop;
    vn_status result; /* written by the thread before it sends `done` */
};

static void *thread_main(void *arg)
{
    struct vn_acks *s = arg;
    pthread_setname_np(pthread_self(), "store-sync");
    for (uv_sem_wait(&s->go); !s->stop; uv_sem_wait(&s->go)) {
        s->result = vn_store_sync(s->g->store);
        uv_async_send(&s->done);
    }
    return NULL;
}

static void lost(struct vn_guardian *g)
{
    if (g->disk_failed)
        return;
    g->disk_failed = true;
    vn_log(VN_LOG_ERROR, "store_sync_failed", VN_KV_STR("path", g->dir.db));
    raise(SIGTERM);
}

static void tell(struct vn_acks *s)
{
    while (s->first && (s->first->change <= s->on_disk || s->g->disk_failed)) {
        struct vn_ack *a = s->first;
        s->first = a->next;
        if (!s->first)
            s->last = &s->first;
        a->fn(a, s->g->disk_failed ? VN_ERR_IO : VN_OK);
    }
}

static void run(struct vn_acks *s)
{
    if (s->running || !s->first)
        return;
    s->running = true;
    s->target = vn_store_changes(s->g->store);
    uv_sem_post(&s->go);
}

static void on_done(uv_async_t *h)
{
    struct vn_acks *s = h->data;
    s->running = false;
    if (s->result == VN_OK)
        s->on_disk = s->target;
    else
        lost(s->g);
    tell(s);
    run(s);
}

void vn_acks_wait(struct vn_acks *s, struct vn_guardian *g, struct vn_ack *a,
                  void (*fn)(struct vn_ack *a, vn_status st))
{
    const uint64_t change = vn_store_changes(g->store);
    if (s && change > s->on_disk && !g->disk_failed) {
        *a = (struct vn_ack){.change = change, .fn = fn};
        *s->last = a;
        s->last = &a->next;
        run(s);
        return;
    }
    if (!s && vn_store_sync(g->store) != VN_OK)
        lost(g);
    fn(a, g->disk_failed ? VN_ERR_IO : VN_OK);
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

vn_status vn_acks_new(struct vn_guardian *g, struct vn_acks **ret)
{
    struct vn_acks *s = calloc(1, sizeof(*s));
    if (!s)
        return VN_ERR_NOMEM;
    s->g = g;
    s->last = &s->first;
    vn_status st = vn_store_defer(g->store);
    if (st != VN_OK || uv_sem_init(&s->go, 0) != 0) {
        free(s);
        return st == VN_OK ? VN_ERR_NOMEM : st;
    }
    if (uv_async_init(g->uv, &s->done, on_done) != 0) {
        uv_sem_destroy(&s->go);
        free(s);
        return VN_ERR_NOMEM;
    }
    s->done.data = s;
    if (pthread_create(&s->thread, NULL, thread_main, s) != 0) {
        uv_sem_destroy(&s->go);
        uv_close((uv_handle_t *)&s->done, on_closed);
        return VN_ERR_NOMEM;
    }
    *ret = s;
    return VN_OK;
}

void vn_acks_free(struct vn_acks *s)
{
    if (!s)
        return;
    s->running = true; /* nobody starts it again */
    s->stop = true;
    uv_sem_post(&s->go);
    pthread_join(s->thread, NULL);
    uv_sem_destroy(&s->go);
    if (vn_store_sync(s->g->store) == VN_OK)
        s->on_disk = vn_store_changes(s->g->store);
    else
        lost(s->g);
    tell(s);
    uv_close((uv_handle_t *)&s->done, on_closed);
}
