/*
 * Port: descriptors and timers of the thread that owns the object. Implemented by the shell over
 * src/loop; tests and the simulator have one with a virtual clock. All calls and callbacks happen
 * on that one thread. No callback runs inside a call that arms it.
 */
#pragma once

#include <stdbool.h>

#include "base/status.h"

enum { VN_IO_READ = 1, VN_IO_WRITE = 2 };

struct vn_io_watch; /* opaque to users of the port */
struct vn_io_timer;

struct vn_io {
    void *self;
    /** Level-triggered. The descriptor stays the caller's and outlives the watch. */
    vn_status (*watch)(void *self, int fd, unsigned events, void (*fn)(void *arg, unsigned events),
                       void *arg, struct vn_io_watch **ret);
    void (*rewatch)(struct vn_io_watch *w, unsigned events);
    /** NULL is fine; the callback does not run again. */
    void (*unwatch)(struct vn_io_watch *w);

    vn_status (*timer_new)(void *self, void (*fn)(void *arg), void *arg, struct vn_io_timer **ret);
    /** One shot after after_us microseconds; arming again replaces. */
    void (*timer_arm)(struct vn_io_timer *t, uint64_t after_us);
    void (*timer_disarm)(struct vn_io_timer *t);
    /** NULL is fine. */
    void (*timer_free)(struct vn_io_timer *t);

    /** Monotonic microseconds, read once per loop turn. */
    uint64_t (*now_us)(void *self);
};
