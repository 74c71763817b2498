#include "wire/frame.h"

#include "wire/types.h"

/*
 *   hop header    0 version (high 4 bits) | type (low 4)   1 flags1   2 reserved2   4 label4
 */

void vn_hop_encode(struct vn_writer *w, const struct vn_hop_header *h)
{
    vn_write_u8(w, (uint8_t)(VN_WIRE_VERSION << 4 | h->type));
    vn_write_u8(w, h->flags);
    vn_write_u16(w, 0);
    vn_write_u32(w, h->label);
}

void vn_hop_relabel(uint8_t *hop, uint32_t label)
{
    struct vn_writer w = vn_writer_of(hop + VN_HOP_HEADER_LEN - sizeof(label), sizeof(label));
    vn_write_u32(&w, label);
}

bool vn_hop_decode(struct vn_reader *r, struct vn_hop_header *ret)
{
    struct vn_reader ahead = *r;
    uint8_t first, flags;
    uint16_t reserved;
    uint32_t label;
    if (!vn_read_u8(&ahead, &first) || !vn_read_u8(&ahead, &flags) ||
        !vn_read_u16(&ahead, &reserved) || !vn_read_u32(&ahead, &label))
        return false;
    unsigned type = first & 0x0fu;
    if (first >> 4 != VN_WIRE_VERSION || reserved != 0 || type < VN_HOP_FRAME || type > VN_HOP_PATH)
        return false;
    if (vn_hop_to_neighbour((enum vn_hop_type)type) != (label == 0))
        return false;
    *ret = (struct vn_hop_header){(enum vn_hop_type)type, flags, label};
    *r = ahead;
    return true;
}

/*
 *   e2e header    0 epoch4   4 batch4   8 idx2   10 lane1   11 class1   12 seq8
 */

void vn_e2e_encode(struct vn_writer *w, const struct vn_e2e_header *h)
{
    vn_write_u32(w, h->epoch);
    vn_write_u32(w, h->batch);
    vn_write_u16(w, h->idx);
    vn_write_u8(w, h->lane);
    vn_write_u8(w, h->cls);
    vn_write_u64(w, h->seq);
}

bool vn_e2e_decode(struct vn_reader *r, struct vn_e2e_header *ret)
{
    struct vn_reader ahead = *r;
    struct vn_e2e_header h;
    if (!vn_read_u32(&ahead, &h.epoch) || !vn_read_u32(&ahead, &h.batch) ||
        !vn_read_u16(&ahead, &h.idx) || !vn_read_u8(&ahead, &h.lane) ||
        !vn_read_u8(&ahead, &h.cls) || !vn_read_u64(&ahead, &h.seq))
        return false;
    *ret = h;
    *r = ahead;
    return true;
}

/*
 *   packet        0 length3 (of the packet alone)   3 kind1: kind (low 4 bits) | ecn (bits 4..5) |
 * 0 kind none: 4 packet               others: 4 gso_size2   6 l4_offset1   7 packet
 */

void vn_frame_put_header(struct vn_writer *w, const struct vn_frame_packet *p)
{
    if (p->packet.n == 0 || p->packet.n > 0xffffff) {
        w->overflow = true;
        return;
    }
    vn_write_u24(w, (uint32_t)p->packet.n);
    vn_write_u8(w, (uint8_t)((p->ecn & 3u) << 4 | (unsigned)p->kind));
    if (p->kind != VN_PKT_NONE) {
        vn_write_u16(w, p->kind == VN_PKT_CSUM ? 0 : p->gso_size);
        vn_write_u8(w, p->l4_offset);
    }
}

void vn_frame_put_packet(struct vn_writer *w, const struct vn_frame_packet *p)
{
    vn_frame_put_header(w, p);
    vn_write_span(w, p->packet);
}

bool vn_frame_next_packet(struct vn_reader *r, struct vn_frame_packet *ret)
{
    struct vn_reader ahead = *r;
    struct vn_frame_packet p = {0};
    uint32_t n;
    uint8_t kind;
    if (!vn_read_u24(&ahead, &n) || n == 0 || !vn_read_u8(&ahead, &kind) || kind >> 6 != 0 ||
        (kind & 0x0fu) > VN_PKT_UDP_L4)
        return false;
    p.kind = (enum vn_packet_kind)(kind & 0x0fu);
    p.ecn = (uint8_t)(kind >> 4);
    if (p.kind != VN_PKT_NONE) {
        if (!vn_read_u16(&ahead, &p.gso_size) || !vn_read_u8(&ahead, &p.l4_offset))
            return false;
        /* Exactly the kinds that are segmented name a segment size. */
        if ((p.kind == VN_PKT_CSUM) != (p.gso_size == 0))
            return false;
    }
    if (!vn_read_span(&ahead, n, &p.packet))
        return false;
    *ret = p;
    *r = ahead;
    return true;
}

bool vn_frame_open(struct vn_span plaintext, struct vn_reader *ret, size_t *ret_count)
{
    struct vn_reader r = vn_reader_of(plaintext);
    uint16_t count;
    if (!vn_read_u16(&r, &count) || count == 0 || count > VN_FRAME_PACKETS_MAX)
        return false;
    struct vn_reader walk = r;
    for (size_t i = 0; i < count; i++) {
        struct vn_frame_packet p;
        if (!vn_frame_next_packet(&walk, &p))
            return false;
    }
    if (!vn_reader_done(&walk))
        return false;
    *ret = r;
    *ret_count = count;
    return true;
}

/* ---- keys ---- */

vn_status vn_lane_keys_derive(enum vn_hash_alg alg, const struct vn_secret32 *ck, uint8_t lane,
                              struct vn_lane_keys *ret)
{
    uint8_t okm[sizeof(ret->key.b) + sizeof(ret->iv)];
    vn_status st =
        vn_hkdf_expand(alg, VN_SPAN_ARRAY(ck->b), VN_PARTS(VN_SPAN_LIT("frame"), VN_SPAN(&lane, 1)),
                       okm, sizeof(okm));
    if (st == VN_OK) {
        memcpy(ret->key.b, okm, sizeof(ret->key.b));
        memcpy(ret->iv, okm + sizeof(ret->key.b), sizeof(ret->iv));
    }
    vn_wipe(okm, sizeof(okm));
    return st;
}

void vn_lane_nonce(const uint8_t iv[12], uint64_t seq, uint8_t ret[12])
{
    memcpy(ret, iv, 12);
    for (size_t i = 0; i < 8; i++)
        ret[11 - i] ^= (uint8_t)(seq >> (8 * i));
}

vn_status vn_chain_step(enum vn_hash_alg alg, const struct vn_secret32 *ck, struct vn_secret32 *ret)
{
    struct vn_secret32 next;
    vn_status st = vn_hkdf(alg, VN_SPAN_NONE, VN_SPAN_ARRAY(ck->b), VN_PARTS(VN_SPAN_LIT("step")),
                           next.b, sizeof(next.b));
    if (st == VN_OK)
        *ret = next;
    vn_secret32_wipe(&next);
    return st;
}
