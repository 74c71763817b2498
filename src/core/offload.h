/*
 * Packets whose checksum or segmentation is left for later (DESIGN section 7): what the kinds of
 * wire/frame.h may mean, and doing it here where no device does.
 */
#pragma once

#include "base/limits.h"
#include "base/pktbuf.h"
#include "core/packet.h"
#include "ports/tun.h"

#define VN_GSO_MIN 500     /* TCP payload bytes of a segment, at least */
#define VN_GSO_MIN_UDP 200 /* UDP */
#define VN_UDP_HEADER_LEN 8

/**
 * Judges what someone says about a packet by the packet itself. A super-packet that is none (its
 * payload fits in one segment) becomes CSUM.
 * @param mtu_bytes  longest segment with its headers
 * @return false: not possible, or not allowed
 */
VN_MUST_CHECK bool vn_offload_check(const struct vn_packet *p, struct vn_span bytes,
                                    enum vn_packet_kind kind, uint16_t gso_size, size_t l4_offset,
                                    uint16_t mtu_bytes, struct vn_tun_offload *ret);
/** As above, without the lower bounds of gso_size and the upper of segments: for our own TUN's. */
VN_MUST_CHECK bool vn_offload_check_own(const struct vn_packet *p, struct vn_span bytes,
                                        enum vn_packet_kind kind, uint16_t gso_size,
                                        size_t l4_offset, struct vn_tun_offload *ret);
/** True if a receiver takes it as it is. */
bool vn_offload_may_travel(const struct vn_tun_offload *o, size_t len);

/**
 * Makes the headers of one datagram those of n bytes, of which each gso_size bytes of payload are a
 * datagram; 0: of one.
 */
void vn_offload_join(const struct vn_packet *p, uint8_t *headers, size_t n, uint16_t gso_size,
                     struct vn_tun_offload *ret);
/** Completes the checksum of a packet of kind CSUM in place. */
void vn_offload_finish(const struct vn_packet *p, uint8_t *bytes, size_t n,
                       const struct vn_tun_offload *o);
/**
 * Cuts a super-packet into whole packets and gives each to fn, borrowed.
 * @param scratch  room for the longest, header_len + gso_size bytes
 */
void vn_offload_segment(const struct vn_packet *p, struct vn_span bytes,
                        const struct vn_tun_offload *o, uint8_t *scratch,
                        void (*fn)(void *arg, struct vn_span segment), void *arg);
/**
 * Takes the first segment off a super-packet, as a whole packet of its own; b keeps the others, and
 * becomes CSUM when one is left. VN_ERR_UNSUPPORTED: b is no super-packet; VN_ERR_NOMEM.
 */
VN_MUST_CHECK vn_status vn_offload_split(struct vn_pktbuf *b, struct vn_pktbuf **ret_first);
