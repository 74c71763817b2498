/* Datagrams of peers, by channels or indications (RFC 8656 sections 11 and 12). */
#include "base/reader.h"
#include "transport/turn_i.h"
#include "transport/udp.h"

uint16_t vn_turn_channel(const struct vn_turn *t, const struct vn_addr *peer)
{
    for (size_t i = 0; i < t->channel_count; i++)
        if (t->channels[i].done && vn_addr_equal(&t->channels[i].peer, peer))
            return t->channels[i].channel;
    return 0;
}

/* ---- sending ---- */

void vn_turn_put_channel_header(uint8_t ret[VN_TURN_CHANNEL_HEADER], uint16_t channel, size_t n)
{
    ret[0] = (uint8_t)(channel >> 8);
    ret[1] = (uint8_t)channel;
    ret[2] = (uint8_t)(n >> 8);
    ret[3] = (uint8_t)n;
}

void vn_turn_send(struct vn_turn *t, const struct vn_addr *peer, struct vn_span datagram)
{
    uint8_t buf[VN_STUN_BYTES_MAX];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    struct vn_span out;
    if (t->state != VN_TURN_ALLOCATED || !vn_turn_is_family(t, peer))
        return;
    const uint16_t channel = vn_turn_channel(t, peer);
    if (channel) {
        static const uint8_t zeros[3];
        vn_write_u16(&w, channel);
        vn_write_u16(&w, (uint16_t)datagram.n);
        vn_write_span(&w, datagram);
        vn_write_bytes(&w, zeros, t->cfg.stream ? (4 - datagram.n % 4) % 4 : 0);
        out = vn_writer_span(&w);
        if (out.n > 0)
            t->cfg.send(t->cfg.arg, out);
        return;
    }
    struct vn_stun_txid txid;
    if (t->cfg.random->fill(t->cfg.random->self, txid.b, sizeof(txid.b)) != VN_OK)
        return;
    vn_stun_begin(&w, VN_STUN_INDICATION, VN_TURN_SEND, &txid);
    vn_stun_put_peer(&w, peer, &txid);
    vn_stun_put_data(&w, datagram);
    if (vn_stun_end_bare(&w, &out) == VN_OK)
        t->cfg.send(t->cfg.arg, out);
}

/* ---- receiving ---- */

static bool is_channel(uint8_t first)
{
    return first >= VN_TURN_CHANNEL_FIRST >> 8 && first <= VN_TURN_CHANNEL_LAST >> 8;
}

static enum vn_turn_input take_channel_data(const struct vn_turn *t, struct vn_dgram in,
                                            struct vn_addr *ret_from, struct vn_dgram *ret_data)
{
    struct vn_reader r = vn_reader_of(VN_SPAN(in.p, in.n));
    uint16_t channel, n;
    if (!vn_read_u16(&r, &channel) || !vn_read_u16(&r, &n) || n == 0 || n > r.left)
        return VN_TURN_IN_MALFORMED;
    for (size_t i = 0; i < t->channel_count; i++)
        if (t->channels[i].channel == channel) {
            *ret_from = t->channels[i].peer;
            *ret_data = (struct vn_dgram){in.p + VN_TURN_CHANNEL_HEADER, n};
            return VN_TURN_IN_DATA;
        }
    return VN_TURN_IN_UNKNOWN;
}

enum vn_turn_input vn_turn_input(struct vn_turn *t, struct vn_dgram in, uint64_t now_us,
                                 struct vn_addr *ret_from, struct vn_dgram *ret_data)
{
    if (t->state == VN_TURN_FAILED)
        return VN_TURN_IN_UNKNOWN;
    return in.n > 0 && is_channel(in.p[0]) ? take_channel_data(t, in, ret_from, ret_data)
                                           : vn_turn_take_stun(t, in, now_us, ret_from, ret_data);
}

vn_status vn_turn_frame_len(struct vn_span in, size_t *ret)
{
    struct vn_reader r = vn_reader_of(in);
    uint16_t first, n;
    if (!vn_read_u16(&r, &first) || !vn_read_u16(&r, &n))
        return VN_ERR_AGAIN;
    if (is_channel((uint8_t)(first >> 8)))
        *ret = VN_TURN_CHANNEL_HEADER + ((size_t)n + 3) / 4 * 4;
    else if (first < 0x4000 && n % 4 == 0)
        *ret = 20 + (size_t)n;
    else
        return VN_ERR_MALFORMED;
    return VN_OK;
}
