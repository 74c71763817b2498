/*
 * IPv4 (RFC 791) and IPv6 (RFC 8200) packets as far as the overlay must understand them: lengths,
 * addresses, class, and what an ICMP error quotes. Strict, because the other side chose the bytes.
 */
#pragma once

#include <stdbool.h>

#include "base/id.h"
#include "ports/tether.h"

struct vn_packet {
    bool ip6;
    bool fragment;       /* any fragment, the first too */
    bool later_fragment; /* not the first: no transport header inside */
    uint8_t proto;       /* transport protocol */
    uint8_t tos;         /* DSCP and ECN */
    uint16_t l4_offset;  /* start of the transport header; at most the packet's length */
    struct vn_ip src, dst;
};

enum {
    VN_IPPROTO_ICMP = 1,
    VN_IPPROTO_TCP = 6,
    VN_IPPROTO_UDP = 17,
    VN_IPPROTO_ICMPV6 = 58,
};

/**
 * The packet is exactly as long as it says, and at most 8 extension headers in at most 256 bytes
 * stand before its transport header (DESIGN section 7).
 */
VN_MUST_CHECK bool vn_packet_parse(struct vn_span bytes, struct vn_packet *ret);
/** The same for the beginning of a packet, as ICMP errors quote it: it may go on after bytes. */
VN_MUST_CHECK bool vn_packet_parse_quoted(struct vn_span bytes, struct vn_packet *ret);

/** Real-time for DSCP EF, VOICE-ADMIT, CS5, AF4x; else bulk (DESIGN section 11). */
enum vn_tether_class vn_packet_class(const struct vn_packet *p);

/** The same number for all packets of one flow (RFC 6438: addresses, protocol, ports; of fragments
 * no ports), as good as random for others. key keeps outsiders from choosing collisions. */
uint32_t vn_packet_flow(const struct vn_packet *p, struct vn_span bytes, uint64_t key);

/** Congestion Experienced (RFC 3168) into the IP header; false: its sender has no ECN. */
bool vn_packet_mark_ce(uint8_t *bytes, size_t n);

/** What an ICMP or ICMPv6 packet means to the overlay. */
enum vn_icmp_kind {
    VN_ICMP_NONE,  /* not ICMP */
    VN_ICMP_OTHER, /* echo and others between end systems */
    VN_ICMP_ERROR, /* quotes a packet */
    VN_ICMP_LINK,  /* redirects, router and neighbour discovery, group membership: never crosses */
};
enum vn_icmp_kind vn_packet_icmp_kind(const struct vn_packet *p, struct vn_span bytes);
/** The packet that an ICMP error quotes; false if it quotes none that can be judged. */
VN_MUST_CHECK bool vn_packet_icmp_quoted(const struct vn_packet *p, struct vn_span bytes,
                                         struct vn_packet *ret);

/** Internet checksum (RFC 1071): sum of 16-bit big-endian words, to be folded. */
uint64_t vn_checksum_add(uint64_t sum, const uint8_t *p, size_t n);
uint16_t vn_checksum_fold(uint64_t sum);
/** Sum of the pseudo header (RFC 9293 section 3.1, RFC 8200 section 8.1) for n bytes of proto. */
uint64_t vn_checksum_pseudo(const struct vn_packet *p, uint8_t proto, size_t n);
