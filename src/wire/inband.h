/*
 * Messages of the control channel in-band (DESIGN section 6): between neighbours, on label 0 of a
 * tether's control channel behind a hop header of type VN_HOP_SIGNAL, authenticated by the hop key.
 * The message itself is what Master would carry, byte for byte.
 *
 *   SENT    kind1 subject1 name16 ‖ message           of the neighbour itself
 *   PASSED  kind1 subject1 name16 src16 ‖ message     of a neighbour of it, for whom it is meant
 *   KEEP    kind1 ms4                                 the neighbour wants the tether for so long,
 *                                                     though it is unused; 0: no longer
 *
 *   subject: 1 a.in.<name>, 2 a.own.<name>
 */
#pragma once

#include "base/reader.h"
#include "base/status.h"
#include "base/writer.h"
#include "wire/names.h"

enum vn_inband_kind { VN_INBAND_SENT = 1, VN_INBAND_PASSED = 2, VN_INBAND_KEEP = 3 };

#define VN_INBAND_HEAD_MAX 34 /* bytes before the message, at most */

struct vn_inband {
    enum vn_inband_kind kind;
    enum vn_subject_kind subject; /* SENT, PASSED: VN_SUBJ_IN or VN_SUBJ_OWN */
    struct vn_id name, src;       /* src: PASSED */
    uint32_t keep_ms;             /* KEEP */
    struct vn_span message;       /* SENT, PASSED: not empty */
};
void vn_inband_encode(struct vn_writer *w, const struct vn_inband *m);
VN_MUST_CHECK vn_status vn_inband_decode(struct vn_span bytes, struct vn_inband *ret);
