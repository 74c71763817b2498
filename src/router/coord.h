/*
 * Network coordinates: where a node lies, so that round trips to nodes never spoken to can be
 * guessed and near relays found without asking everybody. Vivaldi with a height (Dabek, Cox,
 * Kaashoek, Morris, "Vivaldi: a decentralized network coordinate system", SIGCOMM 2004, sections
 * 3.3 and 5.4), in integers.
 *
 * What a peer says of its own place is a hint: it decides what is measured, never what is used.
 */
#pragma once

#include <stdbool.h>

#include "router/fixed.h"

#define VN_COORD_DIMS 3
#define VN_COORD_MAX_US (1 << 26) /* about a minute: no round trip is longer */

struct vn_coord {
    int32_t x_us[VN_COORD_DIMS];
    uint32_t height_us; /* the access line, which every path from here crosses */
    uint32_t error_q16; /* relative; 1 knows nothing */
};

/** Nowhere, and sure of nothing. */
void vn_coord_init(struct vn_coord *c);
/** Whether a coordinate that a peer sent is one: each part in its range. */
bool vn_coord_is_valid(const struct vn_coord *c);
/** The round trip between two places, guessed, in microseconds. Both are valid. */
uint32_t vn_coord_rtt_us(const struct vn_coord *a, const struct vn_coord *b);
/** A round trip to peer was measured: moves self by it. dice draws a direction between equals. */
void vn_coord_update(struct vn_coord *self, const struct vn_coord *peer, uint32_t rtt_us,
                     struct vn_dice *dice);
