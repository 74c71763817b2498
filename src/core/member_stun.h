/* The keys of STUN between members (wire/member_stun.h), given to the worker as hours go by: to a
 * node that knows public nodes, or is one. Others have no timer for it. */
#pragma once

struct vn_node;

void vn_member_stun_init(struct vn_node *n);
void vn_member_stun_done(struct vn_node *n);
/** Servers or keys changed. */
void vn_member_stun_tell(struct vn_node *n);
