/*
 * Peers that the settings keep warm (SPEC A8): a stream to each of them is made without a packet
 * that asks for it, does not end for idleness, and is made again when it is lost; its tether stays
 * with it. So the first packet after a pause goes at once. Core thread.
 */
#pragma once

#include <stdbool.h>

#include "base/id.h"
#include "base/limits.h"
#include "core/timer.h"

struct vn_node;
struct vn_peer;

struct vn_warm_peer {
    struct vn_node *node;
    char name[VN_VIA_NAME_MAX]; /* as the setting has it */
    struct vn_id id;            /* whoever answered to it last */
    bool known;
};

struct vn_warm {
    struct vn_warm_peer peers[VN_KEEP_WARM_MAX];
    size_t count;
    unsigned searches; /* in a row that left somebody cold */
    struct vn_timer timer;
};

void vn_warm_init(struct vn_node *n);
void vn_warm_done(struct vn_node *n);
/** The node is online, or the control channel is: looks for them at once. */
void vn_warm_start(struct vn_node *n);
/** The stream to p stays, though nobody sends. */
bool vn_warm_keeps(const struct vn_node *n, const struct vn_peer *p);
