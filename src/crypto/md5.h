/*
 * MD5 (RFC 1321), for one purpose: the long-term key that STUN servers without PASSWORD-ALGORITHMS
 * expect (RFC 8489 section 18.5.1.1). Nothing secret or authentic of ours rests on it: what a TURN
 * server relays is sealed. Nothing else uses MD5.
 */
#pragma once

#include "base/span.h"
#include "base/status.h"

#define VN_MD5_LEN 16

/** Of the parts' concatenation. Safe from any thread. */
VN_MUST_CHECK vn_status vn_md5(const struct vn_span *parts, size_t count, uint8_t ret[VN_MD5_LEN]);
