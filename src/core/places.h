/*
 * Where this node and others are, and which relays it knows (DESIGN section 10): the own network
 * coordinate, moved by round trips of tethers; what others say of their places; the book of relays
 * (router/book.h); and how it is filled: a node that sends asks one hub that Master draws and one
 * neighbour whom they have near, and neighbours tell each other of themselves (wire/path.h).
 *
 * What others say decides which relays are tried, never which are used. Core thread.
 */
#pragma once

#include "core/bucket.h"
#include "core/relay_policy.h"
#include "core/timer.h"
#include "router/book.h"
#include "router/headroom.h"
#include "wire/path.h"

struct vn_node;
struct vn_hop;
struct vn_peer;
struct vn_inbound;
struct vn_ev_stats;
struct vn_checked_desc;

#define VN_PATH_ASKED_MAX 32

/** Beside the book's entry of the same key. */
struct vn_place_known {
    uint64_t key; /* 0: none */
    struct vn_id node;
    struct vn_id from;   /* who told of it last: itself, or another */
    uint8_t flags;       /* enum vn_place_flag */
    uint64_t own_ms;     /* own time: its own word was heard; 0: never */
    uint64_t asked_ms;   /* own time: for its descriptor; 0: never */
    unsigned unanswered; /* questions for it, since it came last */
};

/** A question that is out. */
struct vn_path_asked {
    uint32_t request; /* 0: free */
    struct vn_id to;  /* zero: whom Master draws */
    struct vn_id of;  /* zero: nobody's descriptor */
    bool statement;   /* its statement too */
};

struct vn_places {
    struct vn_coord at;
    struct vn_dice dice;
    struct vn_book book;
    struct vn_place_known known[VN_BOOK_MAX];
    struct vn_headroom headroom;
    struct vn_path_asked asked[VN_PATH_ASKED_MAX];
    size_t asked_next;
    struct vn_bucket wants, answers;
    unsigned eager;     /* questions still to come soon */
    uint64_t around_ms; /* own time: the last one */
    bool looking;       /* the worker was asked for its counters */
    uint64_t digest_ms;
    struct vn_timer ask, look;
    uint64_t told, heard; /* questions answered; relays that answers and digests named */
};

void vn_places_init(struct vn_node *n);
void vn_places_done(struct vn_node *n);

/* ---- for routes ---- */

/** A relay worth a try. */
struct vn_place_candidate {
    struct vn_id node;
    uint64_t key; /* vn_place_key: its name in router/ */
    enum vn_candidate_kind kind;
    uint32_t rtt_us;           /* to it, measured; 0: not yet */
    uint32_t headroom_q16;     /* as it said last; 1 if it never did */
    enum vn_relay_grade grade; /* VN_RELAY_ANY while its certificate is not here */
    bool unproven;             /* a rule of the settings needs its taints, which are not known */
    bool ready;                /* its descriptor is here: a circuit may go through it now */
    bool tethered;             /* and its tether is up */
};
/** Never 0. Of two nodes they are the same with a chance of 2^-63. */
uint64_t vn_place_key(const struct vn_id *node);
/**
 * The relays to try for a destination, at most VN_CANDIDATES_MAX: those near this node, those that
 * the destination's descriptor names, hubs; before them whomever rules of the settings pin or
 * prefer. Without those that may not relay, that are revoked or quarantined, that the settings
 * exclude, or that failed within VN_RELAY_AVOID_MS. One that is not ready, or unproven:
 * vn_places_want.
 */
size_t vn_places_candidates(struct vn_node *n, const struct vn_peer *to,
                            struct vn_place_candidate *ret, size_t cap);
/** Asks for its descriptor, or for its statement where a rule needs that, unless it is here or was
 * asked for a moment ago. */
void vn_places_want(struct vn_node *n, const struct vn_id *relay);
/** Somebody to send to is new, or no relay is known: relays are asked for at once, a while often,
 * and then now and then. */
void vn_places_sought(struct vn_node *n);
/** A relay that may carry a circuit to `to` now, or later when its descriptor is here. */
bool vn_places_may_relay(struct vn_node *n, const struct vn_id *relay, const struct vn_peer *to);
/** The round trip to a neighbour was measured. */
void vn_places_measured(struct vn_node *n, struct vn_peer *p, uint32_t rtt_us);
/** A path over it ended, or it did not answer. */
void vn_places_failed(struct vn_node *n, const struct vn_id *relay);

/* ---- events ---- */

/** p's descriptor was verified. */
void vn_places_on_descriptor(struct vn_node *n, struct vn_peer *p, const struct vn_place *place);
void vn_places_on_tether(struct vn_node *n, struct vn_hop *h);
/** Behind a hop header of type VN_HOP_PATH. */
void vn_path_on_tether(struct vn_node *n, struct vn_hop *h, struct vn_span bytes);
/** From the control channel: a member's, but nobody signed it. */
void vn_path_on_control(struct vn_node *n, const struct vn_id *src, bool hub, struct vn_span body);

/* ---- between places.c and path.c ---- */

void vn_places_own(const struct vn_node *n, struct vn_place *ret);
uint16_t vn_places_own_headroom(const struct vn_node *n);
/** Heard of a relay. from: who said so, the relay itself or another. */
void vn_places_hear(struct vn_node *n, const struct vn_id *relay, const struct vn_place *place,
                    const struct vn_id *from);
/** p's own word of its place, over a tether or in an answer. */
void vn_places_hear_self(struct vn_node *n, const struct vn_id *node, const struct vn_place *place,
                         uint16_t headroom);
/** Its descriptor came. */
void vn_places_answered(struct vn_node *n, const struct vn_id *relay);
/** Relays in the book whose descriptor is here. */
size_t vn_places_ready(struct vn_node *n);
const struct vn_place_known *vn_places_known(const struct vn_node *n, uint64_t key);
/** Relays near this node, for others; `not` is left out. */
size_t vn_places_near(struct vn_node *n, const struct vn_id * not,
                      struct vn_told ret[VN_PATH_TOLD_MAX]);
/** One question to a hub, one to a neighbour. */
void vn_path_ask_around(struct vn_node *n);
void vn_path_ask_descriptor(struct vn_node *n, const struct vn_place_known *k);
void vn_path_send_digest(struct vn_node *n, struct vn_hop *h);
