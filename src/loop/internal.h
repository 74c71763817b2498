/* What the files of src/loop share; not for other layers. */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "loop/loop.h"

struct vn_loop_timers;

struct vn_loop {
    uv_loop_t uv;
    uv_prepare_t prepare;
    struct vn_loop_turn turn;
    uint64_t now_us; /* 0: not read yet in this turn */
    uint64_t boot_ms;
    bool begun;                    /* turn.begin has run */
    struct vn_loop_timers *timers; /* made with the first timer */
};

/** Every callback of src/loop begins with this. */
void vn_loop_enter(struct vn_loop *l);

/** Arms the timerfd for the earliest timer; at the end of a turn. */
void vn_loop_timers_settle(struct vn_loop_timers *t);
struct vn_loop_timers *vn_loop_timers_free(struct vn_loop_timers *t);

vn_status vn_loop_uv_status(int err);
/** Closes a handle that is the first member of a heap object, and frees that object. */
void vn_loop_close_free(uv_handle_t *h);
