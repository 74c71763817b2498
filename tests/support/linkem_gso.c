#include "support/linkem_gso.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

#define TCP_FLAG_FIN 0x01
#define TCP_FLAG_PSH 0x08
#define TCP_FLAG_CWR 0x80

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, (uint16_t)(v >> 16));
    put16(p + 2, (uint16_t)v);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* RFC 1071, for an even number of bytes. */
static uint32_t sum16(const uint8_t *p, size_t len, uint32_t sum)
{
    for (size_t i = 0; i + 1 < len; i += 2)
        sum += get16(p + i);
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static unsigned gso_type(const struct linkem_frame *f)
{
    return f->vnet.gso_type & (unsigned)~VIRTIO_NET_HDR_GSO_ECN;
}

struct linkem_wire linkem_wire_of(const struct linkem_frame *f)
{
    struct linkem_wire one = {
        .packets = 1,
        .bytes = f->len,
        .largest_ip = f->len > LINKEM_ETH_LEN ? f->len - LINKEM_ETH_LEN : 0,
    };
    size_t gso_size = f->vnet.gso_size;
    size_t l4 = f->vnet.csum_start;
    if (!(f->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || gso_size == 0)
        return one;
    size_t ip_header = 0;
    size_t l4_header = 0;
    switch (gso_type(f)) {
    case VIRTIO_NET_HDR_GSO_TCPV4:
    case VIRTIO_NET_HDR_GSO_TCPV6:
        if (f->len < l4 + 20)
            return one;
        l4_header = (size_t)(f->data[l4 + 12] >> 4) * 4;
        break;
    case VIRTIO_NET_HDR_GSO_UDP_L4:
        l4_header = 8;
        break;
    default:
        return one;
    }
    uint16_t proto = f->len >= LINKEM_ETH_LEN ? get16(f->data + 12) : 0;
    ip_header = proto == ETH_P_IP ? 20 : proto == ETH_P_IPV6 ? 40 : 0;
    if (ip_header == 0 || l4 < LINKEM_ETH_LEN + ip_header || f->len <= l4 + l4_header)
        return one;
    size_t header_len = l4 + l4_header;
    size_t payload = f->len - header_len;
    size_t packets = (payload + gso_size - 1) / gso_size;
    return (struct linkem_wire){
        .packets = packets,
        .bytes = payload + packets * header_len,
        .largest_ip = header_len - LINKEM_ETH_LEN + (payload < gso_size ? payload : gso_size),
        .header_len = header_len,
    };
}

void linkem_segment(const struct linkem_frame *f, const struct linkem_wire *w, size_t i,
                    uint8_t *ret_data, struct linkem_frame *ret)
{
    size_t gso_size = f->vnet.gso_size;
    size_t l4 = f->vnet.csum_start;
    size_t offset = i * gso_size;
    size_t payload = f->len - w->header_len - offset;
    if (payload > gso_size)
        payload = gso_size;
    memcpy(ret_data, f->data, w->header_len);
    memcpy(ret_data + w->header_len, f->data + w->header_len + offset, payload);

    uint8_t *ip = ret_data + LINKEM_ETH_LEN;
    uint8_t *transport = ret_data + l4;
    size_t l4_len = w->header_len - l4 + payload;
    bool tcp = gso_type(f) != VIRTIO_NET_HDR_GSO_UDP_L4;
    uint32_t pseudo = (tcp ? IPPROTO_TCP : IPPROTO_UDP) + (uint32_t)l4_len;
    if (get16(ret_data + 12) == ETH_P_IP) {
        size_t ihl = (size_t)(ip[0] & 0x0f) * 4;
        put16(ip + 2, (uint16_t)(l4 - LINKEM_ETH_LEN + l4_len));
        put16(ip + 4, (uint16_t)(get16(ip + 4) + i));
        put16(ip + 10, 0);
        put16(ip + 10, (uint16_t)~fold(sum16(ip, ihl, 0)));
        pseudo = sum16(ip + 12, 8, pseudo);
    } else {
        put16(ip + 4, (uint16_t)(l4 - LINKEM_ETH_LEN - 40 + l4_len));
        pseudo = sum16(ip + 8, 32, pseudo);
    }
    if (tcp) {
        put32(transport + 4, get32(transport + 4) + (uint32_t)offset);
        if (i + 1 < w->packets)
            transport[13] &= (uint8_t)~(TCP_FLAG_FIN | TCP_FLAG_PSH);
        if (i > 0)
            transport[13] &= (uint8_t)~TCP_FLAG_CWR;
        put16(transport + 16, fold(pseudo));
    } else {
        put16(transport + 4, (uint16_t)l4_len);
        put16(transport + 6, fold(pseudo));
    }
    *ret = (struct linkem_frame){
        .vnet = f->vnet,
        .data = ret_data,
        .len = w->header_len + payload,
    };
    ret->vnet.gso_type = VIRTIO_NET_HDR_GSO_NONE;
    ret->vnet.gso_size = 0;
    ret->vnet.hdr_len = 0;
}
