/* Encoding of STUN messages. */
#include "base/secret.h"
#include "transport/crc.h"
#include "transport/stun_attr.h"

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
    vn_write_u32(w, VN_STUN_COOKIE);
    vn_write_bytes(w, txid->b, VN_STUN_TXID_LEN);
}

static void put_bytes(struct vn_writer *w, uint16_t type, struct vn_span v)
{
    put_header(w, type, v.n);
    vn_write_span(w, v);
    put_padding(w, v.n);
}

void vn_stun_put_username(struct vn_writer *w, struct vn_span username)
{
    put_bytes(w, ATTR_USERNAME, username);
}

void vn_stun_put_userhash(struct vn_writer *w, struct vn_span hash)
{
    put_bytes(w, ATTR_USERHASH, hash);
}

void vn_stun_put_realm(struct vn_writer *w, struct vn_span realm)
{
    put_bytes(w, ATTR_REALM, realm);
}

void vn_stun_put_nonce(struct vn_writer *w, struct vn_span nonce)
{
    put_bytes(w, ATTR_NONCE, nonce);
}

void vn_stun_put_algorithms(struct vn_writer *w, struct vn_span list)
{
    put_bytes(w, ATTR_PASSWORD_ALGORITHMS, list);
}

void vn_stun_put_algorithm(struct vn_writer *w, uint16_t algorithm)
{
    put_header(w, ATTR_PASSWORD_ALGORITHM, 4);
    vn_write_u32(w, (uint32_t)algorithm << 16); /* no parameters */
}

void vn_stun_put_data(struct vn_writer *w, struct vn_span data)
{
    put_bytes(w, ATTR_DATA, data);
}

void vn_stun_put_lifetime(struct vn_writer *w, uint32_t seconds)
{
    put_header(w, ATTR_LIFETIME, 4);
    vn_write_u32(w, seconds);
}

void vn_stun_put_channel(struct vn_writer *w, uint16_t channel)
{
    put_header(w, ATTR_CHANNEL_NUMBER, 4);
    vn_write_u32(w, (uint32_t)channel << 16);
}

void vn_stun_put_transport_udp(struct vn_writer *w)
{
    put_header(w, ATTR_REQUESTED_TRANSPORT, 4);
    vn_write_u32(w, 17u << 24); /* IANA's number of UDP */
}

void vn_stun_put_family(struct vn_writer *w, bool v6)
{
    put_header(w, ATTR_REQUESTED_ADDRESS_FAMILY, 4);
    vn_write_u32(w, (uint32_t)(v6 ? VN_STUN_FAMILY_IPV6 : VN_STUN_FAMILY_IPV4) << 24);
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

static void put_xor_addr(struct vn_writer *w, uint16_t type, const struct vn_addr *addr,
                         const struct vn_stun_txid *txid)
{
    bool v4 = vn_ip_is_v4(&addr->ip);
    size_t n = v4 ? 4 : 16;
    uint8_t mask[16] = {0x21, 0x12, 0xa4, 0x42};
    memcpy(mask + 4, txid->b, VN_STUN_TXID_LEN);
    put_header(w, type, 4 + n);
    vn_write_u8(w, 0);
    vn_write_u8(w, v4 ? VN_STUN_FAMILY_IPV4 : VN_STUN_FAMILY_IPV6);
    vn_write_u16(w, (uint16_t)(addr->port ^ (VN_STUN_COOKIE >> 16)));
    for (size_t i = 0; i < n; i++)
        vn_write_u8(w, addr->ip.b[16 - n + i] ^ mask[i]);
}

void vn_stun_put_mapped(struct vn_writer *w, const struct vn_addr *addr,
                        const struct vn_stun_txid *txid)
{
    put_xor_addr(w, ATTR_XOR_MAPPED_ADDRESS, addr, txid);
}

void vn_stun_put_relayed(struct vn_writer *w, const struct vn_addr *addr,
                         const struct vn_stun_txid *txid)
{
    put_xor_addr(w, ATTR_XOR_RELAYED_ADDRESS, addr, txid);
}

void vn_stun_put_peer(struct vn_writer *w, const struct vn_addr *addr,
                      const struct vn_stun_txid *txid)
{
    put_xor_addr(w, ATTR_XOR_PEER_ADDRESS, addr, txid);
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
    return vn_stun_end_with(w, VN_STUN_SHA1, key, ret);
}

vn_status vn_stun_end_with(struct vn_writer *w, enum vn_stun_integrity how, struct vn_span key,
                           struct vn_span *ret)
{
    if (!vn_writer_ok(w))
        return VN_ERR_LIMIT;
    if (key.n) {
        uint8_t mac[VN_STUN_SHA256_LEN];
        const bool sha256 = how == VN_STUN_SHA256;
        vn_status st = vn_stun_mac(how, vn_writer_span(w), key, mac);
        if (st != VN_OK)
            return st;
        put_bytes(w, sha256 ? ATTR_MESSAGE_INTEGRITY_SHA256 : ATTR_MESSAGE_INTEGRITY,
                  VN_SPAN(mac, sha256 ? VN_STUN_SHA256_LEN : VN_STUN_SHA1_LEN));
        if (!vn_writer_ok(w))
            return VN_ERR_LIMIT;
    }
    /* FINGERPRINT covers the length with itself included (section 14.7). */
    set_length(w, w->len - VN_STUN_HEADER_LEN + 8);
    uint32_t crc = vn_crc32(vn_writer_span(w)) ^ VN_STUN_FINGERPRINT_XOR;
    put_header(w, ATTR_FINGERPRINT, 4);
    vn_write_u32(w, crc);
    if (!vn_writer_ok(w))
        return VN_ERR_LIMIT;
    *ret = vn_writer_span(w);
    return VN_OK;
}

vn_status vn_stun_end_bare(struct vn_writer *w, struct vn_span *ret)
{
    if (!vn_writer_ok(w))
        return VN_ERR_LIMIT;
    set_length(w, w->len - VN_STUN_HEADER_LEN);
    *ret = vn_writer_span(w);
    return VN_OK;
}
