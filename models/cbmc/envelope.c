/*
 * sources: base/reader.c base/writer.c base/id.c
 * options: --unwind 17 -DCHECK_ONLY
 * proves: envelope: parse and open stay inside the message, their parts tile it
 * bound: any message to 192 bytes, suite lengths scaled to 14
 */
#include "any_hour.h"

#include "wire/envelope.c"

int main(void)
{
    struct vn_suite_info suite = any_suite();
    struct vn_id realm = nondet_id(), self = nondet_id();
    static uint8_t message[MESSAGE_MAX];
    __CPROVER_havoc_object(message);
    struct vn_span in = any_input(message, sizeof(message));
    struct vn_envelope_view v;
    if (vn_envelope_parse(in, &suite, &realm, &self, &v) != VN_OK)
        return 0;

    assert(in.n <= VN_CONTROL_PAYLOAD_MAX && v.h.len == in.n - VN_ENVELOPE_HEADER_LEN);
    size_t at = VN_ENVELOPE_HEADER_LEN;
    assert(stands_at(v.ct, in, at));
    at += v.ct.n;
    assert(stands_at(v.sealed, in, at));
    at += v.sealed.n;
    assert(stands_at(v.mac, in, at) && v.mac.n == VN_MAC_LEN && at + VN_MAC_LEN == in.n);

    struct vn_hour_macs macs;
    (void)vn_envelope_check_mac(&v, &suite, nondet_bool() ? &macs : NULL, nondet_u64());
    struct vn_hour_keys keys;
    uint8_t *plain = room(v.sealed.n);
    struct vn_envelope_plain p;
    char some;
    const struct vn_kem_dk *dk = nondet_bool() ? (const void *)&some : NULL;
    if (vn_envelope_open(&v, &suite, nondet_bool() ? &keys : NULL, dk, nondet_u64(), plain, &p) !=
        VN_OK)
        return 0;
    struct vn_span whole = VN_SPAN(plain, v.sealed.n - VN_AEAD_TAG_LEN);
    assert((v.h.seal == VN_SEAL_MEMBER) == vn_envelope_is_unsigned(v.h.type));
    if (v.h.seal == VN_SEAL_MEMBER) {
        assert(stands_at(p.body, whole, 0) && p.body.n == whole.n && p.sig.n == 0);
        return 0;
    }
    at = suite.hash_len + 2;
    assert(stands_at(p.cert, whole, at));
    at += p.cert.n + 2;
    assert(stands_at(p.body, whole, at));
    at += p.body.n;
    assert(stands_at(p.sig, whole, at) && p.sig.n == suite.sig_len && at + p.sig.n == whole.n);
    return 0;
}
