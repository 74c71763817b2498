/*
 * A stream's bulk flows over several ways at once (SPEC R4): beside its own, way 0, up to two more
 * circuits, each with a turn, credit and a memory of what it was sent. A flow has one way and keeps
 * it until it pauses (router/stripe.h), so no packet of it overtakes another. The ways are the
 * first worker's (core/crew.h); a hand shares out the flows that it reads, and tells it each
 * frame's way.
 *
 *   egresser ── flows of way 0 ── tx   ── end
 *            ── flows of way 1 ── side ── end
 */
#pragma once

#include "core/egress.h"
#include "core/retain.h"
#include "core/turn.h"
#include "router/stripe.h"

/** Bulk frames wait for credit, and there was none since: the next hop passes nothing on. */
struct vn_dry {
    uint64_t since_us, limit; /* 0: there is credit; the limit of then */
};

struct vn_side {
    struct vn_tx *tx;
    size_t way; /* from 1 on */
    uint32_t tether, label;
    struct vn_turn turn;   /* its end is NULL: it carries nothing */
    struct vn_list of_end; /* end.sides */
    struct vn_label *rev;
    struct vn_pktbuf *sealed;  /* refused by the tether */
    struct vn_retain *retains; /* of what was sent here, by lane; also after the way was left */
    bool direct;               /* all of that by one tether, which tells what has arrived */
    struct vn_dry dry;
};

struct vn_spread {
    struct vn_stripe stripe;
    struct vn_side sides[VN_WAYS_MAX - 1];
};

/** For a stream that was not spread before; NULL without memory. */
struct vn_spread *vn_spread_new(struct vn_tx *tx);
/** Returns NULL. */
struct vn_spread *vn_spread_free(struct vn_spread *s);
void vn_spread_set(struct vn_spread *s, const struct vn_cmd_tx_spread *cmd);
/** Of a hand. Without memory for it all flows go by way 0. */
void vn_spread_follow(struct vn_tx *tx, const struct vn_crew_shares *m);
/** The stream goes another way, with all that may not have arrived. */
void vn_spread_end(struct vn_spread *s);
/** The way of the next packet of this flow, which is to wait in that queue. */
size_t vn_spread_way(struct vn_spread *s, const struct vn_fq *q, uint32_t flow, uint64_t now_us);
/** There is something for that way. */
void vn_side_active(struct vn_side *s);
/** The tether is gone: what may not have arrived goes by the stream's own way. */
void vn_side_detach(struct vn_side *s);

void vn_dry_look(struct vn_dry *d, const struct vn_purse *p, uint64_t now_us);
uint64_t vn_dry_us(const struct vn_dry *d, const struct vn_purse *p, uint64_t now_us);
