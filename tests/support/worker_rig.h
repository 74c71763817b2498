/*
 * Data workers over memory tethers, with lists in place of TUN and node, in virtual time. Side i
 * has the addresses 10.66.0.(i+1) and fd66::(i+1); the realm is 10.66.0.0/16 and fd66::/64.
 */
#pragma once

#include "core/worker.h"
#include "support/inner.h"
#include "support/mem_tether.h"

#define VN_RIG_SIDES 3
#define VN_RIG_WORKERS 4 /* of a side, at most */
#define VN_RIG_IDLE_MS 5000

struct vn_rig_list {
    struct vn_post_msg *first, **last;
};

/** A hand of a side's worker; all write to the side's TUN. */
struct vn_rig_hand {
    struct vn_rig_side *side;
    size_t number;
    struct vn_worker *worker;
    struct vn_post to_first;
    struct vn_rig_list in, out; /* on the way to it, and from it */
};

struct vn_rig_side {
    struct vn_rig *rig;
    struct vn_worker *worker; /* the first */
    struct vn_rig_hand hand[VN_RIG_WORKERS - 1];
    struct vn_post hand_post[VN_RIG_WORKERS - 1];
    size_t hand_count;
    bool hands_rest; /* they take no messages */
    struct vn_tun_port tun;
    struct vn_post post;
    struct vn_pktqueue written; /* to the TUN, in order, unless count_only */
    size_t written_count;
    bool count_only;
    bool tun_full;  /* the TUN refuses */
    bool post_full; /* the mailbox refuses */
    struct vn_rig_list events;
};

struct vn_rig {
    struct vn_mem_net *net;
    uint64_t now_us;
    struct vn_random random;
    /* What destinations report goes to their sources, if those are the streams of one number less
     * that some side sends; with the next step of time. */
    struct vn_post_msg *reports;
    bool lose_reports;
    bool relayed; /* circuits have credit from now on, as if relays were between */
    size_t report_count;
    struct vn_rig_side side[VN_RIG_SIDES];
};

void vn_rig_init(struct vn_rig *r, const struct vn_mem_net_config *net);
/** The same with so many workers of each side; 0: one. */
void vn_rig_init_crews(struct vn_rig *r, const struct vn_mem_net_config *net,
                       const size_t workers[VN_RIG_SIDES]);
void vn_rig_done(struct vn_rig *r);

/** Time goes on by us: tethers deliver, workers tick and flush. */
void vn_rig_run(struct vn_rig *r, uint64_t us);
/** Next event, or the next of one type with those before it dropped; NULL: none. Caller frees. */
struct vn_post_msg *vn_rig_event(struct vn_rig_side *s);
struct vn_post_msg *vn_rig_event_of(struct vn_rig_side *s, unsigned type);
/** Drops all events; how many of that type there were. */
size_t vn_rig_events(struct vn_rig_side *s, unsigned type);
void vn_rig_clear(struct vn_rig_side *s);

void vn_rig_command(struct vn_rig_side *s, void *cmd);
/** A tether of this handle at both ends, up; its id is the handle repeated. */
void vn_rig_connect(struct vn_rig *r, size_t a, size_t b, uint32_t tether);
struct vn_id vn_rig_tether_id(uint32_t tether);
/** Closed at both ends at once. */
void vn_rig_cut(struct vn_rig *r, size_t a, size_t b, uint32_t tether);
void vn_rig_tx_open(struct vn_rig_side *s, uint32_t tx, uint32_t tether, uint32_t label,
                    uint32_t epoch);
/** A stream from the addresses of side `from`; its source calls the circuit by the label. */
void vn_rig_rx_open(struct vn_rig_side *s, uint32_t rx, uint32_t tether, uint32_t label,
                    uint32_t epoch, size_t from);
/** NULL: it has none with that handle. */
struct vn_tx *vn_rig_tx(const struct vn_rig_side *s, uint32_t tx);
struct vn_rx *vn_rig_rx(const struct vn_rig_side *s, uint32_t rx);
void vn_rig_handle(struct vn_rig_side *s, unsigned type, uint32_t handle);
void vn_rig_dest(struct vn_rig_side *s, const char *ip, enum vn_dest_verdict verdict, uint32_t tx,
                 uint32_t for_ms);
/** From the TUN; flushed by the next run, or at once. */
void vn_rig_packet(struct vn_rig_side *s, const struct vn_inner *i);
/** From the queue of that worker. */
void vn_rig_packet_at(struct vn_rig_side *s, size_t number, const struct vn_inner *i);
void vn_rig_flush(struct vn_rig_side *s);
/** Packets 0 to count - 1 came from its TUN, each once, and no others. */
void vn_rig_all_came_once(const struct vn_rig_side *s, size_t count);
/** Of all workers, and of each. The caller frees it. */
struct vn_ev_stats *vn_rig_stats(struct vn_rig_side *s);
struct vn_worker_counters vn_rig_counters(struct vn_rig_side *s);
/** Tether 1, stream 11 with label 21 from side 0 to side 1; both addresses of side 1 use it. */
void vn_rig_stream(struct vn_rig *r);
