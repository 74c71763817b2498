#include "core/job.h"

#include "core/node_i.h"

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

static void job_run(void *arg)
{
    struct vn_job *j = arg;
    j->status = j->run(j);
}

static void job_done(void *arg, bool cancelled)
{
    struct vn_job *j = arg;
    struct vn_node_ref *ref = j->ref;
    ref->jobs--;
    if (ref->node && !cancelled)
        j->done(ref->node, j);
    j->free(j);
    vn_node_ref_unref(ref);
}

vn_status vn_job_submit(struct vn_node *n, struct vn_job *j)
{
    j->ref = n->ref;
    if (n->ref->jobs >= VN_JOBS_MAX) {
        j->free(j);
        return VN_ERR_LIMIT;
    }
    vn_status st = n->cfg.work->submit(n->cfg.work->self, job_run, job_done, j);
    if (st != VN_OK) {
        j->free(j);
        return st;
    }
    n->ref->refs++;
    n->ref->jobs++;
    return VN_OK;
}
