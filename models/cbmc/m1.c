/*
 * sources: base/reader.c base/writer.c base/id.c
 * options: --unwind 17 -DCHECK_ONLY
 * proves: M1: parse and mac checks stay inside the message, their parts tile it
 * bound: any message to 192 bytes, suite lengths scaled to 14
 */
#include "any_hour.h"

#include "wire/handshake.c"
#include "wire/handshake_m1.c"

int main(void)
{
    struct vn_suite_info suite = any_suite();
    struct vn_id realm = nondet_id();
    static uint8_t message[MESSAGE_MAX];
    __CPROVER_havoc_object(message);
    struct vn_span in = any_input(message, sizeof(message));
    struct vn_hs_m1_view v;
    if (vn_hs_m1_parse(in, &suite, &realm, &v) != VN_OK)
        return 0;

    assert(in.n <= VN_CONTROL_PAYLOAD_MAX);
    size_t at = VN_HS_HEAD_LEN;
    assert(stands_at(v.head, in, 0) && v.head.n == VN_HS_HEAD_LEN);
    assert(stands_at(v.ct, in, at) && v.ct.n == suite.ct_len);
    at += v.ct.n;
    assert(stands_at(v.sealed, in, at) && v.sealed.n >= m1_plain_fixed(&suite) + VN_AEAD_TAG_LEN);
    at += v.sealed.n;
    assert(stands_at(v.mac1, in, at) && v.mac1.n == VN_MAC_LEN);
    at += VN_MAC_LEN;
    assert(stands_at(v.mac2, in, at) && v.mac2.n == VN_MAC_LEN && at + VN_MAC_LEN == in.n);

    struct vn_hour_macs macs;
    (void)vn_hs_m1_check_mac1(&v, &suite, &macs, nondet_u64());
    uint8_t cookie[VN_COOKIE_LEN];
    (void)vn_hs_m1_check_mac2(&v, &suite, cookie);
    return 0;
}
