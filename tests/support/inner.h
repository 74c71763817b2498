/* Inner packets as tests need them: correct headers, checksums and all. */
#pragma once

#include "base/id.h"
#include "base/pktbuf.h"

struct vn_inner {
    const char *src, *dst; /* as text, both of one family */
    uint8_t proto;         /* 0: UDP */
    uint8_t dscp;
    uint16_t flow;      /* UDP: which of those between the two */
    size_t payload_len; /* after the transport header (UDP: 8 bytes, else none) */
    uint32_t number;    /* the payload's first four bytes, if it has so many */
};

/** Writes the packet, returns its length; aborts when it does not fit. */
size_t vn_inner_build(const struct vn_inner *i, uint8_t *out, size_t cap);
/** In a buffer with room around it. */
struct vn_pktbuf *vn_inner_new(const struct vn_inner *i);
/** An ICMP or ICMPv6 message of a type from src to dst with this body after its 8-byte header. */
size_t vn_inner_icmp(const char *src, const char *dst, uint8_t type, uint8_t code,
                     struct vn_span body, uint8_t *out, size_t cap);
struct vn_pktbuf *vn_inner_copy(struct vn_span bytes);
/** The number that vn_inner_build put into a UDP packet. */
uint32_t vn_inner_number(struct vn_span packet);
struct vn_ip vn_inner_ip(const char *text);
