#include "base/boot_timer.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/log.h"

#define MS_MAX 31536000000ull /* a year: a time_t of any size holds it */

int vn_boot_timer_open(void)
{
    const int fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0)
        vn_log(VN_LOG_DEBUG, "boot_timer_failed", VN_KV_ERRNO(errno));
    return fd;
}

/* Relative: a test may have its own idea of the clock (tests/support/wallclock.c). */
void vn_boot_timer_arm(int fd, uint64_t after_ms)
{
    const uint64_t ms = VN_MIN(after_ms, (uint64_t)MS_MAX);
    const struct itimerspec spec = {
        .it_value = {.tv_sec = (time_t)(ms / 1000),
                     .tv_nsec = ms ? (long)(ms % 1000) * 1000000 : 1}}; /* 0 would disarm it */
    (void)!timerfd_settime(fd, 0, &spec, NULL);
}

void vn_boot_timer_drain(int fd)
{
    uint64_t expirations;
    (void)!read(fd, &expirations, sizeof(expirations));
}
