/* Hour keys as the parsers see them: held or not, whatever they are. */
#pragma once

#include "harness.h"
#include "wire/hourkeys.h"

const struct vn_secret32 *vn_hour_keys_find(const struct vn_hour_keys *k, uint32_t generation,
                                            uint32_t hour, uint64_t now_ms)
{
    return nondet_bool() ? k->keys : NULL;
}

vn_status vn_hour_macs_find(struct vn_hour_macs *m, enum vn_hash_alg alg, uint32_t generation,
                            uint32_t hour, uint64_t now_ms, const struct vn_hour_mac_keys **ret)
{
    if (nondet_bool())
        return VN_ERR_EXPIRED;
    *ret = &m->kept[nondet_bool()];
    return VN_OK;
}
