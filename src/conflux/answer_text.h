/* Texts and lists of texts for answers of the local API. All of it is the arena's. Without memory a
 * text is empty, and a list NULL. */
#pragma once

#include "conflux/arena.h"
#include "core/node.h"

char *vn_arena_ip(struct vn_arena *a, const struct vn_ip *ip);
char *vn_arena_prefix(struct vn_arena *a, const struct vn_prefix *p);
/** "": port 0. */
char *vn_arena_addr(struct vn_arena *a, const struct vn_addr *addr);
char **vn_arena_ips(struct vn_arena *a, const struct vn_ip *addrs, size_t n);
char **vn_arena_ids(struct vn_arena *a, const struct vn_id *ids, size_t n);
/** Those of this node. */
char **vn_arena_taints(struct vn_arena *a, struct vn_node *node, size_t *ret_n);
