/*
 * Work that leaves the core thread (ports/work.h) for an object of a node. A job owns copies of all
 * it reads; what it is for is found again by id when it is done, since that object, and the node
 * itself, may be gone by then.
 *
 * The pool gets few jobs at a time. The rest wait here in one queue per peer they are for, and the
 * queues take turns: a peer that asks for many signatures waits for its own.
 */
#pragma once

#include "base/id.h"
#include "base/list.h"
#include "core/timer.h"
#include "crypto/sig.h"
#include "ports/work.h"

struct vn_node;
struct vn_map;

/** What jobs and node share. Counted on the core thread only; the key is constant, and may sign
 * from many threads. */
struct vn_node_ref {
    unsigned refs;
    unsigned running;     /* jobs in the pool */
    struct vn_node *node; /* NULL once the node is freed */
    struct vn_sig_key *key;
};

VN_MUST_CHECK vn_status vn_node_ref_new(struct vn_node *n, struct vn_node_ref **ret);
void vn_node_ref_unref(struct vn_node_ref *r);

/** Embedded first in each kind of job. */
struct vn_job {
    struct vn_node_ref *ref;
    struct vn_id peer; /* whom it is for; zero: the node itself */
    struct vn_list link;
    vn_status status;
    vn_status (*run)(struct vn_job *j); /* pool thread */
    void (*done)(struct vn_node *n,
                 struct vn_job *j); /* core thread; not called when the node is gone */
    void (*free)(struct vn_job *j);
};

struct vn_jobs {
    struct vn_map *by_peer; /* peer -> struct job_queue that is not empty */
    struct vn_list turn;    /* the same; the first is served next */
    struct vn_list refused; /* made room for others: end with VN_ERR_LIMIT at the next tick */
    size_t waiting;
    struct vn_timer timer;
};

VN_MUST_CHECK vn_status vn_jobs_init(struct vn_node *n);
void vn_jobs_done(struct vn_node *n);
/** Waiting and in the pool. */
size_t vn_jobs_count(const struct vn_node *n);
/** True if another job for this peer would be taken. */
bool vn_jobs_room(const struct vn_node *n, const struct vn_id *peer);
/** Takes ownership in every case. VN_ERR_LIMIT; that may also become its status later. */
VN_MUST_CHECK vn_status vn_job_submit(struct vn_node *n, struct vn_job *j);
