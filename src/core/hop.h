/*
 * Tethers as the node sees them: the next hop, negotiated by envelopes (offer, answer, candidates)
 * with a KEM hop secret (DESIGN section 9), carried by the worker.
 *
 *   offerer:  EXPECT_GATHERED -> EXPECT_ANSWER -> EXPECT_UP -> UP        answerer: EXPECT_GATHERED
 * -> EXPECT_UP -> UP
 */
#pragma once

#include "core/bucket.h"
#include "core/inbox.h"
#include "core/setup_queue.h"
#include "core/timer.h"
#include "ports/tether.h"

struct vn_node;
struct vn_peer;
struct vn_map;

enum vn_hop_state { VN_HOP_EXPECT_GATHERED, VN_HOP_EXPECT_ANSWER, VN_HOP_EXPECT_UP, VN_HOP_UP };

struct vn_hop {
    struct vn_node *node;
    struct vn_peer *peer;
    struct vn_list all;
    enum vn_hop_state state;
    bool offerer;
    uint32_t handle;
    struct vn_id tether;
    struct vn_ice_params local[VN_HOP_PCS];
    struct vn_kem_dk *eke; /* offerer, until the answer */
    struct vn_buf ct;      /* answerer: for a repeated answer */
    struct vn_candidate candidates[VN_TETHER_CANDIDATES_MAX];
    size_t candidate_count, signalled; /* found; certain to reach the peer */
    bool gathered;
    uint32_t generation;    /* 1 the offer's; raised by each ICE restart */
    bool restarting;        /* a restart is under way; */
    bool better;            /* for none but a better pair; */
    bool remote_known;      /* the peer's parameters for it are known */
    uint64_t restart_ms;    /* when it began */
    unsigned restart_tries; /* unanswered, while the control channel was up */
    unsigned sends;
    uint64_t since_ms, up_ms;
    struct vn_timer timer;   /* gathering, re-sends, connect, by state; in UP those of a restart */
    struct vn_timer idle;    /* unused */
    struct vn_list circuits; /* struct vn_circuit */
    size_t circuit_count;
    bool was_used;
    bool beside; /* made beside one that was up */
    bool worn;   /* its key is nearly used up, as the worker says */
    struct vn_timer renew;
    uint64_t renew_gap_ms; /* worn: until it is tried again */
    struct vn_bucket setups, paths;
    struct vn_setup_queue setups_out;
    struct vn_bucket signals, passes; /* messages in-band from the peer; to be passed on */
    uint64_t kept_until_ms;           /* the peer wants it so long, though nothing uses it */
    uint64_t digest_ms, measured_ms;  /* last one sent; its round trip counts again from then */
    uint16_t told_headroom;           /* in that digest */
    uint64_t rate;        /* bytes a second that it takes in bulk; 0: not known (ports/tether.h) */
    struct vn_buf failed; /* labels of circuits that ended further on, as the peer knows them */
    struct vn_timer report;
    uint64_t reported_ms;
};

struct vn_hops {
    struct vn_map *by_handle; /* u32 -> struct vn_hop */
    struct vn_map *labels;    /* handle ‖ label -> struct vn_label */
    struct vn_map *requests;  /* handle ‖ request ‖ out -> struct vn_circuit */
    struct vn_list list, retired;
};

VN_MUST_CHECK vn_status vn_hops_init(struct vn_node *n);
void vn_hops_done(struct vn_node *n);
/** Begins a tether to p; where there is one, a second beside it. VN_ERR_NOTFOUND without its
 * descriptor. */
VN_MUST_CHECK vn_status vn_hop_offer(struct vn_node *n, struct vn_peer *p);
/** Closes from our side; streams on it lose their circuits. */
void vn_hop_close(struct vn_node *n, struct vn_hop *h);
void vn_hops_close_all(struct vn_node *n);
/** Closes it to make room for another one to the same peer: streams wait for that. */
void vn_hop_replace(struct vn_node *n, struct vn_hop *h);
/** All with that peer. */
void vn_hops_close_peer(struct vn_node *n, struct vn_peer *p);
/** A circuit or stream ended: arms the end of an unused tether. */
void vn_hop_check_use(struct vn_node *n, struct vn_hop *h);
/** p has a new ekS: an offer sealed to the old one is sent again. */
void vn_hop_descriptor_changed(struct vn_node *n, struct vn_peer *p);
struct vn_hop *vn_hop_get(struct vn_node *n, uint32_t handle);
/* report.c */
/** The circuit with this label, as the peer knows it, ended with a tether further on. */
void vn_hop_report(struct vn_node *n, struct vn_hop *h, uint32_t label);
void vn_hop_on_report(void *hop);
void vn_hop_set_state(struct vn_hop *h, enum vn_hop_state state);

/* what the worker says */
void vn_hop_event_candidate(struct vn_node *n, uint32_t handle, const struct vn_candidate *c);
void vn_hop_event_gathered(struct vn_node *n, uint32_t handle);
void vn_hop_event_up(struct vn_node *n, uint32_t handle);
void vn_hop_event_down(struct vn_node *n, uint32_t handle, enum vn_tether_down why);
void vn_hop_event_stranded(struct vn_node *n, uint32_t handle);
void vn_hop_event_better(struct vn_node *n, uint32_t handle);
void vn_hop_event_worn(struct vn_node *n, uint32_t handle);
void vn_hop_event_restarted(struct vn_node *n, uint32_t handle);
void vn_hop_event_message(struct vn_node *n, uint32_t handle, struct vn_span bytes);

/* hop.c, for the others */
/** Takes h out of everything; its circuits are gone. */
void vn_hop_free(struct vn_node *n, struct vn_hop *h);
VN_MUST_CHECK vn_status vn_hop_new(struct vn_node *n, struct vn_peer *p, bool offerer,
                                   const struct vn_id *tether, struct vn_hop **ret);
/* Fresh parameters for each peer connection. */
VN_MUST_CHECK vn_status vn_hop_make_ice(struct vn_node *n, struct vn_ice_params ret[VN_HOP_PCS]);
/* hop_end.c */
/** The tether is gone at the worker, or about to be. Streams learn it after the hop is forgotten,
 * so that they may make a new one. */
void vn_hop_gone(struct vn_node *n, struct vn_hop *h, bool tell_peer);
void vn_hop_on_idle(void *hop);
/* hop_restart.c */
/** Begins a restart, as the one of that generation; one under way is given up. better: for none but
 * a better pair. */
void vn_hop_restart_begin(struct vn_node *n, struct vn_hop *h, uint32_t generation, bool better);
/** The peer's parameters came. */
void vn_hop_restart_answered(struct vn_node *n, struct vn_hop *h,
                             const struct vn_ice_params remote[VN_HOP_PCS]);
void vn_hop_restart_timer(struct vn_node *n, struct vn_hop *h);
/* hop_renew.c */
/** Another has taken its place: it stays while circuits use it, and those move. */
bool vn_hop_is_left(const struct vn_hop *h);
/** h, that was made beside its peer's tether, is up. */
void vn_hop_take_place(struct vn_node *n, struct vn_hop *h);
void vn_hop_on_renew(void *hop);
/* hop_signal.c: envelopes */
void vn_hop_signal_restart(struct vn_node *n, struct vn_hop *h);
void vn_hop_on_restart(struct vn_node *n, struct vn_inbound *in);
void vn_hop_signal(struct vn_node *n, struct vn_hop *h);
void vn_hop_signal_candidates(struct vn_node *n, struct vn_hop *h);
void vn_hop_on_offer(struct vn_node *n, struct vn_inbound *in);
void vn_hop_on_answer(struct vn_node *n, struct vn_inbound *in);
void vn_hop_on_candidates(struct vn_node *n, struct vn_inbound *in);
