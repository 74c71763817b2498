/*
 * Group commit: who has to say that something is stored waits here until it is on the disk. One
 * thread waits for the disk, and whatever was committed meanwhile shares the next fsync. Loop
 * thread only.
 */
#pragma once

#include "guardian/guardian.h"

struct vn_acks;

/** One that waits; storage of whoever asks, until fn was called. */
struct vn_ack {
    struct vn_ack *next;
    uint64_t change;
    void (*fn)(struct vn_ack *a, vn_status st);
};

/** Makes the store wait for the disk in groups (vn_store_defer). */
VN_MUST_CHECK vn_status vn_acks_new(struct vn_guardian *g, struct vn_acks **ret);
/**
 * Calls fn once, also inside the call: with VN_OK when all that is committed now is on the disk,
 * with VN_ERR_IO when that will never be known. Guardian ends after that, for the kernel drops what
 * it could not write, and the next fsync would find nothing wrong.
 * @param acks  NULL when starting or stopping: waits itself
 */
void vn_acks_wait(struct vn_acks *acks, struct vn_guardian *g, struct vn_ack *a,
                  void (*fn)(struct vn_ack *a, vn_status st));
/** Calls who waits; the loop must run on until it is idle. NULL is fine. */
void vn_acks_free(struct vn_acks *acks);
