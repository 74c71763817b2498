/*
 * ICMP and ICMPv6 host unreachable (RFC 792, RFC 4443 section 3.1), told to a program here whose
 * destination cannot be reached.
 */
#pragma once

#include "base/span.h"
#include "core/packet.h"

#define VN_UNREACHABLE_MAX 1280 /* IPv6 minimum MTU: RFC 4443 section 2.4 (c) */

/**
 * @param out  VN_UNREACHABLE_MAX bytes
 * @return its length; 0 where no error may be sent: about an error, a later fragment, or a packet
 *         whose source is no single host (RFC 1122 section 3.2.2, RFC 4443 section 2.4 (e))
 */
size_t vn_unreachable_build(const struct vn_packet *p, struct vn_span bytes, uint8_t *out);
