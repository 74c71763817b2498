#include "core/unreachable.h"

#include "base/writer.h"

/* Bytes of the offending packet that an IPv4 error quotes: RFC 1812 section 4.3.2.3 asks for as
 * much as fits in 576. */
#define QUOTE4_MAX (576 - 20 - 8)
#define QUOTE6_MAX (VN_UNREACHABLE_MAX - 40 - 8)

static bool may_answer(const struct vn_packet *p, struct vn_span bytes)
{
    enum vn_icmp_kind kind = vn_packet_icmp_kind(p, bytes);
    if (kind == VN_ICMP_ERROR || kind == VN_ICMP_LINK || p->later_fragment)
        return false;
    static const struct vn_ip any;
    const uint8_t *s = p->src.b, *d = p->dst.b;
    if (p->ip6)
        return s[0] != 0xff && d[0] != 0xff && !vn_ip_equal(&p->src, &any);
    return s[12] != 0 && s[12] < 224 && d[12] < 224;
}

/*
 *   0 type1   1 code1   2 checksum2   4 unused4   8 the packet's beginning
 *
 * The source is the address that was tried, not one of ours: a kernel refuses packets that come in
 * from its own addresses.
 */
size_t vn_unreachable_build(const struct vn_packet *p, struct vn_span bytes, uint8_t *out)
{
    if (!may_answer(p, bytes))
        return 0;
    size_t quote = VN_MIN(bytes.n, (size_t)(p->ip6 ? QUOTE6_MAX : QUOTE4_MAX));
    size_t head = p->ip6 ? 40 : 20, n = 8 + quote;
    struct vn_writer w = vn_writer_of(out, VN_UNREACHABLE_MAX);
    if (p->ip6) {
        vn_write_u32(&w, 6u << 28);
        vn_write_u16(&w, (uint16_t)n);
        vn_write_u8(&w, VN_IPPROTO_ICMPV6);
        vn_write_u8(&w, 64);
        vn_write_bytes(&w, p->dst.b, 16);
        vn_write_bytes(&w, p->src.b, 16);
        vn_write_u8(&w, 1); /* destination unreachable */
        vn_write_u8(&w, 3); /* address unreachable */
    } else {
        vn_write_u8(&w, 0x45);
        vn_write_u8(&w, 0xc0); /* internetwork control: RFC 1812 section 4.3.2.5 */
        vn_write_u16(&w, (uint16_t)(head + n));
        vn_write_u32(&w, 0); /* not a fragment */
        vn_write_u8(&w, 64);
        vn_write_u8(&w, VN_IPPROTO_ICMP);
        vn_write_u16(&w, 0);
        vn_write_bytes(&w, p->dst.b + 12, 4);
        vn_write_bytes(&w, p->src.b + 12, 4);
        vn_write_u8(&w, 3); /* destination unreachable */
        vn_write_u8(&w, 1); /* host unreachable */
    }
    vn_write_u16(&w, 0);
    vn_write_u32(&w, 0);
    vn_write_bytes(&w, bytes.p, quote);

    struct vn_packet me = {.ip6 = p->ip6, .src = p->dst, .dst = p->src};
    uint64_t sum = p->ip6 ? vn_checksum_pseudo(&me, VN_IPPROTO_ICMPV6, n) : 0;
    uint16_t check = vn_checksum_fold(vn_checksum_add(sum, out + head, n));
    out[head + 2] = (uint8_t)(check >> 8);
    out[head + 3] = (uint8_t)check;
    if (!p->ip6) {
        check = vn_checksum_fold(vn_checksum_add(0, out, head));
        out[10] = (uint8_t)(check >> 8);
        out[11] = (uint8_t)check;
    }
    return head + n;
}
