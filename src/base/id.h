/* 16-byte identifiers (nodes, realms, streams, names) and inner IP addresses. */
#pragma once

#include <stdbool.h>

#include "base/span.h"
#include "base/status.h"

struct sockaddr;

#define VN_ID_LEN 16
#define VN_ID_TEXT 23 /* 22 base64url characters and NUL */

struct vn_id {
    uint8_t b[VN_ID_LEN];
};

static inline bool vn_id_equal(const struct vn_id *a, const struct vn_id *b)
{
    return memcmp(a->b, b->b, VN_ID_LEN) == 0;
}
bool vn_id_is_zero(const struct vn_id *id);
void vn_id_format(const struct vn_id *id, char ret[VN_ID_TEXT]);
/** Exactly 22 base64url characters. */
VN_MUST_CHECK vn_status vn_id_parse(struct vn_span text, struct vn_id *ret);

/** An IPv4 or IPv6 address; IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). */
struct vn_ip {
    uint8_t b[16];
};
struct vn_prefix {
    struct vn_ip ip;
    uint8_t bits; /* of the 128; an IPv4 /24 is 120 here */
};

#define VN_IP_TEXT 46
#define VN_PREFIX_TEXT 50

struct vn_ip vn_ip_from_v4(const uint8_t v4[4]);
/** False: it is none of the two. NULL is fine; ret is untouched then. */
bool vn_ip_from_sockaddr(const struct sockaddr *sa, struct vn_ip *ret);
bool vn_ip_is_v4(const struct vn_ip *ip);
static inline bool vn_ip_equal(const struct vn_ip *a, const struct vn_ip *b)
{
    return memcmp(a->b, b->b, 16) == 0;
}
void vn_ip_format(const struct vn_ip *ip, char ret[VN_IP_TEXT]);
/** Dotted IPv4 or any IPv6 text. */
VN_MUST_CHECK vn_status vn_ip_parse(const char *text, struct vn_ip *ret);
bool vn_prefix_contains(const struct vn_prefix *p, const struct vn_ip *ip);
/** "10.1.0.0/16", "fd00::/64"; bits in the family's own count. */
void vn_prefix_format(const struct vn_prefix *p, char ret[VN_PREFIX_TEXT]);
/** Host bits beyond the length must be zero. */
VN_MUST_CHECK vn_status vn_prefix_parse(const char *text, struct vn_prefix *ret);

/** An underlay transport address. */
struct vn_addr {
    struct vn_ip ip;
    uint16_t port;     /* host order */
    uint32_t scope_id; /* IPv6 link-local interface, else 0 */
};
