/*
 * RETRY: the responder wants another M1; and the cookie that it may bring.
 *
 *   0 version1   1 suite1   2 type1   3 sid16   19 generation4   23 hour4   27 nonce12
 *  39 sealed: kind1, data length2, data; tag16
 */
#include "base/limits.h"
#include "base/reader.h"
#include "base/writer.h"
#include "crypto/aead.h"
#include "wire/handshake_i.h"

#define RETRY_HEAD_LEN (VN_HS_SHORT_HEAD_LEN + 4 + 4 + VN_AEAD_NONCE_LEN)

vn_status vn_hs_cookie(const struct vn_suite_info *suite, const struct vn_secret32 *secret,
                       const struct vn_id *src, uint8_t ret[VN_COOKIE_LEN])
{
    return vn_mac16(suite->hash, VN_SPAN_ARRAY(secret->b), VN_PARTS(VN_SPAN_ARRAY(src->b)), ret);
}

/* HKDF(K(g,e), "retry" ‖ id_R) */
static vn_status retry_aead(const struct vn_suite_info *suite, const struct vn_secret32 *k,
                            const struct vn_id *responder, struct vn_aead **ret)
{
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 key;
    vn_status st =
        vn_hkdf(suite->hash, VN_SPAN_NONE, VN_SPAN_ARRAY(k->b),
                VN_PARTS(VN_SPAN_LIT("retry"), VN_SPAN_ARRAY(responder->b)), key.b, sizeof(key.b));
    if (st != VN_OK)
        return st;
    return vn_aead_new(&key, ret);
}

static bool retry_fits(enum vn_retry_kind kind, size_t n)
{
    switch (kind) {
    case VN_RETRY_COOKIE:
        return n == VN_COOKIE_LEN;
    case VN_RETRY_STALE_KID:
        return n > 0;
    case VN_RETRY_NEED_CERT:
        return n == 0;
    }
    return false;
}

vn_status vn_hs_retry_make(const struct vn_hs_m1_view *m1, const struct vn_suite_info *suite,
                           const struct vn_hour_keys *keys, const struct vn_id *self,
                           uint64_t now_ms, const uint8_t nonce[12], const struct vn_hs_retry *r,
                           struct vn_buf *ret)
{
    if (!retry_fits(r->kind, r->data.n))
        return VN_ERR_ARG;
    size_t plain_n, total;
    if (!vn_ckd_add(&plain_n, r->data.n, (size_t)3) ||
        !vn_ckd_add(&total, plain_n, (size_t)RETRY_HEAD_LEN + VN_AEAD_TAG_LEN) ||
        total > VN_CONTROL_PAYLOAD_MAX)
        return VN_ERR_LIMIT;
    uint32_t hour = 0;
    const struct vn_secret32 *k = vn_hour_keys_now(keys, now_ms, &hour);
    if (!k)
        return VN_ERR_EXPIRED;
    VN_CLEANUP(vn_aead_freep) struct vn_aead *aead = NULL;
    vn_status st = retry_aead(suite, k, self, &aead);
    if (st == VN_OK)
        st = vn_buf_reserve(ret, total);
    if (st != VN_OK)
        return st;
    struct vn_writer w = vn_writer_of(ret->p + ret->len, total);
    vn_hs_write_short_head(&w, suite, VN_T_HS_RETRY, &m1->sid);
    vn_write_u32(&w, keys->generation);
    vn_write_u32(&w, hour);
    vn_write_bytes(&w, nonce, VN_AEAD_NONCE_LEN);
    uint8_t *sealed = w.buf + w.len;
    vn_write_u8(&w, (uint8_t)r->kind);
    vn_write_block16(&w, r->data);
    uint8_t *tag = vn_write_room(&w, VN_AEAD_TAG_LEN);
    if (!tag)
        return VN_ERR_LIMIT;
    st = vn_aead_seal(aead, nonce, m1->mac1, VN_SPAN(sealed, plain_n), sealed, tag);
    if (st == VN_OK)
        ret->len += total;
    return st;
}

vn_status vn_hs_retry_open(struct vn_span bytes, const struct vn_suite_info *suite,
                           const struct vn_hour_keys *keys, const struct vn_id *responder,
                           const uint8_t mac1[VN_MAC_LEN], uint64_t now_ms, uint8_t *plain,
                           struct vn_id *ret_sid, struct vn_hs_retry *ret)
{
    struct vn_reader r = vn_reader_of(bytes);
    uint8_t id, type;
    struct vn_id sid;
    uint32_t generation, hour;
    struct vn_span nonce, sealed;
    if (bytes.n > VN_CONTROL_PAYLOAD_MAX || !vn_hs_read_short_head(&r, &id, &type, &sid) ||
        id != suite->id || type != VN_T_HS_RETRY || !vn_read_u32(&r, &generation) ||
        !vn_read_u32(&r, &hour) || !vn_read_span(&r, VN_AEAD_NONCE_LEN, &nonce) ||
        r.left < 3 + VN_AEAD_TAG_LEN || !vn_read_span(&r, r.left - VN_AEAD_TAG_LEN, &sealed))
        return VN_ERR_MALFORMED;
    const struct vn_secret32 *k = vn_hour_keys_find(keys, generation, hour, now_ms);
    if (!k)
        return VN_ERR_EXPIRED;
    VN_CLEANUP(vn_aead_freep) struct vn_aead *aead = NULL;
    vn_status st = retry_aead(suite, k, responder, &aead);
    if (st == VN_OK)
        st = vn_aead_open(aead, nonce.p, VN_SPAN(mac1, VN_MAC_LEN), sealed, r.cur, plain);
    if (st != VN_OK)
        return st;

    struct vn_reader in = vn_reader_of(VN_SPAN(plain, sealed.n));
    struct vn_reader data;
    uint8_t kind;
    if (!vn_read_u8(&in, &kind) || !vn_read_block16(&in, &data) || !vn_reader_done(&in) ||
        !retry_fits((enum vn_retry_kind)kind, data.left))
        return VN_ERR_MALFORMED;
    *ret_sid = sid;
    *ret = (struct vn_hs_retry){(enum vn_retry_kind)kind, vn_reader_rest(&data)};
    return VN_OK;
}
