#include "core/packet.h"

#include "base/reader.h"

#define EXT_HEADERS_MAX 8
#define EXT_BYTES_MAX 256

/* IPv6 next-header values (RFC 8200 section 4, RFC 4302, RFC 6275). */
enum {
    HOP_BY_HOP = 0,
    ROUTING = 43,
    FRAGMENT = 44,
    AUTH = 51,
    NO_NEXT = 59,
    DEST_OPTIONS = 60,
    MOBILITY = 135
};

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static bool parse4(struct vn_span b, bool quoted, struct vn_packet *ret)
{
    if (b.n < 20)
        return false;
    size_t head = (size_t)(b.p[0] & 0x0f) * 4;
    size_t total = be16(b.p + 2);
    if (head < 20 || head > b.n || total < head || (!quoted && total != b.n))
        return false;
    uint16_t frag = be16(b.p + 6);
    *ret = (struct vn_packet){.fragment = (frag & 0x3fff) != 0,
                              .later_fragment = (frag & 0x1fff) != 0,
                              .proto = b.p[9],
                              .tos = b.p[1],
                              .l4_offset = (uint16_t)head,
                              .src = vn_ip_from_v4(b.p + 12),
                              .dst = vn_ip_from_v4(b.p + 16)};
    return true;
}

static bool parse6(struct vn_span b, bool quoted, struct vn_packet *ret)
{
    if (b.n < 40)
        return false;
    size_t payload = be16(b.p + 4);
    if (!quoted && payload != b.n - 40)
        return false;
    struct vn_packet p = {.ip6 = true, .tos = (uint8_t)(be16(b.p) >> 4)};
    memcpy(p.src.b, b.p + 8, 16);
    memcpy(p.dst.b, b.p + 24, 16);
    /* An IPv4 address in IPv6 clothes would be compared with IPv4 addresses. */
    if (vn_ip_is_v4(&p.src) || vn_ip_is_v4(&p.dst))
        return false;
    uint8_t next = b.p[6];
    size_t at = 40;
    for (int i = 0;; i++) {
        size_t n;
        bool ext = next == HOP_BY_HOP || next == ROUTING || next == FRAGMENT || next == AUTH ||
                   next == DEST_OPTIONS || next == MOBILITY;
        if (!ext || p.later_fragment)
            break;
        if (i == EXT_HEADERS_MAX || b.n - at < 8)
            return false;
        if (next == FRAGMENT) {
            uint16_t frag = be16(b.p + at + 2);
            n = 8;
            p.fragment = (frag & 0xfff9) != 0; /* an atomic fragment (RFC 6946) is none */
            p.later_fragment = (frag & 0xfff8) != 0;
        } else if (next == AUTH) {
            n = ((size_t)b.p[at + 1] + 2) * 4;
        } else {
            n = ((size_t)b.p[at + 1] + 1) * 8;
        }
        if (n > b.n - at || at + n - 40 > EXT_BYTES_MAX)
            return false;
        next = b.p[at];
        at += n;
    }
    p.proto = next;
    p.l4_offset = (uint16_t)at;
    *ret = p;
    return true;
}

static bool parse(struct vn_span b, bool quoted, struct vn_packet *ret)
{
    if (b.n == 0 || b.n > 65535 + 40)
        return false;
    switch (b.p[0] >> 4) {
    case 4:
        return parse4(b, quoted, ret);
    case 6:
        return parse6(b, quoted, ret);
    default:
        return false;
    }
}

bool vn_packet_parse(struct vn_span bytes, struct vn_packet *ret)
{
    return parse(bytes, false, ret);
}

bool vn_packet_parse_quoted(struct vn_span bytes, struct vn_packet *ret)
{
    return parse(bytes, true, ret);
}

enum vn_tether_class vn_packet_class(const struct vn_packet *p)
{
    switch (p->tos >> 2) {
    case 46: /* EF, RFC 3246 */
    case 44: /* VOICE-ADMIT, RFC 5865 */
    case 40: /* CS5 */
    case 34: /* AF41, AF42, AF43, RFC 2597 */
    case 36:
    case 38:
        return VN_TETHER_REALTIME;
    default:
        return VN_TETHER_BULK;
    }
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 32;
}

uint32_t vn_packet_flow(const struct vn_packet *p, struct vn_span bytes, uint64_t key)
{
    uint64_t part[4], h = mix(key, p->proto);
    memcpy(part, p->src.b, 16);
    memcpy(part + 2, p->dst.b, 16);
    for (size_t i = 0; i < 4; i++)
        h = mix(h, part[i]);
    bool ports = p->proto == VN_IPPROTO_TCP || p->proto == VN_IPPROTO_UDP;
    if (ports && !p->fragment && bytes.n - p->l4_offset >= 4) {
        uint32_t both;
        memcpy(&both, bytes.p + p->l4_offset, sizeof(both));
        h = mix(h, both);
    }
    return (uint32_t)h;
}

bool vn_packet_mark_ce(uint8_t *b, size_t n)
{
    enum { CE = 3 };
    bool ip6 = n >= 40 && b[0] >> 4 == 6;
    if (n < 20 || (!ip6 && b[0] >> 4 != 4))
        return false;
    unsigned ecn = (ip6 ? b[1] >> 4 : b[1]) & CE;
    if (ecn == 0 || ecn == CE)
        return ecn == CE;
    if (ip6) {
        b[1] |= CE << 4;
        return true;
    }
    /* RFC 1624: the sum grows by what the header does. */
    uint64_t sum = (uint64_t)(uint16_t)~be16(b + 10) + (CE - ecn);
    uint16_t check = vn_checksum_fold(sum);
    b[1] |= CE;
    b[10] = (uint8_t)(check >> 8);
    b[11] = (uint8_t)check;
    return true;
}

enum vn_icmp_kind vn_packet_icmp_kind(const struct vn_packet *p, struct vn_span bytes)
{
    if (p->proto != (p->ip6 ? VN_IPPROTO_ICMPV6 : VN_IPPROTO_ICMP) || p->later_fragment)
        return VN_ICMP_NONE;
    /* Without a type it is nothing an end system would read; kept off as if it were the worst. */
    if (p->l4_offset >= bytes.n)
        return VN_ICMP_LINK;
    uint8_t type = bytes.p[p->l4_offset];
    if (p->ip6) {
        if (type < 128)
            return VN_ICMP_ERROR; /* RFC 4443 section 2.1 */
        /* Group membership (RFC 2710, 3810), neighbour discovery (RFC 4861), router renumbering and
         * node information, inverse and secure discovery, router mobility. */
        bool link = (type >= 130 && type <= 143) || (type >= 148 && type <= 153);
        return link ? VN_ICMP_LINK : VN_ICMP_OTHER;
    }
    switch (type) {
    case 3:  /* destination unreachable */
    case 4:  /* source quench */
    case 11: /* time exceeded */
    case 12: /* parameter problem */
        return VN_ICMP_ERROR;
    case 5:  /* redirect */
    case 9:  /* router advertisement */
    case 10: /* router solicitation */
        return VN_ICMP_LINK;
    default:
        return VN_ICMP_OTHER;
    }
}

bool vn_packet_icmp_quoted(const struct vn_packet *p, struct vn_span bytes, struct vn_packet *ret)
{
    /* A fragment of an error: the rest of what it quotes is somewhere else. */
    if (p->fragment || bytes.n - p->l4_offset < 8)
        return false;
    size_t at = p->l4_offset + 8u;
    struct vn_packet quoted;
    if (!vn_packet_parse_quoted(VN_SPAN(bytes.p + at, bytes.n - at), &quoted) ||
        quoted.ip6 != p->ip6)
        return false;
    *ret = quoted;
    return true;
}

uint64_t vn_checksum_add(uint64_t sum, const uint8_t *p, size_t n)
{
    /* Sums of 32-bit words fold to the same: 2^16 = 1 modulo 2^16 - 1. */
    while (n >= 4) {
        sum += (uint64_t)p[0] << 24 | (uint64_t)p[1] << 16 | (uint64_t)p[2] << 8 | p[3];
        p += 4;
        n -= 4;
    }
    if (n >= 2) {
        sum += (uint64_t)p[0] << 8 | p[1];
        p += 2;
        n -= 2;
    }
    if (n)
        sum += (uint64_t)p[0] << 8;
    return sum;
}

uint16_t vn_checksum_fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

uint64_t vn_checksum_pseudo(const struct vn_packet *p, uint8_t proto, size_t n)
{
    uint64_t sum = proto + (uint64_t)n;
    size_t skip = p->ip6 ? 0 : 12;
    sum = vn_checksum_add(sum, p->src.b + skip, 16 - skip);
    return vn_checksum_add(sum, p->dst.b + skip, 16 - skip);
}
