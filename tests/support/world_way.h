/* Which way a stream of one node of a world goes to another. */
#pragma once

#include "core/node_i.h"
#include "support/node_world.h"

/** The stream from one to the other; NULL: there is none. */
struct vn_stream *world_tx(const struct vn_world_node *from, const struct vn_world_node *to);
/** The first relay that it goes through at present; NULL: it goes through none. */
struct vn_world_node *world_relay(const struct vn_world_node *from, const struct vn_world_node *to);
