/*
 * usage: steal PERCENT MS
 *
 * Takes each core away from everything else, for up to MS milliseconds at a time and for PERCENT of
 * the time, until it is ended: what the host of a busy virtual machine does, and /proc/stat calls
 * steal. ./dev test --steal runs beside it; races, and waits that are too short, come to light.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static unsigned percent;
static uint64_t most_us;

static void die(const char *what, int error)
{
    fprintf(stderr, "steal: %s: %s\n", what, strerror(error));
    exit(1);
}

/* Of one core. The kernel leaves 5 % of a second to others than SCHED_FIFO. */
static void *thief(void *arg)
{
    const size_t core = (size_t)(uintptr_t)arg;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    int err = pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
    if (err)
        die("a core of its own", err);
    const struct sched_param first = {.sched_priority = sched_get_priority_max(SCHED_FIFO)};
    err = pthread_setschedparam(pthread_self(), SCHED_FIFO, &first);
    if (err)
        die("SCHED_FIFO (root has it)", err);
    unsigned short seed[3] = {(unsigned short)core, (unsigned short)getpid()};
    for (;;) {
        const uint64_t us = (uint64_t)((double)most_us * erand48(seed));
        for (const uint64_t end = vn_clock_mono_us() + us; vn_clock_mono_us() < end;) {
        }
        const uint64_t rest_us = us * (100 - percent) / percent;
        const struct timespec rest = {.tv_sec = (time_t)(rest_us / 1000000),
                                      .tv_nsec = (long)(rest_us % 1000000) * 1000 + 1};
        (void)nanosleep(&rest, NULL);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    percent = argc == 3 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    most_us = argc == 3 ? strtoul(argv[2], NULL, 10) * 1000 : 0;
    if (percent < 1 || percent > 90 || most_us < 1 || most_us > 500000) {
        fputs("usage: steal PERCENT MS: 1 to 90, 1 to 500\n", stderr);
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    cpu_set_t all;
    if (sched_getaffinity(0, sizeof(all), &all) != 0)
        die("the cores", errno);
    for (size_t core = 0; core < CPU_SETSIZE; core++) {
        pthread_t t;
        const int err =
            CPU_ISSET(core, &all) ? pthread_create(&t, NULL, thief, (void *)(uintptr_t)core) : 0;
        if (err)
            die("a thread", err);
    }
    for (;;)
        pause();
}
