#include "core/codel.h"

#include "base/limits.h"

/* RFC 8289 section 5.5: a drop state entered again this soon goes on where it was. */
#define RESUME_INTERVALS 16

struct vn_codel_params vn_codel_params_for(uint32_t srtt_us)
{
    uint64_t interval = VN_MIN((uint64_t)srtt_us, (uint64_t)VN_CODEL_INTERVAL_MAX_US);
    interval = VN_MAX(interval, (uint64_t)VN_CODEL_INTERVAL_US);
    return (struct vn_codel_params){.target_us = interval / VN_CODEL_TARGET_DIV,
                                    .interval_us = interval};
}

static uint64_t square_root(uint64_t v)
{
    uint64_t root = 0;
    for (uint64_t bit = UINT64_C(1) << 62; bit; bit >>= 2) {
        bool fits = v >= root + bit;
        if (fits)
            v -= root + bit;
        root = (root >> 1) + (fits ? bit : 0);
    }
    return root;
}

/* interval / sqrt(count) after at, without fractions. */
static uint64_t next_after(uint64_t at, uint64_t interval_us, uint32_t count)
{
    return at + square_root(interval_us * interval_us / count);
}

static bool above(struct vn_codel *c, const struct vn_codel_params *p, uint64_t waited_us,
                  bool last, uint64_t now_us)
{
    if (waited_us < p->target_us || last) {
        c->above_until_us = 0;
        return false;
    }
    if (c->above_until_us == 0) {
        c->above_until_us = now_us + p->interval_us;
        return false;
    }
    return now_us >= c->above_until_us;
}

bool vn_codel_hit(struct vn_codel *c, const struct vn_codel_params *p, uint64_t waited_us,
                  bool last, uint64_t now_us)
{
    if (!above(c, p, waited_us, last, now_us)) {
        c->dropping = false;
        return false;
    }
    if (c->dropping) {
        if (now_us < c->next_us)
            return false;
        c->count++;
        c->next_us = next_after(c->next_us, p->interval_us, c->count);
        return true;
    }
    /* The rate that controlled the queue last time is a better start than 1. */
    uint32_t delta = c->count - c->count_before;
    bool resume = delta > 1 && now_us < c->next_us + RESUME_INTERVALS * p->interval_us;
    c->dropping = true;
    c->count = resume ? delta : 1;
    c->count_before = c->count;
    c->next_us = next_after(now_us, p->interval_us, c->count);
    return true;
}
