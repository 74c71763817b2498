#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

void vn_wipe(void *p, size_t n)
{
    if (n > 0)
        explicit_bzero(p, n);
}

/* Not inlined: its frame must begin where those before it began. */
__attribute__((noinline)) void vn_wipe_stack(void)
{
    uint8_t below[VN_STACK_WIPED];
    explicit_bzero(below, sizeof(below));
}

void vn_secret32_wipe(struct vn_secret32 *s)
{
    vn_wipe(s, sizeof(*s));
}

void vn_secret_wipe(struct vn_secret *s)
{
    vn_wipe(s, sizeof(*s));
}

bool vn_ct_equal(const void *a, const void *b, size_t n)
{
    /* volatile keeps the compiler from leaving the loop at the first difference */
    const volatile uint8_t *pa = a;
    const volatile uint8_t *pb = b;
    uint8_t diff = 0;
    for (size_t i = 0; i < n; i++)
        diff |= pa[i] ^ pb[i];
    return diff == 0;
}

void vn_secret_strp(char **s)
{
    if (*s) {
        vn_wipe(*s, strlen(*s));
        free(*s);
        *s = NULL;
    }
}
