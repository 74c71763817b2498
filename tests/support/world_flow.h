/* A flow of numbered packets from one node of a world to another, and which of them came. */
#pragma once

#include "support/node_world.h"

#define WORLD_FLOW_MAX 60000

struct world_flow {
    struct vn_world_node *from, *to;
    uint32_t next;       /* number of the next packet, from 1 on */
    uint64_t in_time_ms; /* those that take longer do not count as come; 0: all count */
    uint32_t sent_ms[WORLD_FLOW_MAX];
    bool come[WORLD_FLOW_MAX];
    size_t arrived; /* in time or late */
};

void world_flow_init(struct world_flow *f, struct vn_world_node *from, struct vn_world_node *to);
/** A packet every so often, for so long. */
void world_flow_run(struct world_flow *f, uint64_t ms, uint64_t every_ms);
/** The longest run of packets since number `since` that did not come in time, or within half a
 * second from now. */
unsigned world_flow_gap(struct world_flow *f, uint32_t since);
