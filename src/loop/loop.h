/*
 * One thread's event loop over libuv: time read once a turn, hooks around a turn, signals as
 * events. Everything here and in io.h belongs to the thread that runs the loop. Make all of it
 * before, and free all of it after, without the loop running or inside its callbacks; then
 * vn_loop_free.
 */
#pragma once

#include "base/status.h"

struct uv_loop_s;
struct vn_loop;
struct vn_loop_signal;

VN_MUST_CHECK vn_status vn_loop_new(struct vn_loop **ret);
/**
 * Not inside a callback of the loop. Lets closing handles close; a handle that somebody forgot is a
 * bug: logged as loop_leak, and an assertion. Returns NULL.
 */
struct vn_loop *vn_loop_free(struct vn_loop *l);

/** Turns until vn_loop_stop, or until nothing is left that could wake it. */
void vn_loop_run(struct vn_loop *l);
/** Ends vn_loop_run after the present turn. From its own thread only (others: mailbox, thread). */
void vn_loop_stop(struct vn_loop *l);
/** One turn: calls what is ready and does not wait. For shutting down and for tests. */
void vn_loop_poll(struct vn_loop *l);

/** For libraries with an adapter of their own (libnats, libwebsockets, libcurl). */
struct uv_loop_s *vn_loop_uv(struct vn_loop *l);

/** CLOCK_MONOTONIC in microseconds, read once per turn. */
uint64_t vn_loop_now_us(struct vn_loop *l);
/** CLOCK_BOOTTIME in milliseconds, read once per turn: the clock of struct vn_node. */
uint64_t vn_loop_boot_ms(struct vn_loop *l);

struct vn_loop_turn {
    void *arg;
    /** Before the first callback of a turn that came through src/loop. May be NULL. */
    void (*begin)(void *arg);
    /** After the last callback of every turn, before the loop waits: flush, arm timers. May be
     * NULL. */
    void (*end)(void *arg);
};
/** One pair of hooks per loop; NULL removes. Copied. */
void vn_loop_set_turn(struct vn_loop *l, const struct vn_loop_turn *turn);

/** Calls fn on the loop for each arrival of signum. One watcher per signal and process. */
VN_MUST_CHECK vn_status vn_loop_signal(struct vn_loop *l, int signum,
                                       void (*fn)(void *arg, int signum), void *arg,
                                       struct vn_loop_signal **ret);
/** Returns NULL; NULL is fine. The signal's default action applies again. */
struct vn_loop_signal *vn_loop_signal_free(struct vn_loop_signal *s);
