/* Token bucket: rate per second, burst at most. */
#pragma once

#include <stdbool.h>

#include "base/attr.h"

struct vn_bucket {
    uint64_t milli; /* thousandths of a token */
    uint64_t at_ms;
};

static inline void vn_bucket_init(struct vn_bucket *b, uint32_t burst, uint64_t now_ms)
{
    *b = (struct vn_bucket){.milli = (uint64_t)burst * 1000, .at_ms = now_ms};
}
static inline bool vn_bucket_take(struct vn_bucket *b, uint32_t rate, uint32_t burst,
                                  uint64_t now_ms)
{
    uint64_t full = (uint64_t)burst * 1000;
    uint64_t gone_ms = VN_MIN(now_ms - b->at_ms, (uint64_t)1000 * burst);
    b->milli = VN_MIN(b->milli + gone_ms * rate, full);
    b->at_ms = now_ms;
    if (b->milli < 1000)
        return false;
    b->milli -= 1000;
    return true;
}
