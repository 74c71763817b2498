#include "loop/pool.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/secret.h"
#include "loop/internal.h"

struct vn_pool {
    struct vn_loop *loop;
    struct vn_list jobs;
};

struct job {
    uv_work_t uv;
    struct vn_list link;
    struct vn_pool *pool;
    void (*fn)(void *arg);
    void (*done)(void *arg, bool cancelled);
    void *arg;
};

static void on_work(uv_work_t *req)
{
    struct job *j = VN_CONTAINER_OF(req, struct job, uv);
    j->fn(j->arg);
    vn_wipe_stack(); /* most jobs handle keys, and an idle thread keeps its stack */
}

static void on_done(uv_work_t *req, int status)
{
    struct job *j = VN_CONTAINER_OF(req, struct job, uv);
    vn_loop_enter(j->pool->loop);
    vn_list_remove(&j->link);
    j->done(j->arg, status == UV_ECANCELED);
    free(j);
}

vn_status vn_pool_new(struct vn_loop *loop, struct vn_pool **ret)
{
    struct vn_pool *p = calloc(1, sizeof(*p));
    if (!p)
        return VN_ERR_NOMEM;
    p->loop = loop;
    vn_list_init(&p->jobs);
    *ret = p;
    return VN_OK;
}

vn_status vn_pool_submit(void *pool, void (*fn)(void *arg), void (*done)(void *arg, bool cancelled),
                         void *arg)
{
    struct vn_pool *p = pool;
    struct job *j = calloc(1, sizeof(*j));
    if (!j)
        return VN_ERR_NOMEM;
    *j = (struct job){.pool = p, .fn = fn, .done = done, .arg = arg};
    int err = uv_queue_work(&p->loop->uv, &j->uv, on_work, on_done);
    if (err) {
        free(j);
        return vn_loop_uv_status(err);
    }
    vn_list_append(&p->jobs, &j->link);
    return VN_OK;
}

void vn_pool_cancel(struct vn_pool *p)
{
    VN_LIST_EACH(it, &p->jobs)
    {
        struct job *j = VN_LIST_ENTRY(it, struct job, link);
        /* UV_EBUSY: it runs already, and will be answered as done. */
        (void)uv_cancel((uv_req_t *)&j->uv);
    }
}

struct vn_pool *vn_pool_free(struct vn_pool *p)
{
    if (!p)
        return NULL;
    while (!vn_list_empty(&p->jobs)) {
        vn_pool_cancel(p); /* again: an answer may submit more */
        uv_run(&p->loop->uv, UV_RUN_ONCE);
    }
    free(p);
    return NULL;
}
