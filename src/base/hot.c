#include "base/hot.h"

#include <stddef.h>
#include <stdint.h>

#define LINE 64
#define HOT_MAX (256 * 1024)

/* They stand around the functions that cmake/hot.ld names. Not alike, or one might become the
 * other. */
__attribute__((noinline)) static void hot_first(void)
{
    __asm__ volatile("# first");
}

__attribute__((noinline)) static void hot_last(void)
{
    __asm__ volatile("# last");
}

void vn_hot_fetch(void)
{
    const uintptr_t first = (uintptr_t)hot_first, last = (uintptr_t)hot_last;
    if (last < first || last - first > HOT_MAX)
        return;
    for (uintptr_t at = first; at < last; at += LINE)
        __builtin_prefetch((const void *)at, 0, 2);
}
