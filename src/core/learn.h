/*
 * The learner of one destination (SPEC R1, R2, A11): the ways that a stream of ours may take, what
 * each was measured to cost, and when to move. An arm is the direct path or one through one relay,
 * with the circuit that is set up for it. Which arm is best is the router's to say
 * (router/ccx.h); here is what it costs, who asks, and what follows.
 *
 * Arms are measured by BIND and BOUND, end to end on their own circuits: a BIND for standby leaves
 * the stream where it is, and makes the circuit ready to be used without a further message.
 */
#pragma once

#include "core/arm.h"
#include "core/learn_spread.h"
#include "core/timer.h"
#include "router/ccx.h"
#include "router/liveness.h"

struct vn_node;
struct vn_stream;
struct vn_circuit;
struct vn_ev_sent;
struct vn_node_way;

#define VN_LEARN_DOUBLINGS_MAX 6u /* of times until something is tried again */

/** Frames, and how many of them were lost; the recent ones more. */
struct vn_lossy {
    uint64_t frames, lost;
};

struct vn_learner {
    struct vn_node *node;
    struct vn_stream *stream;
    struct vn_ccx ccx;
    struct vn_arm arms[VN_CCX_ARMS_MAX];
    size_t count;
    struct vn_timer tick;
    bool active;          /* it sends, and not for the first time */
    unsigned sents;       /* times that the worker told so, since it was quiet */
    uint64_t sent_ms;     /* the last of them */
    uint64_t watch_ms;    /* when the worker was asked to tell */
    uint32_t sent_kbps;   /* as it told last */
    uint64_t discover_ms; /* not before: more relays are looked for */
    unsigned discoveries;

    struct vn_circuit *aside;     /* real-time frames go there too; NULL: they do not */
    struct vn_lossy first_tether; /* of the path in use; */
    struct vn_lossy whole_path;   /* and all of it, as the destination tells, if it has relays */

    /* of the circuit in use */
    struct vn_liveness live;
    struct vn_timer check;
    uint64_t beat_ms;                  /* the last heartbeat */
    uint64_t suspect_ms;               /* silence began to be looked into; 0: none */
    bool answered;                     /* a standby, since then: the peer is well */
    bool silent;                       /* the window is over */
    uint64_t overdue_ms;               /* from when on it has to deliver */
    struct vn_lossy bulk[VN_WAYS_MAX]; /* of each way, as the destination tells */
    struct vn_learn_spread spread;
};

/** s is open on s->circuit. Does nothing for streams whose relays the settings name. */
void vn_learn_took(struct vn_node *n, struct vn_stream *s);
/** s is open, and a circuit of it or the tether to its peer may have come up. */
void vn_learn_advance(struct vn_node *n, struct vn_stream *s);
/** The end answered a BIND on c that was sent then. */
void vn_learn_answered(struct vn_node *n, struct vn_stream *s, struct vn_circuit *c,
                       uint64_t sent_ms);
/** c, detached from s, is going. failed: its path does not work, as far as is known. */
void vn_learn_loses(struct vn_stream *s, const struct vn_circuit *c, bool failed);
/** `to`, of the same path, takes the place of `from`. */
void vn_learn_renewed(struct vn_stream *s, const struct vn_circuit *from, struct vn_circuit *to);
/** c of s, which is open, is its arm's from now on. False: there is no room, or it has another. */
bool vn_learn_adopts(struct vn_stream *s, struct vn_circuit *c);
/** s lost its circuit. True: it goes on, on a standby. */
bool vn_learn_rescue(struct vn_node *n, struct vn_stream *s);
/** Returns NULL. */
struct vn_learner *vn_learn_free(struct vn_node *n, struct vn_learner *l);

/* learn_aside.c */
/** What the worker tells of the real-time frames that went by the path in use. */
void vn_learn_lost(struct vn_learner *l, const struct vn_ev_sent *ev);
/** Whether a second path is worth its bytes at present, and which: tells the worker what changed.
 */
void vn_learn_choose_aside(struct vn_learner *l);
/** What does not go by the stream's own way may go there. a may be NULL. */
bool vn_learn_may_carry(struct vn_learner *l, const struct vn_arm *a);
/** c leaves s. */
void vn_learn_detached(const struct vn_stream *s, const struct vn_circuit *c);

/* learn_live.c */
/** Of the worker: s sends. */
void vn_learn_event_sent(struct vn_node *n, const struct vn_ev_sent *ev);
/** As seldom as that it is known at least that the stream sends. */
uint64_t vn_live_slow_ms(const struct vn_learner *l);
/** The stream goes through a's circuit from now on. */
void vn_live_begin(struct vn_learner *l, const struct vn_arm *a);
void vn_live_heard(struct vn_learner *l, uint32_t rtt_us);
void vn_live_on_check(void *learner);
/** So many frames more arrived of a way through relays, so many did not: it keeps too many. */
bool vn_live_drops_some(struct vn_lossy *t, uint64_t arrived, uint64_t missed);

/* learn_cost.c */
/** Of a packet of the usual size, microseconds: delay, jitter, loss and room (router/ccx.h). */
uint32_t vn_arm_cost(struct vn_learner *l, const struct vn_arm *a);
/** Of its relay, 0 to VN_Q16; that where there is none, or it never said. */
uint32_t vn_arm_headroom(struct vn_node *n, const struct vn_arm *a);
/** What the learner of s, which may be NULL, thinks of a way: adds it. */
void vn_learn_describe(const struct vn_stream *s, struct vn_node_way *way);

/* learn_relays.c */
/** Relays that may not be used now are left out. */
void vn_learn_exclude_unwanted(struct vn_learner *l);
/** Those that may not relay any more go, new ones come. */
void vn_learn_look_for_relays(struct vn_learner *l);
/** The cheapest of those that the settings pin; the present one while that is about as cheap. */
void vn_learn_follow_rules(struct vn_learner *l);

/* learn.c, for the others */
/** relay: NULL for the direct path. NULL: no room. */
struct vn_arm *vn_learn_add_arm(struct vn_learner *l, const struct vn_id *relay);
/** May be without one. */
void vn_arm_drop_circuit(struct vn_node *n, struct vn_arm *a);
/** NULL: there is none. */
struct vn_arm *vn_learn_arm(struct vn_learner *l, uint64_t key);
/** NULL: none has that circuit. */
struct vn_arm *vn_learn_arm_of(struct vn_learner *l, const struct vn_circuit *c);
/** The stream may go there with the next frame. a may be NULL. */
bool vn_arm_is_ready(const struct vn_arm *a);
/** Asks on that arm's circuit, or sets one up. */
void vn_learn_probe(struct vn_learner *l, uint64_t key);
/** The path in use is dead, and the peer is not. */
void vn_learn_fail_over(struct vn_learner *l);
