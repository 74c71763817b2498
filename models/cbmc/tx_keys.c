/*
 * sources: base/reader.c base/writer.c wire/frame.c wire/rekey.c
 * options: -DOWN_CRYPTO --unwind 9 --unwindset memcpy.0:33,memcmp.0:13
 * options: --unwindset vn_hkdf_expand.0:13,vn_aead_seal.0:13,vn_aead_open.0:13
 * proves: keys of a sending lane: no nonce twice under one key, whatever the epochs; a key seals
 * proves: 2^32 frames and 2^40 bytes at most; an epoch is left for the next only, with a new key;
 * proves: no KEM step is asked for twice for one epoch; the last epoch is the end
 * bound: any number of calls in any order (induction); every number and time
 *
 * `lawful` holds at first, and from whatever state it holds in, it holds again after each call.
 */
#include "chain.h"

#include "core/tx_keys.c"

#define FRAMES (UINT64_C(1) << 32)
#define BYTES (UINT64_C(1) << 40)

/* So many frames were sealed before the next: with it, numbers of frames never repeat. */
static bool lawful(const struct vn_tx_keys *k)
{
    unsigned __int128 most = (unsigned __int128)k->epoch * FRAMES + k->frames;
    bool last = k->epoch == UINT32_MAX && k->frames == FRAMES; /* no frame comes after it */
    return k->frames <= FRAMES && k->bytes <= BYTES &&
           (last || (unsigned __int128)k->seq <= most) && (uint64_t)k->epoch + 1 >= k->kem_epoch &&
           k->aead && k->aead->name == k->ck.b[0] && k->aead->lane == k->lane;
}

struct vn_tx_keys nondet_keys(void);

static void first(void)
{
    struct vn_tx_keys k;
    struct vn_secret32 ck;
    if (vn_tx_keys_init(&k, VN_SHA256, nondet_u8(), nondet_u32(), &ck, nondet_u64()) == VN_OK)
        assert(lawful(&k) && k.seq == 0);
}

static struct vn_tx_keys any_lawful(void)
{
    struct vn_tx_keys k = nondet_keys();
    k.aead = room(sizeof(*k.aead));
    __CPROVER_assume(lawful(&k));
    return k;
}

/* The key changed with the epoch, to the next, or not at all. */
static void moved(const struct vn_tx_keys *was, const struct vn_tx_keys *is, bool by_kem)
{
    assert(lawful(is) && is->seq == was->seq && is->lane == was->lane);
    if (is->epoch == was->epoch) {
        assert(is->ck.b[0] == was->ck.b[0]);
        assert(is->frames == was->frames && is->bytes == was->bytes);
        return;
    }
    assert(was->epoch != UINT32_MAX && is->epoch == was->epoch + 1);
    assert(is->frames == 0 && is->bytes == 0);
    if (!by_kem)
        assert(is->ck.b[0] == __CPROVER_uninterpreted_step(was->ck.b[0]));
}

static void seal(void)
{
    struct vn_tx_keys k = any_lawful();
    struct vn_tx_keys was = k;
    uint64_t now = nondet_u64();
    vn_status st = vn_tx_keys_ready(&k, now);
    moved(&was, &k, false);
    if (was.kem_awaited && now < was.kem_due_us && was.frames < FRAMES &&
        was.bytes < BYTES - VN_FRAME_MAX)
        assert(k.epoch == was.epoch);
    if (st != VN_OK)
        return;
    was = k;
    uint8_t header[VN_E2E_HEADER_LEN], tag[VN_AEAD_TAG_LEN], text[1], nonce[12];
    size_t n = nondet_size();
    __CPROVER_assume(n <= VN_FRAME_MAX);
    (void)!vn_tx_keys_seal(&k, nondet_u8(), header, text, n, tag);
    assert(k.epoch == was.epoch && lawful(&k) && k.frames <= FRAMES && k.bytes <= BYTES);
    assert(k.seq == was.seq + 1 &&
           (k.seq > was.seq || (k.epoch == UINT32_MAX && k.frames == FRAMES)));
    vn_lane_nonce(was.iv, was.seq, nonce);
    assert(sealed.name == was.ck.b[0] && sealed.lane == was.lane &&
           memcmp(sealed.nonce, nonce, sizeof(nonce)) == 0);
    struct vn_reader r = vn_reader_of(VN_SPAN_ARRAY(header));
    struct vn_e2e_header h;
    bool ok = vn_e2e_decode(&r, &h);
    assert(ok && h.epoch == was.epoch && h.lane == was.lane && h.seq == was.seq);
}

static void kem(void)
{
    struct vn_tx_keys k = any_lawful();
    struct vn_tx_keys was = k;
    if (vn_tx_keys_kem_due(&k, nondet_u64()))
        assert(k.kem_awaited && k.kem_epoch == (uint64_t)k.epoch + 1 &&
               k.kem_epoch > was.kem_epoch);
    moved(&was, &k, true);

    was = k;
    vn_tx_keys_kem_failed(&k, nondet_u64());
    assert(!k.kem_awaited);
    moved(&was, &k, true);

    was = k;
    uint32_t epoch = nondet_u32();
    struct vn_kem_step step;
    struct vn_ctl_keys ctl;
    vn_status st = vn_tx_keys_kem(&k, epoch, &step, nondet_u64(), &ctl);
    moved(&was, &k, true);
    assert((st == VN_OK) == (k.epoch != was.epoch));
    if (st == VN_OK)
        assert(epoch == k.epoch &&
               k.ck.b[0] == __CPROVER_uninterpreted_kem(was.ck.b[0], step.ss.b[0]));
}

/* A lane that another worker leads: a later epoch, or the same key with what it has sealed. */
static void follow(void)
{
    struct vn_tx_keys k = any_lawful();
    struct vn_tx_keys was = k;
    struct vn_lane_keys keys;
    const uint8_t name = k.aead->name;
    keys.key.b[1] = k.lane;
    vn_status st = vn_tx_keys_follow(&k, k.lane, nondet_u32(), &keys, nondet_u64());
    assert(k.seq == was.seq && k.lane == was.lane && k.aead->lane == k.lane);
    if (k.epoch == was.epoch) {
        assert(k.aead->name == name && k.frames == was.frames && k.bytes == was.bytes);
        return;
    }
    assert(st == VN_OK && k.epoch > was.epoch && k.aead->name == keys.key.b[0]);
    assert(k.frames == 0 && k.bytes == 0);
    k.ck.b[0] = k.aead->name;
    assert(lawful(&k));
}

int main(void)
{
    first();
    seal();
    kem();
    follow();
    return 0;
}
