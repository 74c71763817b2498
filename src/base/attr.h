/* Compiler attributes and small idioms used everywhere. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define VN_MUST_CHECK __attribute__((warn_unused_result))
#define VN_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define VN_UNUSED __attribute__((unused))
#define VN_LIKELY(x) __builtin_expect(!!(x), 1)
#define VN_UNLIKELY(x) __builtin_expect(!!(x), 0)

/** Runs fn(&var) when var goes out of scope. */
#define VN_CLEANUP(fn) __attribute__((cleanup(fn)))

/** Hands a cleaned-up pointer over: yields its value and leaves NULL behind. */
#define VN_TAKE(ptr)                                                                               \
    ({                                                                                             \
        __typeof__(ptr) *vn_take_p = &(ptr);                                                       \
        __typeof__(ptr) vn_take_v = *vn_take_p;                                                    \
        *vn_take_p = NULL;                                                                         \
        vn_take_v;                                                                                 \
    })

#define VN_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define VN_MIN(a, b)                                                                               \
    ({                                                                                             \
        __typeof__(a) vn_min_a = (a);                                                              \
        __typeof__(b) vn_min_b = (b);                                                              \
        vn_min_a < vn_min_b ? vn_min_a : vn_min_b;                                                 \
    })
#define VN_MAX(a, b)                                                                               \
    ({                                                                                             \
        __typeof__(a) vn_max_a = (a);                                                              \
        __typeof__(b) vn_max_b = (b);                                                              \
        vn_max_a > vn_max_b ? vn_max_a : vn_max_b;                                                 \
    })
/* Through void: the enclosing object is aligned, whatever its member is. */
#define VN_CONTAINER_OF(ptr, type, member)                                                         \
    ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/** Checked arithmetic for values that come from outside; true on success. */
#define vn_ckd_add(ret, a, b) (!__builtin_add_overflow((a), (b), (ret)))
#define vn_ckd_mul(ret, a, b) (!__builtin_mul_overflow((a), (b), (ret)))
