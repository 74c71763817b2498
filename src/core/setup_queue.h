/*
 * SETUPs to one neighbour, which drops what comes faster than it allows: those over the pace wait.
 * This node and each neighbour whose circuits go on there take turns, one SETUP each, so who asks
 * for many waits behind himself, and nobody else does.
 *
 * A SETUP is in the round behind that of the one before it of the same owner, or behind the round
 * that is being served; the list is in order of rounds. So no state is kept of owners.
 */
#pragma once

#include "base/list.h"
#include "core/bucket.h"
#include "core/timer.h"

struct vn_node;
struct vn_hop;
struct vn_circuit;

struct vn_setup_queue {
    struct vn_list waiting; /* struct vn_circuit */
    uint64_t round;         /* of the last one that waited and went */
    struct vn_pace pace;
    struct vn_timer timer;
};

void vn_setup_queue_init(struct vn_hop *h);
/** All circuits of h are gone. */
void vn_setup_queue_done(struct vn_hop *h);

enum vn_setup_turn { VN_SETUP_GOES, VN_SETUP_WAITS, VN_SETUP_NO_ROOM };
/** c, out, has a SETUP for its neighbour. One that waits: vn_circuit_its_turn comes later. */
enum vn_setup_turn vn_setup_queue_ask(struct vn_node *n, struct vn_circuit *c);
void vn_setup_queue_leave(struct vn_circuit *c);
bool vn_setup_queue_has(const struct vn_circuit *c);
