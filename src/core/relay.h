/*
 * Relaying (SPEC A9): circuits of others that pass through this node. It knows the tether a circuit
 * comes from, the one it goes on to, and their labels. It never chooses a way: what breaks is
 * reported to the source.
 */
#pragma once

#include "core/bucket.h"
#include "core/circuit.h"

struct vn_map;
struct vn_identity;

struct vn_relaying {
    struct vn_map *by_handle; /* handle at the worker -> the in half */
    size_t count;             /* in halves, those too that do not go on yet */
    struct vn_bucket opens;
    uint64_t accepted; /* circuits that went through, ever */
};

VN_MUST_CHECK vn_status vn_relaying_init(struct vn_node *n);
void vn_relaying_done(struct vn_node *n);
/** Neither the realm, nor its certificate, nor this node's own setting forbids it. */
bool vn_relaying_allowed(const struct vn_node *n);
/** The realm's rule and its certificate allow that node to relay. */
bool vn_relaying_may(const struct vn_node *n, const struct vn_identity *who);
/** The rule or the own certificate is another: circuits that may not go through here any more end.
 */
void vn_relaying_recheck(struct vn_node *n);
/** A SETUP with a blob, from a neighbour that may send it. */
void vn_relay_on_setup(struct vn_node *n, struct vn_hop *h, const struct vn_circuit_msg *m);
/** Of an out half: the next node took it. */
void vn_relay_on_accept(struct vn_node *n, struct vn_circuit *out);
void vn_relay_on_need_desc(struct vn_node *n, struct vn_circuit *out,
                           const struct vn_circuit_msg *m);
void vn_relay_on_desc(struct vn_node *n, struct vn_circuit *in, const struct vn_circuit_msg *m);

enum vn_relay_end {
    VN_RELAY_TORN,    /* a neighbour ended it, or it was idle: TEARDOWN goes on */
    VN_RELAY_REFUSED, /* the way on could not be made */
    VN_RELAY_FAILED,  /* a tether is lost: reported with others */
};
/** One half is going: the other one goes too, and its neighbour learns why. The first is the
 * caller's to close. */
void vn_relay_half_gone(struct vn_node *n, struct vn_circuit *half, enum vn_relay_end why,
                        enum vn_circuit_reason reason);
/** The same without a word to anybody: the node itself ends. */
void vn_relay_forget(struct vn_circuit *half);
/** No frame for VN_RELAY_IDLE_MS. */
void vn_relay_event_idle(struct vn_node *n, uint32_t handle);
