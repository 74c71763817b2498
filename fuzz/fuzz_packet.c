/* IPv4 and IPv6 packets: parsing, class, what an ICMP error quotes, and the error we would make. */
#include "core/packet.h"
#include "core/unreachable.h"
#include "support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vn_span in = {data, size};
    struct vn_packet p, q;
    if (vn_packet_parse_quoted(in, &p))
        FUZZ_ASSERT(p.l4_offset <= size);
    if (!vn_packet_parse(in, &p))
        return 0;
    FUZZ_ASSERT(p.l4_offset <= size && p.l4_offset >= (p.ip6 ? 40 : 20));
    FUZZ_ASSERT(vn_ip_is_v4(&p.src) == !p.ip6 && vn_ip_is_v4(&p.dst) == !p.ip6);
    (void)vn_packet_class(&p);
    enum vn_icmp_kind kind = vn_packet_icmp_kind(&p, in);
    if (kind == VN_ICMP_ERROR && vn_packet_icmp_quoted(&p, in, &q))
        FUZZ_ASSERT(q.ip6 == p.ip6);

    uint8_t out[VN_UNREACHABLE_MAX];
    size_t n = vn_unreachable_build(&p, in, out);
    if (n == 0)
        return 0;
    struct vn_span icmp = {out, n};
    struct vn_packet e;
    FUZZ_ASSERT(kind != VN_ICMP_ERROR && kind != VN_ICMP_LINK && n <= sizeof(out));
    FUZZ_ASSERT(vn_packet_parse(icmp, &e) && vn_packet_icmp_kind(&e, icmp) == VN_ICMP_ERROR);
    FUZZ_ASSERT(vn_ip_equal(&e.dst, &p.src) && vn_ip_equal(&e.src, &p.dst));
    FUZZ_ASSERT(vn_packet_icmp_quoted(&e, icmp, &q) && vn_ip_equal(&q.src, &p.src));
    return 0;
}
