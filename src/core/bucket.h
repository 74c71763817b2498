/* Token bucket: rate per second, burst at most; and the same for who waits instead. */
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

/** When the next one would be due, if all went one by one. Zeroed: none went. */
struct vn_pace {
    uint64_t due_ms;
};
/** How long to wait with the next one, whose place is taken by that; longer than most_ms: it is
 * not. */
static inline uint64_t vn_pace_take(struct vn_pace *p, uint32_t rate, uint32_t burst,
                                    uint64_t most_ms, uint64_t now_ms)
{
    const uint64_t every = 1000 / rate, ahead = burst * every;
    const uint64_t due = VN_MAX(p->due_ms, now_ms);
    const uint64_t wait = VN_MAX(due - now_ms, ahead) - ahead;
    if (wait <= most_ms)
        p->due_ms = due + every;
    return wait;
}
