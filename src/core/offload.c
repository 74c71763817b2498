#include "core/offload.h"

#define TCP_CSUM 16
#define UDP_CSUM 6
#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, (uint16_t)(v >> 16));
    put16(p + 2, (uint16_t)v);
}

static bool is_gso(enum vn_packet_kind kind)
{
    return kind == VN_PKT_TCP4 || kind == VN_PKT_TCP6 || kind == VN_PKT_UDP_L4;
}

static bool check(const struct vn_packet *p, struct vn_span b, enum vn_packet_kind kind,
                  uint16_t gso_size, size_t l4_offset, struct vn_tun_offload *ret)
{
    if (p->fragment || l4_offset != p->l4_offset)
        return false;
    struct vn_tun_offload o = {.kind = kind, .l4_offset = p->l4_offset};
    const uint8_t *l4 = b.p + p->l4_offset;
    size_t room = b.n - p->l4_offset, head;
    if (p->proto == VN_IPPROTO_TCP) {
        if (room < 20)
            return false;
        head = (size_t)(l4[12] >> 4) * 4;
        if (head < 20 || head > room)
            return false;
        o.csum_offset = TCP_CSUM;
        o.ecn = l4[13] & TCP_CWR;
    } else if (p->proto == VN_IPPROTO_UDP) {
        if (room < VN_UDP_HEADER_LEN)
            return false;
        head = VN_UDP_HEADER_LEN;
        o.csum_offset = UDP_CSUM;
    } else {
        return false;
    }
    switch (kind) {
    case VN_PKT_NONE:
        return false;
    case VN_PKT_CSUM:
        *ret = o;
        return gso_size == 0;
    case VN_PKT_TCP4:
    case VN_PKT_TCP6:
        if (p->proto != VN_IPPROTO_TCP || p->ip6 != (kind == VN_PKT_TCP6))
            return false;
        break;
    case VN_PKT_UDP_L4:
        if (p->proto != VN_IPPROTO_UDP || get16(l4 + 4) != room)
            return false;
        break;
    default:
        return false;
    }
    o.header_len = (uint16_t)(p->l4_offset + head);
    o.gso_size = gso_size;
    if (gso_size == 0)
        return false;
    if (b.n - o.header_len <= gso_size) {
        o.kind = VN_PKT_CSUM;
        o.gso_size = 0;
    }
    *ret = o;
    return true;
}

static size_t segments(const struct vn_tun_offload *o, size_t len)
{
    return (len - o->header_len + o->gso_size - 1) / o->gso_size;
}

bool vn_offload_may_travel(const struct vn_tun_offload *o, size_t len)
{
    if (!is_gso(o->kind))
        return true;
    return o->gso_size >= (o->kind == VN_PKT_UDP_L4 ? VN_GSO_MIN_UDP : VN_GSO_MIN) &&
           segments(o, len) <= VN_GSO_SEGMENTS_MAX;
}

bool vn_offload_check(const struct vn_packet *p, struct vn_span bytes, enum vn_packet_kind kind,
                      uint16_t gso_size, size_t l4_offset, uint16_t mtu_bytes,
                      struct vn_tun_offload *ret)
{
    struct vn_tun_offload o;
    if (!check(p, bytes, kind, gso_size, l4_offset, &o) || !vn_offload_may_travel(&o, bytes.n))
        return false;
    if (is_gso(o.kind) && o.header_len + (size_t)o.gso_size > mtu_bytes)
        return false;
    *ret = o;
    return true;
}

bool vn_offload_check_own(const struct vn_packet *p, struct vn_span bytes, enum vn_packet_kind kind,
                          uint16_t gso_size, size_t l4_offset, struct vn_tun_offload *ret)
{
    return check(p, bytes, kind, gso_size, l4_offset, ret);
}

void vn_offload_finish(const struct vn_packet *p, uint8_t *bytes, size_t n,
                       const struct vn_tun_offload *o)
{
    uint8_t *l4 = bytes + o->l4_offset;
    size_t len = n - o->l4_offset;
    put16(l4 + o->csum_offset, 0);
    uint16_t sum = vn_checksum_fold(vn_checksum_add(vn_checksum_pseudo(p, p->proto, len), l4, len));
    /* RFC 768: a computed zero is sent as ones; zero means none. */
    put16(l4 + o->csum_offset, sum == 0 && p->proto == VN_IPPROTO_UDP ? 0xffff : sum);
}

static void set_ip_length(const struct vn_packet *p, uint8_t *b, size_t n, size_t number)
{
    if (p->ip6) {
        put16(b + 4, (uint16_t)(n - 40));
        return;
    }
    put16(b + 2, (uint16_t)n);
    put16(b + 4, (uint16_t)(get16(b + 4) + number)); /* identification */
    put16(b + 10, 0);
    put16(b + 10, vn_checksum_fold(vn_checksum_add(0, b, (size_t)(b[0] & 15) * 4)));
}

/* Writes one segment as a packet of its own: the payload bytes from at, the number-th of all. */
static size_t cut(const struct vn_packet *p, struct vn_span bytes, const struct vn_tun_offload *o,
                  size_t at, size_t number, uint8_t *out)
{
    size_t payload = VN_MIN(bytes.n - at, (size_t)o->gso_size);
    size_t n = o->header_len + payload;
    memcpy(out, bytes.p, o->header_len);
    memcpy(out + o->header_len, bytes.p + at, payload);
    uint8_t *l4 = out + o->l4_offset;
    set_ip_length(p, out, n, number);
    if (p->proto == VN_IPPROTO_TCP) {
        put32(l4 + 4, get32(l4 + 4) + (uint32_t)(at - o->header_len));
        if (at + payload < bytes.n)
            l4[13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
        if (number > 0)
            l4[13] &= (uint8_t)~TCP_CWR;
    } else {
        put16(l4 + 4, (uint16_t)(n - o->l4_offset));
    }
    vn_offload_finish(p, out, n, o);
    return n;
}

void vn_offload_segment(const struct vn_packet *p, struct vn_span bytes,
                        const struct vn_tun_offload *o, uint8_t *scratch,
                        void (*fn)(void *arg, struct vn_span segment), void *arg)
{
    size_t number = 0;
    for (size_t at = o->header_len; at < bytes.n; at += o->gso_size)
        fn(arg, VN_SPAN(scratch, cut(p, bytes, o, at, number++, scratch)));
}

/* As the kernel leaves it: the checksum covers the pseudo header. */
static void open_checksum(const struct vn_packet *p, uint8_t *l4, size_t len, size_t csum_offset)
{
    put16(l4 + csum_offset, (uint16_t)~vn_checksum_fold(vn_checksum_pseudo(p, p->proto, len)));
}

void vn_offload_join(const struct vn_packet *p, uint8_t *headers, size_t n, uint16_t gso_size,
                     struct vn_tun_offload *ret)
{
    const size_t len = n - p->l4_offset;
    *ret = (struct vn_tun_offload){
        .kind = VN_PKT_CSUM, .l4_offset = p->l4_offset, .csum_offset = UDP_CSUM};
    if (gso_size) {
        ret->kind = VN_PKT_UDP_L4;
        ret->header_len = (uint16_t)(p->l4_offset + VN_UDP_HEADER_LEN);
        ret->gso_size = gso_size;
    }
    set_ip_length(p, headers, n, 0);
    put16(headers + p->l4_offset + 4, (uint16_t)len);
    open_checksum(p, headers + p->l4_offset, len, UDP_CSUM);
}

/* Takes the first segment's payload out of the super-packet, and leaves one that is as the kernel
 * would have made it: its checksum covers the pseudo header. */
static void shorten(const struct vn_packet *p, const struct vn_tun_offload *o, struct vn_pktbuf *b)
{
    memmove(b->data + o->gso_size, b->data, o->header_len);
    b->data += o->gso_size;
    b->len -= o->gso_size;
    set_ip_length(p, b->data, b->len, 1);
    uint8_t *l4 = b->data + o->l4_offset;
    size_t len = b->len - o->l4_offset;
    if (p->proto == VN_IPPROTO_TCP) {
        put32(l4 + 4, get32(l4 + 4) + o->gso_size);
        l4[13] &= (uint8_t)~TCP_CWR;
    } else {
        put16(l4 + 4, (uint16_t)len);
    }
    open_checksum(p, l4, len, o->csum_offset);
    if (b->len - o->header_len <= o->gso_size) {
        b->kind = VN_PKT_CSUM;
        b->gso_size = 0;
    }
}

vn_status vn_offload_split(struct vn_pktbuf *b, struct vn_pktbuf **ret_first)
{
    struct vn_packet p;
    struct vn_tun_offload o;
    struct vn_pktbuf *first;
    if (!is_gso((enum vn_packet_kind)b->kind))
        return VN_ERR_UNSUPPORTED;
    if (!vn_packet_parse(vn_pktbuf_span(b), &p) ||
        !check(&p, vn_pktbuf_span(b), (enum vn_packet_kind)b->kind, b->gso_size, b->l4_offset,
               &o) ||
        !is_gso(o.kind))
        return VN_ERR_MALFORMED;
    vn_status st = vn_pktbuf_new(o.header_len + (size_t)o.gso_size, &first);
    if (st != VN_OK)
        return st;
    size_t n = cut(&p, vn_pktbuf_span(b), &o, o.header_len, 0, first->data);
    vn_pktbuf_put(first, n);
    first->stamp_us = b->stamp_us;
    shorten(&p, &o, b);
    *ret_first = first;
    return VN_OK;
}
