/* What the local API says of relays, and the rules of which this node wants. Core thread. */
#pragma once

#include "conflux/arena.h"
#include "conflux/local_api.h"
#include "core/node.h"

struct vn_instance;

/** Those that the node knows, for an answer. @return how many; *ret lives in the arena */
size_t vn_daemon_relay_list(struct vn_arena *a, struct vn_node *node, Vn__Local__Relay ***ret);
/** Changes the rules, in the settings on disk first, and answers with what there is then. */
void vn_daemon_relays(struct vn_instance *i, const char *state_dir, struct vn_local_call *call,
                      const Vn__Local__RelayChange *change);
