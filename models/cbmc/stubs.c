/*
 * Crypto as the parsers see it: anything may come out, any call may fail; what goes in must be
 * readable, what comes out has room. OWN_CRYPTO: the harness has another (chain.h).
 */
#include "crypto/aead.h"
#include "crypto/kdf.h"
#include "crypto/kem.h"
#include "crypto/sig.h"
#include "harness.h"

#ifndef OWN_CRYPTO

static bool readable(struct vn_span s)
{
    return s.n == 0 || __CPROVER_r_ok(s.p, s.n);
}

static vn_status any_status(vn_status failure)
{
    return nondet_bool() ? VN_OK : failure;
}

static void parts_readable(const struct vn_span *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert(readable(parts[i]));
}

struct vn_hash nondet_hash(void);

vn_status vn_hash(enum vn_hash_alg alg, const struct vn_span *parts, size_t count,
                  struct vn_hash *ret)
{
    parts_readable(parts, count);
    if (nondet_bool())
        return VN_ERR_CRYPTO;
    *ret = nondet_hash();
    __CPROVER_assume(ret->n == 3 || ret->n == 4);
    return VN_OK;
}

vn_status vn_hmac(enum vn_hash_alg alg, struct vn_span key, const struct vn_span *parts,
                  size_t count, struct vn_hash *ret)
{
    assert(readable(key));
    return vn_hash(alg, parts, count, ret);
}

vn_status vn_mac16(enum vn_hash_alg alg, struct vn_span key, const struct vn_span *parts,
                   size_t count, uint8_t ret[VN_MAC_LEN])
{
    assert(readable(key));
    parts_readable(parts, count);
    __CPROVER_havoc_slice(ret, VN_MAC_LEN);
    return any_status(VN_ERR_CRYPTO);
}

vn_status vn_hkdf(enum vn_hash_alg alg, struct vn_span salt, struct vn_span ikm,
                  const struct vn_span *info, size_t info_count, uint8_t *ret, size_t n)
{
    assert(readable(salt) && readable(ikm) && __CPROVER_w_ok(ret, n));
    parts_readable(info, info_count);
    return any_status(VN_ERR_CRYPTO);
}

enum vn_kem_alg vn_kem_alg_of(const struct vn_kem_dk *dk)
{
    return nondet_bool() ? VN_KEM_X25519MLKEM768 : VN_KEM_MLKEM1024;
}

vn_status vn_kem_decapsulate(const struct vn_kem_dk *dk, struct vn_span ct, struct vn_secret *ss)
{
    assert(readable(ct));
    ss->n = nondet_bool() ? 32 : 64;
    return any_status(VN_ERR_CRYPTO);
}

struct vn_kem_dk *vn_kem_free(struct vn_kem_dk *dk)
{
    return NULL;
}

/* A message that authenticates can hold anything. */
vn_status vn_aead_open_once(const struct vn_secret32 *key, struct vn_span aad, struct vn_span in,
                            uint8_t *plain)
{
    assert(readable(aad) && readable(in) && in.n >= VN_AEAD_TAG_LEN);
    assert(__CPROVER_w_ok(plain, in.n - VN_AEAD_TAG_LEN));
    return any_status(VN_ERR_AUTH);
}

vn_status vn_aead_new(const struct vn_secret32 *key, struct vn_aead **ret)
{
    *ret = NULL;
    return any_status(VN_ERR_CRYPTO);
}

struct vn_aead *vn_aead_free(struct vn_aead *a)
{
    return NULL;
}

void vn_aead_freep(struct vn_aead **a)
{
}

vn_status vn_aead_open(struct vn_aead *a, const uint8_t nonce[12], struct vn_span aad,
                       struct vn_span ct, const uint8_t tag[16], uint8_t *plain)
{
    assert(readable(aad) && readable(ct) && __CPROVER_r_ok(nonce, VN_AEAD_NONCE_LEN));
    assert(__CPROVER_r_ok(tag, VN_AEAD_TAG_LEN) && (ct.n == 0 || __CPROVER_w_ok(plain, ct.n)));
    return any_status(VN_ERR_AUTH);
}

#endif

void vn_wipe_stack(void)
{
}

void vn_wipe(void *p, size_t n)
{
    assert(n == 0 || __CPROVER_w_ok(p, n));
}

void vn_secret32_wipe(struct vn_secret32 *s)
{
}

void vn_secret_wipe(struct vn_secret *s)
{
}

bool vn_ct_equal(const void *a, const void *b, size_t n)
{
    assert(__CPROVER_r_ok(a, n) && __CPROVER_r_ok(b, n));
    return nondet_bool();
}

/*
 * The library's, written out: CBMC's own model of a copy of unknown length is an array formula that
 * it cannot decide in a minute. With CHECK_ONLY a copy is judged, and leaves anything behind.
 */
void *memcpy(void *dst, const void *src, size_t n)
{
    assert(n == 0 || (__CPROVER_w_ok(dst, n) && __CPROVER_r_ok(src, n)));
#ifdef CHECK_ONLY
    size_t at = nondet_size();
    if (at < n)
        ((uint8_t *)dst)[at] = nondet_u8();
#else
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)dst)[i] = ((const uint8_t *)src)[i];
#endif
    return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
    assert(n == 0 || (__CPROVER_r_ok(a, n) && __CPROVER_r_ok(b, n)));
#ifdef CHECK_ONLY
    return nondet_bool() ? 1 : nondet_bool() ? 0 : -1;
#else
    for (size_t i = 0; i < n; i++)
        if (((const uint8_t *)a)[i] != ((const uint8_t *)b)[i])
            return ((const uint8_t *)a)[i] < ((const uint8_t *)b)[i] ? -1 : 1;
    return 0;
#endif
}
