/*
 * What the core thread (struct vn_node) and a data worker (struct vn_worker) say to each other,
 * through the port `post`. Every message owns what it points to. Handles are chosen by the node,
 * never 0, and not used again for a minute.
 *
 * Node -> worker: commands and immutable snapshots. Worker -> node: events. Neither waits for the
 * other: a command about a handle that is already gone is ignored.
 */
#pragma once

#include "base/id.h"
#include "base/limits.h"
#include "base/secret.h"
#include "crypto/x509.h"
#include "ports/post.h"
#include "ports/tether.h"
#include "wire/frame.h"
#include "wire/rekey.h"

#define VN_CLASSES 2  /* of frames: VN_TETHER_BULK, VN_TETHER_REALTIME */
#define VN_WAYS_MAX 3 /* of a stream's bulk frames at a time; way 0 is that of all others, too */

/** Where packets of a stream leave by: each class by the way of the stream, and bulk by up to two
 * ways more. */
#define VN_OUTLETS (VN_CLASSES + VN_WAYS_MAX - 1)
static inline size_t vn_outlet(enum vn_tether_class cls, size_t way)
{
    return way == 0 ? (size_t)cls : VN_CLASSES - 1 + way;
}
static inline size_t vn_outlet_way(size_t outlet)
{
    return outlet < VN_CLASSES ? 0 : outlet - VN_CLASSES + 1;
}
static inline enum vn_tether_class vn_outlet_class(size_t outlet)
{
    return outlet < VN_CLASSES ? (enum vn_tether_class)outlet : VN_TETHER_BULK;
}

enum vn_cmd_type {
    VN_CMD_LOCAL = 1,        /* struct vn_cmd_local */
    VN_CMD_TETHER_OPEN,      /* struct vn_cmd_tether_open */
    VN_CMD_TETHER_START,     /* struct vn_cmd_tether_start */
    VN_CMD_TETHER_RESTART,   /* struct vn_cmd_tether_restart */
    VN_CMD_TETHER_CANDIDATE, /* struct vn_cmd_tether_candidate */
    VN_CMD_TETHER_SEND,      /* struct vn_cmd_tether_send */
    VN_CMD_TETHER_CLOSE,     /* struct vn_cmd_handle */
    VN_CMD_TX_OPEN,          /* struct vn_cmd_tx_open */
    VN_CMD_TX_CLOSE,         /* struct vn_cmd_handle */
    VN_CMD_TX_REPORT,        /* struct vn_delivery_msg: of its destination */
    VN_CMD_TX_TALLY,         /* struct vn_tally_msg: likewise, of the circuit in use */
    VN_CMD_RX_OPEN,          /* struct vn_cmd_rx_open */
    VN_CMD_RX_CLOSE,         /* struct vn_cmd_handle */
    VN_CMD_TX_WATCH,         /* struct vn_cmd_watch */
    VN_CMD_TX_ASIDE,         /* struct vn_cmd_tx_aside */
    VN_CMD_TX_SPREAD,        /* struct vn_cmd_tx_spread */
    VN_CMD_LABEL_CLOSE,      /* struct vn_cmd_label: its circuit is gone */
    VN_CMD_TX_KEM,           /* struct vn_cmd_kem: the answer to VN_EV_TX_KEM_DUE */
    VN_CMD_RX_KEM,           /* struct vn_cmd_kem: a KEM step that the source may take */
    VN_CMD_RELAY_OPEN,       /* struct vn_cmd_relay_open */
    VN_CMD_RELAY_CLOSE,      /* struct vn_cmd_handle */
    VN_CMD_DEST,             /* struct vn_cmd_dest */
    VN_CMD_MEMBER_STUN,      /* struct vn_cmd_member_stun */
    VN_CMD_STATS,            /* struct vn_cmd_handle: handle is echoed */
};

enum vn_ev_type {
    VN_EV_DEST_WANTED = 64, /* struct vn_ev_dest: first packet for an address without egresser */
    VN_EV_DEST_IDLE,        /* struct vn_ev_dest: its egresser is gone */
    VN_EV_TX_IDLE,      /* struct vn_ev_handle: no packet for idle_ms; stays open until TX_CLOSE */
    VN_EV_TX_SENT,      /* struct vn_ev_sent: the answer to TX_WATCH */
    VN_EV_TX_KEM_DUE,   /* struct vn_ev_epoch: asks for a KEM step that begins this epoch */
    VN_EV_TX_KEM,       /* struct vn_ev_kem: it was taken */
    VN_EV_RX_KEM,       /* struct vn_ev_kem: its frames will open */
    VN_EV_RX_KEM_BEGUN, /* struct vn_ev_epoch: the first of its frames did */
    VN_EV_RX_FIRST,     /* struct vn_ev_handle: first valid frame of this stream */
    VN_EV_RX_REPORT,    /* struct vn_delivery_msg: for its source */
    VN_EV_RX_TALLY,     /* struct vn_tally_msg: likewise */
    VN_EV_RX_LOST, /* struct vn_ev_handle: its source is in an epoch that none of ours leads to */
    VN_EV_TETHER_CANDIDATE, /* struct vn_ev_tether_candidate */
    VN_EV_TETHER_GATHERED,  /* struct vn_ev_handle */
    VN_EV_TETHER_UP,        /* struct vn_ev_handle */
    VN_EV_TETHER_STRANDED,  /* struct vn_ev_handle: wants an ICE restart */
    VN_EV_TETHER_BETTER,    /* struct vn_ev_handle: wants one for a better pair */
    VN_EV_TETHER_WORN,      /* struct vn_ev_handle: another should take its place */
    VN_EV_TETHER_RESTARTED, /* struct vn_ev_handle */
    VN_EV_TETHER_DOWN,      /* struct vn_ev_tether_down; the handle is gone */
    VN_EV_TETHER_MESSAGE, /* struct vn_ev_tether_message: control-class message, hop header first */
    VN_EV_RELAY_IDLE,     /* struct vn_ev_handle: no frame for VN_RELAY_IDLE_MS; told once */
    VN_EV_STATS,          /* struct vn_ev_stats */
};

/* Between the first worker and the others (core/crew.h), beside some of those above. */
enum vn_crew_type {
    VN_CREW_LANE = 128, /* struct vn_crew_lane: to seal with */
    VN_CREW_TAKEN,      /* struct vn_crew_taken: there is room for more frames */
    VN_CREW_SHARES,     /* struct vn_crew_shares */
    VN_CREW_TO_OPEN,    /* struct vn_crew_frame */
    VN_CREW_EPOCH,      /* struct vn_crew_epoch: in both directions */
    VN_CREW_SEALED,     /* struct vn_crew_frame: to the first worker */
    VN_CREW_OPENED,     /* struct vn_crew_opened: to the first worker */
};

/* ---- commands ---- */

struct vn_cmd_handle { /* TETHER_CLOSE, TX_CLOSE, RX_CLOSE, RELAY_CLOSE, STATS */
    struct vn_post_msg msg;
    uint32_t handle;
};

struct vn_cmd_local { /* own inner addresses; what arrives for others is dropped and counted */
    struct vn_post_msg msg;
    struct vn_ip addrs[VN_CERT_ADDRS_MAX];
    size_t addr_count;
    struct vn_prefix ranges[2]; /* the realm's: other destinations have no route here */
    size_t range_count;
    uint16_t mtu_bytes;
    uint32_t idle_ms;
    struct vn_ice_server ice[VN_ICE_SERVERS_MAX]; /* wiped by free_fn */
    size_t ice_count;
};

struct vn_cmd_member_stun { /* public nodes of the realm, and keys (wire/member_stun.h) */
    struct vn_post_msg msg;
    struct vn_addr servers[VN_MEMBER_STUN_MAX];
    size_t count;
    struct vn_stun_keys keys; /* wiped by free_fn */
};

struct vn_cmd_tether_open {
    struct vn_post_msg msg;
    uint32_t tether;
    struct vn_tether_config config;
};
struct vn_cmd_tether_start {
    struct vn_post_msg msg;
    uint32_t tether;
    struct vn_tether_start start; /* wiped by free_fn */
};
struct vn_cmd_tether_restart {
    struct vn_post_msg msg;
    uint32_t tether;
    bool remote; /* the peer's parameters, for the restart that was begun with ours */
    bool better; /* ours: for none but a better pair */
    struct vn_ice_params ice[VN_HOP_PCS]; /* wiped by free_fn */
};
struct vn_cmd_tether_candidate {
    struct vn_post_msg msg;
    uint32_t tether;
    struct vn_candidate candidate;
};
struct vn_cmd_tether_send { /* on the control channel of the tether */
    struct vn_post_msg msg;
    uint32_t tether;
    struct vn_pktbuf *buf; /* hop header included; ownership moves to the worker */
};

/** Opens the sending side of a stream on a circuit, or moves it to another one (keys and sequence
 * go on; what credit there is on the one it leaves is kept until LABEL_CLOSE). The chain key comes
 * with the first one only: from then on the worker alone has it. */
struct vn_cmd_tx_open {
    struct vn_post_msg msg;
    uint32_t tx;
    uint32_t tether, label;
    uint32_t rev;     /* where credit for it comes on; 0: none is needed */
    bool keyed;       /* the three below are there; ignored when the worker has the stream */
    uint8_t hash_alg; /* enum vn_hash_alg */
    uint32_t epoch;
    struct vn_secret32 ck; /* chain key of that epoch; wiped by free_fn */
};
struct vn_cmd_rx_open {
    struct vn_post_msg msg;
    uint32_t rx;
    uint32_t tether, label;
    uint32_t rev;  /* whom to grant credit; 0: nobody */
    uint32_t bind; /* what its source calls the circuit */
    bool keyed;    /* as above */
    uint8_t hash_alg;
    uint32_t epoch;
    struct vn_secret32 ck;
    struct vn_ip addrs[VN_CERT_ADDRS_MAX]; /* allowed inner sources: the peer's certificate */
    size_t addr_count;
    struct vn_prefix prefixes[VN_CERT_PREFIXES_MAX];
    size_t prefix_count;
};

/** Tells once, with the first frame that is sent after_ms or later. */
struct vn_cmd_watch {
    struct vn_post_msg msg;
    uint32_t tx;
    uint32_t after_ms;
};
/** Real-time frames go there too, beside the circuit that the stream takes; or no more. */
struct vn_cmd_tx_aside {
    struct vn_post_msg msg;
    uint32_t tx;
    uint32_t tether, label; /* 0: nowhere */
};
/** Flows of bulk packets are spread over these ways from now on, each in proportion to its share;
 * TX_OPEN ends that. Those that are not among them any more are left. */
struct vn_cmd_tx_spread {
    struct vn_post_msg msg;
    uint32_t tx;
    uint32_t gap_us; /* a flow that paused for longer may go another way */
    struct {
        uint32_t tether, label, rev; /* as in TX_OPEN; 0: none. Not of way 0, which is that one's */
        uint32_t share;              /* 1 at least */
    } ways[VN_WAYS_MAX];
    bool again; /* on those that are left nothing arrives any more */
};
struct vn_cmd_label {
    struct vn_post_msg msg;
    uint32_t tether, label;
};

/** A circuit of others through this node. */
struct vn_cmd_relay_open {
    struct vn_post_msg msg;
    uint32_t relay;
    struct {
        uint32_t tether, fwd, rev; /* labels on it: away from the source, and towards it */
    } in, out;
};

struct vn_cmd_kem {
    struct vn_post_msg msg;
    uint32_t handle;
    uint32_t epoch;          /* that begins with it */
    uint32_t taken;          /* RX: the source took the step that began this one; 0: none */
    uint32_t request;        /* RX: echoed */
    bool answered;           /* TX; false: there will be no answer */
    struct vn_kem_step step; /* wiped by free_fn */
};

enum vn_dest_verdict {
    VN_DEST_USE,    /* send through tx */
    VN_DEST_REJECT, /* ICMP host unreachable to what waits and to what comes within for_ms */
    VN_DEST_WAIT,   /* the stream has no way, or is being made anew: packets wait as before */
    VN_DEST_FORGET, /* drop the egresser and what waits; the next packet asks again. Address ::
                       means all that are rejected at present */
};
struct vn_cmd_dest {
    struct vn_post_msg msg;
    struct vn_ip ip;
    enum vn_dest_verdict verdict;
    uint32_t tx;
    uint32_t for_ms;
};

/** What of one lane arrived: all from known on and below next, and of what follows those whose bit
 * is set, lowest first. What is below known and was not told of before may never have. */
struct vn_delivery {
    uint8_t lane;
    uint64_t known, next;
    size_t bits_len; /* bytes */
    uint8_t bits[VN_REPORT_SPAN / 8];
};
struct vn_delivery_msg { /* TX_REPORT, RX_REPORT */
    struct vn_post_msg msg;
    uint32_t handle;
    struct vn_delivery delivery;
};

/** Of the real-time frames of a lane, those that ever came by a circuit and have numbers below
 * next. */
struct vn_tally_msg { /* TX_TALLY, RX_TALLY */
    struct vn_post_msg msg;
    uint32_t handle;
    uint32_t bind;
    uint8_t lane;
    uint64_t next, frames;
};

/* ---- events ---- */

struct vn_ev_handle {
    struct vn_post_msg msg;
    uint32_t handle;
};
struct vn_ev_sent {
    struct vn_post_msg msg;
    uint32_t handle;
    uint32_t frames;                    /* since TX_WATCH; 0: they wait for credit */
    uint32_t overdue_ms;                /* frames of a class were sent for so long, and no report
                                           told of any; or waited for credit */
    uint64_t bytes;                     /* of packets in the frames */
    uint64_t real_time, real_time_lost; /* frames of that class, and of those that the first tether
                                           lost; since the event before */
    uint64_t tallied, tallied_lost;     /* of those that word came of through relays, and that did
                                           not arrive by this path; likewise */
    uint64_t delivered;                 /* bytes of bulk frames that arrived; likewise */
    struct {
        uint64_t arrived, missed; /* bulk frames, as reported: see core/retain.h; likewise */
        uint32_t overdue_ms;      /* as above, of ways 1 and 2 */
    } ways[VN_WAYS_MAX];
    uint32_t flows; /* of bulk packets that wait just now, or have just left */
    bool waits;     /* bulk packets do */
};
struct vn_ev_epoch {
    struct vn_post_msg msg;
    uint32_t handle;
    uint32_t epoch;
};
struct vn_ev_kem {
    struct vn_post_msg msg;
    uint32_t handle;
    uint32_t epoch, request;
    struct vn_ctl_keys ctl; /* wiped by free_fn */
};
struct vn_ev_dest {
    struct vn_post_msg msg;
    struct vn_ip ip;
};
struct vn_ev_tether_candidate {
    struct vn_post_msg msg;
    uint32_t tether;
    struct vn_candidate candidate;
};
struct vn_ev_tether_down {
    struct vn_post_msg msg;
    uint32_t tether;
    enum vn_tether_down why;
};
struct vn_ev_tether_message {
    struct vn_post_msg msg;
    uint32_t tether;
    struct vn_pktbuf *buf; /* owned by the message; freed by free_fn unless taken (set NULL) */
};

/** Why the data path dropped. Names for logs and metrics: vn_worker_drop_name. */
enum vn_worker_drop {
    VN_DROP_TUN_MALFORMED, /* not an IP packet, or longer than it says */
    VN_DROP_NO_ROUTE,      /* destination outside the realm's ranges */
    VN_DROP_QUEUE_FULL,
    VN_DROP_CODEL,    /* waited too long for too long, of a flow without ECN */
    VN_DROP_REJECTED, /* destination known unreachable; ICMP sent */
    VN_DROP_EGRESS_GONE,
    VN_DROP_HOP_MALFORMED,
    VN_DROP_LABEL_UNKNOWN,
    VN_DROP_EARLY_FULL,
    VN_DROP_FRAME_MALFORMED,
    VN_DROP_EPOCH_UNKNOWN,
    VN_DROP_REPLAY,
    VN_DROP_TAG,
    VN_DROP_INNER_SOURCE, /* not the sender's own address */
    VN_DROP_INNER_DEST,   /* not ours */
    VN_DROP_INNER_MALFORMED,
    VN_DROP_TUN_FULL,
    VN_DROP_CREDIT,     /* a frame that the neighbour had no credit for */
    VN_DROP_RELAY_FULL, /* real-time frames that the next hop does not take */
    VN_DROP_RELAY_GONE, /* frames that waited in a circuit that ended */
    VN_DROP_CREW_FULL,  /* frames that another worker was to open, and has too many of */
    VN_DROP_COUNT
};

struct vn_worker_counters {
    uint64_t tun_rx_packets, tun_rx_bytes, tun_tx_packets, tun_tx_bytes;
    uint64_t frames_sealed, frames_opened;
    uint64_t frames_relayed, bytes_relayed; /* of others, passed on sealed */
    uint64_t frames_resent;                 /* over another path */
    uint64_t frames_copied;                 /* real-time, over a second path */
    uint64_t frames_given_up;               /* bulk, by a tether, after 30 s */
    uint64_t frames_let_go; /* of those kept for that, for want of room before they arrived */
    uint64_t ecn_marked;    /* instead of a drop by CoDel */
    uint64_t drops[VN_DROP_COUNT];
};
struct vn_tx_stats {
    uint32_t tx;
    uint64_t packets, bytes, frames;
    uint64_t idle_ms;
    size_t queued_packets;
};
struct vn_rx_stats {
    uint32_t rx;
    uint64_t packets, bytes, frames;
    uint64_t idle_ms;
};
struct vn_tether_stats_entry {
    uint32_t tether;
    struct vn_tether_stats stats;
};
struct vn_ev_stats {
    struct vn_post_msg msg;
    uint32_t request;
    struct vn_worker_counters counters;                /* of all workers together, */
    struct vn_worker_counters workers[VN_WORKERS_MAX]; /* and of each */
    size_t worker_count;
    uint64_t tether_drops[VN_TDROP_COUNT];
    struct vn_tx_stats *tx;
    size_t tx_count;
    struct vn_rx_stats *rx;
    size_t rx_count;
    struct vn_tether_stats_entry *tethers;
    size_t tether_count;
    size_t egresser_count;
};

/* ---- within the crew ---- */

/** The present keys of the receiver's lane of a stream we send; the first makes the lane. */
struct vn_crew_lane {
    struct vn_post_msg msg;
    uint32_t tx, epoch;
    struct vn_lane_keys keys; /* wiped by free_fn */
};
struct vn_crew_taken { /* frames of that lane */
    struct vn_post_msg msg;
    uint32_t tx;
    uint16_t count[VN_OUTLETS];
    uint32_t srtt_us; /* of the tether they go to; 0: there is none */
    uint64_t rate;    /* as in vn_tether_stats */
};
/** How bulk flows share the ways from now on, as in struct vn_cmd_tx_spread. */
struct vn_crew_shares {
    struct vn_post_msg msg;
    uint32_t tx;
    uint32_t gap_us;
    uint32_t share[VN_WAYS_MAX]; /* 0: it has no such way */
};
/** How a frame came: relays were between, the round trip of the tether, and its circuit. */
struct vn_rx_way {
    bool relayed;
    uint32_t srtt_us;
    uint32_t bind;
};
struct vn_crew_frame {
    struct vn_post_msg msg;
    uint32_t handle;       /* of the stream, rx or tx */
    uint8_t cls;           /* SEALED; see vn_crew_outlet */
    uint32_t flows;        /* SEALED, bulk: that waited, those in the frame among them */
    bool waits;            /* SEALED, bulk: some wait still */
    struct vn_rx_way way;  /* TO_OPEN */
    struct vn_pktbuf *buf; /* hop header first; owned, freed by free_fn unless taken (set NULL) */
};
/** A frame of a stream to us opened in this epoch: the first of the stream, or of the epoch. */
struct vn_crew_epoch {
    struct vn_post_msg msg;
    uint32_t rx, epoch;
    bool kem; /* a KEM step led there */
};
struct vn_crew_opened {
    struct vn_post_msg msg;
    size_t bytes; /* vn_crew_memory of frames that are no longer on the way */
};

const char *vn_worker_drop_name(enum vn_worker_drop d);
const char *vn_tether_drop_name(enum vn_tether_drop d);
/** "all", "reflexive", "relay". */
const char *vn_candidate_filter_name(enum vn_candidate_filter f);
/** False: text names none. */
VN_MUST_CHECK bool vn_candidate_filter_of(const char *text, enum vn_candidate_filter *ret);

/** Zeroed message with type and free_fn set; size is that of the whole struct. VN_ERR_NOMEM. */
VN_MUST_CHECK vn_status vn_post_msg_new(unsigned type, size_t size, void *ret_msg);
/** The same with the content of m, which has that size and nothing behind pointers. */
VN_MUST_CHECK vn_status vn_post_msg_copy(const struct vn_post_msg *m, size_t size, void *ret_msg);
/** Frees through free_fn; NULL is fine. */
void vn_post_msg_free(struct vn_post_msg *m);
