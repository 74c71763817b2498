#include "crypto/kdf.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/params.h>

#include "base/writer.h"
#include "crypto/hmac_sha1.h"
#include "crypto/md5.h"
#include "crypto/ossl.h"

static const EVP_MD *md_of(enum vn_hash_alg alg)
{
    const struct vn_ossl *o = vn_ossl();
    if (!o)
        return NULL;
    switch (alg) {
    case VN_SHA256:
        return o->sha256;
    case VN_SHA384:
        return o->sha384;
    case VN_SHA3_256:
        return o->sha3_256;
    }
    return NULL;
}

static const EVP_MAC_CTX *hmac_of(enum vn_hash_alg alg)
{
    const struct vn_ossl *o = vn_ossl();
    if (!o)
        return NULL;
    switch (alg) {
    case VN_SHA256:
        return o->hmac_sha256;
    case VN_SHA384:
        return o->hmac_sha384;
    case VN_SHA3_256:
        return o->hmac_sha3_256;
    }
    return NULL;
}

size_t vn_hash_len(enum vn_hash_alg alg)
{
    switch (alg) {
    case VN_SHA256:
    case VN_SHA3_256:
        return 32;
    case VN_SHA384:
        return 48;
    }
    return 0;
}

static void md_ctx_freep(EVP_MD_CTX **p)
{
    EVP_MD_CTX_free(*p);
}

static void mac_ctx_freep(EVP_MAC_CTX **p)
{
    EVP_MAC_CTX_free(*p); /* wipes the key */
}

static void kdf_ctx_freep(EVP_KDF_CTX **p)
{
    EVP_KDF_CTX_free(*p);
}

static void hash_wipe(struct vn_hash *h)
{
    vn_wipe(h, sizeof(*h));
}

static vn_status digest(const EVP_MD *md, const struct vn_span *parts, size_t count, uint8_t *ret)
{
    if (!md)
        return VN_ERR_CRYPTO;
    VN_CLEANUP(md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestInit_ex2(ctx, md, NULL) == 1;
    for (size_t i = 0; good && i < count; i++)
        good = EVP_DigestUpdate(ctx, parts[i].p, parts[i].n) == 1;
    return good && EVP_DigestFinal_ex(ctx, ret, NULL) == 1 ? VN_OK
                                                           : vn_ossl_error("digest", VN_ERR_CRYPTO);
}

vn_status vn_hash(enum vn_hash_alg alg, const struct vn_span *parts, size_t count,
                  struct vn_hash *ret)
{
    struct vn_hash h = {.n = vn_hash_len(alg)};
    const vn_status st = digest(md_of(alg), parts, count, h.b);
    if (st == VN_OK)
        *ret = h;
    return st;
}

vn_status vn_md5(const struct vn_span *parts, size_t count, uint8_t ret[VN_MD5_LEN])
{
    const struct vn_ossl *o = vn_ossl();
    return digest(o ? o->md5 : NULL, parts, count, ret);
}

/* NULL on error, queue not drained. */
static EVP_MAC_CTX *hmac_keyed(const EVP_MAC_CTX *keyless, struct vn_span key)
{
    /* RFC 2104 pads keys with zeros, so one zero byte is the empty key, which EVP_MAC_init takes
     * for "none". */
    static const uint8_t EMPTY_KEY[1] = {0};
    EVP_MAC_CTX *ctx = keyless ? EVP_MAC_CTX_dup(keyless) : NULL;
    if (key.n == 0)
        key = VN_SPAN_ARRAY(EMPTY_KEY);
    if (ctx && EVP_MAC_init(ctx, key.p, key.n, NULL) != 1) {
        EVP_MAC_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

static bool mac_update(EVP_MAC_CTX *ctx, const struct vn_span *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (parts[i].n > 0 && EVP_MAC_update(ctx, parts[i].p, parts[i].n) != 1)
            return false;
    }
    return true;
}

static bool mac_final(EVP_MAC_CTX *ctx, struct vn_hash *h)
{
    return EVP_MAC_final(ctx, h->b, &h->n, sizeof(h->b)) == 1;
}

static vn_status hmac(const EVP_MAC_CTX *keyless, struct vn_span key, const struct vn_span *parts,
                      size_t count, struct vn_hash *ret)
{
    VN_CLEANUP(mac_ctx_freep) EVP_MAC_CTX *ctx = hmac_keyed(keyless, key);
    VN_CLEANUP(hash_wipe) struct vn_hash h; /* key material, when HKDF extracts */
    if (!ctx || !mac_update(ctx, parts, count) || !mac_final(ctx, &h))
        return vn_ossl_error("hmac", VN_ERR_CRYPTO);
    *ret = h;
    return VN_OK;
}

vn_status vn_hmac(enum vn_hash_alg alg, struct vn_span key, const struct vn_span *parts,
                  size_t count, struct vn_hash *ret)
{
    return hmac(hmac_of(alg), key, parts, count, ret);
}

vn_status vn_hmac_sha1(struct vn_span key, const struct vn_span *parts, size_t count,
                       uint8_t ret[VN_HMAC_SHA1_LEN])
{
    const struct vn_ossl *o = vn_ossl();
    struct vn_hash h;
    vn_status st = hmac(o ? o->hmac_sha1 : NULL, key, parts, count, &h);
    if (st != VN_OK)
        return st;
    memcpy(ret, h.b, VN_HMAC_SHA1_LEN);
    return VN_OK;
}

vn_status vn_mac16(enum vn_hash_alg alg, struct vn_span key, const struct vn_span *parts,
                   size_t count, uint8_t ret[VN_MAC_LEN])
{
    VN_CLEANUP(hash_wipe) struct vn_hash h;
    vn_status st = vn_hmac(alg, key, parts, count, &h);
    if (st != VN_OK)
        return st;
    memcpy(ret, h.b, VN_MAC_LEN);
    return VN_OK;
}

vn_status vn_hkdf_extract(enum vn_hash_alg alg, struct vn_span salt, struct vn_span ikm,
                          struct vn_hash *ret)
{
    return vn_hmac(alg, salt, &ikm, 1, ret);
}

vn_status vn_hkdf_expand(enum vn_hash_alg alg, struct vn_span prk, const struct vn_span *info,
                         size_t info_count, uint8_t *ret, size_t n)
{
    const size_t hash_len = vn_hash_len(alg);
    if (n > 255 * hash_len)
        return VN_ERR_ARG;
    VN_CLEANUP(mac_ctx_freep) EVP_MAC_CTX *ctx = hmac_keyed(hmac_of(alg), prk);
    if (!ctx)
        return vn_ossl_error("hkdf", VN_ERR_CRYPTO);
    VN_CLEANUP(hash_wipe) struct vn_hash t = {.n = 0};
    uint8_t counter = 1;
    for (size_t done = 0; done < n; counter++) {
        const struct vn_span previous = vn_hash_span(&t);
        /* Without a key EVP_MAC_init starts over with the one it has. */
        if ((done > 0 && EVP_MAC_init(ctx, NULL, 0, NULL) != 1) || !mac_update(ctx, &previous, 1) ||
            !mac_update(ctx, info, info_count) || !mac_update(ctx, &VN_SPAN(&counter, 1), 1) ||
            !mac_final(ctx, &t)) {
            vn_wipe(ret, done);
            return vn_ossl_error("hkdf", VN_ERR_CRYPTO);
        }
        const size_t take = VN_MIN(n - done, t.n);
        memcpy(ret + done, t.b, take);
        done += take;
    }
    return VN_OK;
}

vn_status vn_hkdf(enum vn_hash_alg alg, struct vn_span salt, struct vn_span ikm,
                  const struct vn_span *info, size_t info_count, uint8_t *ret, size_t n)
{
    VN_CLEANUP(hash_wipe) struct vn_hash prk;
    vn_status st = vn_hkdf_extract(alg, salt, ikm, &prk);
    if (st != VN_OK)
        return st;
    return vn_hkdf_expand(alg, vn_hash_span(&prk), info, info_count, ret, n);
}

vn_status vn_tls12_prf(enum vn_hash_alg alg, struct vn_span secret, const struct vn_span *seed,
                       size_t seed_count, uint8_t *ret, size_t n)
{
    uint8_t joined[VN_TLS12_PRF_SEED_MAX];
    struct vn_writer w = vn_writer_of(joined, sizeof(joined));
    for (size_t i = 0; i < seed_count; i++)
        vn_write_span(&w, seed[i]);
    const struct vn_ossl *o = vn_ossl();
    const EVP_MD *md = md_of(alg);
    if (!vn_writer_ok(&w) || secret.n == 0 || n == 0)
        return VN_ERR_ARG;
    if (!o || !md)
        return VN_ERR_CRYPTO;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
                                         (char *)(uintptr_t)EVP_MD_get0_name(md), 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, (void *)(uintptr_t)secret.p,
                                          secret.n),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, joined, w.len),
        OSSL_PARAM_construct_end(),
    };
    VN_CLEANUP(kdf_ctx_freep) EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(o->tls1_prf);
    if (!ctx || EVP_KDF_derive(ctx, ret, n, params) != 1)
        return vn_ossl_error("tls1-prf", VN_ERR_CRYPTO);
    return VN_OK;
}

vn_status vn_argon2id(struct vn_span password, struct vn_span salt, uint32_t m_kib, uint32_t t,
                      uint32_t p, uint8_t *ret, size_t n)
{
    /* RFC 9106 section 3.1; the salt's lower bound is OpenSSL's. */
    if (p < 1 || p > 0xffffff || t < 1 || m_kib / 8 < p || salt.n < 8 || n < 4 || n > UINT32_MAX)
        return VN_ERR_ARG;
    const struct vn_ossl *o = vn_ossl();
    if (!o)
        return VN_ERR_CRYPTO;
    uint8_t none[1] = {0};
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(
            OSSL_KDF_PARAM_PASSWORD, password.n ? (void *)(uintptr_t)password.p : none, password.n),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt.p, salt.n),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ARGON2_MEMCOST, &m_kib),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ITER, &t),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ARGON2_LANES, &p),
        OSSL_PARAM_construct_end(),
    };
    VN_CLEANUP(kdf_ctx_freep) EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(o->argon2id);
    if (!ctx || EVP_KDF_derive(ctx, ret, n, params) != 1)
        return vn_ossl_error("argon2id", VN_ERR_CRYPTO);
    return VN_OK;
}
