/*
 * When bulk flows of a stream are spread over several ways (SPEC R4), and over which: part of its
 * learner (core/learn.h). What several ways share nobody can tell from outside, so it is tried: the
 * flows of a stream that its way holds back are spread for some ticks, and what arrived in that
 * time, by the destination's reports, is compared with before.
 *
 *   alone ──held back──> tried ──more arrives──> kept ──no more needed, or no gain──> alone
 *                          └──no gain: not again for 2 minutes, doubling──> alone
 *
 * State machine: set_state. Core thread.
 */
#pragma once

#include "core/timer.h"
#include "core/to_worker.h"

struct vn_learner;
struct vn_arm;

enum vn_spread_state { VN_SPREAD_ALONE, VN_SPREAD_TRIED, VN_SPREAD_KEPT };

struct vn_learn_spread {
    enum vn_spread_state state;
    struct vn_tell_ways ways; /* as the worker was told; circuits of none: it is not spread */
    struct vn_timer check;

    /* what the worker told since the tick before: how often, how often of flows that waited */
    unsigned asked, held;
    uint64_t bytes, from_ms, told_ms; /* so many arrived between these */

    unsigned ticks; /* in this state; ALONE: held back in a row */
    uint32_t last_kbps, before_kbps;
    uint64_t sum_kbps;
    uint64_t again_ms; /* no trial before */
    unsigned fails;
};

void vn_learn_spread_init(struct vn_learner *l);
void vn_learn_spread_done(struct vn_learner *l);
/** Of the worker: so many bytes arrived; several flows waited just then. */
void vn_learn_spread_sent(struct vn_learner *l, const struct vn_ev_sent *ev);
void vn_learn_spread_tick(struct vn_learner *l);
/** The stream goes another way, or its circuit is another: the worker has ended it. */
void vn_learn_spread_over(struct vn_learner *l);
/** c goes; nothing of what is under way there may arrive. */
void vn_learn_spread_loses(struct vn_learner *l, const struct vn_circuit *c);
/** `to`, of the same path, takes the place of `from`. */
void vn_learn_spread_renewed(struct vn_learner *l, const struct vn_circuit *from,
                             struct vn_circuit *to);
/** The router wants the stream to go to that arm: it stays where it is, since both carry flows of
 * it and so each costs by what it carries; there is nothing to gain by a move. */
bool vn_learn_spread_keeps(struct vn_learner *l, const struct vn_arm *to);
/** A part of the stream's flows goes there beside its own way. c may be NULL. */
bool vn_learn_spread_has(const struct vn_learner *l, const struct vn_circuit *c);
