#include "wire/circuit.h"

#include "wire/setup.h"

/*
 *   SETUP      0 type1   1 hops1      2 request4   6 reverse_label4   10 blob length 2   12 blob
 *   ACCEPT     0 type1   1 request4   5 label4
 *   REFUSE     0 type1   1 request4   5 reason1
 *   TEARDOWN   0 type1   1 label4
 *   WORN       0 type1   1 label4
 *   FAILED     0 type1   1 count2     3 label4 ...
 *   NEED_DESC  0 type1   1 request4   5 mark16
 *   DESC       0 type1   1 request4   5 mark16     21 sealed length 2   23 sealed
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
    case VN_CIRCUIT_WORN:
        vn_write_u32(w, m->label);
        return;
    case VN_CIRCUIT_FAILED:
        vn_write_u16(w, (uint16_t)(m->blob.n / 4));
        vn_write_span(w, m->blob);
        return;
    case VN_CIRCUIT_NEED_DESC:
        vn_write_u32(w, m->request);
        vn_write_span(w, m->mark);
        return;
    case VN_CIRCUIT_DESC:
        vn_write_u32(w, m->request);
        vn_write_span(w, m->mark);
        vn_write_block16(w, m->blob);
        return;
    }
}

/* Label 0 means the neighbour itself and is never given out. */
static bool read_label(struct vn_reader *r, uint32_t *ret)
{
    return vn_read_u32(r, ret) && *ret != 0;
}

bool vn_circuit_next_label(struct vn_reader *r, uint32_t *ret)
{
    return read_label(r, ret);
}

static bool read_labels(struct vn_reader *r, struct vn_span *ret)
{
    uint16_t count;
    uint32_t label;
    if (!vn_read_u16(r, &count) || count == 0 || !vn_read_span(r, (size_t)count * 4, ret))
        return false;
    struct vn_reader all = vn_reader_of(*ret);
    while (count && read_label(&all, &label))
        count--;
    return count == 0;
}

vn_status vn_circuit_decode(struct vn_span bytes, struct vn_circuit_msg *ret)
{
    struct vn_reader r = vn_reader_of(bytes);
    struct vn_circuit_msg m = {0};
    uint8_t type = 0; /* of no message */
    bool ok = vn_read_u8(&r, &type);
    switch (type) {
    case VN_CIRCUIT_SETUP:
        ok = vn_read_u8(&r, &m.hops) && vn_read_u32(&r, &m.request) &&
             read_label(&r, &m.reverse_label) && vn_read_span16(&r, &m.blob);
        break;
    case VN_CIRCUIT_ACCEPT:
        ok = vn_read_u32(&r, &m.request) && read_label(&r, &m.label);
        break;
    case VN_CIRCUIT_REFUSE:
        ok = vn_read_u32(&r, &m.request) && vn_read_u8(&r, &m.reason) &&
             m.reason >= VN_REFUSE_LIMIT && m.reason <= VN_REFUSE_NO_ROUTE;
        break;
    case VN_CIRCUIT_TEARDOWN:
    case VN_CIRCUIT_WORN:
        ok = read_label(&r, &m.label);
        break;
    case VN_CIRCUIT_FAILED:
        ok = read_labels(&r, &m.blob);
        break;
    case VN_CIRCUIT_NEED_DESC:
        ok = vn_read_u32(&r, &m.request) && vn_read_span(&r, VN_SETUP_MARK_LEN, &m.mark);
        break;
    case VN_CIRCUIT_DESC:
        ok = vn_read_u32(&r, &m.request) && vn_read_span(&r, VN_SETUP_MARK_LEN, &m.mark) &&
             vn_read_span16(&r, &m.blob);
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

/*
 *   CREDIT     0 limit8
 */

void vn_credit_encode(struct vn_writer *w, uint64_t limit)
{
    vn_write_u64(w, limit);
}

bool vn_credit_decode(struct vn_span bytes, uint64_t *ret_limit)
{
    struct vn_reader r = vn_reader_of(bytes);
    return vn_read_u64(&r, ret_limit) && vn_reader_done(&r);
}
