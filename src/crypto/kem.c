#include "crypto/kem.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <stdlib.h>

#include "crypto/ossl.h"

struct kem_info {
    const char *name;
    size_t ek_len, ct_len, ss_len, dk_len;
    bool hybrid;
};

#define EK_MAX 1568

static const struct kem_info *info_of(enum vn_kem_alg alg)
{
    static const struct kem_info HYBRID = {"X25519MLKEM768", 1216, 1120, 64, 2432, true};
    static const struct kem_info MLKEM768 = {"ML-KEM-768", 1184, 1088, 32, 2400, false};
    static const struct kem_info MLKEM1024 = {"ML-KEM-1024", 1568, 1568, 32, 3168, false};
    switch (alg) {
    case VN_KEM_X25519MLKEM768:
        return &HYBRID;
    case VN_KEM_MLKEM768:
        return &MLKEM768;
    case VN_KEM_MLKEM1024:
        return &MLKEM1024;
    }
    return NULL;
}

struct vn_kem_dk {
    enum vn_kem_alg alg;
    const struct kem_info *info;
    EVP_PKEY *pkey;
    uint8_t ek[EK_MAX];
};

size_t vn_kem_ek_len(enum vn_kem_alg alg)
{
    const struct kem_info *info = info_of(alg);
    return info ? info->ek_len : 0;
}

size_t vn_kem_ct_len(enum vn_kem_alg alg)
{
    const struct kem_info *info = info_of(alg);
    return info ? info->ct_len : 0;
}

size_t vn_kem_ss_len(enum vn_kem_alg alg)
{
    const struct kem_info *info = info_of(alg);
    return info ? info->ss_len : 0;
}

/* Takes ownership of pkey, also on error. */
static vn_status wrap(enum vn_kem_alg alg, EVP_PKEY *pkey, struct vn_kem_dk **ret)
{
    VN_CLEANUP(vn_kem_freep) struct vn_kem_dk *dk = calloc(1, sizeof(*dk));
    if (!dk) {
        EVP_PKEY_free(pkey);
        return VN_ERR_NOMEM;
    }
    dk->alg = alg;
    dk->info = info_of(alg);
    dk->pkey = pkey;
    size_t n = 0;
    /* OSSL_PKEY_PARAM_PUB_KEY, which the pure ML-KEM keys have too, is not known for the hybrid. */
    if (EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, dk->ek,
                                        sizeof(dk->ek), &n) != 1 ||
        n != dk->info->ek_len)
        return vn_ossl_error("kem key", VN_ERR_CRYPTO);
    *ret = VN_TAKE(dk);
    return VN_OK;
}

vn_status vn_kem_generate(enum vn_kem_alg alg, struct vn_kem_dk **ret)
{
    const struct kem_info *info = info_of(alg);
    if (!info)
        return VN_ERR_ARG;
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, info->name);
    if (!pkey)
        return vn_ossl_error("kem generate", VN_ERR_CRYPTO);
    return wrap(alg, pkey, ret);
}

vn_status vn_kem_from_seed(enum vn_kem_alg alg, struct vn_span seed, struct vn_kem_dk **ret)
{
    const struct kem_info *info = info_of(alg);
    if (!info || seed.n != 64)
        return VN_ERR_ARG;
    if (info->hybrid)
        return VN_ERR_UNSUPPORTED;
    EVP_PKEY *pkey = vn_ossl_pkey_from(info->name, EVP_PKEY_KEYPAIR, OSSL_PKEY_PARAM_ML_KEM_SEED,
                                       seed.p, seed.n);
    if (!pkey)
        return vn_ossl_error("kem seed", VN_ERR_CRYPTO);
    return wrap(alg, pkey, ret);
}

vn_status vn_kem_from_dk(enum vn_kem_alg alg, struct vn_span dk, struct vn_kem_dk **ret)
{
    const struct kem_info *info = info_of(alg);
    if (!info)
        return VN_ERR_ARG;
    if (dk.n != info->dk_len)
        return VN_ERR_MALFORMED;
    /* OpenSSL makes FIPS 203 section 7.3's check of the key hash inside dk. */
    EVP_PKEY *pkey =
        vn_ossl_pkey_from(info->name, EVP_PKEY_KEYPAIR, OSSL_PKEY_PARAM_PRIV_KEY, dk.p, dk.n);
    if (!pkey)
        return vn_ossl_error("kem dk", VN_ERR_MALFORMED);
    return wrap(alg, pkey, ret);
}

struct vn_kem_dk *vn_kem_free(struct vn_kem_dk *dk)
{
    if (dk) {
        EVP_PKEY_free(dk->pkey); /* wipes */
        free(dk);
    }
    return NULL;
}

void vn_kem_freep(struct vn_kem_dk **dk)
{
    *dk = vn_kem_free(*dk);
}

enum vn_kem_alg vn_kem_alg_of(const struct vn_kem_dk *dk)
{
    return dk->alg;
}

struct vn_span vn_kem_ek(const struct vn_kem_dk *dk)
{
    return VN_SPAN(dk->ek, dk->info->ek_len);
}

vn_status vn_kem_export_dk(const struct vn_kem_dk *dk, uint8_t *ret, size_t cap, size_t *ret_n)
{
    if (cap < dk->info->dk_len)
        return VN_ERR_LIMIT;
    size_t n = 0;
    if (EVP_PKEY_get_octet_string_param(dk->pkey, OSSL_PKEY_PARAM_PRIV_KEY, ret, cap, &n) != 1 ||
        n != dk->info->dk_len)
        return vn_ossl_error("kem export", VN_ERR_CRYPTO);
    *ret_n = n;
    return VN_OK;
}

static vn_status encapsulate(const struct kem_info *info, struct vn_span ek,
                             const OSSL_PARAM params[], uint8_t *ret_ct, struct vn_secret *ret_ss)
{
    if (ek.n != info->ek_len)
        return VN_ERR_MALFORMED;
    VN_CLEANUP(vn_pkey_freep)
    EVP_PKEY *pkey =
        vn_ossl_pkey_from(info->name, EVP_PKEY_PUBLIC_KEY, OSSL_PKEY_PARAM_PUB_KEY, ek.p, ek.n);
    if (!pkey)
        return vn_ossl_error("kem ek", VN_ERR_MALFORMED);
    VN_CLEANUP(vn_pkey_ctx_freep)
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    VN_CLEANUP(vn_secret_wipe) struct vn_secret ss = {.n = info->ss_len};
    uint8_t ct[EK_MAX];
    size_t ct_len = info->ct_len;
    if (!ctx || EVP_PKEY_encapsulate_init(ctx, params) != 1 ||
        EVP_PKEY_encapsulate(ctx, ct, &ct_len, ss.b, &ss.n) != 1 || ct_len != info->ct_len ||
        ss.n != info->ss_len)
        return vn_ossl_error("encapsulate", VN_ERR_CRYPTO);
    memcpy(ret_ct, ct, ct_len);
    *ret_ss = ss;
    return VN_OK;
}

vn_status vn_kem_encapsulate(enum vn_kem_alg alg, struct vn_span ek, uint8_t *ret_ct,
                             struct vn_secret *ret_ss)
{
    const struct kem_info *info = info_of(alg);
    if (!info)
        return VN_ERR_ARG;
    return encapsulate(info, ek, NULL, ret_ct, ret_ss);
}

vn_status vn_kem_encapsulate_derand(enum vn_kem_alg alg, struct vn_span ek, struct vn_span m,
                                    uint8_t *ret_ct, struct vn_secret *ret_ss)
{
    const struct kem_info *info = info_of(alg);
    if (!info || m.n != 32)
        return VN_ERR_ARG;
    if (info->hybrid)
        return VN_ERR_UNSUPPORTED;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_KEM_PARAM_IKME, (void *)(uintptr_t)m.p, m.n),
        OSSL_PARAM_construct_end(),
    };
    return encapsulate(info, ek, params, ret_ct, ret_ss);
}

vn_status vn_kem_decapsulate(const struct vn_kem_dk *dk, struct vn_span ct,
                             struct vn_secret *ret_ss)
{
    const struct kem_info *info = dk->info;
    if (ct.n != info->ct_len)
        return VN_ERR_MALFORMED;
    VN_CLEANUP(vn_pkey_ctx_freep)
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, dk->pkey, NULL);
    VN_CLEANUP(vn_secret_wipe) struct vn_secret ss = {.n = info->ss_len};
    if (!ctx || EVP_PKEY_decapsulate_init(ctx, NULL) != 1 ||
        EVP_PKEY_decapsulate(ctx, ss.b, &ss.n, ct.p, ct.n) != 1 || ss.n != info->ss_len)
        return vn_ossl_error("decapsulate", VN_ERR_CRYPTO);
    *ret_ss = ss;
    return VN_OK;
}

vn_status vn_x25519(const uint8_t scalar[32], const uint8_t u[32], struct vn_secret32 *ret)
{
    VN_CLEANUP(vn_pkey_freep)
    EVP_PKEY *own = EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, scalar, 32);
    VN_CLEANUP(vn_pkey_freep)
    EVP_PKEY *peer = EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, u, 32);
    VN_CLEANUP(vn_pkey_ctx_freep)
    EVP_PKEY_CTX *ctx = own ? EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL) : NULL;
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 ss;
    size_t n = sizeof(ss.b);
    /* EVP_PKEY_derive refuses an all-zero result itself. */
    if (!peer || !ctx || EVP_PKEY_derive_init(ctx) != 1 ||
        EVP_PKEY_derive_set_peer(ctx, peer) != 1 || EVP_PKEY_derive(ctx, ss.b, &n) != 1 || n != 32)
        return vn_ossl_error("x25519", VN_ERR_CRYPTO);
    *ret = ss;
    return VN_OK;
}
