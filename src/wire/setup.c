#include "wire/setup.h"

#include "base/reader.h"
#include "base/writer.h"
#include "crypto/aead.h"
#include "crypto/rng.h"

/*
 *   head   0 kind1   1 time8   9 id16: the next node, or bind4 and 12 zeros
 */

struct slot_keys {
    struct vn_secret32 head, rest;
    struct vn_setup_keys keys;
};

static size_t slot_len(const struct vn_suite_info *suite)
{
    return VN_KID_LEN + suite->ct_len + VN_SETUP_HEAD_LEN + VN_AEAD_TAG_LEN;
}

size_t vn_setup_blob_len(const struct vn_suite_info *suite)
{
    return VN_SETUP_SLOTS * slot_len(suite);
}

static void slot_keys_wipe(struct slot_keys *k)
{
    vn_wipe(k, sizeof(*k));
}

/* public: kid ‖ ct. ret_nonce: VN_SETUP_MARK_LEN bytes of its hash. */
static vn_status derive(const struct vn_suite_info *suite, const struct vn_secret *ss,
                        struct vn_span public, struct slot_keys *ret, uint8_t ret_nonce[16])
{
    struct vn_hash h;
    uint8_t out[3 * 32 + VN_SETUP_MARK_LEN];
    vn_status st = vn_hash(suite->hash, VN_PARTS(public), &h);
    if (st == VN_OK)
        st = vn_hkdf(suite->hash, VN_SPAN_NONE, VN_SPAN(ss->b, ss->n),
                     VN_PARTS(VN_SPAN_LIT("setup"), vn_hash_span(&h)), out, sizeof(out));
    if (st == VN_OK) {
        memcpy(ret->head.b, out, 32);
        memcpy(ret->rest.b, out + 32, 32);
        memcpy(ret->keys.desc.b, out + 64, 32);
        memcpy(ret->keys.mark, out + 96, VN_SETUP_MARK_LEN);
        memcpy(ret_nonce, h.b, 16);
    }
    vn_wipe(out, sizeof(out));
    return st;
}

/* XORs n bytes with the key's stream, in place; buf has room for a tag behind them. */
static vn_status apply_stream(const struct vn_secret32 *key, uint8_t *buf, size_t n)
{
    return vn_aead_seal_once(key, VN_SPAN_NONE, VN_SPAN(buf, n), buf);
}

/* ---- out ---- */

static vn_status put_slot(const struct vn_suite_info *suite, const struct vn_setup_hop *to,
                          struct vn_span head, uint8_t *ret, struct slot_keys *ret_keys)
{
    uint8_t nonce[16];
    VN_CLEANUP(vn_secret_wipe) struct vn_secret ss = {0};
    vn_status st = vn_kid(suite->hash, to->ek, ret);
    if (st == VN_OK)
        st = vn_kem_encapsulate(suite->kem, to->ek, ret + VN_KID_LEN, &ss);
    if (st != VN_OK)
        return st;
    struct vn_span public = VN_SPAN(ret, VN_KID_LEN + suite->ct_len);
    st = derive(suite, &ss, public, ret_keys, nonce);
    if (st == VN_OK)
        st = vn_aead_seal_once(&ret_keys->head, public, head, ret + public.n);
    return st;
}

void vn_setup_head_encode(const struct vn_setup_open *o, uint8_t ret[VN_SETUP_HEAD_LEN])
{
    static const uint8_t zeros[VN_ID_LEN];
    struct vn_writer w = vn_writer_of(ret, VN_SETUP_HEAD_LEN);
    vn_write_u8(&w, (uint8_t)o->kind);
    vn_write_u64(&w, o->time_ms);
    if (o->kind == VN_SETUP_NEXT) {
        vn_write_span(&w, VN_SPAN_ARRAY(o->next.b));
    } else {
        vn_write_u32(&w, o->bind);
        vn_write_span(&w, VN_SPAN(zeros, VN_ID_LEN - sizeof(o->bind)));
    }
}

vn_status vn_setup_seal(const struct vn_suite_info *suite, const struct vn_setup_hop *hops,
                        size_t count, uint64_t time_ms, uint32_t bind, uint8_t *ret,
                        struct vn_setup_keys *ret_keys)
{
    const size_t slot = slot_len(suite), rest = (VN_SETUP_SLOTS - 1) * slot;
    uint8_t blob[VN_SETUP_BLOB_MAX + VN_AEAD_TAG_LEN];
    if (count == 0 || count > VN_SETUP_SLOTS || bind == 0)
        return VN_ERR_ARG;
    /* From the end back: what a node passes on is what the one behind it was given. */
    vn_status st = vn_rng_bytes(blob, rest);
    for (size_t i = count; i-- > 0 && st == VN_OK;) {
        uint8_t head[VN_SETUP_HEAD_LEN];
        VN_CLEANUP(slot_keys_wipe) struct slot_keys k = {0};
        struct vn_setup_open o = {.kind = VN_SETUP_END, .time_ms = time_ms, .bind = bind};
        if (i + 1 < count) {
            o.kind = VN_SETUP_NEXT;
            o.next = hops[i + 1].node;
        }
        memmove(blob + slot, blob, rest);
        vn_setup_head_encode(&o, head);
        st = put_slot(suite, &hops[i], VN_SPAN_ARRAY(head), blob, &k);
        if (st == VN_OK)
            st = apply_stream(&k.rest, blob + slot, rest);
        if (st == VN_OK)
            ret_keys[i] = k.keys;
    }
    if (st == VN_OK)
        memcpy(ret, blob, slot + rest);
    return st;
}

/* ---- in ---- */

vn_status vn_setup_kid(const struct vn_suite_info *suite, struct vn_span blob,
                       uint8_t ret[VN_KID_LEN])
{
    if (blob.n != vn_setup_blob_len(suite))
        return VN_ERR_MALFORMED;
    memcpy(ret, blob.p, VN_KID_LEN);
    return VN_OK;
}

bool vn_setup_head_decode(struct vn_span head, struct vn_setup_open *ret)
{
    struct vn_reader r = vn_reader_of(head);
    struct vn_span id;
    uint8_t kind;
    if (!vn_read_u8(&r, &kind) || !vn_read_u64(&r, &ret->time_ms))
        return false;
    ret->kind = (enum vn_setup_kind)kind;
    if (kind == VN_SETUP_NEXT) {
        if (!vn_read_span(&r, VN_ID_LEN, &id))
            return false;
        memcpy(ret->next.b, id.p, VN_ID_LEN);
    } else {
        uint64_t z1;
        uint32_t z2;
        if (kind != VN_SETUP_END || !vn_read_u32(&r, &ret->bind) || ret->bind == 0 ||
            !vn_read_u64(&r, &z1) || !vn_read_u32(&r, &z2) || z1 || z2)
            return false;
    }
    return vn_reader_done(&r);
}

vn_status vn_setup_open(const struct vn_suite_info *suite, const struct vn_kem_dk *dk,
                        struct vn_span blob, uint8_t *ret_next, struct vn_setup_open *ret)
{
    const size_t slot = slot_len(suite), all = vn_setup_blob_len(suite);
    uint8_t head[VN_SETUP_HEAD_LEN], next[VN_SETUP_BLOB_MAX + VN_AEAD_TAG_LEN];
    struct vn_setup_open o = {0};
    if (blob.n != all)
        return VN_ERR_MALFORMED;
    VN_CLEANUP(slot_keys_wipe) struct slot_keys k = {0};
    VN_CLEANUP(vn_secret_wipe) struct vn_secret ss = {0};
    struct vn_span public = VN_SPAN(blob.p, VN_KID_LEN + suite->ct_len);
    vn_status st = vn_kem_decapsulate(dk, VN_SPAN(blob.p + VN_KID_LEN, suite->ct_len), &ss);
    if (st == VN_OK)
        st = derive(suite, &ss, public, &k, o.nonce);
    if (st == VN_OK)
        st = vn_aead_open_once(
            &k.head, public, VN_SPAN(blob.p + public.n, VN_SETUP_HEAD_LEN + VN_AEAD_TAG_LEN), head);
    if (st == VN_OK && !vn_setup_head_decode(VN_SPAN_ARRAY(head), &o))
        st = VN_ERR_MALFORMED;
    if (st == VN_OK) {
        memcpy(next, blob.p + slot, all - slot);
        memset(next + all - slot, 0, slot);
        st = apply_stream(&k.rest, next, all);
    }
    if (st != VN_OK)
        return st;
    memcpy(ret_next, next, all);
    o.keys = k.keys;
    *ret = o;
    vn_wipe(&o.keys, sizeof(o.keys));
    return VN_OK;
}

/* ---- descriptors on the way ---- */

vn_status vn_setup_desc_seal(const struct vn_setup_keys *k, struct vn_span in, uint8_t *ret)
{
    return vn_aead_seal_once(&k->desc, VN_SPAN_ARRAY(k->mark), in, ret);
}

vn_status vn_setup_desc_open(const struct vn_setup_keys *k, struct vn_span in, uint8_t *ret)
{
    return vn_aead_open_once(&k->desc, VN_SPAN_ARRAY(k->mark), in, ret);
}
