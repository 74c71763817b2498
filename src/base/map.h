/*
 * Hash table from fixed-size byte keys to pointers: open addressing, SipHash-2-4 under a per-table
 * random key, so a peer cannot choose collisions. Values are borrowed; the key is copied.
 */
#pragma once

#include <stdbool.h>

#include "base/status.h"

struct vn_map;

/** @param max  the most entries it will hold; beyond, vn_map_put returns VN_ERR_LIMIT */
VN_MUST_CHECK vn_status vn_map_new(size_t key_len, size_t max, struct vn_map **ret);
/** Frees the table, not the values. Returns NULL. */
struct vn_map *vn_map_free(struct vn_map *m);
void vn_map_freep(struct vn_map **m);
/** NULL when absent. */
void *vn_map_get(const struct vn_map *m, const void *key);
/** Adds or replaces. VN_ERR_LIMIT, VN_ERR_NOMEM. */
VN_MUST_CHECK vn_status vn_map_put(struct vn_map *m, const void *key, void *value);
/** Removes and returns the value; NULL when absent. */
void *vn_map_take(struct vn_map *m, const void *key);
size_t vn_map_count(const struct vn_map *m);
/**
 * Walks the entries, in an order that depends on the calls alone and not on the random hash key:
 * start with *cursor = 0; false at the end. The entry just returned may be taken out during the
 * walk (vn_map_take of that key); nothing may be put.
 */
bool vn_map_next(const struct vn_map *m, size_t *cursor, const void **ret_key, void **ret_value);
