#include "wire/member_stun.h"

void vn_stun_keys_wipe(struct vn_stun_keys *k)
{
    vn_wipe(k, sizeof(*k));
}

/* Adds the key of an hour, if it is held and counts. */
static vn_status add(enum vn_hash_alg alg, const struct vn_hour_keys *hours, uint32_t generation,
                     uint32_t hour, uint64_t now_ms, struct vn_stun_keys *k)
{
    const struct vn_secret32 *base = vn_hour_keys_find(hours, generation, hour, now_ms);
    if (!base)
        return VN_OK;
    struct vn_hash h;
    vn_status st = vn_hmac(alg, VN_SPAN_ARRAY(base->b), VN_PARTS(VN_SPAN_LIT("stun")), &h);
    if (st == VN_OK) {
        struct vn_stun_key *out = &k->keys[k->count++];
        out->generation = generation;
        out->hour = hour;
        memcpy(out->key.b, h.b, sizeof(out->key.b));
    }
    vn_wipe(&h, sizeof(h));
    return st;
}

/* The next moment at which an hour begins or ends to count. */
static uint64_t until(uint64_t now_ms)
{
    const uint64_t hour = now_ms - now_ms % VN_HOUR_MS, into = now_ms - hour;
    if (into <= VN_HOUR_GRACE_MS)
        return hour + VN_HOUR_GRACE_MS + 1;
    return into < VN_HOUR_MS - VN_HOUR_GRACE_MS ? hour + VN_HOUR_MS - VN_HOUR_GRACE_MS
                                                : hour + VN_HOUR_MS;
}

vn_status vn_stun_keys_make(enum vn_hash_alg alg, const struct vn_hour_keys *hours, uint64_t now_ms,
                            struct vn_stun_keys *ret, uint64_t *ret_until_ms)
{
    VN_CLEANUP(vn_stun_keys_wipe) struct vn_stun_keys k = {.count = 0};
    const uint32_t hour = vn_hour_of(now_ms);
    vn_status st = add(alg, hours, hours->generation, hour, now_ms, &k);
    const struct vn_hour_keys *of[] = {hours, hours->other};
    /* The present hour first; of its neighbours at most one counts. */
    const uint32_t at[] = {hour, hour + 1, hour - 1};
    for (size_t i = 0; i < VN_ARRAY_LEN(of) && of[i]; i++)
        for (size_t j = i == 0; j < VN_ARRAY_LEN(at) && st == VN_OK && k.count > 0; j++)
            if (k.count < VN_STUN_KEYS_MAX)
                st = add(alg, hours, of[i]->generation, at[j], now_ms, &k);
    if (st != VN_OK)
        return st;
    *ret = k;
    *ret_until_ms = until(now_ms);
    return VN_OK;
}

void vn_stun_key_username(const struct vn_stun_key *k, uint8_t ret[VN_STUN_USERNAME_LEN])
{
    static const char digits[] = "0123456789abcdef";
    const uint64_t v = (uint64_t)k->generation << 32 | k->hour;
    for (unsigned i = 0; i < VN_STUN_USERNAME_LEN; i++)
        ret[i] = (uint8_t)digits[v >> (60 - 4 * i) & 15];
}

const struct vn_stun_key *vn_stun_keys_find(const struct vn_stun_keys *k, struct vn_span username)
{
    for (size_t i = 0; i < k->count; i++) {
        uint8_t name[VN_STUN_USERNAME_LEN];
        vn_stun_key_username(&k->keys[i], name);
        if (vn_span_equal(username, VN_SPAN_ARRAY(name)))
            return &k->keys[i];
    }
    return NULL;
}
