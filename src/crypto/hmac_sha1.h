/*
 * HMAC-SHA1 (RFC 2104), for one purpose: STUN's MESSAGE-INTEGRITY (RFC 8489 section 14.5), which
 * ICE prescribes. There it keeps strangers' packets out; nothing secret or authentic rests on it.
 * Nothing else uses SHA-1.
 */
#pragma once

#include "crypto/kdf.h"

#define VN_HMAC_SHA1_LEN 20

VN_MUST_CHECK vn_status vn_hmac_sha1(struct vn_span key, const struct vn_span *parts, size_t count,
                                     uint8_t ret[VN_HMAC_SHA1_LEN]);
