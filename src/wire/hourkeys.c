#include "wire/hourkeys.h"

#include "base/limits.h"
#include "base/writer.h"

vn_status vn_hour_key_derive(enum vn_hash_alg alg, const struct vn_secret32 *root,
                             uint32_t generation, uint32_t hour, struct vn_secret32 *ret)
{
    uint8_t msg[8];
    struct vn_writer w = vn_writer_of(msg, sizeof(msg));
    vn_write_u32(&w, generation);
    vn_write_u32(&w, hour);
    struct vn_hash h;
    vn_status st = vn_hmac(alg, VN_SPAN_ARRAY(root->b), VN_PARTS(vn_writer_span(&w)), &h);
    if (st == VN_OK)
        memcpy(ret->b, h.b, sizeof(ret->b));
    vn_wipe(&h, sizeof(h));
    return st;
}

uint32_t vn_hour_of(uint64_t now_ms)
{
    uint64_t hour = now_ms / VN_HOUR_MS;
    return hour > UINT32_MAX ? UINT32_MAX : (uint32_t)hour;
}

static const struct vn_secret32 *held(const struct vn_hour_keys *k, uint32_t hour)
{
    if (hour < k->first_hour || hour - k->first_hour >= VN_MIN(k->count, (size_t)VN_HOURS_MAX))
        return NULL;
    return &k->keys[hour - k->first_hour];
}

static bool acceptable(uint64_t hour, uint64_t now_ms)
{
    uint64_t present = now_ms / VN_HOUR_MS;
    uint64_t into_ms = now_ms % VN_HOUR_MS;
    if (hour == present)
        return true;
    if (hour + 1 == present)
        return into_ms <= VN_HOUR_GRACE_MS;
    return hour == present + 1 && VN_HOUR_MS - into_ms <= VN_HOUR_GRACE_MS;
}

const struct vn_secret32 *vn_hour_keys_find(const struct vn_hour_keys *k, uint32_t generation,
                                            uint32_t hour, uint64_t now_ms)
{
    if (generation != k->generation || !acceptable(hour, now_ms))
        return NULL;
    return held(k, hour);
}

const struct vn_secret32 *vn_hour_keys_now(const struct vn_hour_keys *k, uint64_t now_ms,
                                           uint32_t *ret_hour)
{
    uint32_t hour = vn_hour_of(now_ms);
    const struct vn_secret32 *key = held(k, hour);
    if (key)
        *ret_hour = hour;
    return key;
}

void vn_hour_keys_wipe(struct vn_hour_keys *k)
{
    vn_wipe(k, sizeof(*k));
}
