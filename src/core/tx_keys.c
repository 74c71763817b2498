#include "core/tx_keys.h"

#define STEP_US (VN_REKEY_STEP_MS * UINT64_C(1000))
#define KEM_US (VN_REKEY_KEM_MS * UINT64_C(1000))
#define RETRY_US (VN_REKEY_RETRY_MS * UINT64_C(1000))

/* Another epoch's keys of the lane. Unchanged on error. */
static vn_status use(struct vn_tx_keys *k, uint32_t epoch, const struct vn_lane_keys *keys,
                     uint64_t now_us)
{
    struct vn_aead *aead;
    vn_status st = vn_aead_new(&keys->key, &aead);
    if (st != VN_OK)
        return st;
    vn_aead_free(k->aead);
    k->aead = aead;
    memcpy(k->iv, keys->iv, sizeof(k->iv));
    k->epoch = epoch;
    k->frames = k->bytes = 0;
    k->epoch_us = now_us;
    return VN_OK;
}

/* Another chain key, with the lane's key of it. Unchanged on error. */
static vn_status begin(struct vn_tx_keys *k, uint32_t epoch, const struct vn_secret32 *ck,
                       uint64_t now_us)
{
    struct vn_lane_keys keys;
    vn_status st = vn_lane_keys_derive(k->hash_alg, ck, k->lane, &keys);
    if (st == VN_OK)
        st = use(k, epoch, &keys, now_us);
    if (st == VN_OK)
        k->ck = *ck;
    vn_wipe(&keys, sizeof(keys));
    vn_wipe_stack();
    return st;
}

vn_status vn_tx_keys_init(struct vn_tx_keys *k, enum vn_hash_alg alg, uint8_t lane, uint32_t epoch,
                          const struct vn_secret32 *ck, uint64_t now_us)
{
    *k = (struct vn_tx_keys){.hash_alg = alg, .lane = lane, .kem_due_us = now_us + KEM_US};
    return begin(k, epoch, ck, now_us);
}

vn_status vn_tx_keys_follow(struct vn_tx_keys *k, uint8_t lane, uint32_t epoch,
                            const struct vn_lane_keys *keys, uint64_t now_us)
{
    if (k->aead && epoch <= k->epoch)
        return VN_OK; /* else what was sealed with that key would be forgotten */
    k->lane = lane;
    k->follows = true;
    const vn_status st = use(k, epoch, keys, now_us);
    vn_wipe_stack();
    return st;
}

vn_status vn_tx_keys_lane(const struct vn_tx_keys *k, uint8_t lane, struct vn_lane_keys *ret)
{
    const vn_status st = vn_lane_keys_derive(k->hash_alg, &k->ck, lane, ret);
    vn_wipe_stack();
    return st;
}

void vn_tx_keys_done(struct vn_tx_keys *k)
{
    vn_aead_free(k->aead);
    vn_wipe(k, sizeof(*k));
}

static vn_status step(struct vn_tx_keys *k, uint64_t now_us)
{
    if (k->epoch == UINT32_MAX)
        return VN_ERR_LIMIT;
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 ck;
    vn_status st = vn_chain_step(k->hash_alg, &k->ck, &ck);
    return st == VN_OK ? begin(k, k->epoch + 1, &ck, now_us) : st;
}

vn_status vn_tx_keys_ready(struct vn_tx_keys *k, uint64_t now_us)
{
    /* Nobody answers the question any more: what answers was lost. */
    if (k->kem_awaited && now_us >= k->kem_due_us)
        vn_tx_keys_kem_failed(k, now_us);
    if (k->frames >= VN_LANE_FRAMES_MAX || k->bytes >= VN_LANE_BYTES_MAX - VN_FRAME_MAX)
        return k->follows ? VN_ERR_AGAIN : step(k, now_us);
    if (k->follows)
        return VN_OK;
    /* Without memory the old key goes on: it is older than it should be, not weaker. */
    if (now_us - k->epoch_us >= STEP_US && !k->kem_awaited)
        (void)!step(k, now_us);
    return VN_OK;
}

bool vn_tx_keys_kem_due(struct vn_tx_keys *k, uint64_t now_us)
{
    if (k->follows || k->kem_awaited || k->epoch == UINT32_MAX || k->epoch < k->kem_epoch ||
        (now_us < k->kem_due_us && k->kem_bytes < VN_REKEY_KEM_BYTES))
        return false;
    k->kem_awaited = true;
    k->kem_epoch = k->epoch + 1;
    k->kem_due_us = now_us + RETRY_US;
    return true;
}

void vn_tx_keys_kem_failed(struct vn_tx_keys *k, uint64_t now_us)
{
    k->kem_awaited = false;
    k->kem_bytes = 0; /* else the next frame would ask again */
    k->kem_due_us = now_us + RETRY_US;
}

vn_status vn_tx_keys_kem(struct vn_tx_keys *k, uint32_t epoch, const struct vn_kem_step *kem,
                         uint64_t now_us, struct vn_ctl_keys *ret_ctl)
{
    if (k->epoch == UINT32_MAX || epoch != k->epoch + 1)
        return VN_ERR_EXISTS;
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 ck;
    VN_CLEANUP(vn_ctl_keys_wipe) struct vn_ctl_keys ctl;
    vn_status st = vn_chain_kem(k->hash_alg, &k->ck, kem, &ck, &ctl);
    if (st == VN_OK)
        st = begin(k, epoch, &ck, now_us);
    if (st != VN_OK)
        return st;
    k->kem_awaited = false;
    k->kem_bytes = 0;
    k->kem_due_us = now_us + KEM_US;
    *ret_ctl = ctl;
    return VN_OK;
}

vn_status vn_tx_keys_seal(struct vn_tx_keys *k, uint8_t cls, uint8_t header[VN_E2E_HEADER_LEN],
                          uint8_t *text, size_t n, uint8_t tag[VN_AEAD_TAG_LEN])
{
    struct vn_writer w = vn_writer_of(header, VN_E2E_HEADER_LEN);
    vn_e2e_encode(
        &w, &(struct vn_e2e_header){.epoch = k->epoch, .lane = k->lane, .cls = cls, .seq = k->seq});
    uint8_t nonce[12];
    vn_lane_nonce(k->iv, k->seq, nonce);
    k->seq++; /* whatever happens now: no nonce twice */
    k->frames++;
    k->bytes += n;
    k->kem_bytes += n;
    return vn_aead_seal(k->aead, nonce, VN_SPAN(header, VN_E2E_HEADER_LEN), VN_SPAN(text, n), text,
                        tag);
}
