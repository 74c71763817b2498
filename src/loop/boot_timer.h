/*
 * A timer of a loop on CLOCK_BOOTTIME: for what is due by vn_loop_boot_ms. Those of io.h stand
 * still while the machine sleeps; this one fires as soon as it is awake.
 */
#pragma once

#include "base/status.h"

struct vn_loop;
struct vn_loop_boot_timer;

VN_MUST_CHECK vn_status vn_loop_boot_timer_new(struct vn_loop *l, void (*fn)(void *arg), void *arg,
                                               struct vn_loop_boot_timer **ret);
/** Once, when vn_loop_boot_ms says at_ms or more; UINT64_MAX: not at all. In place of what was set
 * before; never inside the call. */
void vn_loop_boot_timer_set(struct vn_loop_boot_timer *t, uint64_t at_ms);
/** NULL is fine; returns NULL. */
struct vn_loop_boot_timer *vn_loop_boot_timer_free(struct vn_loop_boot_timer *t);
