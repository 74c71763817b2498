/*
 * Datagrams of one flow that came in one frame, written to the device as one super-packet: what
 * generic receive offload does in a network card's driver. The device's system call and the host's
 * way in cost more than all else that is done for a small packet. Only datagrams that the device
 * will cut into the same bytes again are joined (RFC 768, RFC 8200; RFC 6864 section 4.1: the
 * identification of an IPv4 packet that must not be fragmented means nothing).
 */
#pragma once

#include "base/limits.h"
#include "core/packet.h"
#include "ports/tun.h"

#define VN_COALESCE_HEADER_MAX 48 /* IPv6 and UDP */

/** Datagrams that wait for more of their kind; borrowed, so not for longer than their frame. */
struct vn_coalesce {
    struct vn_packet packet;   /* the first */
    struct vn_span first;      /* likewise */
    uint16_t header_len, size; /* of the headers, and of the first's payload */
    size_t count;              /* datagrams; 0: none */
    size_t bytes;              /* of all of them, headers too, as they came */
    size_t payload_bytes;
    bool full; /* the last was shorter: nothing may follow */
    uint8_t header[VN_COALESCE_HEADER_MAX];
    struct vn_span parts[1 + VN_GSO_SEGMENTS_MAX]; /* headers of the whole, and payloads */
};

/** Takes the datagram of kind CSUM that p describes, if it may stand behind those that wait, or as
 * the first. False: it may not, and what waits is as before. */
VN_MUST_CHECK bool vn_coalesce_add(struct vn_coalesce *c, const struct vn_packet *p,
                                   struct vn_span bytes, uint16_t mtu_bytes);
/** Writes what waits, as one; then nothing waits. Only with something waiting. */
VN_MUST_CHECK vn_status vn_coalesce_write(struct vn_coalesce *c, const struct vn_tun_port *tun);
