/*
 * DESCRIPTOR (DESIGN section 6): what must be known of a node before a handshake. Self-signed under
 * "anchor-desc-v1" with the identity key, so it may travel through anyone.
 *
 *   ver1 suite1 realm16 time8(ms) eks_until8(ms) ‖ u16,certificate ‖ u16,ekS ‖ u8,coordinates
 *   ‖ relay count u8, relays 16 each ‖ signature
 */
#pragma once

#include "base/buf.h"
#include "crypto/suite.h"
#include "crypto/x509.h"

#define VN_DESCRIPTOR_MAX 16384
#define VN_DESCRIPTOR_RELAYS_MAX 8

struct vn_descriptor {
    struct vn_identity identity; /* of the certificate */
    struct vn_span cert;         /* these three borrow from the bytes */
    struct vn_span eks;
    struct vn_span coordinates;
    uint64_t time_ms, eks_until_ms;
    struct vn_id relays[VN_DESCRIPTOR_RELAYS_MAX];
    size_t relay_count;
};

VN_MUST_CHECK vn_status vn_descriptor_make(const struct vn_suite_info *suite,
                                           const struct vn_id *realm, struct vn_span cert,
                                           struct vn_span eks, uint64_t time_ms,
                                           uint64_t eks_until_ms, struct vn_span coordinates,
                                           const struct vn_id *relays, size_t relay_count,
                                           const struct vn_sig_key *key, struct vn_buf *ret);
/** Decoding alone, for what was checked before and for fuzzing; ret->identity stays zero. */
VN_MUST_CHECK vn_status vn_descriptor_decode(struct vn_span bytes,
                                             const struct vn_suite_info *suite,
                                             struct vn_descriptor *ret, struct vn_id *ret_realm,
                                             struct vn_span *ret_signed, struct vn_span *ret_sig);
/** Certificate under the issuing key, signature under the certificate's key, times.
 * VN_ERR_MALFORMED, _AUTH, _EXPIRED. */
VN_MUST_CHECK vn_status vn_descriptor_check(struct vn_span bytes, const struct vn_suite_info *suite,
                                            const struct vn_id *realm,
                                            const struct vn_sig_pub *issuing, uint64_t now_ms,
                                            struct vn_descriptor *ret);
