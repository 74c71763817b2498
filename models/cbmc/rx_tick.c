/*
 * sources: base/reader.c base/writer.c wire/frame.c wire/rekey.c
 * options: -DOWN_CRYPTO --no-malloc-may-fail --unwind 4 --unwindset memcpy.0:33,any_lawful.0:13
 * options: --unwindset vn_lane_nonce.0:9,vn_hkdf_expand.0:13,vn_aead_seal.0:13,vn_aead_open.0:13
 * proves: keys of a receiving stream: it begins in order, and time forgets the oldest epochs,
 * proves: each at its end, and nothing else
 * bound: any number of calls in any order (induction); every number and time; 1 lane, 1 old
 * bound: epoch, 2 epochs ahead
 */
#include "rx_chain.h"

static void begin(void)
{
    struct vn_rx_keys k;
    struct vn_secret32 ck;
    vn_rx_keys_init(&k, VN_SHA256, nondet_u32(), &ck, nondet_u64());
    assert(lawful(&k));
}

static void tick(void)
{
    uint64_t now = nondet_u64();
    struct vn_rx_keys k = any_lawful(now), was = k;
    uint64_t next = vn_rx_keys_tick(&k, now);
    came_to(&was, &k, false);
    assert(k.epochs[0].number == was.epochs[0].number);
    for (size_t i = 1; i < KEPT; i++)
        assert(i >= k.count || (k.epochs[i].until_us > now && k.epochs[i].until_us >= next));
}

int main(void)
{
    begin();
    tick();
    return 0;
}
