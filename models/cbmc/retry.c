/*
 * sources: base/reader.c base/writer.c base/id.c
 * options: --unwind 17 -DCHECK_ONLY
 * proves: RETRY: open stays inside the message; every kind has the data that belongs to it
 * bound: any message to 192 bytes, suite lengths scaled to 14
 */
#include "any_hour.h"

#include "wire/handshake.c"
#include "wire/handshake_retry.c"

int main(void)
{
    struct vn_suite_info suite = any_suite();
    static uint8_t message[MESSAGE_MAX];
    __CPROVER_havoc_object(message);
    struct vn_span in = any_input(message, sizeof(message));
    struct vn_hour_keys keys;
    struct vn_id self = nondet_id(), sid;
    uint8_t mac1[VN_MAC_LEN];
    uint8_t *plain = room(in.n);
    struct vn_hs_retry r;
    if (vn_hs_retry_open(in, &suite, &keys, &self, mac1, nondet_u64(), plain, &sid, &r) != VN_OK)
        return 0;
    struct vn_span whole = VN_SPAN(plain, in.n - RETRY_HEAD_LEN - VN_AEAD_TAG_LEN);
    assert(stands_at(r.data, whole, 3) && 3 + r.data.n == whole.n);
    assert(r.kind == VN_RETRY_COOKIE      ? r.data.n == VN_COOKIE_LEN
           : r.kind == VN_RETRY_STALE_KID ? r.data.n > 0
                                          : r.kind == VN_RETRY_NEED_CERT && r.data.n == 0);
    return 0;
}
