#include "core/arm.h"

#include "base/limits.h"

#define LATE_BITS 32u

uint32_t vn_answers_nth(const struct vn_answers *a, unsigned i)
{
    return i < VN_MIN(a->count, (unsigned)VN_ANSWERS_KEPT)
               ? a->rtt_us[(a->count - 1 - i) % VN_ANSWERS_KEPT]
               : 0;
}

static uint32_t fastest(const struct vn_answers *a, unsigned of)
{
    uint32_t least = vn_answers_nth(a, 0);
    for (unsigned i = 1; i < VN_MIN(a->count, of); i++)
        least = VN_MIN(least, vn_answers_nth(a, i));
    return least;
}

/* A path that has become slow for good is late for as long as the ring remembers that it was not.
 */
void vn_answers_add(struct vn_answers *a, uint32_t rtt_us)
{
    const uint64_t usual = fastest(a, VN_ANSWERS_KEPT);
    const bool late = a->count && rtt_us > usual + VN_MAX(usual / 2, (uint64_t)VN_ANSWER_LATE_US);
    a->late = a->late << 1 | late;
    a->rtt_us[a->count++ % VN_ANSWERS_KEPT] = rtt_us;
}

/* The fastest of the last few is the path's delay: what a busy machine adds to one or the other is
 * not. A question and its answer cross the path twice. */
void vn_answers_sample(const struct vn_answers *a, struct vn_ccx_sample *ret)
{
    const unsigned few = VN_MIN(a->count, (unsigned)VN_ANSWERS_FASTEST);
    const uint32_t least = fastest(a, few);
    uint32_t off = 0;
    for (unsigned i = 0; i < few; i++)
        off += vn_answers_nth(a, i) - least;
    *ret = (struct vn_ccx_sample){
        .delay_us = least / 2,
        .jitter_us = off / VN_MAX(few, 1u) / 4,
        .loss_q16 = (uint32_t)__builtin_popcount(a->late) * VN_Q16 / LATE_BITS / 2,
    };
}
