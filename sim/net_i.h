/* Between net.c (events, flows), find.c (what nodes learn of relays) and cost.c (what paths cost).
 */
#pragma once

#include "bytes.h"
#include "net.h"

#define SIM_DIRECT_KEY UINT64_C(0)
#define SIM_DEAD UINT32_MAX
#define SIM_WARM_UP_S 120

struct sim_node {
    struct vn_coord at;
    struct vn_book *book; /* NULL: heard of nobody yet */
    struct vn_ccx_budget budget;
    struct vn_headroom headroom;
    uint32_t generation; /* of the machines that were here */
    uint32_t capacity_kbps, load_kbps;
    uint64_t load_bytes; /* carried, ever */
    double load_ms;      /* when that was counted */
    double over_ms;      /* over its capacity, without a pause */
    bool liar, hole, sends, serves;
    uint64_t sent, received; /* control and probe bytes in the time that counts */
    double added_ms;         /* last arm that took another's place */
};

struct sim_flow {
    uint32_t from, to, to_generation, kbps;
    struct vn_ccx ccx;
    struct vn_liveness live;
    struct vn_descriptor_place place;
    uint64_t carried_by; /* the relay that has its load; 0: none */
    uint32_t age;        /* ticks */
    uint32_t relearn;    /* ticks to the next look for relays */
    double cost, direct; /* while the direct path was alive */
};

struct sim_net {
    struct sim_config c;
    struct sim_geo *geo;
    struct vn_dice dice;
    struct sim_node *nodes;
    struct sim_flow *flows;
    size_t flow_count;
    double now_ms;
    bool counts, master_is_away;
    uint64_t probes, queries, switches, ticks, relayed_ticks;
    double crowded_ms, overloaded_ms, relay_ms;
    double errors[4096]; /* of coordinates, a sample */
    size_t error_count;
    struct sim_result *result;
};

static inline uint64_t sim_key(const struct sim_net *n, uint32_t node)
{
    return (uint64_t)n->nodes[node].generation << 32 | (node + 1);
}
static inline uint32_t sim_node_of(uint64_t key)
{
    return (uint32_t)key - 1;
}
/** False: that machine is gone, another may be in its place. */
static inline bool sim_is_there(const struct sim_net *n, uint64_t key)
{
    return n->nodes[sim_node_of(key)].generation == key >> 32;
}

/* cost.c */
/** What a path costs now, of an arm's key; SIM_DEAD. probe: as a probe sees it. */
uint32_t sim_cost(struct sim_net *n, const struct sim_flow *f, uint64_t key, bool probe,
                  uint32_t *ret_first_rtt_us);
/** Counts what a relay carried so far. */
void sim_account(struct sim_net *n, struct sim_node *r);
/** The flow's traffic goes over that arm from now on. */
void sim_carry(struct sim_net *n, struct sim_flow *f, uint64_t key);
/** What it says of its room. */
uint32_t sim_headroom(struct sim_net *n, uint64_t key);

/* find.c */
void sim_send(struct sim_net *n, uint32_t from, uint32_t to, uint32_t bytes);
/** A round trip between two nodes was measured: both learn of it. */
void sim_learn_rtt(struct sim_net *n, uint32_t a, uint32_t b, uint32_t rtt_us);
/** Looks for relays and puts the best of them among the flow's arms. */
void sim_find(struct sim_net *n, struct sim_flow *f);
