#include "control/json_alloc.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/secret.h"

static _Thread_local bool exhausted;
static _Thread_local unsigned failures;

static void *noting_malloc(size_t n)
{
    void *p = malloc(n);
    if (!p) {
        exhausted = true;
        failures++;
    }
    return p;
}

/* Harmless for what was allocated before: it is the same heap. */
static void replace_malloc(void)
{
    json_set_alloc_funcs(noting_malloc, free);
}

void vn_json_begin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, replace_malloc);
    exhausted = false;
}

bool vn_json_exhausted(void)
{
    return exhausted;
}

unsigned vn_json_failures(void)
{
    return failures;
}

json_t *vn_json_load(struct vn_span text, json_error_t *ret_err)
{
    vn_json_begin();
    json_t *j = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, ret_err);
    if (!exhausted)
        return j;
    json_decref(j); /* texts in it may be cut */
    return NULL;
}

char *vn_json_dump(const json_t *o, size_t flags)
{
    vn_json_begin();
    char *text = json_dumps(o, flags);
    if (exhausted)
        vn_secret_strp(&text);
    return text;
}
