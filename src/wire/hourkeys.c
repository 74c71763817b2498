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
    if (generation != k->generation && k->other)
        k = k->other;
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

/* ---- mac keys ---- */

vn_status vn_hour_mac1_key(enum vn_hash_alg alg, const struct vn_secret32 *k,
                           const struct vn_id *responder, struct vn_secret32 *ret)
{
    return vn_hkdf(alg, VN_SPAN_NONE, VN_SPAN_ARRAY(k->b),
                   VN_PARTS(VN_SPAN_LIT("mac1"), VN_SPAN_ARRAY(responder->b)), ret->b,
                   sizeof(ret->b));
}

vn_status vn_hour_env_key(enum vn_hash_alg alg, const struct vn_secret32 *k,
                          struct vn_secret32 *ret)
{
    return vn_hkdf(alg, VN_SPAN_NONE, VN_SPAN_ARRAY(k->b), VN_PARTS(VN_SPAN_LIT("env-mac")), ret->b,
                   sizeof(ret->b));
}

vn_status vn_hour_macs_find(struct vn_hour_macs *m, enum vn_hash_alg alg, uint32_t generation,
                            uint32_t hour, uint64_t now_ms, const struct vn_hour_mac_keys **ret)
{
    const struct vn_secret32 *k = vn_hour_keys_find(m->keys, generation, hour, now_ms);
    if (!k)
        return VN_ERR_EXPIRED;
    /* Neighbouring hours differ in the last bit, so they do not take each other's place. */
    size_t at = hour % 2 + (generation == m->keys->generation ? 0 : 2);
    struct vn_hour_mac_keys *e = &m->kept[at];
    if (!e->set || e->generation != generation || e->hour != hour) {
        e->set = false;
        vn_status st = vn_hour_env_key(alg, k, &e->env);
        if (st == VN_OK)
            st = vn_hour_mac1_key(alg, k, m->self, &e->mac1);
        if (st != VN_OK)
            return st;
        e->generation = generation;
        e->hour = hour;
        e->set = true;
    }
    *ret = e;
    return VN_OK;
}

void vn_hour_macs_forget(struct vn_hour_macs *m)
{
    vn_wipe(m->kept, sizeof(m->kept));
}

void vn_hour_macs_wipe(struct vn_hour_macs *m)
{
    vn_wipe(m, sizeof(*m));
}
