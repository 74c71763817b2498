#include "wire/handshake.h"

#include "base/limits.h"
#include "base/reader.h"
#include "base/writer.h"
#include "crypto/aead.h"
#include "crypto/x509.h"
#include "wire/envelope.h"

#define CONTEXT_I "anchor-hs-i-v1"
#define CONTEXT_R "anchor-hs-r-v1"
#define SHORT_HEAD_LEN 19 /* ver1 suite1 type1 sid16, of M2 and RETRY */
#define RETRY_HEAD_LEN (SHORT_HEAD_LEN + 4 + 4 + VN_AEAD_NONCE_LEN)

void vn_hs_state_wipe(struct vn_hs_state *s)
{
    s->eke = vn_kem_free(s->eke);
    vn_wipe(s, sizeof(*s));
}

void vn_hs_keys_wipe(struct vn_hs_keys *k)
{
    vn_wipe(k, sizeof(*k));
}

/* ---- key schedule ---- */

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

/* k1 and k2 seal one message each, under nonce 0. */
static struct vn_secret32 once_key(const struct vn_secret *k)
{
    struct vn_secret32 key;
    memcpy(key.b, k->b, sizeof(key.b));
    return key;
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

/*
 * ---- M1 ----
 *
 *   0 version1   1 suite1   2 type1   3 sid16   19 realm16   35 generation4   39 hour4   43 kid8
 *  51 ctS c      51+c sealed P1 ‖ sig_I, tag16     end-32 mac1 16      end-16 mac2 16
 *
 *   P1   0 ekE e   e H(cert_I) h   e+h certificate length2, certificate   then statement length2,
 *        statement   then TAI64N 12   then revocation list number 8   then params length2, params
 */

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
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 key = once_key(&s->k1);
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
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 key = once_key(&fresh.k1);
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

/*
 * ---- M2 ----
 *
 *   0 version1   1 suite1   2 type1   3 sid16   19 ctE c   19+c sealed P2 ‖ sig_R, tag16
 *
 *   P2   0 statement length2, statement   then revocation list number 8   then params length2,
 * params
 */

static size_t m2_plain_fixed(const struct vn_suite_info *suite)
{
    return 2 + 8 + 2 + suite->sig_len;
}

static void write_short_head(struct vn_writer *w, const struct vn_suite_info *suite, uint8_t type,
                             const struct vn_id *sid)
{
    vn_write_u8(w, VN_WIRE_VERSION);
    vn_write_u8(w, (uint8_t)suite->id);
    vn_write_u8(w, type);
    vn_write_bytes(w, sid->b, VN_ID_LEN);
}

static bool read_short_head(struct vn_reader *r, uint8_t *ret_suite, uint8_t *ret_type,
                            struct vn_id *ret_sid)
{
    uint8_t version;
    return vn_read_u8(r, &version) && version == VN_WIRE_VERSION && vn_read_u8(r, ret_suite) &&
           vn_read_u8(r, ret_type) && vn_read_copy(r, ret_sid->b, VN_ID_LEN);
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
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 once = once_key(&k2);
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
    size_t total = SHORT_HEAD_LEN + suite->ct_len + m2_plain_fixed(suite) + statement.n + params.n +
                   VN_AEAD_TAG_LEN;
    if (total > VN_CONTROL_PAYLOAD_MAX)
        return VN_ERR_LIMIT;
    vn_status st = vn_buf_reserve(ret, total);
    if (st != VN_OK)
        return st;
    struct vn_writer w = vn_writer_of(ret->p + ret->len, total);
    write_short_head(&w, suite, VN_T_HS_M2, &s->sid);
    st = m2_fill(&w, s, ek_initiator, statement, revocation_list, params, key);
    if (st != VN_OK) {
        vn_wipe(w.buf, total);
        return st;
    }
    ret->len += total;
    return VN_OK;
}

vn_status vn_hs_m2_parse(struct vn_span bytes, const struct vn_suite_info *suite,
                         struct vn_hs_m2_view *ret)
{
    struct vn_reader r = vn_reader_of(bytes);
    struct vn_hs_m2_view v;
    uint8_t id, type;
    if (bytes.n > VN_CONTROL_PAYLOAD_MAX || !read_short_head(&r, &id, &type, &v.sid) ||
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
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 once = once_key(&k2);
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

/* ---- both ---- */

vn_status vn_hs_finish(struct vn_hs_state *s, const struct vn_hash *matched, uint8_t mode,
                       struct vn_hs_keys *ret)
{
    const struct vn_suite_info *suite = s->suite;
    if (s->k2.n == 0)
        return VN_ERR_STATE;
    struct vn_hash salt;
    uint8_t okm[3 * 32];
    vn_status st = vn_hash(suite->hash,
                           VN_PARTS(vn_hash_span(&s->hd), VN_SPAN(s->sig, suite->sig_len)), &salt);
    if (st == VN_OK)
        st = vn_hkdf(suite->hash, vn_hash_span(&salt), VN_SPAN(s->k2.b, s->k2.n),
                     VN_PARTS(VN_SPAN_LIT("stream"), vn_hash_span(matched), VN_SPAN(&mode, 1)), okm,
                     sizeof(okm));
    if (st == VN_OK) {
        memcpy(ret->ck0.b, okm, 32);
        memcpy(ret->k_ctl_ir.b, okm + 32, 32);
        memcpy(ret->k_ctl_ri.b, okm + 64, 32);
    }
    vn_wipe(okm, sizeof(okm));
    vn_secret_wipe(&s->k1);
    vn_secret_wipe(&s->k2);
    return st;
}

vn_status vn_hs_cookie(const struct vn_suite_info *suite, const struct vn_secret32 *secret,
                       const struct vn_id *src, uint8_t ret[VN_COOKIE_LEN])
{
    return vn_mac16(suite->hash, VN_SPAN_ARRAY(secret->b), VN_PARTS(VN_SPAN_ARRAY(src->b)), ret);
}

/*
 * ---- RETRY ----
 *
 *   0 version1   1 suite1   2 type1   3 sid16   19 generation4   23 hour4   27 nonce12
 *  39 sealed: kind1, data length2, data; tag16
 */

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
    write_short_head(&w, suite, VN_T_HS_RETRY, &m1->sid);
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
    if (bytes.n > VN_CONTROL_PAYLOAD_MAX || !read_short_head(&r, &id, &type, &sid) ||
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

vn_status vn_hs_peek_sid(struct vn_span bytes, struct vn_id *ret)
{
    struct vn_reader r = vn_reader_of(bytes);
    uint8_t id, type;
    struct vn_id sid;
    if (!read_short_head(&r, &id, &type, &sid) || (type != VN_T_HS_M2 && type != VN_T_HS_RETRY))
        return VN_ERR_MALFORMED;
    *ret = sid;
    return VN_OK;
}
