#include "core/coalesce.h"

#include <assert.h>
#include <string.h>

#include "core/offload.h"

#define DONT_FRAGMENT 0x40

static bool is_plain(const struct vn_packet *p, struct vn_span b, uint16_t mtu_bytes)
{
    const size_t ip_header = p->ip6 ? 40 : 20;
    return p->proto == VN_IPPROTO_UDP && !p->fragment && p->l4_offset == ip_header &&
           b.n > ip_header + VN_UDP_HEADER_LEN && b.n <= mtu_bytes &&
           (p->ip6 || (b.p[6] & DONT_FRAGMENT)) &&
           (size_t)(b.p[ip_header + 4] << 8 | b.p[ip_header + 5]) == b.n - ip_header;
}

/* What the device writes anew in each piece may differ, nothing else. */
static bool is_same_flow(const struct vn_coalesce *c, const struct vn_packet *p, struct vn_span b)
{
    const uint8_t *x = c->first.p, *y = b.p;
    const size_t l4 = p->l4_offset;
    if (p->ip6 != c->packet.ip6)
        return false;
    if (p->ip6) {
        if (memcmp(x, y, 4) != 0 || memcmp(x + 6, y + 6, l4 - 6) != 0) /* 4: length */
            return false;
    } else if (memcmp(x, y, 2) != 0 || memcmp(x + 6, y + 6, 4) != 0 ||
               memcmp(x + 12, y + 12, l4 - 12) != 0) { /* 2: length, 4: id, 10: checksum */
        return false;
    }
    return memcmp(x + l4, y + l4, 4) == 0; /* ports */
}

bool vn_coalesce_add(struct vn_coalesce *c, const struct vn_packet *p, struct vn_span bytes,
                     uint16_t mtu_bytes)
{
    if (!is_plain(p, bytes, mtu_bytes))
        return false;
    const size_t header_len = (size_t)p->l4_offset + VN_UDP_HEADER_LEN;
    const struct vn_span payload = VN_SPAN(bytes.p + header_len, bytes.n - header_len);
    if (c->count == 0) {
        c->packet = *p;
        c->first = bytes;
        c->header_len = (uint16_t)header_len;
        c->size = (uint16_t)payload.n;
        c->bytes = c->payload_bytes = 0;
        c->full = false;
    } else if (c->full || c->count == VN_GSO_SEGMENTS_MAX || payload.n > c->size ||
               header_len + c->payload_bytes + payload.n > VN_SUPER_PACKET_MAX ||
               !is_same_flow(c, p, bytes)) {
        return false;
    }
    c->full = payload.n < c->size;
    c->parts[1 + c->count++] = payload;
    c->payload_bytes += payload.n;
    c->bytes += bytes.n;
    return true;
}

vn_status vn_coalesce_write(struct vn_coalesce *c, const struct vn_tun_port *tun)
{
    assert(c->count > 0);
    struct vn_tun_offload o;
    memcpy(c->header, c->first.p, c->header_len);
    c->parts[0] = VN_SPAN(c->header, c->header_len);
    vn_offload_join(&c->packet, c->header, c->header_len + c->payload_bytes,
                    c->count > 1 ? c->size : 0, &o);
    const size_t parts = 1 + c->count;
    c->count = 0;
    return tun->write_offload(tun->self, c->parts, parts, &o);
}
