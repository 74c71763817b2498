/*
 * timer        armed by                        disarmed by   fires
 * jobs.timer   a job that had to make room     the end       ends it with VN_ERR_LIMIT
 */
#include "core/job.h"

#include "core/node_i.h"

struct job_queue {
    struct vn_id peer;
    struct vn_list turn, jobs;
    size_t count;
};

vn_status vn_node_ref_new(struct vn_node *n, struct vn_node_ref **ret)
{
    struct vn_node_ref *r = calloc(1, sizeof(*r));
    if (!r)
        return VN_ERR_NOMEM;
    r->refs = 1;
    r->node = n;
    *ret = r;
    return VN_OK;
}

void vn_node_ref_unref(struct vn_node_ref *r)
{
    if (!r || --r->refs)
        return;
    vn_sig_free(r->key);
    free(r);
}

/* ---- the pool ---- */

static void pump(struct vn_node *n);

static void job_run(void *arg)
{
    struct vn_job *j = arg;
    j->status = j->run(j);
}

static void job_done(void *arg, bool cancelled)
{
    struct vn_job *j = arg;
    struct vn_node_ref *ref = j->ref;
    ref->running--;
    if (ref->node && !cancelled) {
        j->done(ref->node, j);
        pump(ref->node);
    }
    j->free(j);
    vn_node_ref_unref(ref);
}

/* Takes ownership if it succeeds. */
static vn_status run(struct vn_node *n, struct vn_job *j)
{
    j->ref = n->ref;
    vn_status st = n->cfg.work->submit(n->cfg.work->self, job_run, job_done, j);
    if (st != VN_OK)
        return st;
    n->ref->refs++;
    n->ref->running++;
    return VN_OK;
}

/* ---- queues ---- */

static size_t queue_max(const struct vn_id *peer)
{
    return vn_id_is_zero(peer) ? VN_JOBS_OWN_MAX : VN_JOBS_PEER_MAX;
}

static struct vn_job *take(struct vn_node *n, struct job_queue *q, struct vn_list *link)
{
    struct vn_job *j = VN_LIST_ENTRY(link, struct vn_job, link);
    vn_list_remove(link);
    n->jobs.waiting--;
    if (--q->count == 0) {
        vn_list_remove(&q->turn);
        (void)vn_map_take(n->jobs.by_peer, &q->peer);
        free(q);
    }
    return j;
}

/* Not now: what it is for may be in use by who submitted another job. */
static void refuse(struct vn_node *n, struct vn_job *j, vn_status why)
{
    vn_drop(n, VN_NDROP_LIMIT);
    j->status = why;
    vn_list_append(&n->jobs.refused, &j->link);
    vn_timer_arm(&n->timers, &n->jobs.timer, n->now_ms);
}

static void on_refused(void *arg)
{
    struct vn_node *n = arg;
    while (!vn_list_empty(&n->jobs.refused)) {
        struct vn_job *j = VN_LIST_ENTRY(n->jobs.refused.next, struct vn_job, link);
        vn_list_remove(&j->link);
        j->done(n, j);
        j->free(j);
    }
}

static void pump(struct vn_node *n)
{
    while (n->ref->running < VN_JOBS_RUNNING && !vn_list_empty(&n->jobs.turn)) {
        struct job_queue *q = VN_LIST_ENTRY(n->jobs.turn.next, struct job_queue, turn);
        vn_list_remove(&q->turn);
        vn_list_append(&n->jobs.turn, &q->turn);
        struct vn_job *j = take(n, q, q->jobs.next);
        vn_status st = run(n, j);
        if (st != VN_OK)
            refuse(n, j, st);
    }
}

static struct job_queue *longest(const struct vn_node *n)
{
    struct job_queue *found = NULL;
    VN_LIST_EACH(it, &n->jobs.turn)
    {
        struct job_queue *q = VN_LIST_ENTRY(it, struct job_queue, turn);
        if (!found || q->count > found->count)
            found = q;
    }
    return found;
}

/* The queue that has to give way to one of `count` jobs; NULL: none. */
static struct job_queue *gives_way(const struct vn_node *n, size_t count)
{
    struct job_queue *q = longest(n);
    return q && q->count > count + 1 ? q : NULL;
}

bool vn_jobs_room(const struct vn_node *n, const struct vn_id *peer)
{
    const struct job_queue *q = vn_map_get(n->jobs.by_peer, peer);
    size_t count = q ? q->count : 0;
    return count < queue_max(peer) &&
           (n->jobs.waiting < VN_JOBS_MAX || gives_way(n, count) != NULL);
}

static vn_status enqueue(struct vn_node *n, struct vn_job *j)
{
    if (!vn_jobs_room(n, &j->peer))
        return VN_ERR_LIMIT;
    struct job_queue *q = vn_map_get(n->jobs.by_peer, &j->peer);
    if (n->jobs.waiting >= VN_JOBS_MAX) {
        struct job_queue *other = gives_way(n, q ? q->count : 0);
        refuse(n, take(n, other, other->jobs.prev), VN_ERR_LIMIT);
    }
    if (!q) {
        q = calloc(1, sizeof(*q));
        if (!q)
            return VN_ERR_NOMEM;
        q->peer = j->peer;
        vn_list_init(&q->jobs);
        vn_list_init(&q->turn);
        vn_status st = vn_map_put(n->jobs.by_peer, &q->peer, q);
        if (st != VN_OK) {
            free(q);
            return st;
        }
        vn_list_append(&n->jobs.turn, &q->turn);
    }
    vn_list_append(&q->jobs, &j->link);
    q->count++;
    n->jobs.waiting++;
    return VN_OK;
}

vn_status vn_job_submit(struct vn_node *n, struct vn_job *j)
{
    vn_list_init(&j->link);
    bool now = n->ref->running < VN_JOBS_RUNNING && vn_list_empty(&n->jobs.turn);
    vn_status st = now ? run(n, j) : enqueue(n, j);
    if (st != VN_OK)
        j->free(j);
    return st;
}

size_t vn_jobs_count(const struct vn_node *n)
{
    return n->jobs.waiting + n->ref->running;
}

vn_status vn_jobs_init(struct vn_node *n)
{
    vn_list_init(&n->jobs.turn);
    vn_list_init(&n->jobs.refused);
    vn_timer_init(&n->jobs.timer, on_refused, n);
    return vn_map_new(sizeof(struct vn_id), VN_JOBS_MAX, &n->jobs.by_peer);
}

void vn_jobs_done(struct vn_node *n)
{
    struct vn_jobs *s = &n->jobs;
    while (s->by_peer && !vn_list_empty(&s->turn)) {
        struct job_queue *q = VN_LIST_ENTRY(s->turn.next, struct job_queue, turn);
        struct vn_job *j = take(n, q, q->jobs.next);
        j->free(j);
    }
    while (s->by_peer && !vn_list_empty(&s->refused)) {
        struct vn_job *j = VN_LIST_ENTRY(s->refused.next, struct vn_job, link);
        vn_list_remove(&j->link);
        j->free(j);
    }
    vn_timer_disarm(&n->timers, &s->timer);
    s->by_peer = vn_map_free(s->by_peer);
}
