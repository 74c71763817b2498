/* A named thread with a loop of its own and a mailbox into it. */
#pragma once

#include "base/status.h"

struct vn_loop;
struct vn_thread;

struct vn_thread_config {
    const char *name; /* at most 15 characters are shown by the system */
    void *arg;
    /** First on the new thread. If it fails, the thread ends without `done`, and start returns why.
     */
    vn_status (*init)(void *arg, struct vn_loop *loop);
    /** On the thread, once per posted item; takes ownership. */
    void (*item)(void *arg, void *item);
    /** After a batch of items; may be NULL. */
    void (*drained)(void *arg);
    /** Last on the thread, after the loop stopped: frees what init made on the loop. */
    void (*done)(void *arg);
    /** For items still inside at the end. */
    void (*drop)(void *item);
    size_t mailbox_max;
};

/** Returns when init has run. VN_ERR_NOMEM, VN_ERR_IO (no thread), or what init returned. */
VN_MUST_CHECK vn_status vn_thread_start(const struct vn_thread_config *cfg, struct vn_thread **ret);
/** From one thread only, the owner's. VN_ERR_LIMIT when the mailbox is full: item stays the
 * caller's. */
VN_MUST_CHECK vn_status vn_thread_post(struct vn_thread *t, void *item);
/**
 * Lets the thread handle what was posted before, runs `done` on it, joins, frees. Items that the
 * thread sends meanwhile to the caller's mailbox stay there until that one's loop runs or it is
 * freed. Returns NULL; NULL is fine.
 */
struct vn_thread *vn_thread_stop(struct vn_thread *t);
