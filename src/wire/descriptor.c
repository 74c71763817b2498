#include "wire/descriptor.h"

#include "base/limits.h"
#include "base/reader.h"
#include "base/writer.h"
#include "wire/types.h"

#define DESCRIPTOR_CONTEXT "anchor-desc-v1"

/*
 *   0 version1   1 suite1   2 realm16   18 time8   26 eks_until8
 *  34 certificate length2, certificate   then ekS length2, ekS
 *   then coordinates length1, coordinates   then relay count1, relays 16 each
 *   then signature over everything before
 */

vn_status vn_descriptor_make(const struct vn_suite_info *suite, const struct vn_id *realm,
                             struct vn_span cert, struct vn_span eks, uint64_t time_ms,
                             uint64_t eks_until_ms, struct vn_span coordinates,
                             const struct vn_id *relays, size_t relay_count,
                             const struct vn_sig_key *key, struct vn_buf *ret)
{
    if (eks.n != suite->ek_len || vn_sig_alg_of(key) != suite->sig || cert.n > VN_CERT_MAX ||
        coordinates.n > UINT8_MAX || relay_count > VN_DESCRIPTOR_RELAYS_MAX)
        return VN_ERR_ARG;
    size_t total = 34 + 2 + cert.n + 2 + eks.n + 1 + coordinates.n + 1 + relay_count * VN_ID_LEN +
                   suite->sig_len;
    if (total > VN_DESCRIPTOR_MAX)
        return VN_ERR_LIMIT;
    vn_status st = vn_buf_reserve(ret, total);
    if (st != VN_OK)
        return st;
    struct vn_writer w = vn_writer_of(ret->p + ret->len, total);
    vn_write_u8(&w, VN_WIRE_VERSION);
    vn_write_u8(&w, (uint8_t)suite->id);
    vn_write_bytes(&w, realm->b, VN_ID_LEN);
    vn_write_u64(&w, time_ms);
    vn_write_u64(&w, eks_until_ms);
    vn_write_block16(&w, cert);
    vn_write_block16(&w, eks);
    vn_write_block8(&w, coordinates);
    vn_write_u8(&w, (uint8_t)relay_count);
    for (size_t i = 0; i < relay_count; i++)
        vn_write_bytes(&w, relays[i].b, VN_ID_LEN);
    struct vn_span to_sign = vn_writer_span(&w);
    uint8_t *sig = vn_write_room(&w, suite->sig_len);
    if (!sig)
        return VN_ERR_LIMIT;
    st = vn_sig_sign(key, DESCRIPTOR_CONTEXT, to_sign, sig);
    if (st == VN_OK)
        ret->len += total;
    return st;
}

vn_status vn_descriptor_decode(struct vn_span bytes, const struct vn_suite_info *suite,
                               struct vn_descriptor *ret, struct vn_id *ret_realm,
                               struct vn_span *ret_signed, struct vn_span *ret_sig)
{
    struct vn_reader r = vn_reader_of(bytes);
    struct vn_descriptor d = {0};
    struct vn_id realm;
    struct vn_reader cert, eks, coordinates;
    uint8_t version, id, relays;
    if (bytes.n > VN_DESCRIPTOR_MAX || !vn_read_u8(&r, &version) || version != VN_WIRE_VERSION ||
        !vn_read_u8(&r, &id) || id != suite->id || !vn_read_copy(&r, realm.b, VN_ID_LEN) ||
        !vn_read_u64(&r, &d.time_ms) || !vn_read_u64(&r, &d.eks_until_ms) ||
        !vn_read_block16(&r, &cert) || !vn_read_block16(&r, &eks) || eks.left != suite->ek_len ||
        !vn_read_block8(&r, &coordinates) || !vn_read_u8(&r, &relays) ||
        relays > VN_DESCRIPTOR_RELAYS_MAX)
        return VN_ERR_MALFORMED;
    for (size_t i = 0; i < relays; i++)
        if (!vn_read_copy(&r, d.relays[i].b, VN_ID_LEN))
            return VN_ERR_MALFORMED;
    if (r.left != suite->sig_len)
        return VN_ERR_MALFORMED;
    d.relay_count = relays;
    d.cert = vn_reader_rest(&cert);
    d.eks = vn_reader_rest(&eks);
    d.coordinates = vn_reader_rest(&coordinates);
    *ret = d;
    *ret_realm = realm;
    *ret_signed = VN_SPAN(bytes.p, bytes.n - r.left);
    *ret_sig = vn_reader_rest(&r);
    return VN_OK;
}

/* Made in the future, its key gone, or older than a descriptor may get. */
static bool outdated(const struct vn_descriptor *d, uint64_t now_ms)
{
    if (now_ms > d->eks_until_ms)
        return true;
    return now_ms >= d->time_ms ? now_ms - d->time_ms > VN_DESCRIPTOR_LIFE_MS
                                : d->time_ms - now_ms > VN_ENVELOPE_FRESH_MS;
}

vn_status vn_descriptor_check(struct vn_span bytes, const struct vn_suite_info *suite,
                              const struct vn_id *realm, const struct vn_sig_pub *issuing,
                              uint64_t now_ms, struct vn_descriptor *ret)
{
    struct vn_descriptor d;
    struct vn_id in_realm;
    struct vn_span signed_part, sig;
    vn_status st = vn_descriptor_decode(bytes, suite, &d, &in_realm, &signed_part, &sig);
    if (st != VN_OK)
        return st;
    if (!vn_id_equal(&in_realm, realm))
        return VN_ERR_AUTH;
    if (outdated(&d, now_ms))
        return VN_ERR_EXPIRED;
    VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *pub = NULL;
    st = vn_x509_check_identity_key(d.cert, issuing, realm, now_ms, &d.identity, &pub);
    if (st != VN_OK)
        return st;
    if (d.identity.alg != suite->sig)
        return VN_ERR_AUTH;
    st = vn_sig_verify(pub, DESCRIPTOR_CONTEXT, signed_part, sig);
    if (st == VN_OK)
        *ret = d;
    return st;
}
