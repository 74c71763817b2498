/*
 * One-way streams: the handshake that keys them (DESIGN section 6), as initiator (tx) and responder
 * (rx), the control packets under their keys, and their end.
 *
 *   tx:  EXPECT_M1 -> EXPECT_M2 -> EXPECT_CIRCUIT -> EXPECT_BOUND -> TX_OPEN        (circuit lost:
 * back to EXPECT_CIRCUIT) rx:  EXPECT_M2_MADE -> EXPECT_BIND -> RX_OPEN (tether lost: back to
 * EXPECT_BIND)
 */
#pragma once

#include "base/list.h"
#include "core/rekey.h"
#include "wire/handshake.h"

struct vn_node;
struct vn_peer;
struct vn_hop;
struct vn_circuit;
struct vn_learner;
struct vn_map;
struct vn_subject;
typedef struct Vn__StreamControl Vn__StreamControl;

enum vn_stream_state {
    VN_TX_EXPECT_M1, /* the pool makes it */
    VN_TX_EXPECT_M2,
    VN_TX_EXPECT_CIRCUIT, /* keyed; tether or circuit are not there yet */
    VN_TX_EXPECT_BOUND,
    VN_TX_OPEN,
    VN_RX_EXPECT_M2_MADE, /* the pool signs it */
    VN_RX_EXPECT_BIND,
    VN_RX_OPEN,
};

/** On the wire in StreamClose; also why a stream ended here. */
enum vn_close_reason {
    VN_CLOSE_IDLE = 1,
    VN_CLOSE_NOT_ALLOWED = 2,
    VN_CLOSE_STOPPING = 3,
    VN_CLOSE_SUPERSEDED = 4,
    VN_CLOSE_EXPIRED = 5,
    VN_CLOSE_LOST = 6,
};

/** Replay window of control packets. */
struct vn_ctl_window {
    uint64_t next; /* all from here on are new */
    uint64_t bits[VN_STREAM_CTL_WINDOW / 64];
};
bool vn_ctl_window_new(const struct vn_ctl_window *w, uint64_t seq);
void vn_ctl_window_mark(struct vn_ctl_window *w, uint64_t seq);

struct vn_stream {
    struct vn_node *node;
    bool is_tx;
    enum vn_stream_state state;
    uint32_t handle; /* tx or rx at the worker */
    struct vn_id sid;
    struct vn_peer *peer;
    struct vn_list of_peer;     /* rx: in peer->rxs */
    struct vn_circuit *circuit; /* that it goes through at present */
    struct vn_list circuits;    /* that one, and those it may go through: struct vn_circuit */
    size_t circuit_count;
    struct vn_learner *learner; /* tx, once it was open: see learn.h; may be NULL */
    struct vn_timer route;      /* tx: see route.c */
    struct vn_timer no_way;     /* tx: likewise */
    bool relayed;               /* a relay is tried or carries it, unless the settings say so */
    bool relay_wanted;          /* none is known that may be tried */
    unsigned direct_tries;      /* since a relay carries it */
    struct vn_list lost;        /* while a tether ends: its circuit was there */
    uint64_t since_ms, handshake_ms;
    bool at_worker;        /* TX_OPEN or RX_OPEN was sent */
    struct vn_timer timer; /* by state, see initiator.c, responder.c, stream.c */
    struct vn_timer life;  /* certificate or statement of either end expires */

    bool keyed;
    struct vn_hs_keys keys; /* the control keys are the present ones */
    bool ck_gone;           /* keys.ck0 is at the worker, and only there */
    struct vn_rekey rekey;
    uint64_t ctl_seq;
    struct vn_ctl_window ctl_window;
    uint64_t peer_revocations;  /* list number of its M1 or M2 */
    uint64_t revocations_after; /* asked for what comes after it */
    bool revocations_wanted;
    struct vn_hs_state *hs; /* while the handshake runs; NULL while a job has it */

    /* tx */
    struct vn_buf m1;
    uint8_t kid[8];          /* M1 was made for this ekS */
    struct vn_hash own_cert; /* and under this certificate of ours */
    uint32_t generation;     /* with our statement of this one */
    unsigned sends, restarts;
    bool need_cert;
    uint32_t bind_request;

    /* rx */
    struct vn_hash ct_hash; /* H(ctS) of the M1 */
    struct vn_hash matched; /* matched digest */
    struct vn_buf m2;       /* kept for a repeated M1 */
    struct vn_timer m2_timer;
    bool was_open;
};

struct vn_streams {
    struct vn_map *by_sid, *by_handle;
    size_t tx_count, rx_count, half_open_count; /* rx that were never open */
};

VN_MUST_CHECK vn_status vn_streams_init(struct vn_node *n);
void vn_streams_done(struct vn_node *n);
/** A stream registered under its sid; VN_ERR_LIMIT, VN_ERR_EXISTS. */
VN_MUST_CHECK vn_status vn_stream_new(struct vn_node *n, struct vn_peer *p, bool is_tx,
                                      const struct vn_id *sid, struct vn_stream **ret);
VN_MUST_CHECK vn_status vn_stream_rename(struct vn_node *n, struct vn_stream *s,
                                         const struct vn_id *sid);
struct vn_stream *vn_stream_by_handle(struct vn_node *n, uint32_t handle, bool is_tx);
struct vn_stream *vn_stream_by_sid(struct vn_node *n, const struct vn_id *sid);
/** Ends it: the worker's side, the circuit, and with `tell` the other end's. Destinations are the
 * caller's, and get their verdict before: the worker asks again for those of a closed stream. */
void vn_stream_close(struct vn_node *n, struct vn_stream *s, enum vn_close_reason why, bool tell);
/** tx: closes and refuses what waits for it. */
void vn_tx_failed(struct vn_node *n, struct vn_stream *s, enum vn_close_reason why);
/** tx: closes; a new stream to whoever owns the peer's addresses now takes its place. */
void vn_tx_renew(struct vn_node *n, struct vn_stream *s, enum vn_close_reason why, bool tell);
/** Every stream with a peer; destinations of its tx are forgotten. */
void vn_streams_close_peer(struct vn_node *n, struct vn_peer *p, enum vn_close_reason why);
void vn_streams_close_all(struct vn_node *n, enum vn_close_reason why);
void vn_streams_rearm_life(struct vn_node *n, struct vn_peer *p);
void vn_stream_set_state(struct vn_stream *s, enum vn_stream_state state);
/** rx: bound; it is half-open no more. */
void vn_stream_opened(struct vn_node *n, struct vn_stream *s);
void vn_stream_event_idle(struct vn_node *n, uint32_t tx);
void vn_stream_event_first(struct vn_node *n, uint32_t rx);
void vn_stream_event_lost(struct vn_node *n, uint32_t rx);

/* initiator.c */
/** The stream to p, made when there is none. NULL: p's descriptor is missing, or limits. */
struct vn_stream *vn_tx_want(struct vn_node *n, struct vn_peer *p);
/** p's descriptor may have changed: an M1 for the old key is made anew. */
void vn_tx_descriptor_changed(struct vn_node *n, struct vn_peer *p);
void vn_initiator_on_m2(struct vn_node *n, const struct vn_subject *subj, struct vn_span bytes);
void vn_initiator_on_retry(struct vn_node *n, const struct vn_subject *subj, struct vn_span bytes);

/* responder.c */
/** waited: its turn has come (turns.h). */
void vn_responder_on_m1(struct vn_node *n, const struct vn_subject *subj, struct vn_span bytes,
                        bool waited);

/* bind.c: from keys and a circuit to an open stream */
/** Does the next thing that tether, circuit and keys allow. May close s. */
void vn_tx_advance(struct vn_node *n, struct vn_stream *s);
void vn_tx_on_timer(void *stream);
void vn_tx_bind_timer(struct vn_node *n, struct vn_stream *s);
/** BIND on a circuit of s that is UP; standby: s does not go there yet. */
void vn_bind_ask(struct vn_node *n, struct vn_stream *s, struct vn_circuit *c, bool standby);
/** BOUND came: when that BIND was sent, own time; 0: there was none. */
uint64_t vn_bind_answered(struct vn_circuit *c, uint32_t request);
/** c is going: whether s went through it, and has no circuit now. failed: it did not end by the
 * will of another node. */
bool vn_stream_loses(struct vn_node *n, struct vn_stream *s, struct vn_circuit *c, bool failed);
/** Its circuit is gone; another one is on its way. */
void vn_tx_park(struct vn_node *n, struct vn_stream *s);
/** Its circuit is gone (already detached). May close s. */
void vn_tx_circuit_lost(struct vn_node *n, struct vn_stream *s);
void vn_rx_circuit_lost(struct vn_node *n, struct vn_stream *s);

/* ctl.c: control packets under k_ctl */
struct vn_ctl_from {
    struct vn_id node;
    struct vn_hop *hop; /* NULL: over the control channel */
    uint32_t label;
};
/** Sends in-band when the stream has a circuit, else over the control channel. */
void vn_ctl_send(struct vn_node *n, struct vn_stream *s, const Vn__StreamControl *m);
/** On this circuit; NULL: over the control channel. */
void vn_ctl_send_on(struct vn_node *n, struct vn_stream *s, const struct vn_circuit *c,
                    const Vn__StreamControl *m);
void vn_ctl_input(struct vn_node *n, struct vn_span bytes, const struct vn_ctl_from *from);
