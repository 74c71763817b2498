/*
 * Work that leaves the core thread (ports/work.h) for an object of a node. A job owns copies of all
 * it reads; what it is for is found again by id when it is done, since that object, and the node
 * itself, may be gone by then.
 */
#pragma once

#include "crypto/sig.h"
#include "ports/work.h"

struct vn_node;

/** What jobs and node share. Counted on the core thread only; the key is constant, and may sign
 * from many threads. */
struct vn_node_ref {
    unsigned refs;
    unsigned jobs;        /* under way */
    struct vn_node *node; /* NULL once the node is freed */
    struct vn_sig_key *key;
};

VN_MUST_CHECK vn_status vn_node_ref_new(struct vn_node *n, struct vn_node_ref **ret);
void vn_node_ref_unref(struct vn_node_ref *r);

#define VN_JOBS_MAX 512 /* signatures waiting for the pool; more are refused */

/** Embedded first in each kind of job. */
struct vn_job {
    struct vn_node_ref *ref;
    vn_status status;
    vn_status (*run)(struct vn_job *j); /* pool thread */
    void (*done)(struct vn_node *n,
                 struct vn_job *j); /* core thread; not called when the node is gone */
    void (*free)(struct vn_job *j);
};

/** Takes ownership in every case. VN_ERR_LIMIT. */
VN_MUST_CHECK vn_status vn_job_submit(struct vn_node *n, struct vn_job *j);
