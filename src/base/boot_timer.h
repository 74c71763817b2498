/*
 * A timer of CLOCK_BOOTTIME behind a descriptor. What waits in poll, and the timers of a loop, are
 * of CLOCK_MONOTONIC, which stands still while the machine sleeps: they would wait for the rest of
 * their time when it is awake. This one fires then, if it came due meanwhile.
 */
#pragma once

#include <stdint.h>

/** Readable when it has fired; -1 where that cannot be had. The caller closes it. */
int vn_boot_timer_open(void);
/** Once, so long from now, 0: at once; in place of what was set before. */
void vn_boot_timer_arm(int fd, uint64_t after_ms);
/** Reads away that it fired. */
void vn_boot_timer_drain(int fd);
