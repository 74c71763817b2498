/*
 * Work over 100 microseconds on pool threads (libuv's), answered on the loop; in the shape of the
 * port ports/work.h (self is the struct vn_pool).
 */
#pragma once

#include <stdbool.h>

#include "base/status.h"

struct vn_loop;
struct vn_pool;

VN_MUST_CHECK vn_status vn_pool_new(struct vn_loop *loop, struct vn_pool **ret);
/**
 * Not inside a callback of the loop: turns the loop until all that was submitted has been answered,
 * with cancelled = true where fn had not begun. Returns NULL; NULL is fine.
 */
struct vn_pool *vn_pool_free(struct vn_pool *p);
/**
 * fn runs on a pool thread on what arg owns, then done on the loop's thread, never inside submit.
 * If it fails neither runs and arg stays the caller's.
 * @param pool  struct vn_pool
 */
VN_MUST_CHECK vn_status vn_pool_submit(void *pool, void (*fn)(void *arg),
                                       void (*done)(void *arg, bool cancelled), void *arg);
/** Cancels what has not begun; its done callbacks come from the loop with cancelled = true. */
void vn_pool_cancel(struct vn_pool *p);
