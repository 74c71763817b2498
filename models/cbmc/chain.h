/*
 * Ideal key derivation, for proofs of what is done with keys: a chain key is a name in its first
 * byte, a step makes any other name of it, but always the same, a lane's cipher carries the name
 * and its lane, and opens what was sealed under that name, lane and nonce. No proof takes the names
 * of different keys for different, so a byte holds enough of them. With -DOWN_CRYPTO, in the place
 * of what stubs.c has.
 */
#pragma once

#include "core/commands.h"
#include "crypto/aead.h"
#include "harness.h"

uint8_t __CPROVER_uninterpreted_step(uint8_t name);
uint8_t __CPROVER_uninterpreted_kem(uint8_t name, uint8_t secret);

static bool out_of_memory;

static vn_status any_failure(void)
{
    if (nondet_bool())
        return VN_OK;
    out_of_memory = true;
    return VN_ERR_NOMEM;
}

/* The steps of a chain: the KEM step has the chain key as its salt, the other none. */
vn_status vn_hkdf(enum vn_hash_alg alg, struct vn_span salt, struct vn_span ikm,
                  const struct vn_span *info, size_t info_count, uint8_t *ret, size_t n)
{
    if (any_failure() != VN_OK)
        return VN_ERR_NOMEM;
    assert(n == (salt.n ? 96 : 32) && __CPROVER_w_ok(ret, n));
    ret[0] = salt.n ? __CPROVER_uninterpreted_kem(salt.p[0], ikm.p[0])
                    : __CPROVER_uninterpreted_step(ikm.p[0]);
    return VN_OK;
}

/* Key and iv of a lane. */
vn_status vn_hkdf_expand(enum vn_hash_alg alg, struct vn_span prk, const struct vn_span *info,
                         size_t info_count, uint8_t *ret, size_t n)
{
    if (any_failure() != VN_OK)
        return VN_ERR_NOMEM;
    assert(n == 44 && info_count == 2 && info[1].n == 1 && __CPROVER_w_ok(ret, n));
    for (size_t i = 32; i < 44; i++)
        ret[i] = 0;
    ret[0] = ret[32] = prk.p[0];
    ret[1] = info[1].p[0];
    return VN_OK;
}

vn_status vn_hash(enum vn_hash_alg alg, const struct vn_span *parts, size_t count,
                  struct vn_hash *ret)
{
    return any_failure();
}

struct vn_aead {
    uint8_t name, lane;
};

vn_status vn_aead_new(const struct vn_secret32 *key, struct vn_aead **ret)
{
    struct vn_aead *a = any_failure() == VN_OK ? room(sizeof(*a)) : NULL;
    if (!a)
        return VN_ERR_NOMEM;
    *a = (struct vn_aead){key->b[0], key->b[1]};
    *ret = a;
    return VN_OK;
}

struct vn_aead *vn_aead_free(struct vn_aead *a)
{
    free(a);
    return NULL;
}

/* What the last frame was sealed under, and so must be opened with. */
static struct {
    uint8_t name, lane;
    uint8_t nonce[12];
} sealed;

vn_status vn_aead_seal(struct vn_aead *a, const uint8_t nonce[12], struct vn_span aad,
                       struct vn_span in, uint8_t *out, uint8_t tag[16])
{
    sealed.name = a->name;
    sealed.lane = a->lane;
    for (size_t i = 0; i < 12; i++)
        sealed.nonce[i] = nonce[i];
    return any_failure();
}

vn_status vn_aead_open(struct vn_aead *a, const uint8_t nonce[12], struct vn_span aad,
                       struct vn_span in, const uint8_t tag[16], uint8_t *out)
{
    bool good = a->name == sealed.name && a->lane == sealed.lane;
    for (size_t i = 0; i < 12; i++)
        good = good && nonce[i] == sealed.nonce[i];
    return good ? VN_OK : VN_ERR_AUTH;
}
