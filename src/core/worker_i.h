/*
 * What the files behind worker.h share. One thread.
 *
 *   egresser* ── tx ─┐                       label* ── rx
 *   (destination)    ├── end (tether) ──────────┘
 *                tx ─┘
 *          end <── forward <── end (circuits of others)
 */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "core/bucket.h"
#include "core/coalesce.h"
#include "core/codel.h"
#include "core/worker.h"

#define VN_LABELS_MAX 65536 /* bound and early, over all tethers */

/** Of the tether's round trip and rate. */
struct vn_path_time {
    uint32_t srtt_us;
    struct vn_codel_params codel; /* of the queues that empty into it */
    size_t frame_bytes;           /* packets are not put together beyond this */
    uint64_t rate;                /* as in vn_tether_stats */
};

/** Our end of a tether. */
struct vn_end {
    struct vn_worker *worker;
    uint32_t handle;
    struct vn_tether *port;
    bool up;
    bool blocked[VN_CLASSES];   /* until `writable` */
    struct vn_pktqueue control; /* of that channel, waits for `up` or `writable` */
    bool control_blocked;
    struct vn_list ready[VN_CLASSES]; /* struct vn_turn with something to send */
    struct vn_turn *sending;          /* in a call of the tether with its frame */
    struct vn_list grants;            /* struct vn_meter with something to tell */
    struct vn_list link;              /* worker.ends */
    struct vn_list txs;               /* all that go through it */
    struct vn_list asides;            /* likewise: struct vn_aside */
    struct vn_list sides;             /* likewise: struct vn_side */
    struct vn_list labels;            /* all that come through it, held frames too */
    size_t early_bytes, early_labels;
    struct vn_path_time path;
    uint64_t path_until_us; /* when to look at it again */
};

struct vn_worker {
    struct vn_worker_config cfg;
    uint64_t now_us;
    uint64_t deadline_us; /* when tick has to look at everything again */

    /* from VN_CMD_LOCAL */
    struct vn_ip addrs[VN_CERT_ADDRS_MAX];
    size_t addr_count;
    struct vn_prefix ranges[2];
    size_t range_count;
    uint16_t mtu_bytes;
    uint64_t idle_us;

    struct vn_list ends;
    struct vn_list buried; /* gone, but their callbacks may be on the stack */
    struct vn_map *end_by_handle;
    struct vn_map *tx_by_handle;
    struct vn_map *rx_by_handle;
    struct vn_map *label_by_key; /* tether4 label4 */
    struct vn_map *forward_by_handle;
    size_t pool_used;         /* of VN_RELAY_POOL_BYTES */
    size_t retained;          /* of VN_RETAIN_NODE_MAX */
    struct vn_list reporting; /* struct vn_rx with something to report */
    uint64_t report_us;       /* when the first of them is due; UINT64_MAX: none */
    struct vn_map *egresser_by_ip;
    struct vn_egresser *last_egresser; /* of the packet before: most come in runs */
    struct vn_bucket unreachable;      /* ICMP errors we make */
    uint64_t flow_key;                 /* of vn_packet_flow */

    struct vn_coalesce coalesce; /* empty between frames */
    bool flush_again;            /* in a flush: an end whose turn was before has more */

    /* of the first, with hands */
    size_t to_open_bytes[VN_WORKERS_MAX]; /* by number: of frames on the way there */
    struct vn_list taken;                 /* struct vn_tx: hands are to hear of it */
    struct vn_list stats;                 /* questions that hands have not all answered */
    /* of a hand */
    size_t opened_bytes; /* the first is to hear of it */

    struct vn_worker_counters counters;
};

static inline void vn_worker_drop(struct vn_worker *w, enum vn_worker_drop why)
{
    w->counters.drops[why]++;
}
static inline void vn_worker_drop_n(struct vn_worker *w, enum vn_worker_drop why, size_t n)
{
    w->counters.drops[why] += n;
}
/** tick runs at that time or before. */
static inline void vn_worker_wake_at(struct vn_worker *w, uint64_t at_us)
{
    if (at_us < w->deadline_us)
        w->deadline_us = at_us;
}
static inline bool vn_worker_is_hand(const struct vn_worker *w)
{
    return w->cfg.number != 0;
}
bool vn_worker_is_own(const struct vn_worker *w, const struct vn_ip *ip);

/* Events. Without memory, or with the mailbox full, one is lost and logged; false then. */
bool vn_worker_tell_handle(struct vn_worker *w, enum vn_ev_type type, uint32_t handle);
bool vn_worker_tell_epoch(struct vn_worker *w, enum vn_ev_type type, uint32_t handle,
                          uint32_t epoch);
bool vn_worker_tell_dest(struct vn_worker *w, enum vn_ev_type type, const struct vn_ip *ip);
bool vn_worker_tell(struct vn_worker *w, struct vn_post_msg *m);

struct vn_end *vn_worker_end(const struct vn_worker *w, uint32_t handle);
