/*
 * Port: the one-way mailbox between the core thread and a data worker. Messages are heap objects
 * that begin with struct vn_post_msg; sending passes ownership; the receiver calls free_fn. Order
 * is kept. In the daemon a single-producer queue with an eventfd, in tests a plain queue.
 */
#pragma once

#include "base/status.h"

struct vn_post_msg {
    struct vn_post_msg *next;
    unsigned type;
    void (*free_fn)(struct vn_post_msg *m);
};

struct vn_post {
    void *self;
    /** Takes ownership in every case; VN_ERR_LIMIT when the mailbox is full (m is then freed). */
    vn_status (*send)(void *self, struct vn_post_msg *m);
};
