/*
 * Port: work over 100 µs. fn is a pure function on what arg owns and runs on a pool thread (inline
 * in tests); done runs later on the submitting thread, never inside submit. On shutdown done still
 * runs, with cancelled = true if fn did not.
 */
#pragma once

#include <stdbool.h>

#include "base/status.h"

struct vn_work {
    void *self;
    /** If it fails, neither fn nor done runs and arg stays the caller's. */
    vn_status (*submit)(void *self, void (*fn)(void *arg), void (*done)(void *arg, bool cancelled),
                        void *arg);
};
