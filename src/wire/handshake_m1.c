/*
 * M1: the initiator's message, and the keys up to k1.
 *
 *   0 version1   1 suite1   2 type1   3 sid16   19 realm16   35 generation4   39 hour4   43 kid8
 *  51 ctS c      51+c sealed P1 ‖ sig_I, tag16     end-32 mac1 16      end-16 mac2 16
 *
 *   P1   0 ekE e   e H(cert_I) h   e+h certificate length2, certificate   then statement length2,
 *        statement   then TAI64N 12   then revocation list number 8   then params length2, params
 */
#include "base/limits.h"
#include "base/reader.h"
#include "base/writer.h"
#include "crypto/aead.h"
#include "crypto/x509.h"
#include "wire/envelope.h"
#include "wire/handshake_i.h"

#define CONTEXT_I "anchor-hs-i-v1"

/* ---- keys ---- */

/* h0 = H("anchor-hs-v1" ‖ head ‖ id_R ‖ H(cert_R) ‖ H(ekS_R)), then ha = H(h0 ‖ ctS) */
static vn_status transcript_a(const struct vn_suite_info *suite, struct vn_span head,
                              const struct vn_hs_responder *responder, struct vn_span ct,
                              struct vn_hash *ret)
{
    struct vn_hash ek_hash, h0;
    vn_status st = vn_hash(suite->hash, VN_PARTS(responder->eks), &ek_hash);
    if (st == VN_OK)
        st = vn_hash(suite->hash,
                     VN_PARTS(VN_SPAN_LIT("anchor-hs-v1"), head, VN_SPAN_ARRAY(responder->node.b),
                              vn_hash_span(&responder->cert_hash), vn_hash_span(&ek_hash)),
                     &h0);
    if (st == VN_OK)
        st = vn_hash(suite->hash, VN_PARTS(vn_hash_span(&h0), ct), ret);
    return st;
}

/* k1 = HKDF(ha, ssS, "m1") */
static vn_status derive_k1(const struct vn_suite_info *suite, const struct vn_hash *ha,
                           const struct vn_secret *ss, struct vn_secret *ret)
{
    ret->n = 32;
    return vn_hkdf(suite->hash, vn_hash_span(ha), VN_SPAN(ss->b, ss->n),
                   VN_PARTS(VN_SPAN_LIT("m1")), ret->b, ret->n);
}

/* mac1 = HMAC(HKDF(K(g,e), "mac1" ‖ id_R), head ‖ ctS) */
static vn_status mac1_of(const struct vn_suite_info *suite, const struct vn_secret32 *key,
                         struct vn_span head_ct, uint8_t ret[VN_MAC_LEN])
{
    return vn_mac16(suite->hash, VN_SPAN_ARRAY(key->b), VN_PARTS(head_ct), ret);
}

/* mac2 = HMAC(cookie, head ‖ ctS ‖ mac1) */
static vn_status mac2_of(const struct vn_suite_info *suite, const uint8_t cookie[VN_COOKIE_LEN],
                         struct vn_span head_ct, struct vn_span mac1, uint8_t ret[VN_MAC_LEN])
{
    return vn_mac16(suite->hash, VN_SPAN(cookie, VN_COOKIE_LEN), VN_PARTS(head_ct, mac1), ret);
}

/* ---- initiator ---- */

static size_t m1_plain_fixed(const struct vn_suite_info *suite)
{
    return suite->ek_len + suite->hash_len + 2 + 2 + 12 + 8 + 2 + suite->sig_len;
}

/* The parts of M1 as they are laid out in the sender's buffer. */
struct m1_layout {
    struct vn_span head, head_ct, plain;
    uint8_t *sealed, *ct, *sig, *mac1;
};

static vn_status m1_write(struct vn_writer *w, const struct vn_hs_m1_args *a, uint32_t hour,
                          struct vn_hs_state *s, struct m1_layout *ret)
{
    const struct vn_suite_info *suite = a->suite;
    uint8_t kid[VN_KID_LEN];
    struct vn_hash cert_hash;
    vn_status st = vn_kid(suite->hash, a->responder.eks, kid);
    if (st == VN_OK)
        st = vn_hash(suite->hash, VN_PARTS(a->cert), &cert_hash);
    if (st == VN_OK)
        st = vn_kem_generate(suite->kem, &s->eke);
    if (st != VN_OK)
        return st;

    uint8_t *start = w->buf + w->len;
    vn_write_u8(w, VN_WIRE_VERSION);
    vn_write_u8(w, (uint8_t)suite->id);
    vn_write_u8(w, VN_T_HS_M1);
    vn_write_bytes(w, a->sid.b, VN_ID_LEN);
    vn_write_bytes(w, a->realm.b, VN_ID_LEN);
    vn_write_u32(w, a->hour_keys->generation);
    vn_write_u32(w, hour);
    vn_write_bytes(w, kid, VN_KID_LEN);
    ret->ct = vn_write_room(w, suite->ct_len);
    ret->sealed = w->buf + w->len;
    vn_write_span(w, vn_kem_ek(s->eke));
    vn_write_span(w, vn_hash_span(&cert_hash));
    vn_write_block16(w, a->include_cert ? a->cert : VN_SPAN_NONE);
    vn_write_block16(w, a->statement);
    vn_write_bytes(w, a->tai64n, sizeof(a->tai64n));
    vn_write_u64(w, a->revocation_list);
    vn_write_block16(w, a->params);
    ret->sig = vn_write_room(w, suite->sig_len);
    uint8_t *tag = vn_write_room(w, VN_AEAD_TAG_LEN);
    ret->mac1 = vn_write_room(w, VN_MAC_LEN);
    uint8_t *mac2 = vn_write_room(w, VN_MAC_LEN);
    if (!ret->ct || !ret->sig || !tag || !ret->mac1 || !mac2)
        return VN_ERR_LIMIT;
    memset(mac2, 0, VN_MAC_LEN);
    ret->head = VN_SPAN(start, VN_HS_HEAD_LEN);
    ret->head_ct = VN_SPAN(start, VN_HS_HEAD_LEN + suite->ct_len);
    ret->plain = VN_SPAN(ret->sealed, (size_t)(ret->sig - ret->sealed));
    return VN_OK;
}

static vn_status m1_seal(const struct vn_hs_m1_args *a, const struct vn_secret32 *k,
                         struct vn_hs_state *s, const struct m1_layout *m)
{
    const struct vn_suite_info *suite = a->suite;
    struct vn_span ct = VN_SPAN(m->ct, suite->ct_len);
    VN_CLEANUP(vn_secret_wipe) struct vn_secret ss = {0};
    vn_status st = vn_kem_encapsulate(suite->kem, a->responder.eks, m->ct, &ss);
    if (st == VN_OK)
        st = transcript_a(suite, m->head, &a->responder, ct, &s->ha);
    if (st == VN_OK)
        st = derive_k1(suite, &s->ha, &ss, &s->k1);
    if (st == VN_OK)
        st = vn_hash(suite->hash, VN_PARTS(vn_hash_span(&s->ha), m->plain), &s->hb);
    if (st == VN_OK)
        st = vn_sig_sign(a->key, CONTEXT_I, vn_hash_span(&s->hb), m->sig);
    if (st != VN_OK)
        return st;
    memcpy(s->sig, m->sig, suite->sig_len);
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 key = vn_hs_once_key(&s->k1);
    st = vn_aead_seal_once(&key, vn_hash_span(&s->ha),
                           VN_SPAN(m->sealed, m->plain.n + suite->sig_len), m->sealed);
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 mac1_key;
    if (st == VN_OK)
        st = vn_hour_mac1_key(suite->hash, k, &a->responder.node, &mac1_key);
    if (st == VN_OK)
        st = mac1_of(suite, &mac1_key, m->head_ct, s->mac1);
    if (st == VN_OK)
        memcpy(m->mac1, s->mac1, VN_MAC_LEN);
    return st;
}

vn_status vn_hs_m1_make(const struct vn_hs_m1_args *a, struct vn_hs_state *s, struct vn_buf *ret)
{
    const struct vn_suite_info *suite = a->suite;
    if (a->responder.eks.n != suite->ek_len || a->responder.cert_hash.n != suite->hash_len ||
        vn_sig_alg_of(a->key) != suite->sig || a->cert.n == 0)
        return VN_ERR_ARG;
    if (a->cert.n > VN_CERT_MAX || a->statement.n > VN_STATEMENT_MAX ||
        a->params.n > VN_CONTROL_PAYLOAD_MAX)
        return VN_ERR_LIMIT;
    size_t total = VN_HS_HEAD_LEN + suite->ct_len + m1_plain_fixed(suite) +
                   (a->include_cert ? a->cert.n : 0) + a->statement.n + a->params.n +
                   VN_AEAD_TAG_LEN + 2 * VN_MAC_LEN;
    if (total > VN_CONTROL_PAYLOAD_MAX)
        return VN_ERR_LIMIT;
    uint32_t hour = 0;
    const struct vn_secret32 *k = vn_hour_keys_now(a->hour_keys, a->now_ms, &hour);
    if (!k)
        return VN_ERR_EXPIRED;
    vn_status st = vn_buf_reserve(ret, total);
    if (st != VN_OK)
        return st;

    VN_CLEANUP(vn_hs_state_wipe) struct vn_hs_state fresh = {.suite = suite, .sid = a->sid};
    struct m1_layout m = {0};
    struct vn_writer w = vn_writer_of(ret->p + ret->len, total);
    st = m1_write(&w, a, hour, &fresh, &m);
    if (st == VN_OK)
        st = m1_seal(a, k, &fresh, &m);
    if (st != VN_OK) {
        vn_wipe(w.buf, total);
        return st;
    }
    ret->len += total;
    *s = fresh;
    fresh.eke = NULL;
    return VN_OK;
}

vn_status vn_hs_m1_set_mac2(const struct vn_suite_info *suite, const uint8_t cookie[VN_COOKIE_LEN],
                            struct vn_buf *m1)
{
    if (m1->len < VN_HS_HEAD_LEN + suite->ct_len + 2 * VN_MAC_LEN)
        return VN_ERR_ARG;
    uint8_t *mac1 = m1->p + m1->len - 2 * VN_MAC_LEN;
    return mac2_of(suite, cookie, VN_SPAN(m1->p, VN_HS_HEAD_LEN + suite->ct_len),
                   VN_SPAN(mac1, VN_MAC_LEN), mac1 + VN_MAC_LEN);
}

/* ---- responder ---- */

vn_status vn_hs_m1_parse(struct vn_span bytes, const struct vn_suite_info *suite,
                         const struct vn_id *realm, struct vn_hs_m1_view *ret)
{
    struct vn_reader r = vn_reader_of(bytes);
    struct vn_hs_m1_view v = {.bytes = bytes};
    uint8_t version, type;
    if (bytes.n > VN_CONTROL_PAYLOAD_MAX || !vn_read_u8(&r, &version) ||
        version != VN_WIRE_VERSION || !vn_read_u8(&r, &v.suite) || v.suite != suite->id ||
        !vn_read_u8(&r, &type) || type != VN_T_HS_M1 || !vn_read_copy(&r, v.sid.b, VN_ID_LEN) ||
        !vn_read_copy(&r, v.realm.b, VN_ID_LEN) || !vn_id_equal(&v.realm, realm) ||
        !vn_read_u32(&r, &v.generation) || !vn_read_u32(&r, &v.hour) ||
        !vn_read_copy(&r, v.kid, sizeof(v.kid)) || !vn_read_span(&r, suite->ct_len, &v.ct) ||
        r.left < m1_plain_fixed(suite) + VN_AEAD_TAG_LEN + 2 * VN_MAC_LEN ||
        !vn_read_span(&r, r.left - 2 * VN_MAC_LEN, &v.sealed) ||
        !vn_read_span(&r, VN_MAC_LEN, &v.mac1) || !vn_read_span(&r, VN_MAC_LEN, &v.mac2) ||
        !vn_reader_done(&r))
        return VN_ERR_MALFORMED;
    v.head = VN_SPAN(bytes.p, VN_HS_HEAD_LEN);
    *ret = v;
    return VN_OK;
}

static struct vn_span head_ct_of(const struct vn_hs_m1_view *v, const struct vn_suite_info *suite)
{
    return VN_SPAN(v->bytes.p, VN_HS_HEAD_LEN + suite->ct_len);
}

vn_status vn_hs_m1_check_mac1(const struct vn_hs_m1_view *v, const struct vn_suite_info *suite,
                              struct vn_hour_macs *macs, uint64_t now_ms)
{
    const struct vn_hour_mac_keys *k;
    vn_status st = vn_hour_macs_find(macs, suite->hash, v->generation, v->hour, now_ms, &k);
    uint8_t mac1[VN_MAC_LEN];
    if (st == VN_OK)
        st = mac1_of(suite, &k->mac1, head_ct_of(v, suite), mac1);
    if (st != VN_OK)
        return st;
    return vn_ct_equal(mac1, v->mac1.p, VN_MAC_LEN) ? VN_OK : VN_ERR_AUTH;
}

vn_status vn_hs_m1_check_mac2(const struct vn_hs_m1_view *v, const struct vn_suite_info *suite,
                              const uint8_t cookie[VN_COOKIE_LEN])
{
    uint8_t mac2[VN_MAC_LEN];
    vn_status st = mac2_of(suite, cookie, head_ct_of(v, suite), v->mac1, mac2);
    if (st != VN_OK)
        return st;
    return vn_ct_equal(mac2, v->mac2.p, VN_MAC_LEN) ? VN_OK : VN_ERR_AUTH;
}

/* Splits P1 ‖ sig_I; ret_p1_n is the length of P1. */
static vn_status p1_decode(struct vn_span plain, const struct vn_suite_info *suite,
                           struct vn_hs_m1_plain *ret, size_t *ret_p1_n)
{
    struct vn_reader r = vn_reader_of(plain);
    struct vn_hs_m1_plain p = {.cert_hash = {.n = suite->hash_len}};
    struct vn_reader cert, statement, params;
    if (!vn_read_span(&r, suite->ek_len, &p.ek) ||
        !vn_read_copy(&r, p.cert_hash.b, suite->hash_len) || !vn_read_block16(&r, &cert) ||
        !vn_read_block16(&r, &statement) || !vn_read_copy(&r, p.tai64n, sizeof(p.tai64n)) ||
        !vn_read_u64(&r, &p.revocation_list) || !vn_read_block16(&r, &params) ||
        r.left != suite->sig_len)
        return VN_ERR_MALFORMED;
    p.cert = vn_reader_rest(&cert);
    p.statement = vn_reader_rest(&statement);
    p.params = vn_reader_rest(&params);
    p.sig = vn_reader_rest(&r);
    if (p.cert.n > 0) {
        struct vn_hash h;
        vn_status st = vn_hash(suite->hash, VN_PARTS(p.cert), &h);
        if (st != VN_OK)
            return st;
        if (!vn_hash_equal(&h, &p.cert_hash))
            return VN_ERR_MALFORMED;
    }
    *ret = p;
    *ret_p1_n = plain.n - suite->sig_len;
    return VN_OK;
}

vn_status vn_hs_m1_open(const struct vn_hs_m1_view *v, const struct vn_suite_info *suite,
                        const struct vn_hs_responder *self, const struct vn_kem_dk *dk,
                        uint8_t *plain, struct vn_hs_state *s, struct vn_hs_m1_plain *ret)
{
    if (vn_kem_alg_of(dk) != suite->kem)
        return VN_ERR_ARG;
    VN_CLEANUP(vn_hs_state_wipe) struct vn_hs_state fresh = {.suite = suite, .sid = v->sid};
    VN_CLEANUP(vn_secret_wipe) struct vn_secret ss = {0};
    vn_status st = vn_kem_decapsulate(dk, v->ct, &ss);
    if (st == VN_OK)
        st = transcript_a(suite, v->head, self, v->ct, &fresh.ha);
    if (st == VN_OK)
        st = derive_k1(suite, &fresh.ha, &ss, &fresh.k1);
    if (st != VN_OK)
        return st;
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 key = vn_hs_once_key(&fresh.k1);
    st = vn_aead_open_once(&key, vn_hash_span(&fresh.ha), v->sealed, plain);
    if (st != VN_OK)
        return st;
    struct vn_hs_m1_plain p;
    size_t p1_n;
    st = p1_decode(VN_SPAN(plain, v->sealed.n - VN_AEAD_TAG_LEN), suite, &p, &p1_n);
    if (st == VN_OK)
        st = vn_hash(suite->hash, VN_PARTS(vn_hash_span(&fresh.ha), VN_SPAN(plain, p1_n)),
                     &fresh.hb);
    if (st != VN_OK)
        return st;
    memcpy(fresh.sig, p.sig.p, p.sig.n);
    memcpy(fresh.mac1, v->mac1.p, VN_MAC_LEN);
    *s = fresh;
    *ret = p;
    return VN_OK;
}

vn_status vn_hs_m1_verify(struct vn_hs_state *s, const struct vn_hs_m1_plain *p,
                          const struct vn_sig_pub *initiator)
{
    return vn_sig_verify(initiator, CONTEXT_I, vn_hash_span(&s->hb), p->sig);
}
