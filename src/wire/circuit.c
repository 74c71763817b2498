#include "wire/circuit.h"

/*
 *   SETUP     0 type1   1 hops1      2 request4   6 reverse_label4   10 blob length 2   12 blob
 *   ACCEPT    0 type1   1 request4   5 label4
 *   REFUSE    0 type1   1 request4   5 reason1
 *   TEARDOWN  0 type1   1 label4
 */

void vn_circuit_encode(struct vn_writer *w, const struct vn_circuit_msg *m)
{
    vn_write_u8(w, (uint8_t)m->type);
    switch (m->type) {
    case VN_CIRCUIT_SETUP:
        vn_write_u8(w, m->hops);
        vn_write_u32(w, m->request);
        vn_write_u32(w, m->reverse_label);
        vn_write_block16(w, m->blob);
        return;
    case VN_CIRCUIT_ACCEPT:
        vn_write_u32(w, m->request);
        vn_write_u32(w, m->label);
        return;
    case VN_CIRCUIT_REFUSE:
        vn_write_u32(w, m->request);
        vn_write_u8(w, m->reason);
        return;
    case VN_CIRCUIT_TEARDOWN:
        vn_write_u32(w, m->label);
        return;
    }
}

/* Label 0 means the neighbour itself and is never given out. */
static bool read_label(struct vn_reader *r, uint32_t *ret)
{
    return vn_read_u32(r, ret) && *ret != 0;
}

vn_status vn_circuit_decode(struct vn_span bytes, struct vn_circuit_msg *ret)
{
    struct vn_reader r = vn_reader_of(bytes);
    struct vn_circuit_msg m = {0};
    struct vn_reader blob;
    uint8_t type;
    bool ok = vn_read_u8(&r, &type);
    switch (ok ? type : 0) {
    case VN_CIRCUIT_SETUP:
        ok = vn_read_u8(&r, &m.hops) && vn_read_u32(&r, &m.request) &&
             read_label(&r, &m.reverse_label) && vn_read_block16(&r, &blob);
        if (ok)
            m.blob = vn_reader_rest(&blob);
        break;
    case VN_CIRCUIT_ACCEPT:
        ok = vn_read_u32(&r, &m.request) && read_label(&r, &m.label);
        break;
    case VN_CIRCUIT_REFUSE:
        ok = vn_read_u32(&r, &m.request) && vn_read_u8(&r, &m.reason) &&
             m.reason >= VN_REFUSE_LIMIT && m.reason <= VN_REFUSE_NO_ROUTE;
        break;
    case VN_CIRCUIT_TEARDOWN:
        ok = read_label(&r, &m.label);
        break;
    default:
        ok = false;
        break;
    }
    if (!ok || !vn_reader_done(&r))
        return VN_ERR_MALFORMED;
    m.type = (enum vn_circuit_type)type;
    *ret = m;
    return VN_OK;
}
