/* Reading the monotonic clocks; only the shell (loop, lib, programs) calls these, core gets time as
 * an input. */
#pragma once

#include <stdint.h>

/** CLOCK_MONOTONIC, microseconds. */
uint64_t vn_clock_mono_us(void);
/** CLOCK_BOOTTIME, milliseconds: goes on in suspend; protocol time is built on it. */
uint64_t vn_clock_boot_ms(void);
/** CLOCK_REALTIME, milliseconds since 1970. */
uint64_t vn_clock_wall_ms(void);
