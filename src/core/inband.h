/*
 * The control channel in-band: while Master is away, its messages go over tethers, to the neighbour
 * or through one neighbour to another one of his (DESIGN section 6). The same bytes, the same
 * checks (inbox.c); only what vouches for a sender differs: a tether's key for the neighbour, the
 * neighbour for whom he passes on. So what a message costs is charged to the neighbour that brought
 * it, whomever it is from.
 *
 * A neighbour that passes on learns what Master would: who signals to whom.
 */
#pragma once

#include "core/timer.h"
#include "wire/names.h"

struct vn_node;
struct vn_hop;
struct vn_peer;

struct vn_inband_state {
    struct vn_timer timer; /* KEEP on tethers that are wanted */
    uint64_t sent, received, passed;
};

/** Whom the cost of a message is charged to, and who must show that answers reach him. */
static inline const struct vn_id *vn_subject_payer(const struct vn_subject *s)
{
    return vn_id_is_zero(&s->via) ? &s->src : &s->via;
}

void vn_inband_init(struct vn_node *n);
void vn_inband_done(struct vn_node *n);
/**
 * Sends a message in-band, where that is called for: the control channel is down, or its recipient
 * was last heard so. to.via, if set, names the neighbour to use. True: Master need not have it.
 */
bool vn_inband_send(struct vn_node *n, const struct vn_subject *to, struct vn_span message);
/** What a neighbour sent behind VN_HOP_SIGNAL. */
void vn_inband_input(struct vn_node *n, struct vn_hop *h, struct vn_span bytes);
/** A signature of subj->src was right, and it is known by now: answers go back the same way. */
void vn_inband_heard(struct vn_node *n, const struct vn_subject *subj);
/** The control channel went up or down. */
void vn_inband_control(struct vn_node *n);
/** A tether came up. */
void vn_inband_tether_up(struct vn_node *n, struct vn_hop *h);
/** Some neighbour can be asked. */
bool vn_inband_any(const struct vn_node *n);
/** This end wants the tether though nothing uses it: it is a way to others. */
bool vn_inband_wants(const struct vn_node *n, const struct vn_hop *h);
