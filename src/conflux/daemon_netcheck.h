/* What `netcheck` asks of a running node: which servers it knows, and the key for those of members.
 */
#pragma once

#include "conflux/local_api.h"
#include "core/node.h"

/** Answers the call. */
void vn_daemon_netcheck(const struct vn_node *node, struct vn_local_call *call);
