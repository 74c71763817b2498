#include "conflux/arena.h"

#include <stdlib.h>
#include <string.h>

void *vn_arena_take(struct vn_arena *a, size_t n)
{
    void *p = a->count < VN_ARENA_BLOCKS ? calloc(1, n ? n : 1) : NULL;
    if (p)
        a->blocks[a->count++] = p;
    return p;
}

void vn_arena_free(struct vn_arena *a)
{
    for (size_t i = 0; i < a->count; i++)
        free(a->blocks[i]);
    free(a);
}

char *vn_arena_text(struct vn_arena *a, const char *s)
{
    static char none[] = "";
    const size_t n = strlen(s) + 1;
    char *p = n > 1 ? vn_arena_take(a, n) : none;
    if (!p)
        return none;
    if (n > 1)
        memcpy(p, s, n);
    return p;
}

char *vn_arena_id(struct vn_arena *a, const struct vn_id *id)
{
    char t[VN_ID_TEXT];
    vn_id_format(id, t);
    return vn_arena_text(a, vn_id_is_zero(id) ? "" : t);
}
