/*
 * What keeps strangers cheap: a token bucket per source, and the (source, nonce) pairs of envelopes
 * accepted within the freshness window.
 */
#pragma once

#include "base/id.h"
#include "base/list.h"
#include "core/bucket.h"

struct vn_node;
struct vn_map;

struct vn_source {
    struct vn_id id;
    struct vn_list lru;
    struct vn_bucket envelopes, handshakes, retries, need_certs;
};

struct vn_seen {
    struct vn_map *sources; /* id -> struct vn_source */
    struct vn_list source_lru;
    struct vn_map *nonces; /* src ‖ nonce -> struct vn_seen_nonce */
    struct vn_list nonce_order;
};

VN_MUST_CHECK vn_status vn_seen_init(struct vn_node *n);
void vn_seen_done(struct vn_node *n);
/** The buckets of a source, made when new; the least recently used one goes. NULL without memory.
 */
struct vn_source *vn_source_get(struct vn_node *n, const struct vn_id *id);
bool vn_seen_has(struct vn_node *n, const struct vn_id *src, const uint8_t nonce[16]);
void vn_seen_put(struct vn_node *n, const struct vn_id *src, const uint8_t nonce[16]);
