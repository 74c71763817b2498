/*
 * struct vn_worker: one data worker. Egressers, the sending and receiving side of streams, labels,
 * and the tethers' data paths. Sans-IO: state, input and now in; TUN packets, tether messages and
 * events out through ports. One thread.
 *
 *   TUN -> egresser(destination) -> frame builder -> seal -> tether
 *   tether -> label -> replay, open -> checks -> TUN
 */
#pragma once

#include "base/pktbuf.h"
#include "core/commands.h"
#include "ports/post.h"
#include "ports/random.h"
#include "ports/tether.h"
#include "ports/tun.h"

struct vn_worker;

/** A node has one worker, or a crew: the first and its hands (core/crew.h). */
struct vn_worker_config {
    uint8_t number;                      /* its lane; 0: the first, below VN_WORKERS_MAX: a hand */
    const struct vn_tether_port *tether; /* these outlive the worker; NULL: a hand has none */
    const struct vn_tun_port *tun;
    const struct vn_post *to_node; /* of a hand: to the first worker */
    const struct vn_post *hands;   /* of the first: to the workers 1, 2, ... */
    size_t hand_count;
    const struct vn_random *random;
};

VN_MUST_CHECK vn_status vn_worker_new(const struct vn_worker_config *cfg, uint64_t now_us,
                                      struct vn_worker **ret);
/** Closes every tether, wipes every key. Returns NULL. */
struct vn_worker *vn_worker_free(struct vn_worker *w);

/** What the hand of this number says to the first worker; takes ownership. */
void vn_worker_hand_event(struct vn_worker *w, size_t number, struct vn_post_msg *m,
                          uint64_t now_us);
/** A command from the node, or to a hand from the first worker; takes ownership. */
void vn_worker_command(struct vn_worker *w, struct vn_post_msg *m, uint64_t now_us);
/** A packet read from the TUN; takes ownership. Call vn_worker_flush after the batch. */
void vn_worker_tun_input(struct vn_worker *w, struct vn_pktbuf *packet, uint64_t now_us);
/** Builds and sends what waits, as far as the tethers take it. Also to be called after tether
 * callbacks ran. */
void vn_worker_flush(struct vn_worker *w, uint64_t now_us);
/** Time moved on. */
void vn_worker_tick(struct vn_worker *w, uint64_t now_us);
/** When tick wants to run next (microseconds on the same clock); UINT64_MAX: not needed. */
uint64_t vn_worker_next_deadline(const struct vn_worker *w);
/** What it has counted so far; lives as long as w. */
const struct vn_worker_counters *vn_worker_counters(const struct vn_worker *w);
/** The time the worker uses inside tether callbacks: set before dispatching a loop turn. */
void vn_worker_set_now(struct vn_worker *w, uint64_t now_us);
