/*
 * struct vn_node: a node of a realm on the core thread. Identity, session with Guardian, control
 * channel, access decisions, handshakes, tether negotiation, circuits. Sans-IO: input, now ->
 * ports. Not thread-safe.
 *
 * now_ms is CLOCK_BOOTTIME in the daemon; protocol time is Guardian's time at login plus what has
 * passed since.
 *
 * Life: new -> start (login) -> online: `online` callback with the addresses -> stop (streams
 * closed, logout) -> `stopped`
 * -> free.
 */
#pragma once

#include "base/country.h"
#include "base/route_rule.h"
#include "core/commands.h"
#include "ports/authority.h"
#include "ports/control.h"
#include "ports/post.h"
#include "ports/random.h"
#include "ports/work.h"
#include "router/coord.h"
#include "wire/command.h"

struct vn_node;

enum vn_node_state {
    VN_NODE_NEW,
    VN_NODE_EXPECT_CREDENTIALS, /* login under way, or waiting to try again */
    VN_NODE_ONLINE,             /* has credentials; the control channel may be up or down */
    VN_NODE_STOPPING,
    VN_NODE_STOPPED
};

/** What Guardian commands, and only the shell can do. */
enum vn_node_wish {
    VN_WISH_STOP,     /* stop for good, as the machine's own user would */
    VN_WISH_NEW_KEYS, /* stop this node, and begin a new one with the same registration */
};

/** What the shell must do for the node. All on the core thread, never inside vn_node_new. */
struct vn_node_shell {
    void *arg;
    /** Credentials are there: configure the TUN. Called again when addresses or ranges change. */
    void (*online)(void *arg, const struct vn_credentials *cred, uint16_t mtu_bytes);
    /** Guardian refused for good (token revoked, node deleted): detail names the fix. The node
     * stops trying. */
    void (*refused)(void *arg, vn_status why, const char *detail);
    void (*stopped)(void *arg);
    /** The node goes on until it is stopped. May come again meanwhile. */
    void (*wish)(void *arg, enum vn_node_wish wish);
    /** Fills up to cap networks of this machine, without loopback and overlay; returns how many. */
    size_t (*networks)(void *arg, struct vn_local_network *ret, size_t cap);
};

struct vn_node_config {
    struct vn_id realm; /* known from registration */
    unsigned suite;     /* enum vn_suite, likewise */
    uint32_t idle_ms;   /* 0: VN_IDLE_MS */
    uint16_t mtu_bytes; /* 0: VN_MTU_DEFAULT */
    bool public;        /* its worker answers STUN questions of members */
    const char
        *via[VN_CIRCUIT_RELAYS_MAX]; /* tags, ids or addresses: all streams go through these */
    size_t via_count;
    const char *keep_warm[VN_KEEP_WARM_MAX]; /* likewise: their streams live without packets */
    size_t keep_warm_count;
    bool no_relay; /* circuits of others do not pass through here */
    struct vn_countries avoid_countries, prefer_countries; /* of relays, as certificates say */
    struct vn_route_rules relay_rules;                     /* copied; vn_node_set_relay_rules */
    const struct vn_authority *authority;
    const struct vn_control *control;
    const struct vn_random *random;
    const struct vn_work *work;
    const struct vn_post *to_worker;
    const struct vn_node_shell *shell;
};

VN_MUST_CHECK vn_status vn_node_new(const struct vn_node_config *cfg, uint64_t now_ms,
                                    struct vn_node **ret);
/** Wipes all keys. The authority and the control port make no more calls afterwards. Returns NULL.
 */
struct vn_node *vn_node_free(struct vn_node *n);

VN_MUST_CHECK vn_status vn_node_start(struct vn_node *n, uint64_t now_ms);
/** Closes streams and tethers at both ends, logs out, at most 2 s, then `stopped`. */
void vn_node_stop(struct vn_node *n, uint64_t now_ms);

/** Runs once a loop turn before callbacks of ports, so that they see this time. */
void vn_node_set_now(struct vn_node *n, uint64_t now_ms);
/** An event of a worker; takes ownership. */
void vn_node_event(struct vn_node *n, struct vn_post_msg *m, uint64_t now_ms);
void vn_node_tick(struct vn_node *n, uint64_t now_ms);
/** UINT64_MAX: nothing to wait for. */
uint64_t vn_node_next_deadline(const struct vn_node *n);

/* ---- what the local commands ask ---- */

/** Why a message from outside was dropped in silence. Names: vn_node_drop_name. */
enum vn_node_drop {
    VN_NDROP_SUBJECT, /* subject and sender disagree, or not a subject of ours */
    VN_NDROP_MALFORMED,
    VN_NDROP_HOUR_MAC,
    VN_NDROP_STALE, /* outside the freshness window */
    VN_NDROP_REPLAY,
    VN_NDROP_RATE,
    VN_NDROP_SEAL, /* does not open, or unknown kid */
    VN_NDROP_CERT,
    VN_NDROP_SIGNATURE,
    VN_NDROP_BODY,
    VN_NDROP_AFFINITY,  /* policy says no */
    VN_NDROP_STATEMENT, /* number below the highest seen, or invalid */
    VN_NDROP_HS_STATE,  /* no such handshake, or TAI64N not newer */
    VN_NDROP_CONTROL,   /* stream control packet does not open or is replayed */
    VN_NDROP_CIRCUIT,
    VN_NDROP_COOKIE, /* under load: M1 without a cookie of ours */
    VN_NDROP_LIMIT,
    VN_NDROP_REVOKED,    /* the sender's identity is */
    VN_NDROP_QUARANTINE, /* Guardian forbids it */
    VN_NDROP_LOOP,       /* a SETUP, or message in-band, that goes back, or on for ever */
    VN_NDROP_INBAND,     /* to be passed on to who is no neighbour, or by who passes on nothing */
    VN_NDROP_PATH,       /* of relays: not asked for, or not ours to answer */
    VN_NDROP_COUNT
};
const char *vn_node_drop_name(enum vn_node_drop d);

struct vn_node_status {
    enum vn_node_state state;
    enum vn_control_state control;
    char control_reason[128];
    char guardian_error[256]; /* last failure to reach Guardian, empty when well */
    struct vn_id node;
    /* borrowed until the next call into the node; NULL before login */
    const struct vn_credentials *cred;
    uint64_t protocol_time_ms;
    uint64_t renew_in_ms;
    size_t peer_count, stream_tx_count, stream_rx_count, tether_count;
    size_t relay_count;       /* circuits of others through here, at present */
    uint64_t relays_accepted; /* and ever */
    bool relay_allowed;
    uint64_t inband_sent, inband_received, inband_passed; /* messages over tethers, Master away */
    uint64_t probes, heartbeats, moves, failovers; /* of paths, ever; failovers are moves, too */
    uint64_t relays_told, relays_heard; /* questions about relays answered; relays told of to us */
    struct vn_coord place;              /* where this node is (router/coord.h) */
    uint32_t headroom_permille;         /* of what it can relay */
    uint64_t drops[VN_NDROP_COUNT];
    uint64_t handshakes_started, handshakes_done, handshakes_answered;
    uint64_t cookies_sent;
    uint64_t verified;        /* signatures of others, or what cost as much */
    uint64_t messages_waited; /* for their turn at that */
    uint64_t load_periods;    /* times that cookies began to be asked for */
    bool under_load;
    bool quarantined;        /* from all */
    size_t quarantined_from; /* else: so many addresses */
};
void vn_node_get_status(const struct vn_node *n, struct vn_node_status *ret);

/** One live peer: streams and tether, for `status` and `peers`. */
struct vn_node_link {
    struct vn_id node;
    char tag[VN_TAG_MAX + 1];
    char country[VN_COUNTRY_TEXT]; /* "": its certificate does not say */
    struct vn_ip addrs[VN_CERT_ADDRS_MAX];
    size_t addr_count;
    uint32_t tx, rx;      /* handles, 0: no stream in that direction */
    const char *tx_state; /* "handshake", "circuit", "open", or NULL */
    uint32_t tether;      /* 0: none */
    bool tether_up;
    struct vn_id via[VN_CIRCUIT_RELAYS_MAX]; /* relays of our stream, the nearest first */
    size_t via_count;
    uint64_t since_ms;     /* age of the older stream */
    uint64_t handshake_us; /* duration of our handshake, 0 if none */
};
/** Fills up to cap entries, returns how many there are. */
size_t vn_node_links(const struct vn_node *n, struct vn_node_link *ret, size_t cap);

/** What STUN questions to public nodes are asked with at present. VN_ERR_STATE before the first
 * login. */
VN_MUST_CHECK vn_status vn_node_stun_keys(const struct vn_node *n, struct vn_stun_keys *ret);

#define VN_NODE_WAYS_MAX 16

/** One way that our stream to a peer takes, or may take. */
struct vn_node_way {
    bool direct;
    struct vn_id relay; /* unless direct */
    char tag[VN_TAG_MAX + 1];
    uint32_t tether; /* to its first node; 0: none */
    const char *why; /* what it is: see vn_node_ways */
    bool copies;     /* real-time frames go there too, besides the way in use */
    bool flows;      /* some of the bulk flows go there, besides the way in use */
    /* while the stream's learner knows it; else 0 */
    uint32_t cost_us; /* of a packet; 0: not measured */
    uint32_t weight_permille;
    uint64_t age_ms;                             /* of that measurement, about */
    uint32_t delay_us, jitter_us, loss_permille; /* that the cost is made of: one way */
    uint32_t room_kbps;            /* that its narrowest part still takes; 0: not known */
    const char *bottleneck;        /* which that is: "tether" (the first), "relay", or "" */
    const char *wish;              /* "pin", "prefer", "exclude": that of */
    char rule[VN_ROUTE_RULE_TEXT]; /* the rule of the settings that speaks of it; "": none */
};
/**
 * The ways to a peer, the direct one first; returns how many, at most cap. Of each
 *   in_use       the stream goes there
 *   ready        its first tether is up
 *   connecting   that is being made
 *   known        its first node is known, nothing is set up
 *   failed       the direct tether is not there
 *   failed_lately, forbidden, quarantined, unknown_key   a relay that would not be tried now
 *   unwanted     the settings exclude it: a rule, or a country to avoid
 *   unproven     a rule may exclude it: it has not shown its taints yet
 *   overruled    the settings name other relays
 *   standby, costlier, small_gain, unmeasured, dead, held, ...   as the stream's learner has it:
 *                router/explain.h
 */
size_t vn_node_ways(struct vn_node *n, const struct vn_id *peer, struct vn_node_way *ret,
                    size_t cap);

#define VN_NODE_RELAYS_MAX 64

/** A relay that this node knows. */
struct vn_node_relay {
    struct vn_id node;
    char tag[VN_TAG_MAX + 1];      /* "": its certificate is not here */
    char country[VN_COUNTRY_TEXT]; /* likewise, or it does not say */
    uint32_t rtt_us, guess_us;     /* measured (0: not yet); by the coordinates */
    uint32_t headroom_permille;    /* as it said last; 1000 if it never did */
    bool public, ready, tethered;  /* ready: a circuit may go through it at once */
    const char *wish;              /* "pin", "prefer", "exclude", or "" */
    char rule[VN_ROUTE_RULE_TEXT]; /* that says so; "": none, or a country of the settings */
};
/** Fills up to cap, returns how many. */
size_t vn_node_relays(struct vn_node *n, struct vn_node_relay *ret, size_t cap);

/** The rules in force, borrowed until the next call. */
const struct vn_route_rules *vn_node_relay_rules(const struct vn_node *n);
/** Others, copied: in force at once, for streams that live too. What the configuration said is over
 * until the node begins anew. */
void vn_node_set_relay_rules(struct vn_node *n, const struct vn_route_rules *rules);
/** The rule has no effect: it is about a taint that this node does not carry. */
bool vn_node_relay_rule_idle(const struct vn_node *n, const struct vn_route_rule *rule);

/** Own taints, borrowed until the next call. */
size_t vn_node_taints(const struct vn_node *n, const char *ret[VN_TAINTS_MAX]);
/** Adds and removes through Guardian; the new statement is in force and sent to stream peers before
 * fn runs. */
VN_MUST_CHECK vn_status vn_node_change_taints(
    struct vn_node *n, const char *const *add, size_t add_count, const char *const *remove,
    size_t remove_count, void (*fn)(void *arg, const struct vn_authority_error *err), void *arg);
/**
 * Finds who owns a tag, address or node id (text as a user types it). fn gets up to 16 owners that
 * answered and that this node may reach; count 0 after 3.5 s of silence. Answers from cache at
 * once.
 */
struct vn_resolved {
    struct vn_id node;
    char tag[VN_TAG_MAX + 1];
    struct vn_ip addrs[VN_CERT_ADDRS_MAX];
    size_t addr_count;
};
VN_MUST_CHECK vn_status vn_node_resolve(struct vn_node *n, const char *name,
                                        void (*fn)(void *arg, const struct vn_resolved *list,
                                                   size_t count),
                                        void *arg);
/** Asks the worker; fn gets the event, borrowed, or NULL when none came in 5 s. */
VN_MUST_CHECK vn_status vn_node_stats(struct vn_node *n,
                                      void (*fn)(void *arg, const struct vn_ev_stats *stats),
                                      void *arg);
