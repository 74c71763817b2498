/*
 * What every fuzz target has: what libFuzzer calls, a promise whose breach ends it, and a source of
 * "random" bytes that is the same in each run.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/status.h"

#define FUZZ_ASSERT(cond)                                                                          \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** A vn_random whose self is a counter: each value is another. */
static inline vn_status fuzz_count(void *self, void *ret, size_t n)
{
    uint64_t *counter = self;
    memset(ret, 0, n);
    ++*counter;
    memcpy(ret, counter, VN_MIN(n, sizeof(*counter)));
    return VN_OK;
}
