/*
 * Who owns this name? Questions on a.own.<h>, answered by owners who may talk to us; silence means
 * nobody (DESIGN section 5). States: EXPECT_ANSWER (0.5, 1, 2 s) -> COLLECTING (50 ms after the
 * first answer) -> gone.
 */
#pragma once

#include "base/list.h"
#include "core/bucket.h"
#include "core/inbox.h"
#include "core/node.h"
#include "core/timer.h"

struct vn_node;
struct vn_map;

struct vn_queries {
    struct vn_map *by_hash; /* h -> struct vn_query */
    struct vn_list list;
    struct vn_bucket sends;
    struct vn_list resolves; /* vn_node_resolve under way */
};

VN_MUST_CHECK vn_status vn_queries_init(struct vn_node *n);
void vn_queries_done(struct vn_node *n);
/** Asks, unless the same question is out. The verdict comes through vn_dest_answered and
 * vn_dest_unreachable. */
VN_MUST_CHECK vn_status vn_query_ip(struct vn_node *n, const struct vn_ip *ip);
/** The same for an address of that node, if it is known: its descriptor is wanted. */
void vn_query_peer(struct vn_node *n, const struct vn_id *node);
/** The control channel is up, or our descriptor is ready: what waited for it is sent. */
void vn_queries_kick(struct vn_node *n);

void vn_query_on_query(struct vn_node *n, struct vn_inbound *in);
void vn_query_on_answer(struct vn_node *n, struct vn_inbound *in);
