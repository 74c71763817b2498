#include "transport/sctp/wire.h"

#include "transport/crc.h"
#include "transport/limits.h"

#define CHECKSUM_AT 8

bool vn_sctp_read_header(struct vn_reader *r, struct vn_sctp_header *ret)
{
    return vn_read_u32(r, &ret->ports) && vn_read_u32(r, &ret->tag) &&
           vn_read_u32(r, &ret->checksum);
}

/* The common part: length counts from the start of the header, padding follows it. */
static bool read_value(struct vn_reader *r, const uint8_t *start, struct vn_sctp_tlv *ret)
{
    uint16_t length;
    struct vn_span value;
    if (!vn_read_u16(r, &length) || length < 4 || !vn_read_span(r, (size_t)length - 4, &value) ||
        !vn_read_skip(r, VN_MIN((size_t)(-length & 3), r->left)))
        return false;
    ret->value = vn_reader_of(value);
    ret->whole = VN_SPAN(start, length);
    return true;
}

bool vn_sctp_read_chunk(struct vn_reader *r, struct vn_sctp_tlv *ret)
{
    const uint8_t *start = r->cur;
    uint8_t type;
    if (!vn_read_u8(r, &type) || !vn_read_u8(r, &ret->flags))
        return false;
    ret->type = type;
    return read_value(r, start, ret);
}

bool vn_sctp_read_param(struct vn_reader *r, struct vn_sctp_tlv *ret)
{
    const uint8_t *start = r->cur;
    ret->flags = 0;
    return vn_read_u16(r, &ret->type) && read_value(r, start, ret);
}

/* RFC 9260 appendix A: over the packet with zeros in its place, least significant byte first. */
void vn_sctp_seal(uint8_t *p, size_t n, bool zero)
{
    memset(p + CHECKSUM_AT, 0, 4);
    if (zero)
        return;
    const uint32_t crc = vn_crc32c(VN_SPAN(p, n));
    for (size_t i = 0; i < 4; i++)
        p[CHECKSUM_AT + i] = (uint8_t)(crc >> (8 * i));
}

bool vn_sctp_checksum_holds(uint8_t *p, size_t n)
{
    uint8_t said[4];
    memcpy(said, p + CHECKSUM_AT, 4);
    vn_sctp_seal(p, n, false);
    const bool same = memcmp(said, p + CHECKSUM_AT, 4) == 0;
    memcpy(p + CHECKSUM_AT, said, 4);
    return same;
}

void vn_sctp_write_header(struct vn_writer *w, uint32_t tag)
{
    vn_write_u16(w, VN_SCTP_PORT);
    vn_write_u16(w, VN_SCTP_PORT);
    vn_write_u32(w, tag);
    vn_write_u32(w, 0); /* vn_sctp_seal */
}

size_t vn_sctp_begin_chunk(struct vn_writer *w, uint8_t type, uint8_t flags)
{
    const size_t at = w->len;
    vn_write_u8(w, type);
    vn_write_u8(w, flags);
    vn_write_u16(w, 0);
    return at;
}

size_t vn_sctp_begin_param(struct vn_writer *w, uint16_t type)
{
    const size_t at = w->len;
    vn_write_u16(w, type);
    vn_write_u16(w, 0);
    return at;
}

void vn_sctp_end_chunk(struct vn_writer *w, size_t at)
{
    const size_t n = w->len - at;
    if (!vn_writer_ok(w))
        return;
    w->buf[at + 2] = (uint8_t)(n >> 8);
    w->buf[at + 3] = (uint8_t)n;
    for (size_t i = n; i % 4 != 0; i++)
        vn_write_u8(w, 0);
}
