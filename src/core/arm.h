/*
 * One way of a stream, as its learner knows it (learn.h): the circuit that is set up for it, and
 * what the answers on that circuit tell of delay, jitter and loss. Core thread.
 */
#pragma once

#include "base/id.h"
#include "router/ccx.h"

struct vn_circuit;

#define VN_ANSWERS_KEPT 8
#define VN_ANSWERS_FASTEST 3 /* of so many counts: one slow answer is no slow path */

struct vn_answers {
    uint32_t rtt_us[VN_ANSWERS_KEPT]; /* a ring: the newest at (count - 1) % VN_ANSWERS_KEPT */
    unsigned count;                   /* ever */
    uint32_t late; /* a bit for each of the last 32, the newest lowest: see vn_answers_add */
};

/**
 * An answer took so long. Control packets are sent again by each tether until they pass, so what
 * the path loses shows as an answer that is late by a retransmission (VN_ANSWER_LATE_US).
 */
void vn_answers_add(struct vn_answers *a, uint32_t rtt_us);
/** Delay, jitter and loss of it; the rate is left unknown. */
void vn_answers_sample(const struct vn_answers *a, struct vn_ccx_sample *ret);
/** The i-th newest, i from 0; 0: there are not so many. */
uint32_t vn_answers_nth(const struct vn_answers *a, unsigned i);

#define VN_ARM_DIRECT 0 /* key of the direct path */

struct vn_arm {
    uint64_t key;               /* of the router: vn_place_key of its relay, or VN_ARM_DIRECT */
    struct vn_id relay;         /* else */
    struct vn_circuit *circuit; /* NULL: none is set up, nor being set up */
    struct vn_answers answers;
    uint64_t again_ms; /* no SETUP before */
    unsigned fails;    /* SETUPs since the last answer */
};
