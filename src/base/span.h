/* A borrowed run of bytes. The pointer is NULL only if the length is 0. */
#pragma once

#include <string.h>

#include "base/attr.h"

struct vn_span {
    const uint8_t *p;
    size_t n;
};

#define VN_SPAN(ptr, len) ((struct vn_span){(const uint8_t *)(ptr), (len)})
#define VN_SPAN_ARRAY(a) ((struct vn_span){(const uint8_t *)(a), sizeof(a)})
/** A string literal without its NUL. */
#define VN_SPAN_LIT(s) ((struct vn_span){(const uint8_t *)("" s), sizeof(s) - 1})
#define VN_SPAN_STR(s) ((struct vn_span){(const uint8_t *)(s), strlen(s)})
#define VN_SPAN_NONE ((struct vn_span){NULL, 0})

/** Equality of public bytes (not constant time; secrets use vn_ct_equal). */
static inline int vn_span_equal(struct vn_span a, struct vn_span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
