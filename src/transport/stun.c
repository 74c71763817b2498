#include "transport/stun.h"

#include "base/reader.h"
#include "base/secret.h"
#include "crypto/hmac_sha1.h"
#include "transport/crc.h"
#include "transport/limits.h"
#include "transport/stun_attr.h"

bool vn_stun_looks(struct vn_span in)
{
    static const uint8_t cookie[4] = {0x21, 0x12, 0xa4, 0x42};
    return in.n >= VN_STUN_HEADER_LEN && in.p[0] <= 3 && memcmp(in.p + 4, cookie, 4) == 0;
}

/* ---- decoding ---- */

static bool read_xor_addr(struct vn_reader r, const struct vn_stun_txid *txid, struct vn_addr *ret)
{
    uint8_t zero, family;
    uint16_t port;
    if (!vn_read_u8(&r, &zero) || !vn_read_u8(&r, &family) || !vn_read_u16(&r, &port))
        return false;
    uint8_t mask[16] = {0x21, 0x12, 0xa4, 0x42};
    memcpy(mask + 4, txid->b, VN_STUN_TXID_LEN);
    uint8_t raw[16];
    size_t n = family == VN_STUN_FAMILY_IPV4 ? 4 : family == VN_STUN_FAMILY_IPV6 ? 16 : 0;
    if (n == 0 || r.left != n || !vn_read_copy(&r, raw, n))
        return false;
    for (size_t i = 0; i < n; i++)
        raw[i] ^= mask[i];
    *ret = (struct vn_addr){.port = (uint16_t)(port ^ (VN_STUN_COOKIE >> 16))};
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

/* REALM and NONCE: RFC 8489 sections 14.9 and 14.10. */
static bool take_text(struct vn_span *ret, struct vn_reader r)
{
    if (r.left == 0 || r.left > VN_STUN_TEXT_MAX)
        return false;
    if (ret->n == 0)
        *ret = vn_reader_rest(&r);
    return true;
}

static bool read_channel(struct vn_reader r, uint16_t *ret)
{
    return vn_read_u16(&r, ret) && vn_read_skip(&r, 2) && vn_reader_done(&r);
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
        return read_xor_addr(r, &m->txid, &m->mapped);
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
    case ATTR_REALM:
        return take_text(&m->realm, r);
    case ATTR_NONCE:
        return take_text(&m->nonce, r);
    case ATTR_PASSWORD_ALGORITHMS:
        if (m->algorithms.n == 0)
            m->algorithms = vn_reader_rest(&r);
        return true;
    case ATTR_LIFETIME:
        if (m->has_lifetime)
            return true;
        m->has_lifetime = true;
        return vn_read_u32(&r, &m->lifetime_s) && vn_reader_done(&r);
    case ATTR_CHANNEL_NUMBER:
        return m->channel ? true : read_channel(r, &m->channel);
    case ATTR_XOR_RELAYED_ADDRESS:
        if (m->has_relayed)
            return true;
        m->has_relayed = true;
        return read_xor_addr(r, &m->txid, &m->relayed);
    case ATTR_XOR_PEER_ADDRESS:
        if (m->has_peer)
            return true;
        m->has_peer = true;
        return read_xor_addr(r, &m->txid, &m->peer);
    case ATTR_DATA:
        if (!m->has_data)
            m->data = vn_reader_rest(&r);
        m->has_data = true;
        return true;
    case ATTR_REQUESTED_TRANSPORT:
        if (m->transport)
            return true;
        return vn_read_u8(&r, &m->transport) && vn_read_skip(&r, 3) && vn_reader_done(&r);
    case ATTR_REQUESTED_ADDRESS_FAMILY:
        if (m->family)
            return true;
        return vn_read_u8(&r, &m->family) && vn_read_skip(&r, 3) && vn_reader_done(&r);
    case ATTR_PASSWORD_ALGORITHM:
        if (m->algorithm)
            return true;
        return vn_read_u16(&r, &m->algorithm) && vn_read_skip(&r, 2);
    case ATTR_MAPPED_ADDRESS:
    case ATTR_USERHASH:
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
        type >= 0x4000 || cookie != VN_STUN_COOKIE || length % 4 != 0 || r.left != length)
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
                crc != (vn_crc32(VN_SPAN(in.p, at)) ^ VN_STUN_FINGERPRINT_XOR))
                return VN_ERR_MALFORMED;
            m.has_fingerprint = true;
        } else if (m.has_integrity256) {
            continue;
        } else if (attr == ATTR_MESSAGE_INTEGRITY_SHA256) {
            /* Section 14.6 lets it be cut to 16 bytes at least; nobody is known to. */
            if (n != VN_STUN_SHA256_LEN)
                return VN_ERR_MALFORMED;
            m.has_integrity256 = true;
            m.integrity256_at = at;
        } else if (m.has_integrity) {
            continue;
        } else if (attr == ATTR_MESSAGE_INTEGRITY) {
            if (n != VN_STUN_SHA1_LEN)
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
 * (sections 14.5 and 14.6). */
vn_status vn_stun_mac(enum vn_stun_integrity how, struct vn_span before, struct vn_span key,
                      uint8_t ret[VN_STUN_SHA256_LEN])
{
    const size_t mac = how == VN_STUN_SHA256 ? VN_STUN_SHA256_LEN : VN_STUN_SHA1_LEN;
    const size_t length = before.n - VN_STUN_HEADER_LEN + 4 + mac;
    const uint8_t head[4] = {before.p[0], before.p[1], (uint8_t)(length >> 8), (uint8_t)length};
    const struct vn_span parts[] = {VN_SPAN_ARRAY(head), VN_SPAN(before.p + 4, before.n - 4)};
    if (how == VN_STUN_SHA1)
        return vn_hmac_sha1(key, parts, VN_ARRAY_LEN(parts), ret);
    struct vn_hash h;
    const vn_status st = vn_hmac(VN_SHA256, key, parts, VN_ARRAY_LEN(parts), &h);
    if (st == VN_OK)
        memcpy(ret, h.b, VN_STUN_SHA256_LEN);
    return st;
}

vn_status vn_stun_verify(const struct vn_stun_msg *m, struct vn_span key)
{
    return vn_stun_verify_with(m, VN_STUN_SHA1, key);
}

vn_status vn_stun_verify_with(const struct vn_stun_msg *m, enum vn_stun_integrity how,
                              struct vn_span key)
{
    uint8_t mac[VN_STUN_SHA256_LEN];
    const bool sha256 = how == VN_STUN_SHA256;
    const size_t at = sha256 ? m->integrity256_at : m->integrity_at;
    if (!(sha256 ? m->has_integrity256 : m->has_integrity))
        return VN_ERR_AUTH;
    vn_status st = vn_stun_mac(how, VN_SPAN(m->whole.p, at), key, mac);
    if (st != VN_OK)
        return st;
    const size_t n = sha256 ? VN_STUN_SHA256_LEN : VN_STUN_SHA1_LEN;
    return vn_ct_equal(mac, m->whole.p + at + 4, n) ? VN_OK : VN_ERR_AUTH;
}
