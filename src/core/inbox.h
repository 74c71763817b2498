/*
 * What comes from the control channel: the checks of DESIGN section 5, cheapest first, then the
 * file that knows the type. Anything wrong is one counter and silence.
 */
#pragma once

#include "core/peer.h"
#include "wire/names.h"

struct vn_node;

/** An envelope that passed every check. */
struct vn_inbound {
    const struct vn_subject *subject;
    struct vn_id src;
    uint64_t time_ms;            /* the sender's, protocol time */
    uint32_t generation;         /* of the hour key; 0 from Guardian */
    struct vn_checked_cert cert; /* the sender's */
    struct vn_checked_desc desc; /* with query, answer and offer: the sender's */
    struct vn_span statement;    /* with a query; not yet checked */
    const void *body;            /* unpacked message of the type */
};

void vn_inbox_message(struct vn_node *n, const char *subject, struct vn_span payload);
/** The same for one that came over a tether: subj->via brought it. */
void vn_inbox_inband(struct vn_node *n, const struct vn_subject *subj, struct vn_span payload);
/** The same for a message that had to wait (turns.h). */
void vn_inbox_turn(struct vn_node *n, const struct vn_subject *subj, struct vn_span payload);
