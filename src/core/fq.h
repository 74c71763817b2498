/*
 * A fair queue with CoDel (FQ-CoDel, RFC 8290): the packets of one egresser and class, by flow.
 * Flows take turns by bytes; one that was empty goes first, so a lone request never waits behind a
 * download. A wait that lasts is answered by ECN marks, or by drops where the flow has no ECN.
 * Of a super-packet the verdict hits the first segment only.
 *
 * Where a stream takes several ways, each flow has one, and those of a way take turns.
 */
#pragma once

#include "base/list.h"
#include "base/pktbuf.h"
#include "core/codel.h"

#define VN_FQ_SLOTS 128 /* flows that share one share a turn */

#define VN_FQ_WAYS 3

struct vn_fq_flow;

struct vn_fq_way {
    struct vn_list fresh, old; /* flows with packets, and old ones that just ran empty */
    size_t count;              /* of their packets */
};

struct vn_fq {
    struct vn_fq_way way[VN_FQ_WAYS];
    size_t count, bytes; /* of all packets */
    size_t flows;        /* that have some, or just ran empty */
    struct vn_fq_flow *slot[VN_FQ_SLOTS];
};

/** What the queue did to packets; added to. */
struct vn_fq_counters {
    uint64_t dropped, marked;
};

void vn_fq_init(struct vn_fq *q);
/** Frees every packet. */
void vn_fq_clear(struct vn_fq *q);
/** Packets of that flow, or of one that shares its slot, are here. */
bool vn_fq_waits(const struct vn_fq *q, uint32_t flow);
/** Takes ownership and stamps it with now; VN_ERR_NOMEM: not taken. All that is here of its flow
 * goes that way from now on. */
VN_MUST_CHECK vn_status vn_fq_push(struct vn_fq *q, size_t way, uint32_t flow, struct vn_pktbuf *b,
                                   uint64_t now_us);
/**
 * The next packet of that way, which passes to the caller, if it has at most max bytes; else NULL,
 * and it stays next. NULL too when there is none.
 */
struct vn_pktbuf *vn_fq_pop(struct vn_fq *q, size_t way, const struct vn_codel_params *p,
                            size_t max, uint64_t now_us, struct vn_fq_counters *counters);
/** What was to go that way goes the first one. */
void vn_fq_leave(struct vn_fq *q, size_t way);
/** The oldest packet of the flow that holds most bytes: who fills the queue pays. NULL when empty.
 */
struct vn_pktbuf *vn_fq_pop_fattest(struct vn_fq *q);
