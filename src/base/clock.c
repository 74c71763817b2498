#include "base/clock.h"

#include <time.h>

static struct timespec read_clock(clockid_t id)
{
    struct timespec ts = {0};
    /* Cannot fail: the clocks exist on every kernel we run on and the pointer is good. */
    (void)clock_gettime(id, &ts);
    return ts;
}

static uint64_t as_ms(struct timespec ts)
{
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t vn_clock_mono_us(void)
{
    struct timespec ts = read_clock(CLOCK_MONOTONIC);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t vn_clock_boot_ms(void)
{
    return as_ms(read_clock(CLOCK_BOOTTIME));
}

uint64_t vn_clock_wall_ms(void)
{
    return as_ms(read_clock(CLOCK_REALTIME));
}
