#include "wire/envelope.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/reader.h"
#include "base/writer.h"
#include "crypto/aead.h"
#include "crypto/x509.h"

/*
 *   0 version1   1 suite1    2 type1    3 seal1    4 realm16   20 generation4   24 hour4   28 kid8
 *  36 src16     52 dst16    68 tai12   80 nonce16  96 len4
 */

static void write_header(struct vn_writer *w, const struct vn_envelope_header *h)
{
    vn_write_u8(w, h->version);
    vn_write_u8(w, h->suite);
    vn_write_u8(w, h->type);
    vn_write_u8(w, h->seal);
    vn_write_bytes(w, h->realm.b, VN_ID_LEN);
    vn_write_u32(w, h->generation);
    vn_write_u32(w, h->hour);
    vn_write_bytes(w, h->kid, VN_KID_LEN);
    vn_write_bytes(w, h->src.b, VN_ID_LEN);
    vn_write_bytes(w, h->dst.b, VN_ID_LEN);
    vn_write_bytes(w, h->tai64n, sizeof(h->tai64n));
    vn_write_bytes(w, h->nonce, sizeof(h->nonce));
    vn_write_u32(w, h->len);
}

static bool read_header(struct vn_reader *r, struct vn_envelope_header *h)
{
    return vn_read_u8(r, &h->version) && vn_read_u8(r, &h->suite) && vn_read_u8(r, &h->type) &&
           vn_read_u8(r, &h->seal) && vn_read_copy(r, h->realm.b, VN_ID_LEN) &&
           vn_read_u32(r, &h->generation) && vn_read_u32(r, &h->hour) &&
           vn_read_copy(r, h->kid, VN_KID_LEN) && vn_read_copy(r, h->src.b, VN_ID_LEN) &&
           vn_read_copy(r, h->dst.b, VN_ID_LEN) && vn_read_copy(r, h->tai64n, sizeof(h->tai64n)) &&
           vn_read_copy(r, h->nonce, sizeof(h->nonce)) && vn_read_u32(r, &h->len);
}

vn_status vn_kid(enum vn_hash_alg alg, struct vn_span ek, uint8_t ret[VN_KID_LEN])
{
    struct vn_hash h;
    vn_status st = vn_hash(alg, VN_PARTS(ek), &h);
    if (st == VN_OK)
        memcpy(ret, h.b, VN_KID_LEN);
    return st;
}

/* ---- keys ---- */

/* HKDF(nonce, ss, "env-node" ‖ header ‖ H(ct)) */
static vn_status node_key(const struct vn_suite_info *suite, struct vn_span header,
                          struct vn_span nonce, struct vn_span ct, const struct vn_secret *ss,
                          struct vn_secret32 *ret)
{
    struct vn_hash ct_hash;
    vn_status st = vn_hash(suite->hash, VN_PARTS(ct), &ct_hash);
    if (st != VN_OK)
        return st;
    return vn_hkdf(suite->hash, nonce, VN_SPAN(ss->b, ss->n),
                   VN_PARTS(VN_SPAN_LIT("env-node"), header, vn_hash_span(&ct_hash)), ret->b,
                   sizeof(ret->b));
}

/* HKDF(nonce, K(g,e), "env-hour" ‖ header) */
static vn_status hour_key(const struct vn_suite_info *suite, struct vn_span header,
                          struct vn_span nonce, const struct vn_secret32 *k,
                          struct vn_secret32 *ret)
{
    return vn_hkdf(suite->hash, nonce, VN_SPAN_ARRAY(k->b),
                   VN_PARTS(VN_SPAN_LIT("env-hour"), header), ret->b, sizeof(ret->b));
}

/* HMAC(HKDF(K(g,e), "env-mac"), all before) */
static vn_status mac_of(const struct vn_suite_info *suite, const struct vn_secret32 *key,
                        struct vn_span before, uint8_t ret[VN_MAC_LEN])
{
    return vn_mac16(suite->hash, VN_SPAN_ARRAY(key->b), VN_PARTS(before), ret);
}

/* The signed message, header ‖ H(cert_src) ‖ body, glued because ML-DSA takes one run of bytes. */
static vn_status signed_message(struct vn_span header, struct vn_span cert_hash,
                                struct vn_span body, uint8_t **ret, size_t *ret_n)
{
    size_t n = header.n + cert_hash.n + body.n;
    uint8_t *p = malloc(n);
    if (!p)
        return VN_ERR_NOMEM;
    struct vn_writer w = vn_writer_of(p, n);
    vn_write_span(&w, header);
    vn_write_span(&w, cert_hash);
    vn_write_span(&w, body);
    *ret = p;
    *ret_n = n;
    return VN_OK;
}

/* ---- sealing ---- */

/* The plaintext of a signed one. */
static vn_status write_signed(struct vn_writer *w, const struct vn_envelope_send *s,
                              struct vn_span header)
{
    struct vn_hash cert_hash;
    vn_status st = vn_hash(s->suite->hash, VN_PARTS(s->cert), &cert_hash);
    if (st != VN_OK)
        return st;
    vn_write_span(w, vn_hash_span(&cert_hash));
    vn_write_block16(w, s->include_cert ? s->cert : VN_SPAN_NONE);
    vn_write_block16(w, s->body);
    uint8_t *sig = vn_write_room(w, s->suite->sig_len);
    if (!sig)
        return VN_ERR_LIMIT;
    uint8_t *message = NULL;
    size_t message_n = 0;
    st = signed_message(header, vn_hash_span(&cert_hash), s->body, &message, &message_n);
    if (st != VN_OK)
        return st;
    st = vn_sig_sign(s->key, s->context, VN_SPAN(message, message_n), sig);
    vn_wipe(message, message_n);
    free(message);
    return st;
}

/* Writes the whole envelope into w; the plaintext is encrypted where it stands. */
static vn_status seal_into(struct vn_writer *w, const struct vn_envelope_send *s,
                           struct vn_envelope_header *h, const struct vn_secret32 *k)
{
    const struct vn_suite_info *suite = s->suite;
    write_header(w, h);
    struct vn_span header = vn_writer_span(w);
    struct vn_span nonce = VN_SPAN_ARRAY(h->nonce);
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 key;
    vn_status st;
    if (h->seal == VN_SEAL_NODE) {
        uint8_t *ct = vn_write_room(w, suite->ct_len);
        VN_CLEANUP(vn_secret_wipe) struct vn_secret ss = {0};
        if (!ct)
            return VN_ERR_LIMIT;
        st = vn_kem_encapsulate(suite->kem, s->recipient_ek, ct, &ss);
        if (st == VN_OK)
            st = node_key(suite, header, nonce, VN_SPAN(ct, suite->ct_len), &ss, &key);
    } else {
        st = hour_key(suite, header, nonce, k, &key);
    }
    size_t plain_at = w->len;
    if (st == VN_OK)
        st = s->key ? write_signed(w, s, header) : VN_OK;
    if (st != VN_OK)
        return st;
    if (!s->key)
        vn_write_span(w, s->body);
    size_t plain_n = w->len - plain_at;
    uint8_t *tag = vn_write_room(w, VN_AEAD_TAG_LEN);
    struct vn_span before = vn_writer_span(w);
    uint8_t *mac = vn_write_room(w, VN_MAC_LEN);
    if (!tag || !mac)
        return VN_ERR_LIMIT;
    uint8_t *plain = w->buf + plain_at;
    st = vn_aead_seal_once(&key, header, VN_SPAN(plain, plain_n), plain);
    if (st != VN_OK)
        return st;
    if (k) {
        st = vn_hour_env_key(suite->hash, k, &key);
        return st == VN_OK ? mac_of(suite, &key, before, mac) : st;
    }
    memset(mac, 0, VN_MAC_LEN);
    return VN_OK;
}

vn_status vn_envelope_seal(const struct vn_envelope_send *s, const uint8_t nonce[16],
                           struct vn_buf *ret)
{
    const struct vn_suite_info *suite = s->suite;
    bool to_node = s->recipient_ek.n > 0;
    if ((to_node && s->recipient_ek.n != suite->ek_len) || (!to_node && !s->hour_keys) ||
        s->type >= VN_T_HS_M1 || vn_envelope_is_unsigned(s->type) != !s->key ||
        (s->key ? vn_sig_alg_of(s->key) != suite->sig || s->cert.n == 0
                : to_node || s->cert.n > 0 || s->body.n == 0))
        return VN_ERR_ARG;
    if (s->body.n > VN_CONTROL_PAYLOAD_MAX || s->cert.n > VN_CERT_MAX)
        return VN_ERR_LIMIT;
    size_t with_sig = suite->hash_len + 2 + (s->include_cert ? s->cert.n : 0) + 2 + suite->sig_len;
    size_t len = (to_node ? suite->ct_len : 0) + (s->key ? with_sig : 0) + s->body.n +
                 VN_AEAD_TAG_LEN + VN_MAC_LEN;
    if (VN_ENVELOPE_HEADER_LEN + len > VN_CONTROL_PAYLOAD_MAX)
        return VN_ERR_LIMIT;

    struct vn_envelope_header h = {
        .version = VN_WIRE_VERSION,
        .suite = (uint8_t)suite->id,
        .type = s->type,
        .seal = to_node  ? VN_SEAL_NODE
                : s->key ? VN_SEAL_HOUR
                         : VN_SEAL_MEMBER,
        .realm = s->realm,
        .src = s->src,
        .dst = s->dst,
        .len = (uint32_t)len,
    };
    const struct vn_secret32 *k = NULL;
    if (s->hour_keys) {
        h.generation = s->hour_keys->generation;
        k = vn_hour_keys_now(s->hour_keys, s->now_ms, &h.hour);
        if (!k)
            return VN_ERR_EXPIRED;
    }
    vn_tai64n(s->now_ms, h.tai64n);
    memcpy(h.nonce, nonce, sizeof(h.nonce));
    vn_status st = to_node ? vn_kid(suite->hash, s->recipient_ek, h.kid) : VN_OK;
    if (st != VN_OK)
        return st;

    size_t total = VN_ENVELOPE_HEADER_LEN + len;
    st = vn_buf_reserve(ret, total);
    if (st != VN_OK)
        return st;
    struct vn_writer w = vn_writer_of(ret->p + ret->len, total);
    st = seal_into(&w, s, &h, k);
    if (st != VN_OK) {
        vn_wipe(w.buf, total); /* the body may stand there in clear */
        return st;
    }
    ret->len += total;
    return VN_OK;
}

/* ---- opening ---- */

vn_status vn_envelope_parse(struct vn_span bytes, const struct vn_suite_info *suite,
                            const struct vn_id *realm, const struct vn_id *self,
                            struct vn_envelope_view *ret)
{
    static const uint8_t no_kid[VN_KID_LEN];
    struct vn_reader r = vn_reader_of(bytes);
    struct vn_envelope_view v = {.bytes = bytes};
    if (bytes.n > VN_CONTROL_PAYLOAD_MAX || !read_header(&r, &v.h) || v.h.len != r.left)
        return VN_ERR_MALFORMED;
    if (v.h.version != VN_WIRE_VERSION || v.h.suite != suite->id || v.h.type >= VN_T_HS_M1 ||
        v.h.seal > VN_SEAL_MEMBER ||
        (v.h.seal == VN_SEAL_MEMBER) != vn_envelope_is_unsigned(v.h.type) ||
        !vn_id_equal(&v.h.realm, realm) ||
        (!vn_id_is_zero(&v.h.dst) && !vn_id_equal(&v.h.dst, self)))
        return VN_ERR_MALFORMED;
    if (v.h.seal != VN_SEAL_NODE && memcmp(v.h.kid, no_kid, VN_KID_LEN) != 0)
        return VN_ERR_MALFORMED;
    size_t plain_min = v.h.seal == VN_SEAL_MEMBER ? 1 : suite->hash_len + 2 + 2 + suite->sig_len;
    if ((v.h.seal == VN_SEAL_NODE && !vn_read_span(&r, suite->ct_len, &v.ct)) ||
        r.left < plain_min + VN_AEAD_TAG_LEN + VN_MAC_LEN ||
        !vn_read_span(&r, r.left - VN_MAC_LEN, &v.sealed) ||
        !vn_read_span(&r, VN_MAC_LEN, &v.mac) || !vn_reader_done(&r))
        return VN_ERR_MALFORMED;
    *ret = v;
    return VN_OK;
}

vn_status vn_envelope_check_mac(const struct vn_envelope_view *v, const struct vn_suite_info *suite,
                                struct vn_hour_macs *macs, uint64_t now_ms)
{
    uint8_t mac[VN_MAC_LEN] = {0};
    if (macs) {
        const struct vn_hour_mac_keys *k;
        vn_status st = vn_hour_macs_find(macs, suite->hash, v->h.generation, v->h.hour, now_ms, &k);
        if (st == VN_OK)
            st = mac_of(suite, &k->env, VN_SPAN(v->bytes.p, v->bytes.n - VN_MAC_LEN), mac);
        if (st != VN_OK)
            return st;
    }
    return vn_ct_equal(mac, v->mac.p, VN_MAC_LEN) ? VN_OK : VN_ERR_AUTH;
}

static vn_status open_key(const struct vn_envelope_view *v, const struct vn_suite_info *suite,
                          const struct vn_hour_keys *keys, const struct vn_kem_dk *dk,
                          uint64_t now_ms, struct vn_secret32 *ret)
{
    struct vn_span header = VN_SPAN(v->bytes.p, VN_ENVELOPE_HEADER_LEN);
    struct vn_span nonce = VN_SPAN_ARRAY(v->h.nonce);
    if (v->h.seal == VN_SEAL_NODE) {
        if (!dk || vn_kem_alg_of(dk) != suite->kem)
            return VN_ERR_ARG;
        VN_CLEANUP(vn_secret_wipe) struct vn_secret ss = {0};
        vn_status st = vn_kem_decapsulate(dk, v->ct, &ss);
        if (st != VN_OK)
            return st;
        return node_key(suite, header, nonce, v->ct, &ss, ret);
    }
    const struct vn_secret32 *k =
        keys ? vn_hour_keys_find(keys, v->h.generation, v->h.hour, now_ms) : NULL;
    if (!k)
        return VN_ERR_EXPIRED;
    return hour_key(suite, header, nonce, k, ret);
}

vn_status vn_envelope_open(const struct vn_envelope_view *v, const struct vn_suite_info *suite,
                           const struct vn_hour_keys *keys, const struct vn_kem_dk *dk,
                           uint64_t now_ms, uint8_t *plain, struct vn_envelope_plain *ret)
{
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 key;
    vn_status st = open_key(v, suite, keys, dk, now_ms, &key);
    if (st != VN_OK)
        return st;
    st = vn_aead_open_once(&key, VN_SPAN(v->bytes.p, VN_ENVELOPE_HEADER_LEN), v->sealed, plain);
    if (st != VN_OK)
        return st;

    struct vn_reader r = vn_reader_of(VN_SPAN(plain, v->sealed.n - VN_AEAD_TAG_LEN));
    if (v->h.seal == VN_SEAL_MEMBER) {
        *ret = (struct vn_envelope_plain){.body = vn_reader_rest(&r)};
        return VN_OK;
    }
    struct vn_envelope_plain p = {.cert_hash = {.n = suite->hash_len}};
    struct vn_reader cert, body;
    if (!vn_read_copy(&r, p.cert_hash.b, suite->hash_len) || !vn_read_block16(&r, &cert) ||
        !vn_read_block16(&r, &body) || r.left != suite->sig_len)
        return VN_ERR_MALFORMED;
    p.sig = vn_reader_rest(&r);
    p.cert = vn_reader_rest(&cert);
    p.body = vn_reader_rest(&body);
    if (p.cert.n > 0) {
        struct vn_hash h;
        st = vn_hash(suite->hash, VN_PARTS(p.cert), &h);
        if (st != VN_OK)
            return st;
        if (!vn_hash_equal(&h, &p.cert_hash))
            return VN_ERR_MALFORMED;
    }
    *ret = p;
    return VN_OK;
}

vn_status vn_envelope_verify(const struct vn_envelope_view *v, const struct vn_envelope_plain *p,
                             const struct vn_sig_pub *pub, const char *context)
{
    uint8_t *message = NULL;
    size_t n = 0;
    if (v->h.seal == VN_SEAL_MEMBER)
        return VN_ERR_AUTH;
    vn_status st = signed_message(VN_SPAN(v->bytes.p, VN_ENVELOPE_HEADER_LEN),
                                  vn_hash_span(&p->cert_hash), p->body, &message, &n);
    if (st != VN_OK)
        return st;
    st = vn_sig_verify(pub, context, VN_SPAN(message, n), p->sig);
    vn_wipe(message, n);
    free(message);
    return st;
}
