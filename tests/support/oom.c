#include "support/oom.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

/* Several threads may count. */
static _Atomic size_t until; /* 0: not armed */
static atomic_bool failed, paused;

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

static bool fails(void)
{
    if (until == 0 || paused || atomic_fetch_sub(&until, 1) > 1)
        return false;
    failed = true;
    return true;
}

void vn_oom_arm(size_t n)
{
    until = n;
    failed = false;
}

bool vn_oom_disarm(void)
{
    until = 0;
    return failed;
}

size_t vn_oom_each(vn_status (*fn)(void), bool spare)
{
    for (size_t n = 1;; n++) {
        vn_oom_arm(n);
        vn_status st = fn();
        if (!vn_oom_disarm()) {
            assert_ok(st);
            return n - 1;
        }
        if (st != VN_OK || !spare)
            assert_status(VN_ERR_NOMEM, st);
    }
}

void vn_oom_pause(bool pause)
{
    paused = pause;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t n)
{
    return fails() ? NULL : __real_calloc(count, n);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n)
{
    return fails() ? NULL : __real_strndup(s, n);
}

void *vn_oom_malloc(size_t n)
{
    return __wrap_malloc(n);
}

void *vn_oom_realloc(void *p, size_t n)
{
    return __wrap_realloc(p, n);
}
