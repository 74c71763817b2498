/*
 * Linked into the programs, in place of the C library's: what is freed is overwritten first,
 * whoever had it. Our own secrets are wiped by their owners; this is for the copies that libraries
 * make of tokens, keys and messages in buffers of theirs. Not with sanitizers, which bring an
 * allocator of their own.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

#define REPLACES __attribute__((visibility("default"), used))

/* glibc's own, under the name it has for programs that replace it. */
void __libc_free(void *p); // NOLINT(bugprone-reserved-identifier)

REPLACES void free(void *p)
{
    if (!p)
        return;
    const int saved = errno; /* free keeps it */
    vn_wipe(p, malloc_usable_size(p));
    __libc_free(p);
    errno = saved;
}

REPLACES void *realloc(void *p, size_t n)
{
    if (!p)
        return malloc(n);
    if (n == 0) {
        free(p);
        return NULL;
    }
    const size_t have = malloc_usable_size(p);
    if (n <= have && n >= have / 2)
        return p;
    void *moved = malloc(n);
    if (!moved)
        return NULL;
    memcpy(moved, p, have < n ? have : n);
    free(p);
    return moved;
}
