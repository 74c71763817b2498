#include "core/rx_keys.h"

#include <assert.h>
#include <stdlib.h>

#define KEEP_US (VN_EPOCH_KEEP_MS * UINT64_C(1000))

struct vn_rx_key {
    struct vn_aead *aead;
    uint8_t iv[12];
};

/* ---- one key ---- */

static void key_free(struct vn_rx_key *key)
{
    if (!key)
        return;
    vn_aead_free(key->aead);
    vn_wipe(key, sizeof(*key));
    free(key);
}

static void key_freep(struct vn_rx_key **key)
{
    key_free(*key);
}

/* NULL: out of memory. */
static struct vn_rx_key *key_new(enum vn_hash_alg alg, const struct vn_secret32 *ck, uint8_t lane)
{
    VN_CLEANUP(key_freep) struct vn_rx_key *key = calloc(1, sizeof(*key));
    if (!key)
        return NULL;
    struct vn_lane_keys keys;
    vn_status st = vn_lane_keys_derive(alg, ck, lane, &keys);
    if (st == VN_OK)
        st = vn_aead_new(&keys.key, &key->aead);
    if (st == VN_OK)
        memcpy(key->iv, keys.iv, sizeof(key->iv));
    vn_wipe(&keys, sizeof(keys));
    vn_wipe_stack();
    return st == VN_OK ? VN_TAKE(key) : NULL;
}

static bool key_opens(const struct vn_rx_key *key, const struct vn_e2e_header *h,
                      struct vn_span aad, const uint8_t *text, size_t n, uint8_t *out)
{
    uint8_t nonce[12];
    vn_lane_nonce(key->iv, h->seq, nonce);
    return vn_aead_open(key->aead, nonce, aad, VN_SPAN(text, n), text + n, out) == VN_OK;
}

/* ---- epochs ---- */

static void epoch_wipe(struct vn_rx_epoch *e)
{
    for (size_t i = 0; i < VN_LANES_MAX; i++)
        key_free(e->lanes[i]);
    vn_wipe(e, sizeof(*e));
}

/* The next epoch is the present one; the one before it gets its end. */
static void push(struct vn_rx_keys *k, const struct vn_secret32 *ck, uint64_t now_us)
{
    uint32_t number = vn_rx_keys_epoch(k) + 1;
    k->epochs[0].until_us = now_us + KEEP_US;
    if (k->count == VN_ARRAY_LEN(k->epochs))
        epoch_wipe(&k->epochs[--k->count]);
    memmove(&k->epochs[1], &k->epochs[0], k->count * sizeof(k->epochs[0]));
    k->count++;
    k->epochs[0] = (struct vn_rx_epoch){.number = number, .ck = *ck};
}

void vn_rx_keys_init(struct vn_rx_keys *k, enum vn_hash_alg alg, uint32_t epoch,
                     const struct vn_secret32 *ck, uint64_t now_us)
{
    *k = (struct vn_rx_keys){.hash_alg = alg, .count = 1};
    k->epochs[0] = (struct vn_rx_epoch){.number = epoch, .ck = *ck};
    vn_bucket_init(&k->ahead, VN_REKEY_AHEAD_BURST, now_us / 1000);
}

void vn_rx_keys_done(struct vn_rx_keys *k)
{
    while (k->count)
        epoch_wipe(&k->epochs[--k->count]);
    vn_wipe(k, sizeof(*k));
}

uint64_t vn_rx_keys_tick(struct vn_rx_keys *k, uint64_t now_us)
{
    while (k->count > 1 && k->epochs[k->count - 1].until_us <= now_us)
        epoch_wipe(&k->epochs[--k->count]);
    return k->count > 1 ? k->epochs[k->count - 1].until_us : UINT64_MAX;
}

/* ---- a look ahead ---- */

/* Chain keys of the epochs after the present one. */
struct ahead {
    struct vn_secret32 ck[VN_REKEY_AHEAD_MAX];
};

static void ahead_wipe(struct ahead *a)
{
    vn_wipe(a, sizeof(*a));
}

static bool walk(const struct vn_rx_keys *k, uint32_t count, bool with_kem, struct ahead *ret)
{
    const struct vn_secret32 *from = &k->epochs[0].ck;
    for (uint32_t i = 0; i < count; from = &ret->ck[i++]) {
        if (with_kem && vn_rx_keys_epoch(k) + 1 + i == k->kem_epoch)
            ret->ck[i] = k->kem_ck;
        else if (vn_chain_step(k->hash_alg, from, &ret->ck[i]) != VN_OK)
            return false;
    }
    return true;
}

/* Makes those epochs its own; frames of each may still be on their way. */
static void advance(struct vn_rx_keys *k, const struct ahead *a, uint32_t count, bool with_kem,
                    uint64_t now_us)
{
    const uint32_t epoch = vn_rx_keys_epoch(k) + count;
    if (k->kem_pending && k->kem_epoch <= epoch)
        k->kem_taken = with_kem;
    k->kem_way |= with_kem;
    for (uint32_t i = 0; i < count; i++)
        push(k, &a->ck[i], now_us);
    if (k->kem_pending && k->kem_epoch <= epoch) {
        k->kem_pending = false;
        vn_secret32_wipe(&k->kem_ck);
    }
}

static bool opens_ahead(struct vn_rx_keys *k, const struct vn_e2e_header *h, struct vn_span aad,
                        const uint8_t *text, size_t n, bool with_kem, uint8_t *out, uint64_t now_us)
{
    VN_CLEANUP(ahead_wipe) struct ahead a;
    uint32_t count = h->epoch - vn_rx_keys_epoch(k);
    if (!walk(k, count, with_kem, &a))
        return false;
    struct vn_rx_key *key = key_new(k->hash_alg, &a.ck[count - 1], h->lane);
    if (!key || !key_opens(key, h, aad, text, n, out)) {
        key_free(key);
        return false;
    }
    advance(k, &a, count, with_kem, now_us);
    k->epochs[0].lanes[h->lane] = key;
    return true;
}

static enum vn_worker_drop open_ahead(struct vn_rx_keys *k, const struct vn_e2e_header *h,
                                      struct vn_span aad, uint8_t *text, size_t n, uint64_t now_us)
{
    /* One frame in ten seconds needs this; forged ones must not cost more than a share. */
    if (h->epoch - vn_rx_keys_epoch(k) > VN_REKEY_AHEAD_MAX ||
        !vn_bucket_take(&k->ahead, VN_REKEY_AHEAD_RATE, VN_REKEY_AHEAD_BURST, now_us / 1000))
        return VN_DROP_EPOCH_UNKNOWN;
    /* Of two ways to that epoch the first try must leave the text whole. */
    uint8_t *out = malloc(n);
    if (!out)
        return VN_DROP_TAG;
    bool may_be_kem = k->kem_pending && k->kem_epoch <= h->epoch;
    bool good = (may_be_kem && opens_ahead(k, h, aad, text, n, true, out, now_us)) ||
                opens_ahead(k, h, aad, text, n, false, out, now_us);
    if (good)
        memcpy(text, out, n);
    else
        vn_wipe(text, n);
    free(out);
    vn_wipe_stack();
    return good ? VN_DROP_COUNT : VN_DROP_TAG;
}

enum vn_worker_drop vn_rx_keys_open(struct vn_rx_keys *k, const struct vn_e2e_header *h,
                                    struct vn_span aad, uint8_t *text, size_t n, uint64_t now_us)
{
    assert(h->lane < VN_LANES_MAX);
    if (h->epoch > vn_rx_keys_epoch(k))
        return open_ahead(k, h, aad, text, n, now_us);
    uint32_t age = vn_rx_keys_epoch(k) - h->epoch;
    if (age >= k->count || (age > 0 && k->epochs[age].until_us <= now_us))
        return VN_DROP_EPOCH_UNKNOWN;
    struct vn_rx_epoch *e = &k->epochs[age];
    if (!e->lanes[h->lane] && !(e->lanes[h->lane] = key_new(k->hash_alg, &e->ck, h->lane)))
        return VN_DROP_TAG;
    return key_opens(e->lanes[h->lane], h, aad, text, n, text) ? VN_DROP_COUNT : VN_DROP_TAG;
}

/* To the epoch that began with the announced step: the source has taken it. */
static vn_status take_pending(struct vn_rx_keys *k, uint64_t now_us)
{
    VN_CLEANUP(ahead_wipe) struct ahead a;
    uint32_t count = k->kem_epoch - vn_rx_keys_epoch(k);
    if (!walk(k, count, true, &a))
        return VN_ERR_NOMEM;
    const bool taken = k->kem_taken, way = k->kem_way;
    advance(k, &a, count, true, now_us);
    k->kem_taken = taken; /* who announced the next one knows */
    k->kem_way = way;
    return VN_OK;
}

bool vn_rx_keys_follow(struct vn_rx_keys *k, uint32_t epoch, bool kem, uint64_t now_us)
{
    VN_CLEANUP(ahead_wipe) struct ahead a;
    if (epoch <= vn_rx_keys_epoch(k) || epoch - vn_rx_keys_epoch(k) > VN_REKEY_AHEAD_MAX ||
        (kem && !(k->kem_pending && k->kem_epoch <= epoch)))
        return false;
    const uint32_t count = epoch - vn_rx_keys_epoch(k);
    const bool there = walk(k, count, kem, &a);
    if (there)
        advance(k, &a, count, kem, now_us);
    vn_wipe_stack();
    return there;
}

vn_status vn_rx_keys_kem(struct vn_rx_keys *k, uint32_t epoch, uint32_t taken,
                         const struct vn_kem_step *step, uint64_t now_us,
                         struct vn_ctl_keys *ret_ctl)
{
    if (k->kem_pending && k->kem_epoch == taken && take_pending(k, now_us) != VN_OK)
        return VN_ERR_NOMEM;
    if (epoch <= vn_rx_keys_epoch(k))
        return VN_ERR_EXISTS;
    if (epoch - vn_rx_keys_epoch(k) > VN_REKEY_AHEAD_MAX)
        return VN_ERR_LIMIT;
    VN_CLEANUP(ahead_wipe) struct ahead a;
    uint32_t before = epoch - 1 - vn_rx_keys_epoch(k);
    if (!walk(k, before, false, &a))
        return VN_ERR_NOMEM;
    struct vn_ctl_keys ctl;
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 ck;
    vn_status st =
        vn_chain_kem(k->hash_alg, before ? &a.ck[before - 1] : &k->epochs[0].ck, step, &ck, &ctl);
    if (st != VN_OK)
        return st;
    k->kem_pending = true;
    k->kem_taken = false;
    k->kem_epoch = epoch;
    k->kem_ck = ck;
    *ret_ctl = ctl;
    vn_ctl_keys_wipe(&ctl);
    return VN_OK;
}
