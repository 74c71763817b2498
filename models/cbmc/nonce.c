/*
 * sources: base/reader.c base/writer.c wire/frame.c
 * options: --unwind 34
 * proves: lane nonce: two sequence numbers never share a nonce, nor leave the iv's first 32 bits
 * bound: none
 */
#include "harness.h"

#include "wire/frame.h"

int main(void)
{
    uint8_t iv[12], a[12], b[12];
    uint64_t i = nondet_u64(), k = nondet_u64();
    vn_lane_nonce(iv, i, a);
    vn_lane_nonce(iv, k, b);
    assert((memcmp(a, b, sizeof(a)) == 0) == (i == k));
    assert(memcmp(a, iv, 4) == 0);
    return 0;
}
