#include "transport/dcep.h"

#include "base/reader.h"
#include "transport/limits.h"

static bool is_channel(uint8_t channel)
{
    return (channel & 0x7f) <= VN_DCEP_TIMED;
}

vn_status vn_dcep_decode(struct vn_span in, struct vn_dcep_msg *ret)
{
    struct vn_reader r = vn_reader_of(in);
    struct vn_dcep_msg m = {0};
    uint8_t type;
    uint16_t label_n, protocol_n;
    if (!vn_read_u8(&r, &type))
        return VN_ERR_MALFORMED;
    m.type = (enum vn_dcep_type)type;
    if (type == VN_DCEP_ACK) {
        if (!vn_reader_done(&r))
            return VN_ERR_MALFORMED;
        *ret = m;
        return VN_OK;
    }
    if (type != VN_DCEP_OPEN || !vn_read_u8(&r, &m.channel) || !is_channel(m.channel) ||
        !vn_read_u16(&r, &m.priority) || !vn_read_u32(&r, &m.reliability) ||
        !vn_read_u16(&r, &label_n) || !vn_read_u16(&r, &protocol_n) ||
        label_n > VN_DCEP_LABEL_MAX || protocol_n > VN_DCEP_LABEL_MAX ||
        !vn_read_span(&r, label_n, &m.label) || !vn_read_span(&r, protocol_n, &m.protocol) ||
        !vn_reader_done(&r))
        return VN_ERR_MALFORMED;
    *ret = m;
    return VN_OK;
}

void vn_dcep_encode(struct vn_writer *w, const struct vn_dcep_msg *m)
{
    vn_write_u8(w, (uint8_t)m->type);
    if (m->type == VN_DCEP_ACK)
        return;
    vn_write_u8(w, m->channel);
    vn_write_u16(w, m->priority);
    vn_write_u32(w, m->reliability);
    vn_write_u16(w, (uint16_t)m->label.n);
    vn_write_u16(w, (uint16_t)m->protocol.n);
    vn_write_span(w, m->label);
    vn_write_span(w, m->protocol);
}
