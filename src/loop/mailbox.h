/*
 * One-way mailbox between two threads: one producer, one consumer (the thread of a loop), order
 * kept, bounded, no lock. The consumer is woken only by the first item after it looked.
 */
#pragma once

#include "base/status.h"

struct vn_loop;
struct vn_mailbox;

struct vn_mailbox_config {
    struct vn_loop *loop; /* the consumer's */
    size_t max;           /* items waiting at most */
    void *arg;
    /** On the consumer's thread, once per item; takes ownership. */
    void (*item)(void *arg, void *item);
    /** After a batch of items; may be NULL. */
    void (*drained)(void *arg);
    /** For items still inside when the mailbox is freed. */
    void (*drop)(void *item);
};

/** On the consumer's thread, or before its loop runs. */
VN_MUST_CHECK vn_status vn_mailbox_new(const struct vn_mailbox_config *cfg,
                                       struct vn_mailbox **ret);
/**
 * From the consumer's thread or after that thread has ended, and after the last vn_mailbox_send has
 * returned. Items inside are dropped. Returns NULL; NULL is fine.
 */
struct vn_mailbox *vn_mailbox_free(struct vn_mailbox *m);
/**
 * Producer's thread only. On success the item belongs to the mailbox.
 * @return VN_ERR_LIMIT when full, VN_ERR_NOMEM; the item then stays the caller's
 */
VN_MUST_CHECK vn_status vn_mailbox_send(struct vn_mailbox *m, void *item);
/** Delivers what is inside now, as the loop would. Consumer's thread. */
void vn_mailbox_flush(struct vn_mailbox *m);
/** Stops delivering: items sent from now on wait for vn_mailbox_free. Consumer's thread. */
void vn_mailbox_close(struct vn_mailbox *m);
