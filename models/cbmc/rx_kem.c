/*
 * sources: base/reader.c base/writer.c wire/frame.c wire/rekey.c
 * options: -DOWN_CRYPTO --no-malloc-may-fail --unwind 4 --unwindset memcpy.0:33,any_lawful.0:13
 * options: --unwindset vn_lane_nonce.0:9,vn_hkdf_expand.0:13,vn_aead_seal.0:13,vn_aead_open.0:13
 * proves: keys of a receiving stream: a KEM step is computed on what the source has before it,
 * proves: on top of the one before if that was taken; what fails changes no key
 * bound: any number of calls in any order (induction); every number and time; 1 lane, 1 old
 * bound: epoch, 2 epochs ahead
 */
#include "rx_chain.h"

int main(void)
{
    uint64_t now = nondet_u64();
    struct vn_rx_keys k = any_lawful(now), was = k;
    uint32_t epoch = nondet_u32(), taken = nondet_u32();
    struct vn_kem_step step;
    struct vn_ctl_keys ctl;
    bool took = was.kem_pending && was.kem_epoch == taken;
    vn_status st = vn_rx_keys_kem(&k, epoch, taken, &step, now, &ctl);
    came_to(&was, &k, took);
    assert(k.epochs[0].number == was.epochs[0].number || (took && k.epochs[0].number == taken));
    if (st != VN_OK)
        return 0;
    assert(k.kem_pending && k.kem_epoch == epoch);
    /* On what the source has before that epoch. */
    assert(k.kem_ck.b[0] == __CPROVER_uninterpreted_kem(truth(&k, epoch - 1, false), step.ss.b[0]));
    return 0;
}
