/*
 * Descriptors and timers of a loop, in the shape of the port ports/io.h: VN_LOOP_IO below makes the
 * port of it, without this layer knowing that one.
 *
 * Timers have microsecond resolution: one timerfd per loop, set at most once a turn.
 */
#pragma once

#include "base/status.h"

/** Initializer of a struct vn_io; with a cast in front its value. */
#define VN_LOOP_IO(loop)                                                                           \
    {.self = (loop),                                                                               \
     .watch = vn_loop_watch,                                                                       \
     .rewatch = vn_loop_rewatch,                                                                   \
     .unwatch = vn_loop_unwatch,                                                                   \
     .timer_new = vn_loop_timer_new,                                                               \
     .timer_arm = vn_loop_timer_arm,                                                               \
     .timer_disarm = vn_loop_timer_disarm,                                                         \
     .timer_free = vn_loop_timer_free,                                                             \
     .now_us = vn_loop_io_now_us}

/** As VN_IO_READ and VN_IO_WRITE of the port. */
enum { VN_LOOP_READ = 1, VN_LOOP_WRITE = 2 };

struct vn_io_watch;
struct vn_io_timer;

/**
 * Level-triggered. The descriptor stays the caller's and outlives the watch; at most one watch per
 * descriptor. A descriptor in error or hung up is reported with all the events that were asked for.
 * @param loop    struct vn_loop
 * @param events  0 is allowed: nothing until vn_loop_rewatch
 */
VN_MUST_CHECK vn_status vn_loop_watch(void *loop, int fd, unsigned events,
                                      void (*fn)(void *arg, unsigned events), void *arg,
                                      struct vn_io_watch **ret);
void vn_loop_rewatch(struct vn_io_watch *w, unsigned events);
/** NULL is fine; the callback does not run again. */
void vn_loop_unwatch(struct vn_io_watch *w);

VN_MUST_CHECK vn_status vn_loop_timer_new(void *loop, void (*fn)(void *arg), void *arg,
                                          struct vn_io_timer **ret);
/** One shot; arming again replaces. Never runs inside the call. */
void vn_loop_timer_arm(struct vn_io_timer *t, uint64_t after_us);
void vn_loop_timer_disarm(struct vn_io_timer *t);
/** NULL is fine. */
void vn_loop_timer_free(struct vn_io_timer *t);

uint64_t vn_loop_io_now_us(void *loop);
