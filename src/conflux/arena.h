/* Memory for an answer's protobuf messages and texts, freed together once it was sent. */
#pragma once

#include <stddef.h>

#include "base/id.h"

#define VN_ARENA_BLOCKS 16384 /* beyond, texts are left empty */

/** calloc'ed by its user. */
struct vn_arena {
    void *blocks[VN_ARENA_BLOCKS];
    size_t count;
};

/** Zeroed; NULL when memory is short. */
void *vn_arena_take(struct vn_arena *a, size_t n);
/** Never NULL: an empty text when memory is short. */
char *vn_arena_text(struct vn_arena *a, const char *s);
/** Empty for the zero id. */
char *vn_arena_id(struct vn_arena *a, const struct vn_id *id);
void vn_arena_free(struct vn_arena *a);
