/* Numbers of the command line. */
#pragma once

#include <stdint.h>

/** A decimal number from least to most; else usage(why), which ends the program. */
uint64_t sim_number(const char *text, uint64_t least, uint64_t most, void (*usage)(const char *),
                    const char *why);
