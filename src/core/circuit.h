/*
 * Circuits (DESIGN section 10): ways that a source chose, of one tether or through relays, with a
 * label on each tether. A stream is bound to one by BIND. Here is one node's part of them: a half
 * for each tether, "out" towards the end, "in" towards the source; a relay has two that are linked.
 *
 *   source:  out  [EXPECT_TETHER ->] EXPECT_ACCEPT -> UP
 *   relay:   in   EXPECT_NEXT -> UP     and its link:  out  [EXPECT_TETHER ->] EXPECT_ACCEPT -> UP
 *   end:     in   UP
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/span.h"
#include "base/status.h"
#include "core/label.h"
#include "core/timer.h"
#include "wire/circuit.h"
#include "wire/setup.h"

struct vn_node;
struct vn_hop;
struct vn_stream;

enum vn_circuit_state {
    VN_CIRCUIT_EXPECT_TETHER,
    VN_CIRCUIT_EXPECT_ACCEPT,
    VN_CIRCUIT_EXPECT_NEXT,
    VN_CIRCUIT_UP
};

/** At the source: the nodes of the path, the last one its end, and what it shares with them. */
struct vn_path {
    struct vn_id nodes[VN_SETUP_SLOTS];
    size_t count;
    struct vn_setup_keys keys[VN_SETUP_SLOTS];
    bool told[VN_SETUP_SLOTS]; /* the descriptor of the node behind it */
};

/** At a relay, until the circuit goes on: what its slot said. */
struct vn_onward {
    struct vn_id next;
    struct vn_setup_keys keys;
    struct vn_buf blob; /* for the next node */
};

/** Of the map from what a neighbour names a circuit by, before it has a label. */
#define VN_CIRCUIT_KEY_LEN 9

/** BINDs that are out, the newest in place of the oldest. */
#define VN_ASKS_MAX 8
struct vn_ask {
    uint32_t request; /* 0: none, or answered */
    uint64_t sent_ms;
};

struct vn_circuit {
    struct vn_node *node;
    struct vn_hop *hop;
    struct vn_list of_hop;
    bool out;
    enum vn_circuit_state state;
    uint32_t request;                /* of its SETUP, which its source's end of the tether chose */
    uint32_t fwd, rev;               /* chosen downstream; chosen upstream */
    uint32_t bind;                   /* what BIND names: fwd, or what the blob says */
    bool sealed;                     /* set up with a blob: hops of it grant credit */
    uint8_t hops;                    /* budget of its SETUP */
    struct vn_buf blob;              /* out: of its SETUP, until that is accepted */
    struct vn_stream *stream;        /* source: always; end: once bound */
    struct vn_list of_stream;        /* stream->circuits */
    bool at_worker;                  /* which knows a label of it as that stream's */
    struct vn_ask asks[VN_ASKS_MAX]; /* source */
    unsigned ask_count;              /* ever */
    bool bound;                      /* source: the end has bound the stream to it */
    struct vn_circuit *successor;    /* source: what is set up to take its place; */
    struct vn_circuit *replaces;     /* and whose place this one is to take */
    bool racing;                     /* source: the first to answer is the stream's way (race.h) */
    bool retired;                    /* source: of no use any more, and closed soon */
    uint64_t renewed_ms;             /* made, told to be renewed, or tried that */
    struct vn_circuit *link;         /* relay: the other half */
    uint32_t relay;                  /* relay, in: its handle at the worker; 0: not there yet */
    unsigned asked;                  /* relay, out: descriptors wanted further on */
    struct vn_onward *onward;        /* relay, in, until there is a link */
    struct vn_path *path;            /* source, with a blob */
    unsigned sends;
    struct vn_list of_queue; /* out: its SETUP waits for its turn (setup_queue.h), */
    uint64_t round;          /* in that round */
    struct vn_timer timer;
};

/** Begins a circuit of one hop for s, in *slot, which is empty. The tether is up. */
VN_MUST_CHECK vn_status vn_circuit_open(struct vn_node *n, struct vn_hop *h, struct vn_stream *s,
                                        struct vn_circuit **slot);
/**
 * The same through relays, to the last of nodes; makes the first tether when there is none.
 *
 * @param count  2..VN_SETUP_SLOTS, all distinct and none of them this node
 * @return VN_ERR_NOTFOUND: a descriptor is missing; *ret_missing is whose
 */
VN_MUST_CHECK vn_status vn_circuit_open_path(struct vn_node *n, struct vn_stream *s,
                                             struct vn_circuit **slot, const struct vn_id *nodes,
                                             size_t count, struct vn_id *ret_missing);
/** Frees it; stream and link, if any, must have let go or be told by the caller. tell: TEARDOWN to
 * the other end. */
void vn_circuit_close(struct vn_node *n, struct vn_circuit *c, bool tell);
void vn_circuit_attach(struct vn_circuit *c, struct vn_stream *s);
void vn_circuit_detach(struct vn_circuit *c);
/** Its stream does not use it any more: it is torn down after that. */
void vn_circuit_retire(struct vn_circuit *c, uint64_t after_ms);
/** What came on this label belongs to no stream we know: the source must not wait for an answer. */
void vn_circuit_refuse(struct vn_node *n, struct vn_hop *h, uint32_t label);
/** A stream came to an incoming circuit. */
void vn_circuit_bound(struct vn_node *n, struct vn_circuit *c);
/** A circuit message of the neighbour. */
void vn_circuit_input(struct vn_node *n, struct vn_hop *h, struct vn_span bytes);
/** Its SETUP waited, and goes now. */
void vn_circuit_its_turn(struct vn_node *n, struct vn_circuit *c);
/** Its tether is up: circuits that waited for that are set up. */
void vn_circuits_tether_up(struct vn_node *n, struct vn_hop *h);

/* hop_renew.c */
/** c goes through a tether that ends soon: its source makes another circuit of the same path, and
 * moves to it. Not while one is being made, nor soon after. */
void vn_circuit_renew(struct vn_node *n, struct vn_circuit *c);
/** c, which is to take another one's place, is UP. */
void vn_circuit_successor_up(struct vn_node *n, struct vn_circuit *c);
/** The end has bound the stream to it: it takes that place. */
void vn_circuit_succeed(struct vn_node *n, struct vn_circuit *c);

/* source.c */
/** A relay on the path does not know its next hop yet. */
void vn_source_on_need_desc(struct vn_node *n, struct vn_circuit *c,
                            const struct vn_circuit_msg *m);
/** Wipes; returns NULL. */
struct vn_path *vn_path_free(struct vn_path *p);

/* circuit.c, for relay.c and source.c */
/** A hop budget for a new SETUP. */
uint8_t vn_circuit_random_hops(struct vn_node *n);
void vn_circuit_send(struct vn_node *n, const struct vn_hop *h, const struct vn_circuit_msg *m);
/** request: in: that of its SETUP, which no other circuit of h has. NULL without memory. */
struct vn_circuit *vn_circuit_make(struct vn_node *n, struct vn_hop *h, bool out, uint32_t request);
/** Sends SETUP when the tether is up, and at its turn. */
void vn_circuit_begin(struct vn_node *n, struct vn_circuit *c);
void vn_circuit_refuse_setup(struct vn_node *n, const struct vn_hop *h, uint32_t request,
                             enum vn_circuit_reason why);
/** in: tells the label; the circuit is UP. */
void vn_circuit_accept(struct vn_node *n, struct vn_circuit *c);
