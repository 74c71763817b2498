/*
 * Two SCTP ends and a bad path between them, in virtual time: ours, or libusrsctp's at one end.
 * Losses and the like follow vn_test_random, so a printed seed repeats a run.
 */
#pragma once

#include "support/usrsctp_peer.h"

struct sctp_path { /* one direction; probabilities of 10,000 */
    uint64_t delay_us;
    uint64_t rate;      /* bytes per second, 0: unlimited */
    size_t queue_bytes; /* what waits longer for the rate is dropped */
    unsigned loss, dup, reorder;
    uint64_t reorder_us;
    bool down;
    /** Decides the fate of a packet first; NULL: none. */
    bool (*drops)(void *arg, const uint8_t *p, size_t n);
    void *drops_arg;

    uint64_t free_ns; /* when the rate has done with what it got */
    uint64_t packets, dropped, bytes;
};

struct sctp_flight; /* a packet on its way */
struct sctp_world;

struct sctp_end {
    struct sctp_world *world;
    unsigned side;
    struct vn_sctp *own; /* or */
    struct usrsctp_peer *foreign;
    /** Takes messages and owns them; NULL: they are kept in msgs. */
    void (*on_message)(struct sctp_end *e, struct vn_sctp_msg *m);
    void *arg;
    struct vn_sctp_msg *msgs;
    size_t count, cap;
    size_t resets;                   /* of streams, by the peer, that ours was told */
    size_t given_up, given_up_bytes; /* of what ours sent */
};

struct sctp_world {
    uint64_t now_us;
    struct sctp_end end[2];
    struct sctp_path path[2]; /* path[i] carries from end[i] to the other */
    struct sctp_flight **heap;
    size_t heap_count, heap_cap;
    uint64_t order;
};

struct sctp_world_config {
    bool foreign[2];
    size_t mtu, message_max; /* 0: the usual ones */
    size_t mtu_base, mtu_max;
    uint16_t streams; /* likewise */
    bool by_turns;    /* nobody says when a turn ends but the test */
};

void sctp_world_init(struct sctp_world *w, const struct sctp_world_config *cfg);
void sctp_world_done(struct sctp_world *w);
void sctp_end_connect(struct sctp_end *e);
enum vn_sctp_state sctp_end_state(const struct sctp_end *e);
/** A message of n bytes whose content follows from seed; false: not now. */
bool sctp_end_send(struct sctp_end *e, uint16_t stream, const struct vn_sctp_how *how, size_t n,
                   uint32_t seed);
bool sctp_msg_holds(const struct vn_sctp_msg *m, size_t n, uint32_t seed);
/** Forgets the messages kept. */
void sctp_end_clear(struct sctp_end *e);

/** To the next event, but not beyond until_us; false: that is where it is. */
bool sctp_world_step(struct sctp_world *w, uint64_t until_us);
void sctp_world_run(struct sctp_world *w, uint64_t us);
/** Runs until done(arg); false after max_us. */
bool sctp_world_until(struct sctp_world *w, bool (*done)(void *arg), void *arg, uint64_t max_us);
/** A packet of n bytes enters: when it comes out, 0: never. */
uint64_t sctp_path_pass(struct sctp_path *path, size_t n, uint64_t now_us);
/** Connects both ends as `who` says (bit i: end i) and waits until both are open. */
bool sctp_world_open(struct sctp_world *w, unsigned who, uint64_t max_us);
/** A packet that end `from` never sent, for the other one, now. */
void sctp_world_forge(struct sctp_world *w, unsigned to, struct vn_span packet);
