/*
 * Circuit messages between neighbours (DESIGN section 10), on label 0 of a tether's control
 * channel, authenticated by the hop key.
 *
 *   SETUP      type1 hops1 request4 reverse_label4 ‖ u16,blob   no blob: the circuit ends here;
 *                                                               else wire/setup.h
 *   ACCEPT     type1 request4 label4                            label: chosen downstream
 *   REFUSE     type1 request4 reason1
 *   TEARDOWN   type1 label4                                     label as the receiver knows it
 *   FAILED     type1 count2 ‖ count × label4                    the same for many circuits at once:
 *                                                               a tether further on is lost
 *   NEED_DESC  type1 request4 mark16                            upstream: the descriptor of the
 *                                                               node in the slot with this mark
 *   DESC       type1 request4 mark16 ‖ u16,sealed               downstream, the answer
 *
 *   WORN       type1 label4                                     upstream: a tether further on ends
 *                                                               soon, a new circuit would take
 *                                                               another; label as in TEARDOWN
 *
 * And for each circuit with a blob, hop by hop, behind a hop header of type VN_HOP_CREDIT:
 *
 *   CREDIT     limit8    bytes of frames that may have been sent on the label since SETUP
 */
#pragma once

#include "base/reader.h"
#include "base/status.h"
#include "base/writer.h"

enum vn_circuit_type {
    VN_CIRCUIT_SETUP = 1,
    VN_CIRCUIT_ACCEPT = 2,
    VN_CIRCUIT_REFUSE = 3,
    VN_CIRCUIT_TEARDOWN = 4,
    VN_CIRCUIT_FAILED = 5,
    VN_CIRCUIT_NEED_DESC = 6,
    VN_CIRCUIT_DESC = 7,
    VN_CIRCUIT_WORN = 8,
};
enum vn_circuit_reason { VN_REFUSE_LIMIT = 1, VN_REFUSE_POLICY = 2, VN_REFUSE_NO_ROUTE = 3 };

struct vn_circuit_msg {
    enum vn_circuit_type type;
    uint8_t hops;     /* SETUP: budget left, random start */
    uint8_t reason;   /* REFUSE */
    uint32_t request; /* all but TEARDOWN, FAILED and WORN: chosen by the asker, unique per tether
                         and direction */
    uint32_t label;   /* ACCEPT, TEARDOWN, WORN */
    uint32_t reverse_label; /* SETUP: what control packets towards the source carry */
    struct vn_span blob;    /* SETUP; DESC: sealed; FAILED: the labels, 4 bytes each, none 0 */
    struct vn_span mark;    /* NEED_DESC, DESC: VN_SETUP_MARK_LEN bytes */
};
void vn_circuit_encode(struct vn_writer *w, const struct vn_circuit_msg *m);
VN_MUST_CHECK vn_status vn_circuit_decode(struct vn_span bytes, struct vn_circuit_msg *ret);
/** Next label of FAILED; r begins as a reader of blob. */
VN_MUST_CHECK bool vn_circuit_next_label(struct vn_reader *r, uint32_t *ret);

#define VN_CREDIT_LEN 8
void vn_credit_encode(struct vn_writer *w, uint64_t limit);
VN_MUST_CHECK bool vn_credit_decode(struct vn_span bytes, uint64_t *ret_limit);
