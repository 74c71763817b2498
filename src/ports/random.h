/* Port: random bytes, so that tests and the simulator can replay. The daemon's is vn_rng_bytes. */
#pragma once

#include "base/status.h"

struct vn_random {
    void *self;
    vn_status (*fill)(void *self, void *ret, size_t n);
};
