/*
 * Stream control packets under the control keys of a handshake (DESIGN section 6), over NATS or
 * in-band on a label.
 *
 *   ver1 suite1 type1 sid16 seq8 ‖ AEAD(k_ctl; protobuf vn.StreamControl)
 *   nonce 0^4 ‖ seq8, aad the 27 bytes before
 */
#pragma once

#include "base/buf.h"
#include "base/id.h"
#include "crypto/aead.h"
#include "crypto/suite.h"

#define VN_CONTROL_HEAD_LEN 27

VN_MUST_CHECK vn_status vn_control_seal(const struct vn_suite_info *suite,
                                        const struct vn_secret32 *k_ctl, const struct vn_id *sid,
                                        uint64_t seq, struct vn_span body, struct vn_buf *ret);
/** sid and seq without opening, to find the stream. */
VN_MUST_CHECK vn_status vn_control_peek(struct vn_span bytes, const struct vn_suite_info *suite,
                                        struct vn_id *ret_sid, uint64_t *ret_seq);
/** plain has room for bytes.n. The replay window is the caller's. VN_ERR_AUTH. */
VN_MUST_CHECK vn_status vn_control_open(struct vn_span bytes, const struct vn_secret32 *k_ctl,
                                        uint8_t *plain, size_t *ret_n);
