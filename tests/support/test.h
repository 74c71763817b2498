/* What every test file includes: cmocka and the headers it forgets, and small helpers. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/span.h"
#include "base/status.h"

/** The call returns this status; shows names, not numbers. */
#define assert_status(expected, call)                                                              \
    assert_string_equal(vn_status_name(expected), vn_status_name(call))
#define assert_ok(call) assert_status(VN_OK, call)
#define assert_status_not_ok(call) assert_int_not_equal(VN_OK, call)

/** Equal length and bytes. */
#define assert_span_equal(a, b)                                                                    \
    do {                                                                                           \
        const struct vn_span vn_sa = (a), vn_sb = (b);                                             \
        assert_int_equal(vn_sa.n, vn_sb.n);                                                        \
        if (vn_sa.n > 0)                                                                           \
            assert_memory_equal(vn_sa.p, vn_sb.p, vn_sa.n);                                        \
    } while (0)

/** The bytes of a hexadecimal literal, valid until the 16th call after this one. Fails the test if
 * it is none. */
struct vn_span vn_test_hex(const char *hex);

/**
 * Pseudo-random numbers for property tests. The seed is printed once; VN_TEST_SEED=<n> repeats a
 * run.
 */
uint64_t vn_test_random(void);
/** Below n, which is not 0. */
size_t vn_test_below(size_t n);
void vn_test_fill(void *p, size_t n);
