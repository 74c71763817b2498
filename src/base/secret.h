/* Secrets: storage that is wiped, comparison in constant time. Nothing formats a secret. */
#pragma once

#include <stdbool.h>

#include "base/span.h"

struct vn_secret32 {
    uint8_t b[32];
};

/** A variable secret of at most 64 bytes: KEM shared secrets, hash-sized keys. */
struct vn_secret {
    uint8_t b[64];
    size_t n;
};

/** Overwrites with zeros; not removed by the optimiser. */
void vn_wipe(void *p, size_t n);
/** For VN_CLEANUP. */
void vn_secret32_wipe(struct vn_secret32 *s);
void vn_secret_wipe(struct vn_secret *s);
/**
 * Overwrites what functions that have returned left on the stack below the caller, VN_STACK_WIPED
 * bytes: libraries and compilers copy keys there. For the end of what handled secrets.
 */
void vn_wipe_stack(void);
/** True when equal; the time does not depend on the contents. */
VN_MUST_CHECK bool vn_ct_equal(const void *a, const void *b, size_t n);
/** Wipes and frees a NUL-terminated heap string; NULL is fine. For VN_CLEANUP. */
void vn_secret_strp(char **s);
