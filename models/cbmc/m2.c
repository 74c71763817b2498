/*
 * sources: base/reader.c base/writer.c base/id.c
 * options: --unwind 17 -DCHECK_ONLY
 * proves: M2: parse, peek and open stay inside the message, their parts tile it
 * bound: any message to 192 bytes, suite lengths scaled to 14
 */
#include "harness.h"

#include "wire/handshake.c"
#include "wire/handshake_m2.c"

int main(void)
{
    struct vn_suite_info suite = any_suite();
    static uint8_t message[MESSAGE_MAX];
    __CPROVER_havoc_object(message);
    struct vn_span in = any_input(message, sizeof(message));
    struct vn_id sid;
    bool peeked = vn_hs_peek_sid(in, &sid) == VN_OK;
    struct vn_hs_m2_view v;
    if (vn_hs_m2_parse(in, &suite, &v) != VN_OK)
        return 0;

    assert(peeked && in.n <= VN_CONTROL_PAYLOAD_MAX);
    assert(stands_at(v.ct, in, VN_HS_SHORT_HEAD_LEN) && v.ct.n == suite.ct_len);
    assert(stands_at(v.sealed, in, VN_HS_SHORT_HEAD_LEN + suite.ct_len) &&
           VN_HS_SHORT_HEAD_LEN + suite.ct_len + v.sealed.n == in.n);

    char some;
    struct vn_hs_state s = {.suite = &suite, .sid = nondet_id()};
    s.eke = nondet_bool() ? (void *)&some : NULL;
    s.hb.n = suite.hash_len;
    s.k1.n = 32;
    uint8_t *plain = room(v.sealed.n);
    struct vn_hs_m2_plain p;
    if (vn_hs_m2_open(&s, &v, plain, &p) != VN_OK)
        return 0;
    struct vn_span whole = VN_SPAN(plain, v.sealed.n - VN_AEAD_TAG_LEN);
    size_t at = 2;
    assert(stands_at(p.statement, whole, at));
    at += p.statement.n + 8 + 2;
    assert(stands_at(p.params, whole, at));
    at += p.params.n;
    assert(stands_at(p.sig, whole, at) && p.sig.n == suite.sig_len && at + p.sig.n == whole.n);
    return 0;
}
