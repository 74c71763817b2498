#include "support/inner.h"

#include <stdlib.h>

#include "base/writer.h"
#include "core/packet.h"

struct vn_ip vn_inner_ip(const char *text)
{
    struct vn_ip ip;
    if (vn_ip_parse(text, &ip) != VN_OK)
        abort();
    return ip;
}

static void put_check(uint8_t *at, uint64_t sum)
{
    uint16_t check = vn_checksum_fold(sum);
    at[0] = (uint8_t)(check >> 8);
    at[1] = (uint8_t)check;
}

static void put_ip(struct vn_writer *w, const struct vn_packet *p, uint8_t proto, uint8_t dscp,
                   size_t n)
{
    if (p->ip6) {
        vn_write_u32(w, 6u << 28 | (uint32_t)dscp << 22);
        vn_write_u16(w, (uint16_t)n);
        vn_write_u8(w, proto);
        vn_write_u8(w, 64);
        vn_write_bytes(w, p->src.b, 16);
        vn_write_bytes(w, p->dst.b, 16);
        return;
    }
    uint8_t *head = w->buf + w->len;
    vn_write_u8(w, 0x45);
    vn_write_u8(w, (uint8_t)(dscp << 2));
    vn_write_u16(w, (uint16_t)(20 + n));
    vn_write_u32(w, 0x00004000); /* do not fragment */
    vn_write_u8(w, 64);
    vn_write_u8(w, proto);
    vn_write_u16(w, 0);
    vn_write_bytes(w, p->src.b + 12, 4);
    vn_write_bytes(w, p->dst.b + 12, 4);
    if (vn_writer_ok(w))
        put_check(head + 10, vn_checksum_add(0, head, 20));
}

static struct vn_packet addresses(const char *src, const char *dst)
{
    struct vn_packet p = {.src = vn_inner_ip(src), .dst = vn_inner_ip(dst)};
    p.ip6 = !vn_ip_is_v4(&p.src);
    return p;
}

size_t vn_inner_build(const struct vn_inner *i, uint8_t *out, size_t cap)
{
    struct vn_packet p = addresses(i->src, i->dst);
    uint8_t proto = i->proto ? i->proto : VN_IPPROTO_UDP;
    bool udp = proto == VN_IPPROTO_UDP;
    size_t n = i->payload_len + (udp ? 8 : 0);
    struct vn_writer w = vn_writer_of(out, cap);
    put_ip(&w, &p, proto, i->dscp, n);
    size_t l4 = w.len;
    if (udp) {
        vn_write_u16(&w, (uint16_t)(4000 + i->flow));
        vn_write_u16(&w, 5000);
        vn_write_u16(&w, (uint16_t)n);
        vn_write_u16(&w, 0);
    }
    uint8_t *payload = vn_write_room(&w, i->payload_len);
    if (!vn_writer_ok(&w))
        abort();
    for (size_t k = 0; k < i->payload_len; k++)
        payload[k] = (uint8_t)(k < 4 ? i->number >> (24 - 8 * k) : i->number + k);
    if (udp)
        put_check(out + l4 + 6, vn_checksum_add(vn_checksum_pseudo(&p, proto, n), out + l4, n));
    return w.len;
}

struct vn_pktbuf *vn_inner_copy(struct vn_span bytes)
{
    struct vn_pktbuf *b;
    if (vn_pktbuf_new(bytes.n, &b) != VN_OK)
        abort();
    memcpy(vn_pktbuf_put(b, bytes.n), bytes.p, bytes.n);
    return b;
}

struct vn_pktbuf *vn_inner_new(const struct vn_inner *i)
{
    struct vn_pktbuf *b;
    if (vn_pktbuf_new(i->payload_len + 128, &b) != VN_OK)
        abort();
    b->len = vn_inner_build(i, b->data, i->payload_len + 128);
    return b;
}

size_t vn_inner_icmp(const char *src, const char *dst, uint8_t type, uint8_t code,
                     struct vn_span body, uint8_t *out, size_t cap)
{
    struct vn_packet p = addresses(src, dst);
    uint8_t proto = p.ip6 ? VN_IPPROTO_ICMPV6 : VN_IPPROTO_ICMP;
    struct vn_writer w = vn_writer_of(out, cap);
    put_ip(&w, &p, proto, 0, 8 + body.n);
    size_t l4 = w.len;
    vn_write_u8(&w, type);
    vn_write_u8(&w, code);
    vn_write_u16(&w, 0);
    vn_write_u32(&w, 0);
    vn_write_span(&w, body);
    if (!vn_writer_ok(&w))
        abort();
    uint64_t sum = p.ip6 ? vn_checksum_pseudo(&p, proto, w.len - l4) : 0;
    put_check(out + l4 + 2, vn_checksum_add(sum, out + l4, w.len - l4));
    return w.len;
}

uint32_t vn_inner_number(struct vn_span packet)
{
    struct vn_packet p;
    if (!vn_packet_parse(packet, &p) || p.proto != VN_IPPROTO_UDP ||
        packet.n < (size_t)p.l4_offset + 12)
        abort();
    const uint8_t *b = packet.p + p.l4_offset + 8;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}
