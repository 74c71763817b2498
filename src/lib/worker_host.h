/*
 * The data workers in their surroundings: the first one's thread with a loop, the transport, a TUN
 * queue, and the mailboxes between it and the core thread; it keeps the others (hand_host.h). All
 * functions here are the core thread's.
 */
#pragma once

#include "base/id.h"
#include "ports/post.h"
#include "ports/tether.h"

struct vn_host;
struct vn_loop;
struct vn_worker_host;

struct vn_worker_host_config {
    struct vn_loop *core_loop;
    size_t workers; /* at most VN_WORKERS_MAX; 0: one */
    uint32_t so_mark;
    uint16_t public_port; /* 0: none */
    enum vn_candidate_filter candidates;
    const char *ifname;   /* of the overlay: no candidates from it; outlives the worker */
    const char *not_over; /* nor from these (base/ifname_list.h); borrowed for the call */
    void *arg;
    /** An event of the worker, on the core thread; takes ownership. */
    void (*event)(void *arg, struct vn_post_msg *m);
};

/** VN_ERR_EXISTS: public_port is taken. */
VN_MUST_CHECK vn_status vn_worker_host_new(const struct vn_worker_host_config *cfg,
                                           struct vn_worker_host **ret);
/** Joins the thread; everything of the worker is closed and wiped. Returns NULL; NULL is fine. */
struct vn_worker_host *vn_worker_host_free(struct vn_worker_host *w);
/** Commands to the worker. Lives as long as w. */
const struct vn_post *vn_worker_host_post(struct vn_worker_host *w);
/** From now on the worker reads and writes host's TUN; host outlives w. ranges: where no tether may
 * run through. */
VN_MUST_CHECK vn_status vn_worker_host_attach(struct vn_worker_host *w, struct vn_host *host,
                                              const struct vn_prefix *ranges, size_t count);
