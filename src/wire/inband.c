#include "wire/inband.h"

/*
 *   SENT, PASSED   0 kind1   1 subject1   2 name16   [18 src16]   message
 *   KEEP           0 kind1   1 ms4
 */

enum { SUBJECT_IN = 1, SUBJECT_OWN = 2 };

void vn_inband_encode(struct vn_writer *w, const struct vn_inband *m)
{
    vn_write_u8(w, (uint8_t)m->kind);
    if (m->kind == VN_INBAND_KEEP) {
        vn_write_u32(w, m->keep_ms);
        return;
    }
    vn_write_u8(w, m->subject == VN_SUBJ_IN ? SUBJECT_IN : SUBJECT_OWN);
    vn_write_span(w, VN_SPAN_ARRAY(m->name.b));
    if (m->kind == VN_INBAND_PASSED)
        vn_write_span(w, VN_SPAN_ARRAY(m->src.b));
    vn_write_span(w, m->message);
}

vn_status vn_inband_decode(struct vn_span bytes, struct vn_inband *ret)
{
    struct vn_reader r = vn_reader_of(bytes);
    struct vn_inband m = {0};
    uint8_t kind, subject;
    if (!vn_read_u8(&r, &kind) || kind < VN_INBAND_SENT || kind > VN_INBAND_KEEP)
        return VN_ERR_MALFORMED;
    m.kind = (enum vn_inband_kind)kind;
    if (m.kind == VN_INBAND_KEEP) {
        if (!vn_read_u32(&r, &m.keep_ms) || !vn_reader_done(&r))
            return VN_ERR_MALFORMED;
        *ret = m;
        return VN_OK;
    }
    if (!vn_read_u8(&r, &subject) || subject < SUBJECT_IN || subject > SUBJECT_OWN ||
        !vn_read_copy(&r, m.name.b, VN_ID_LEN) ||
        (m.kind == VN_INBAND_PASSED && !vn_read_copy(&r, m.src.b, VN_ID_LEN)))
        return VN_ERR_MALFORMED;
    m.subject = subject == SUBJECT_IN ? VN_SUBJ_IN : VN_SUBJ_OWN;
    m.message = vn_reader_rest(&r);
    if (m.message.n == 0)
        return VN_ERR_MALFORMED;
    *ret = m;
    return VN_OK;
}
