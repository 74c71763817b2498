#include "wire/notice.h"

#include "base/reader.h"
#include "base/writer.h"

vn_status vn_notice_issue(const struct vn_suite_info *suite, const struct vn_notice_kind *k,
                          const struct vn_id *realm, struct vn_span body,
                          const struct vn_sig_key *command_key, uint8_t *ret, size_t *ret_n)
{
    if (vn_sig_alg_of(command_key) != suite->sig || body.n != k->body_n)
        return VN_ERR_ARG;
    struct vn_writer w = vn_writer_of(ret, VN_NOTICE_MAX(k->body_n));
    vn_write_u8(&w, VN_WIRE_VERSION);
    vn_write_u8(&w, (uint8_t)suite->id);
    vn_write_u8(&w, k->type);
    vn_write_bytes(&w, realm->b, VN_ID_LEN);
    vn_write_bytes(&w, body.p, body.n);
    struct vn_span to_sign = vn_writer_span(&w);
    vn_write_u16(&w, (uint16_t)suite->sig_len);
    uint8_t *sig = vn_write_room(&w, suite->sig_len);
    if (!sig)
        return VN_ERR_LIMIT;
    vn_status st = vn_sig_sign(command_key, k->context, to_sign, sig);
    if (st == VN_OK)
        *ret_n = w.len;
    return st;
}

vn_status vn_notice_decode(struct vn_span bytes, const struct vn_suite_info *suite,
                           const struct vn_notice_kind *k, struct vn_notice *ret)
{
    struct vn_reader r = vn_reader_of(bytes);
    struct vn_reader sig;
    struct vn_notice n;
    uint8_t version, id, type;
    if (!vn_read_u8(&r, &version) || version != VN_WIRE_VERSION || !vn_read_u8(&r, &id) ||
        id != suite->id || !vn_read_u8(&r, &type) || type != k->type ||
        !vn_read_copy(&r, n.realm.b, VN_ID_LEN) || !vn_read_span(&r, k->body_n, &n.body))
        return VN_ERR_MALFORMED;
    n.signed_part = VN_SPAN(bytes.p, bytes.n - r.left);
    if (!vn_read_block16(&r, &sig) || sig.left != suite->sig_len || !vn_reader_done(&r))
        return VN_ERR_MALFORMED;
    n.sig = vn_reader_rest(&sig);
    *ret = n;
    return VN_OK;
}

vn_status vn_notice_check(struct vn_span bytes, const struct vn_suite_info *suite,
                          const struct vn_notice_kind *k, const struct vn_sig_pub *command,
                          const struct vn_id *realm, struct vn_notice *ret)
{
    struct vn_notice n;
    vn_status st = vn_notice_decode(bytes, suite, k, &n);
    if (st == VN_OK)
        st = vn_sig_verify(command, k->context, n.signed_part, n.sig);
    if (st == VN_OK && !vn_id_equal(&n.realm, realm))
        st = VN_ERR_AUTH;
    if (st == VN_OK)
        *ret = n;
    return st;
}
