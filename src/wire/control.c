#include "wire/control.h"

#include "base/limits.h"
#include "base/reader.h"
#include "base/writer.h"
#include "wire/types.h"

/*
 *   0 version1   1 suite1   2 type1   3 sid16   19 seq8   27 ciphertext   .. tag16
 */

static void nonce_of(uint64_t seq, uint8_t ret[VN_AEAD_NONCE_LEN])
{
    struct vn_writer w = vn_writer_of(ret, VN_AEAD_NONCE_LEN);
    vn_write_u32(&w, 0);
    vn_write_u64(&w, seq);
}

vn_status vn_control_seal(const struct vn_suite_info *suite, const struct vn_secret32 *k_ctl,
                          const struct vn_id *sid, uint64_t seq, struct vn_span body,
                          struct vn_buf *ret)
{
    size_t total;
    if (!vn_ckd_add(&total, body.n, (size_t)VN_CONTROL_HEAD_LEN + VN_AEAD_TAG_LEN) ||
        total > VN_CONTROL_PAYLOAD_MAX)
        return VN_ERR_LIMIT;
    vn_status st = vn_buf_reserve(ret, total);
    if (st != VN_OK)
        return st;
    struct vn_writer w = vn_writer_of(ret->p + ret->len, total);
    vn_write_u8(&w, VN_WIRE_VERSION);
    vn_write_u8(&w, (uint8_t)suite->id);
    vn_write_u8(&w, VN_T_CONTROL);
    vn_write_bytes(&w, sid->b, VN_ID_LEN);
    vn_write_u64(&w, seq);
    struct vn_span head = vn_writer_span(&w);
    uint8_t *sealed = vn_write_room(&w, body.n);
    uint8_t *tag = vn_write_room(&w, VN_AEAD_TAG_LEN);

    VN_CLEANUP(vn_aead_freep) struct vn_aead *aead = NULL;
    st = vn_aead_new(k_ctl, &aead);
    if (st != VN_OK)
        return st;
    uint8_t nonce[VN_AEAD_NONCE_LEN];
    nonce_of(seq, nonce);
    st = vn_aead_seal(aead, nonce, head, body, sealed, tag);
    if (st == VN_OK)
        ret->len += total;
    return st;
}

static bool parse(struct vn_span bytes, uint8_t *ret_suite, struct vn_id *ret_sid,
                  uint64_t *ret_seq, struct vn_span *ret_sealed)
{
    struct vn_reader r = vn_reader_of(bytes);
    uint8_t version, type;
    if (bytes.n > VN_CONTROL_PAYLOAD_MAX || !vn_read_u8(&r, &version) ||
        version != VN_WIRE_VERSION || !vn_read_u8(&r, ret_suite) || !vn_read_u8(&r, &type) ||
        type != VN_T_CONTROL || !vn_read_copy(&r, ret_sid->b, VN_ID_LEN) ||
        !vn_read_u64(&r, ret_seq))
        return false;
    *ret_sealed = vn_reader_rest(&r);
    return ret_sealed->n >= VN_AEAD_TAG_LEN;
}

vn_status vn_control_peek(struct vn_span bytes, const struct vn_suite_info *suite,
                          struct vn_id *ret_sid, uint64_t *ret_seq)
{
    uint8_t id;
    struct vn_id sid;
    uint64_t seq;
    struct vn_span sealed;
    if (!parse(bytes, &id, &sid, &seq, &sealed) || id != suite->id)
        return VN_ERR_MALFORMED;
    *ret_sid = sid;
    *ret_seq = seq;
    return VN_OK;
}

vn_status vn_control_open(struct vn_span bytes, const struct vn_secret32 *k_ctl, uint8_t *plain,
                          size_t *ret_n)
{
    uint8_t id;
    struct vn_id sid;
    uint64_t seq;
    struct vn_span sealed;
    if (!parse(bytes, &id, &sid, &seq, &sealed))
        return VN_ERR_MALFORMED;
    VN_CLEANUP(vn_aead_freep) struct vn_aead *aead = NULL;
    vn_status st = vn_aead_new(k_ctl, &aead);
    if (st != VN_OK)
        return st;
    uint8_t nonce[VN_AEAD_NONCE_LEN];
    nonce_of(seq, nonce);
    size_t n = sealed.n - VN_AEAD_TAG_LEN;
    st = vn_aead_open(aead, nonce, VN_SPAN(bytes.p, VN_CONTROL_HEAD_LEN), VN_SPAN(sealed.p, n),
                      sealed.p + n, plain);
    if (st == VN_OK)
        *ret_n = n;
    return st;
}
