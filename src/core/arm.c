#include "core/arm.h"

#include "base/limits.h"

#define LATE_BITS 32u
#define LATE_ANYWAY 2u /* of them, because a machine on the way was busy */

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

/* The share of those that are late, without the few that a busy machine makes. A question and its
 * answer cross the path twice. */
static uint32_t loss_q16(const struct vn_answers *a)
{
    const uint32_t late = (uint32_t)__builtin_popcount(a->late);
    return late <= LATE_ANYWAY ? 0 : (late - LATE_ANYWAY) * VN_Q16 / (LATE_BITS - LATE_ANYWAY) / 2;
}

/* The fastest of the last few is the path's delay: what a busy machine adds to one or the other is
 * not. */
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
        .loss_q16 = loss_q16(a),
    };
}
