/*
 * Turns at what is expensive: the signatures and KEM openings that messages of others cost. As long
 * as they cost less than a part of the core thread, everybody is served at once. Beyond that,
 * messages wait in one queue per source, and the queues take turns, those of peers with a stream
 * twice as often: who floods waits for itself.
 *
 * Counted is what was done, in thousandths of a verified signature, so what is cheap because it was
 * verified before is cheap here too.
 */
#pragma once

#include "base/list.h"
#include "core/timer.h"
#include "wire/names.h"

struct vn_node;
struct vn_map;

#define VN_TURN_SIGNATURE 1000 /* one verified */
#define VN_TURN_KEM 500        /* one opened: half as long */

struct vn_turns {
    uint64_t level_milli; /* spent, less VN_TURNS_RATE since */
    uint64_t level_at_ms;
    struct vn_map *by_source; /* source -> struct turn_queue that is not empty */
    struct vn_list known;     /* queues of sources with a stream; the first is served next */
    struct vn_list others;    /* queues of the rest */
    unsigned served;          /* by turn: two known, one other */
    size_t waiting;           /* messages */
    uint64_t spent_milli;     /* since the start */
    uint64_t waited;          /* messages since the start */
    struct vn_timer timer;
};

VN_MUST_CHECK vn_status vn_turns_init(struct vn_node *n);
void vn_turns_done(struct vn_node *n);
/** Something of that cost is about to be done. */
void vn_turns_spend(struct vn_node *n, uint32_t milli);
/**
 * False: a message from src has to wait, or is dropped and counted where too many do; it comes to
 * vn_inbox_turn later. To be asked only after everything cheap was checked.
 */
bool vn_turns_now(struct vn_node *n, const struct vn_subject *subj, struct vn_span payload);
