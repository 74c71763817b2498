/*
 * Deadlines of the objects of a node: an intrusive pairing heap, so arming allocates nothing and
 * cannot fail. Core thread only.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"

struct vn_timer {
    uint64_t at_ms;
    void (*fn)(void *arg);
    void *arg;
    struct vn_timer *child, *next, *prev; /* prev: left sibling, or the parent of a first child */
    bool armed;
};

struct vn_timers {
    struct vn_timer *root;
    uint64_t now_ms;
};

void vn_timer_init(struct vn_timer *t, void (*fn)(void *arg), void *arg);
/** One shot; arming again replaces. A time that has passed fires at the next millisecond. */
void vn_timer_arm(struct vn_timers *ts, struct vn_timer *t, uint64_t at_ms);
void vn_timer_disarm(struct vn_timers *ts, struct vn_timer *t);
/** Runs what is due. A callback may arm and disarm any timer, and free the object its own is in. */
void vn_timers_run(struct vn_timers *ts, uint64_t now_ms);
/** UINT64_MAX when none is armed. */
uint64_t vn_timers_next(const struct vn_timers *ts);
