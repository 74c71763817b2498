#include "transport/stun.h"

#include "base/reader.h"
#include "base/secret.h"
#include "crypto/hmac_sha1.h"
#include "transport/crc.h"
#include "transport/limits.h"

#define HEADER_LEN 20
#define COOKIE 0x2112a442u
#define INTEGRITY_LEN 20
#define FINGERPRINT_XOR 0x5354554eu /* RFC 8489 section 14.7 */

enum { FAMILY_IPV4 = 1, FAMILY_IPV6 = 2 };

/* RFC 8489 section 18.3, RFC 8445 section 20.2 */
enum {
    ATTR_MAPPED_ADDRESS = 0x0001,
    ATTR_CHANGE_REQUEST = 0x0003, /* RFC 5780 section 9.1 */
    ATTR_USERNAME = 0x0006,
    ATTR_MESSAGE_INTEGRITY = 0x0008,
    ATTR_ERROR_CODE = 0x0009,
    ATTR_UNKNOWN_ATTRIBUTES = 0x000a,
    ATTR_XOR_MAPPED_ADDRESS = 0x0020,
    ATTR_PRIORITY = 0x0024,
    ATTR_USE_CANDIDATE = 0x0025,
    ATTR_FILLER = 0xc061,
    ATTR_FINGERPRINT = 0x8028,
    ATTR_ICE_CONTROLLED = 0x8029,
    ATTR_ICE_CONTROLLING = 0x802a,
};

bool vn_stun_looks(struct vn_span in)
{
    static const uint8_t cookie[4] = {0x21, 0x12, 0xa4, 0x42};
    return in.n >= HEADER_LEN && in.p[0] <= 3 && memcmp(in.p + 4, cookie, 4) == 0;
}

/* ---- decoding ---- */

static bool read_xor_mapped(struct vn_reader r, const struct vn_stun_txid *txid,
                            struct vn_addr *ret)
{
    uint8_t zero, family;
    uint16_t port;
    if (!vn_read_u8(&r, &zero) || !vn_read_u8(&r, &family) || !vn_read_u16(&r, &port))
        return false;
    uint8_t mask[16] = {0x21, 0x12, 0xa4, 0x42};
    memcpy(mask + 4, txid->b, VN_STUN_TXID_LEN);
    uint8_t raw[16];
    size_t n = family == FAMILY_IPV4 ? 4 : family == FAMILY_IPV6 ? 16 : 0;
    if (n == 0 || r.left != n || !vn_read_copy(&r, raw, n))
        return false;
    for (size_t i = 0; i < n; i++)
        raw[i] ^= mask[i];
    *ret = (struct vn_addr){.port = (uint16_t)(port ^ (COOKIE >> 16))};
    if (n == 4)
        ret->ip = vn_ip_from_v4(raw);
    else
        memcpy(ret->ip.b, raw, 16);
    return true;
}

static bool read_error(struct vn_reader r, unsigned *ret)
{
    uint16_t zero;
    uint8_t hundreds, rest;
    if (!vn_read_u16(&r, &zero) || !vn_read_u8(&r, &hundreds) || !vn_read_u8(&r, &rest))
        return false;
    hundreds &= 7;
    if (hundreds < 3 || hundreds > 6 || rest > 99)
        return false;
    *ret = hundreds * 100u + rest;
    return true;
}

/* One attribute before MESSAGE-INTEGRITY. The first of a kind counts (RFC 8489 section 14). */
static bool take_attribute(struct vn_stun_msg *m, uint16_t type, struct vn_reader r)
{
    switch (type) {
    case ATTR_USERNAME:
        if (r.left == 0 || r.left > VN_STUN_USERNAME_MAX)
            return false;
        if (m->username.n == 0)
            m->username = vn_reader_rest(&r);
        return true;
    case ATTR_CHANGE_REQUEST:
        if (m->change)
            return true;
        return vn_read_u32(&r, &m->change) && vn_reader_done(&r);
    case ATTR_XOR_MAPPED_ADDRESS:
        if (m->has_mapped)
            return true;
        m->has_mapped = true;
        return read_xor_mapped(r, &m->txid, &m->mapped);
    case ATTR_PRIORITY:
        if (m->has_priority)
            return true;
        m->has_priority = true;
        return vn_read_u32(&r, &m->priority) && vn_reader_done(&r);
    case ATTR_USE_CANDIDATE:
        m->use_candidate = true;
        return vn_reader_done(&r);
    case ATTR_ICE_CONTROLLED:
    case ATTR_ICE_CONTROLLING:
        if (m->role != VN_STUN_NO_ROLE)
            return true;
        m->role = type == ATTR_ICE_CONTROLLING ? VN_STUN_CONTROLLING : VN_STUN_CONTROLLED;
        return vn_read_u64(&r, &m->tie_breaker) && vn_reader_done(&r);
    case ATTR_ERROR_CODE:
        return m->error ? true : read_error(r, &m->error);
    case ATTR_MAPPED_ADDRESS:
    case ATTR_UNKNOWN_ATTRIBUTES:
        return true;
    default:
        /* Below 0x8000 the sender insists on being understood (section 14). */
        if (type < 0x8000 && m->unknown_count < VN_STUN_UNKNOWN_MAX)
            m->unknown[m->unknown_count++] = type;
        return true;
    }
}

vn_status vn_stun_decode(struct vn_span in, struct vn_stun_msg *ret)
{
    struct vn_stun_msg m = {.whole = in};
    struct vn_reader r = vn_reader_of(in);
    uint16_t type, length;
    uint32_t cookie;
    if (in.n > VN_STUN_BYTES_MAX || !vn_read_u16(&r, &type) || !vn_read_u16(&r, &length) ||
        !vn_read_u32(&r, &cookie) || !vn_read_copy(&r, m.txid.b, VN_STUN_TXID_LEN) ||
        type >= 0x4000 || cookie != COOKIE || length % 4 != 0 || r.left != length)
        return VN_ERR_MALFORMED;
    m.cls = (enum vn_stun_class)(((type >> 4) & 1) | ((type >> 7) & 2));
    m.method = (uint16_t)((type & 0xf) | ((type >> 1) & 0x70) | ((type >> 2) & 0xf80));

    while (!vn_reader_done(&r)) {
        size_t at = in.n - r.left;
        uint16_t attr, n;
        struct vn_span value, padding;
        if (m.has_fingerprint || /* it is the last attribute, section 14.7 */
            !vn_read_u16(&r, &attr) || !vn_read_u16(&r, &n) || !vn_read_span(&r, n, &value) ||
            !vn_read_span(&r, (4u - n % 4u) % 4u, &padding))
            return VN_ERR_MALFORMED;
        struct vn_reader v = vn_reader_of(value);
        if (attr == ATTR_FINGERPRINT) {
            uint32_t crc;
            if (!vn_read_u32(&v, &crc) || !vn_reader_done(&v) ||
                crc != (vn_crc32(VN_SPAN(in.p, at)) ^ FINGERPRINT_XOR))
                return VN_ERR_MALFORMED;
            m.has_fingerprint = true;
        } else if (m.has_integrity) {
            continue;
        } else if (attr == ATTR_MESSAGE_INTEGRITY) {
            if (n != INTEGRITY_LEN)
                return VN_ERR_MALFORMED;
            m.has_integrity = true;
            m.integrity_at = at;
        } else if (!take_attribute(&m, attr, v)) {
            return VN_ERR_MALFORMED;
        }
    }
    *ret = m;
    return VN_OK;
}

/* The HMAC covers everything before the attribute, with the length as if the message ended with it
 * (section 14.5). */
static vn_status integrity(struct vn_span before, struct vn_span key, uint8_t ret[INTEGRITY_LEN])
{
    size_t length = before.n - HEADER_LEN + 4 + INTEGRITY_LEN;
    uint8_t head[4] = {before.p[0], before.p[1], (uint8_t)(length >> 8), (uint8_t)length};
    return vn_hmac_sha1(key, VN_PARTS(VN_SPAN(head, 4), VN_SPAN(before.p + 4, before.n - 4)), ret);
}

vn_status vn_stun_verify(const struct vn_stun_msg *m, struct vn_span key)
{
    uint8_t mac[INTEGRITY_LEN];
    if (!m->has_integrity)
        return VN_ERR_AUTH;
    vn_status st = integrity(VN_SPAN(m->whole.p, m->integrity_at), key, mac);
    if (st != VN_OK)
        return st;
    return vn_ct_equal(mac, m->whole.p + m->integrity_at + 4, INTEGRITY_LEN) ? VN_OK : VN_ERR_AUTH;
}

/* ---- encoding ---- */

static void put_header(struct vn_writer *w, uint16_t type, size_t n)
{
    vn_write_u16(w, type);
    vn_write_u16(w, (uint16_t)n);
}

static void put_padding(struct vn_writer *w, size_t n)
{
    static const uint8_t zeros[3];
    vn_write_bytes(w, zeros, (4 - n % 4) % 4);
}

void vn_stun_begin(struct vn_writer *w, enum vn_stun_class cls, uint16_t method,
                   const struct vn_stun_txid *txid)
{
    unsigned c = (unsigned)cls;
    vn_write_u16(w, (uint16_t)((method & 0xfu) | ((method & 0x70u) << 1) |
                               ((method & 0xf80u) << 2) | ((c & 1u) << 4) | ((c & 2u) << 7)));
    vn_write_u16(w, 0);
    vn_write_u32(w, COOKIE);
    vn_write_bytes(w, txid->b, VN_STUN_TXID_LEN);
}

void vn_stun_put_username(struct vn_writer *w, struct vn_span username)
{
    put_header(w, ATTR_USERNAME, username.n);
    vn_write_span(w, username);
    put_padding(w, username.n);
}

void vn_stun_put_priority(struct vn_writer *w, uint32_t priority)
{
    put_header(w, ATTR_PRIORITY, 4);
    vn_write_u32(w, priority);
}

void vn_stun_put_role(struct vn_writer *w, enum vn_stun_role role, uint64_t tie_breaker)
{
    put_header(w, role == VN_STUN_CONTROLLING ? ATTR_ICE_CONTROLLING : ATTR_ICE_CONTROLLED, 8);
    vn_write_u64(w, tie_breaker);
}

void vn_stun_put_use_candidate(struct vn_writer *w)
{
    put_header(w, ATTR_USE_CANDIDATE, 0);
}

void vn_stun_put_mapped(struct vn_writer *w, const struct vn_addr *addr,
                        const struct vn_stun_txid *txid)
{
    bool v4 = vn_ip_is_v4(&addr->ip);
    size_t n = v4 ? 4 : 16;
    uint8_t mask[16] = {0x21, 0x12, 0xa4, 0x42};
    memcpy(mask + 4, txid->b, VN_STUN_TXID_LEN);
    put_header(w, ATTR_XOR_MAPPED_ADDRESS, 4 + n);
    vn_write_u8(w, 0);
    vn_write_u8(w, v4 ? FAMILY_IPV4 : FAMILY_IPV6);
    vn_write_u16(w, (uint16_t)(addr->port ^ (COOKIE >> 16)));
    for (size_t i = 0; i < n; i++)
        vn_write_u8(w, addr->ip.b[16 - n + i] ^ mask[i]);
}

void vn_stun_put_change(struct vn_writer *w, uint32_t flags)
{
    put_header(w, ATTR_CHANGE_REQUEST, 4);
    vn_write_u32(w, flags);
}

void vn_stun_put_error(struct vn_writer *w, unsigned code, const char *reason)
{
    struct vn_span text = VN_SPAN_STR(reason);
    put_header(w, ATTR_ERROR_CODE, 4 + text.n);
    vn_write_u16(w, 0);
    vn_write_u8(w, (uint8_t)(code / 100));
    vn_write_u8(w, (uint8_t)(code % 100));
    vn_write_span(w, text);
    put_padding(w, text.n);
}

void vn_stun_put_unknown(struct vn_writer *w, const uint16_t *types, size_t count)
{
    put_header(w, ATTR_UNKNOWN_ATTRIBUTES, count * 2);
    for (size_t i = 0; i < count; i++)
        vn_write_u16(w, types[i]);
    put_padding(w, count * 2);
}

void vn_stun_put_filler(struct vn_writer *w, size_t n)
{
    put_header(w, ATTR_FILLER, n);
    uint8_t *room = vn_write_room(w, n);
    if (room)
        memset(room, 0, n);
    put_padding(w, n);
}

static void set_length(struct vn_writer *w, size_t n)
{
    w->buf[2] = (uint8_t)(n >> 8);
    w->buf[3] = (uint8_t)n;
}

vn_status vn_stun_end(struct vn_writer *w, struct vn_span key, struct vn_span *ret)
{
    if (!vn_writer_ok(w))
        return VN_ERR_LIMIT;
    if (key.n) {
        uint8_t mac[INTEGRITY_LEN];
        vn_status st = integrity(vn_writer_span(w), key, mac);
        if (st != VN_OK)
            return st;
        put_header(w, ATTR_MESSAGE_INTEGRITY, INTEGRITY_LEN);
        vn_write_bytes(w, mac, INTEGRITY_LEN);
        if (!vn_writer_ok(w))
            return VN_ERR_LIMIT;
    }
    /* FINGERPRINT covers the length with itself included (section 14.7). */
    set_length(w, w->len - HEADER_LEN + 8);
    uint32_t crc = vn_crc32(vn_writer_span(w)) ^ FINGERPRINT_XOR;
    put_header(w, ATTR_FINGERPRINT, 4);
    vn_write_u32(w, crc);
    if (!vn_writer_ok(w))
        return VN_ERR_LIMIT;
    *ret = vn_writer_span(w);
    return VN_OK;
}
