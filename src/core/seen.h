/*
 * What keeps strangers cheap: token buckets per source, and the (source, nonce) pairs of envelopes
 * accepted within the freshness window.
 *
 * Nobody gets in here without the hour keys. A source whose signature was once seen counts as
 * proven; others, which only a broker could invent, have a small part of the table to themselves,
 * so they push out each other and nobody else. Of the pairs, who has the most gives way.
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
    bool proven;
    struct vn_bucket envelopes, handshakes, answers, retries, cookies, need_certs, paths;
};

#define VN_SEEN_CLASSES 17 /* owners of 2^i to 2^(i+1)-1 nonces */

struct vn_seen {
    struct vn_map *sources; /* id -> struct vn_source */
    struct vn_list proven_lru, unproven_lru;
    size_t unproven_count;
    struct vn_map *nonces; /* src ‖ nonce -> struct vn_seen_nonce */
    struct vn_list nonce_order;
    struct vn_map *owners; /* src -> struct vn_seen_owner */
    struct vn_list owners_of[VN_SEEN_CLASSES];
};

VN_MUST_CHECK vn_status vn_seen_init(struct vn_node *n);
void vn_seen_done(struct vn_node *n);
/** The buckets of a source, made when new; the least recently used one of its kind goes. NULL
 * without memory. */
struct vn_source *vn_source_get(struct vn_node *n, const struct vn_id *id);
/** May what seems to come from Guardian cost a signature's check? Counts it where not. */
bool vn_source_guardian_takes(struct vn_node *n);
/** A signature of this source was right. */
void vn_source_prove(struct vn_node *n, const struct vn_id *id);
/** Forgets the sources that are revoked: nothing of theirs is read any more. */
void vn_sources_sweep(struct vn_node *n);
bool vn_seen_has(struct vn_node *n, const struct vn_id *src, const uint8_t nonce[16]);
void vn_seen_put(struct vn_node *n, const struct vn_id *src, const uint8_t nonce[16]);
