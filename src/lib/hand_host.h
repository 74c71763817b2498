/*
 * A hand (core/crew.h) in its surroundings: a thread with a loop, a TUN queue, and the mailboxes
 * between it and the first worker. All functions here are the first worker's thread's.
 */
#pragma once

#include "ports/post.h"

struct vn_hand_host;
struct vn_host;
struct vn_loop;

struct vn_hand_host_config {
    struct vn_loop *loop; /* the first worker's */
    uint8_t number;
    void *arg;
    /** What the hand says, on the first worker's thread; takes ownership. */
    void (*event)(void *arg, size_t number, struct vn_post_msg *m);
};

VN_MUST_CHECK vn_status vn_hand_host_new(const struct vn_hand_host_config *cfg,
                                         struct vn_hand_host **ret);
/** Joins the thread; everything of the hand is closed and wiped. Returns NULL; NULL is fine. */
struct vn_hand_host *vn_hand_host_free(struct vn_hand_host *h);
/** Commands to the hand. Lives as long as h. */
struct vn_post vn_hand_host_post(struct vn_hand_host *h);
/** As vn_data_thread_attach, on the hand's thread. */
VN_MUST_CHECK vn_status vn_hand_host_attach(struct vn_hand_host *h, struct vn_host *host);
