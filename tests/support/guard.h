/* Inputs that end at a page nobody may touch, so that reading one byte too far crashes at once
 * (libsodium's trick). */
#pragma once

#include "base/span.h"

struct vn_guard {
    uint8_t *pages;
    size_t size; /* of the usable part */
};

/** Room for inputs of up to max bytes; aborts when the kernel gives no memory. */
void vn_guard_init(struct vn_guard *g, size_t max);
void vn_guard_done(struct vn_guard *g);
/** A copy of s that ends where the guard page begins; valid until the next call. s.n is at most
 * max. */
struct vn_span vn_guard_copy(struct vn_guard *g, struct vn_span s);
