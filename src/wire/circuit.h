/*
 * Circuit messages between neighbours (DESIGN section 10), on label 0 of a tether's control
 * channel, authenticated by the hop key. Here: circuits of one hop.
 *
 *   SETUP     type1 hops1 request4 reverse_label4 ‖ u16,blob    no blob: the circuit ends here
 *   ACCEPT    type1 request4 label4                             label: chosen downstream
 *   REFUSE    type1 request4 reason1
 *   TEARDOWN  type1 label4                                      label as the receiver knows it
 */
#pragma once

#include "base/reader.h"
#include "base/status.h"
#include "base/writer.h"

enum vn_circuit_type {
    VN_CIRCUIT_SETUP = 1,
    VN_CIRCUIT_ACCEPT = 2,
    VN_CIRCUIT_REFUSE = 3,
    VN_CIRCUIT_TEARDOWN = 4
};
enum vn_circuit_reason { VN_REFUSE_LIMIT = 1, VN_REFUSE_POLICY = 2, VN_REFUSE_NO_ROUTE = 3 };

struct vn_circuit_msg {
    enum vn_circuit_type type;
    uint8_t hops;   /* SETUP: budget left, random start */
    uint8_t reason; /* REFUSE */
    uint32_t
        request; /* SETUP, ACCEPT, REFUSE: chosen by the asker, unique per tether and direction */
    uint32_t label;         /* ACCEPT, TEARDOWN */
    uint32_t reverse_label; /* SETUP: what control packets towards the source carry */
    struct vn_span blob;    /* SETUP */
};
void vn_circuit_encode(struct vn_writer *w, const struct vn_circuit_msg *m);
VN_MUST_CHECK vn_status vn_circuit_decode(struct vn_span bytes, struct vn_circuit_msg *ret);
/** Labels are 4 bits worker, 28 random; never 0. */
static inline unsigned vn_label_worker(uint32_t label)
{
    return label >> 28;
}
