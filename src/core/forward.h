/*
 * Circuits of others that pass through this node: (tether, label) -> (tether', label') without
 * opening anything. The label is written over in place; a frame waits in its circuit's own queue
 * until the next hop takes it.
 */
#pragma once

#include "core/credit.h"
#include "core/turn.h"

struct vn_label;

struct vn_forward {
    struct vn_worker *worker;
    uint32_t handle;
    struct vn_label *in, *out; /* what arrives: from the source's side, and from the other */
    uint32_t in_rev, out_fwd;  /* what is written: towards the source, and away from it */
    struct vn_turn turn;       /* on out->end */
    struct vn_meter meter;     /* of what in->end sends */
    struct vn_pktqueue queue[VN_CLASSES];
    uint64_t active_us;
    bool idle_told;
};

void vn_forward_open(struct vn_worker *w, const struct vn_cmd_relay_open *cmd);
void vn_forward_close(struct vn_forward *f);
/** A frame that came on this label; takes it. */
void vn_forward_frame(struct vn_forward *f, const struct vn_label *on, enum vn_tether_class cls,
                      struct vn_pktbuf *b);
/** A control packet between the ends, in either direction; takes it. */
void vn_forward_control(struct vn_forward *f, const struct vn_label *on, struct vn_pktbuf *b);
/** Tells of idle ones; returns when to look again. */
uint64_t vn_forward_tick(struct vn_worker *w);
void vn_forward_close_all(struct vn_worker *w);
