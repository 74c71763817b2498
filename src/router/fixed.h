/*
 * Arithmetic of the router: integers only, so that every machine and the simulator decide alike.
 * Fractions are Q16: 65536 is 1.
 */
#pragma once

#include <stdint.h>

#define VN_Q16 65536u

/** exp(-x) for x in Q16, within 2^-11. */
uint32_t vn_q16_exp_neg(uint32_t x);
/** a / b in Q16, at most max; b = 0 gives max. */
uint32_t vn_q16_ratio(uint32_t a, uint32_t b, uint32_t max);
/** The largest r with r * r <= n. */
uint32_t vn_isqrt(uint64_t n);

/** Pseudo-random numbers (SplitMix64), repeatable from the seed; nothing secret hangs on them. */
struct vn_dice {
    uint64_t state;
};
uint64_t vn_dice_next(struct vn_dice *d);
/** Below n, which is not 0. */
uint64_t vn_dice_below(struct vn_dice *d, uint64_t n);
