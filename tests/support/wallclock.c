/*
 * A library to preload: the wall clock of a process is off by as many seconds as the file
 * VN_WALLCLOCK says, at any moment, and CLOCK_BOOTTIME by those of the file VN_BOOTCLOCK, as after
 * a suspend; all other clocks stay right. As the kernel does then, timerfds of that clock are
 * shortened by a jump of it, and no others. libfaketime also takes over poll, epoll_wait and
 * condition variables, and a daemon on them hangs.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static long offset_s(const char *variable)
{
    const char *path = getenv(variable);
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    char text[32] = "";
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    return n > 0 ? strtol(text, NULL, 10) : 0;
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int st = (int)syscall(SYS_clock_gettime, clock, ret);
    if (st == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        ret->tv_sec += offset_s("VN_WALLCLOCK");
    else if (st == 0 && clock == CLOCK_BOOTTIME)
        ret->tv_sec += offset_s("VN_BOOTCLOCK");
    return st;
}

__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict ret,
                                                        void *restrict zone)
{
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return -1;
    ret->tv_sec = now.tv_sec;
    ret->tv_usec = now.tv_nsec / 1000;
    return 0;
}

__attribute__((visibility("default"))) time_t time(time_t *ret)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return -1;
    if (ret)
        *ret = now.tv_sec;
    return now.tv_sec;
}

/* ---- timerfds of CLOCK_BOOTTIME ---- */

#define FDS_MAX 16

static atomic_int fds[FDS_MAX]; /* and one more: 0 is none */
static atomic_uint fd_count;

/* Of a descriptor that is something else by now neither call changes anything. */
static void shorten(int fd, long by_s)
{
    struct itimerspec left;
    if (timerfd_gettime(fd, &left) != 0 || (!left.it_value.tv_sec && !left.it_value.tv_nsec))
        return;
    left.it_value.tv_sec -= by_s;
    if (left.it_value.tv_sec < 0)
        left.it_value = (struct timespec){.tv_nsec = 1};
    timerfd_settime(fd, 0, &left, NULL);
}

static void *watch_the_clock(void *arg)
{
    (void)arg;
    for (long before = offset_s("VN_BOOTCLOCK");;) {
        const struct timespec while_asleep = {.tv_nsec = 20000000};
        nanosleep(&while_asleep, NULL);
        const long now = offset_s("VN_BOOTCLOCK");
        for (unsigned i = 0; now != before && i < FDS_MAX; i++)
            if (fds[i])
                shorten(fds[i] - 1, now - before);
        before = now;
    }
    return NULL;
}

__attribute__((visibility("default"))) int timerfd_create(clockid_t clock, int flags)
{
    const int fd = (int)syscall(SYS_timerfd_create, clock, flags);
    pthread_t t;
    if (fd < 0 || clock != CLOCK_BOOTTIME || !getenv("VN_BOOTCLOCK"))
        return fd;
    const unsigned at = fd_count++;
    fds[at % FDS_MAX] = fd + 1;
    if (at == 0 && pthread_create(&t, NULL, watch_the_clock, NULL) == 0)
        pthread_detach(t);
    return fd;
}
