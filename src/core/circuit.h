/*
 * Circuits of one hop (DESIGN section 10): a label each way on a tether, set up by the source, to
 * which a stream is bound by BIND.   out: EXPECT_ACCEPT -> UP      in: UP
 */
#pragma once

#include <stdbool.h>

#include "base/list.h"
#include "base/span.h"
#include "base/status.h"
#include "core/timer.h"

struct vn_node;
struct vn_hop;
struct vn_stream;

enum vn_circuit_state { VN_CIRCUIT_EXPECT_ACCEPT, VN_CIRCUIT_UP };

struct vn_circuit {
    struct vn_node *node;
    struct vn_hop *hop;
    struct vn_list of_hop;
    bool out; /* we are its source */
    enum vn_circuit_state state;
    uint32_t request;
    uint32_t fwd, rev;        /* chosen downstream; chosen by the source */
    struct vn_stream *stream; /* out: always; in: once bound */
    unsigned sends;
    struct vn_timer timer;
};

/** Begins a circuit for s and sets s->circuit. */
VN_MUST_CHECK vn_status vn_circuit_open(struct vn_node *n, struct vn_hop *h, struct vn_stream *s);
/** Frees it; the stream, if any, must have let go or be told by the caller. tell: TEARDOWN to the
 * other end. */
void vn_circuit_close(struct vn_node *n, struct vn_circuit *c, bool tell);
/** By a label that arrives on this tether. */
struct vn_circuit *vn_circuit_by_label(struct vn_node *n, const struct vn_hop *h, uint32_t label);
/** What came on this label belongs to no stream we know: the source must not wait for an answer. */
void vn_circuit_refuse(struct vn_node *n, struct vn_hop *h, uint32_t label);
/** A stream came to an incoming circuit. */
void vn_circuit_bound(struct vn_node *n, struct vn_circuit *c);
/** A circuit message of the neighbour. */
void vn_circuit_input(struct vn_node *n, struct vn_hop *h, struct vn_span bytes);
void vn_labels_done(struct vn_node *n);
