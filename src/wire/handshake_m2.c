/*
 * M2: the responder's answer, and the keys up to k2.
 *
 *   0 version1   1 suite1   2 type1   3 sid16   19 ctE c   19+c sealed P2 ‖ sig_R, tag16
 *
 *   P2   0 statement length2, statement   then revocation list number 8   then params length2,
 *        params
 */
#include "base/limits.h"
#include "base/reader.h"
#include "base/writer.h"
#include "crypto/aead.h"
#include "wire/handshake_i.h"

#define CONTEXT_R "anchor-hs-r-v1"

/* hc = H(hb ‖ sig_I ‖ ctE), k2 = HKDF(hc, k1 ‖ ssE, "m2") */
static vn_status derive_k2(const struct vn_hs_state *s, struct vn_span ct,
                           const struct vn_secret *ss, struct vn_hash *ret_hc,
                           struct vn_secret *ret)
{
    const struct vn_suite_info *suite = s->suite;
    vn_status st = vn_hash(
        suite->hash, VN_PARTS(vn_hash_span(&s->hb), VN_SPAN(s->sig, suite->sig_len), ct), ret_hc);
    if (st != VN_OK)
        return st;
    uint8_t ikm[sizeof(s->k1.b) + sizeof(ss->b)];
    struct vn_writer w = vn_writer_of(ikm, sizeof(ikm));
    vn_write_bytes(&w, s->k1.b, s->k1.n);
    vn_write_bytes(&w, ss->b, ss->n);
    ret->n = 32;
    st = vn_hkdf(suite->hash, vn_hash_span(ret_hc), vn_writer_span(&w), VN_PARTS(VN_SPAN_LIT("m2")),
                 ret->b, ret->n);
    vn_wipe(ikm, sizeof(ikm));
    return st;
}

/* ---- responder ---- */

static size_t m2_plain_fixed(const struct vn_suite_info *suite)
{
    return 2 + 8 + 2 + suite->sig_len;
}

/* Everything behind M2's head. On success the state holds hd, k2 and sig_R. */
static vn_status m2_fill(struct vn_writer *w, struct vn_hs_state *s, struct vn_span ek,
                         struct vn_span statement, uint64_t revocation_list, struct vn_span params,
                         const struct vn_sig_key *key)
{
    const struct vn_suite_info *suite = s->suite;
    uint8_t *ct = vn_write_room(w, suite->ct_len);
    uint8_t *sealed = w->buf + w->len;
    vn_write_block16(w, statement);
    vn_write_u64(w, revocation_list);
    vn_write_block16(w, params);
    uint8_t *sig = vn_write_room(w, suite->sig_len);
    uint8_t *tag = vn_write_room(w, VN_AEAD_TAG_LEN);
    if (!ct || !sig || !tag)
        return VN_ERR_LIMIT;
    struct vn_span p2 = VN_SPAN(sealed, (size_t)(sig - sealed));

    VN_CLEANUP(vn_secret_wipe) struct vn_secret ss = {0};
    VN_CLEANUP(vn_secret_wipe) struct vn_secret k2 = {0};
    struct vn_hash hc, hd;
    vn_status st = vn_kem_encapsulate(suite->kem, ek, ct, &ss);
    if (st == VN_OK)
        st = derive_k2(s, VN_SPAN(ct, suite->ct_len), &ss, &hc, &k2);
    if (st == VN_OK)
        st = vn_hash(suite->hash, VN_PARTS(vn_hash_span(&hc), p2), &hd);
    if (st == VN_OK)
        st = vn_sig_sign(key, CONTEXT_R, vn_hash_span(&hd), sig);
    if (st != VN_OK)
        return st;
    uint8_t sig_r[VN_SIG_MAX];
    memcpy(sig_r, sig, suite->sig_len);
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 once = vn_hs_once_key(&k2);
    st =
        vn_aead_seal_once(&once, vn_hash_span(&hc), VN_SPAN(sealed, p2.n + suite->sig_len), sealed);
    if (st != VN_OK)
        return st;
    s->hd = hd;
    s->k2 = k2;
    memcpy(s->sig, sig_r, suite->sig_len);
    return VN_OK;
}

vn_status vn_hs_m2_make(struct vn_hs_state *s, struct vn_span ek_initiator,
                        struct vn_span statement, uint64_t revocation_list, struct vn_span params,
                        const struct vn_sig_key *key, struct vn_buf *ret)
{
    const struct vn_suite_info *suite = s->suite;
    if (ek_initiator.n != suite->ek_len || vn_sig_alg_of(key) != suite->sig)
        return VN_ERR_ARG;
    if (statement.n > VN_STATEMENT_MAX || params.n > VN_CONTROL_PAYLOAD_MAX)
        return VN_ERR_LIMIT;
    size_t total = VN_HS_SHORT_HEAD_LEN + suite->ct_len + m2_plain_fixed(suite) + statement.n +
                   params.n + VN_AEAD_TAG_LEN;
    if (total > VN_CONTROL_PAYLOAD_MAX)
        return VN_ERR_LIMIT;
    vn_status st = vn_buf_reserve(ret, total);
    if (st != VN_OK)
        return st;
    struct vn_writer w = vn_writer_of(ret->p + ret->len, total);
    vn_hs_write_short_head(&w, suite, VN_T_HS_M2, &s->sid);
    st = m2_fill(&w, s, ek_initiator, statement, revocation_list, params, key);
    if (st != VN_OK) {
        vn_wipe(w.buf, total);
        return st;
    }
    ret->len += total;
    return VN_OK;
}

/* ---- initiator ---- */

vn_status vn_hs_m2_parse(struct vn_span bytes, const struct vn_suite_info *suite,
                         struct vn_hs_m2_view *ret)
{
    struct vn_reader r = vn_reader_of(bytes);
    struct vn_hs_m2_view v;
    uint8_t id, type;
    if (bytes.n > VN_CONTROL_PAYLOAD_MAX || !vn_hs_read_short_head(&r, &id, &type, &v.sid) ||
        id != suite->id || type != VN_T_HS_M2 || !vn_read_span(&r, suite->ct_len, &v.ct) ||
        r.left < m2_plain_fixed(suite) + VN_AEAD_TAG_LEN)
        return VN_ERR_MALFORMED;
    v.sealed = vn_reader_rest(&r);
    *ret = v;
    return VN_OK;
}

vn_status vn_hs_m2_open(struct vn_hs_state *s, const struct vn_hs_m2_view *v, uint8_t *plain,
                        struct vn_hs_m2_plain *ret)
{
    const struct vn_suite_info *suite = s->suite;
    if (!s->eke)
        return VN_ERR_STATE;
    if (!vn_id_equal(&v->sid, &s->sid))
        return VN_ERR_AUTH;
    VN_CLEANUP(vn_secret_wipe) struct vn_secret ss = {0};
    VN_CLEANUP(vn_secret_wipe) struct vn_secret k2 = {0};
    struct vn_hash hc, hd;
    vn_status st = vn_kem_decapsulate(s->eke, v->ct, &ss);
    if (st == VN_OK)
        st = derive_k2(s, v->ct, &ss, &hc, &k2);
    if (st != VN_OK)
        return st;
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 once = vn_hs_once_key(&k2);
    st = vn_aead_open_once(&once, vn_hash_span(&hc), v->sealed, plain);
    if (st != VN_OK)
        return st;

    size_t plain_n = v->sealed.n - VN_AEAD_TAG_LEN;
    struct vn_reader r = vn_reader_of(VN_SPAN(plain, plain_n));
    struct vn_reader statement, params;
    struct vn_hs_m2_plain p;
    if (!vn_read_block16(&r, &statement) || !vn_read_u64(&r, &p.revocation_list) ||
        !vn_read_block16(&r, &params) || r.left != suite->sig_len)
        return VN_ERR_MALFORMED;
    st = vn_hash(suite->hash, VN_PARTS(vn_hash_span(&hc), VN_SPAN(plain, plain_n - suite->sig_len)),
                 &hd);
    if (st != VN_OK)
        return st;
    p.statement = vn_reader_rest(&statement);
    p.params = vn_reader_rest(&params);
    p.sig = vn_reader_rest(&r);
    s->hd = hd;
    s->k2 = k2;
    memcpy(s->sig, p.sig.p, p.sig.n);
    *ret = p;
    return VN_OK;
}

vn_status vn_hs_m2_verify(const struct vn_hs_state *s, const struct vn_hs_m2_plain *p,
                          const struct vn_sig_pub *responder)
{
    return vn_sig_verify(responder, CONTEXT_R, vn_hash_span(&s->hd), p->sig);
}
