#include "crypto/sig.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <stdlib.h>

#include "crypto/ossl.h"
#include "crypto/sig_evp.h"

#define PK_MAX 2592
#define CONTEXT_MAX 255 /* FIPS 204 section 5.2 */

struct sig_info {
    const char *name;
    size_t pk_len, sig_len, sk_len;
};

static const struct sig_info *info_of(enum vn_sig_alg alg)
{
    static const struct sig_info MLDSA65 = {"ML-DSA-65", 1952, 3309, 4032};
    static const struct sig_info MLDSA87 = {"ML-DSA-87", 2592, 4627, 4896};
    static const struct sig_info ED25519 = {"ED25519", 32, 64, 32};
    switch (alg) {
    case VN_SIG_MLDSA65:
        return &MLDSA65;
    case VN_SIG_MLDSA87:
        return &MLDSA87;
    case VN_SIG_ED25519:
        return &ED25519;
    }
    return NULL;
}

static EVP_SIGNATURE *evp_sig_of(enum vn_sig_alg alg)
{
    const struct vn_ossl *o = vn_ossl();
    if (!o)
        return NULL;
    switch (alg) {
    case VN_SIG_MLDSA65:
        return o->mldsa65;
    case VN_SIG_MLDSA87:
        return o->mldsa87;
    case VN_SIG_ED25519:
        return o->ed25519;
    }
    return NULL;
}

/* One struct for both halves, so that what is about the public half stands once. */
struct half {
    enum vn_sig_alg alg;
    const struct sig_info *info;
    EVP_PKEY *pkey;
    uint8_t pk[PK_MAX];
};

struct vn_sig_key {
    struct half h;
};

struct vn_sig_pub {
    struct half h;
};

size_t vn_sig_pk_len(enum vn_sig_alg alg)
{
    const struct sig_info *info = info_of(alg);
    return info ? info->pk_len : 0;
}

size_t vn_sig_len(enum vn_sig_alg alg)
{
    const struct sig_info *info = info_of(alg);
    return info ? info->sig_len : 0;
}

/* Takes ownership of pkey, also on error. */
static vn_status wrap(enum vn_sig_alg alg, EVP_PKEY *pkey, struct vn_sig_key **ret)
{
    VN_CLEANUP(vn_sig_freep) struct vn_sig_key *key = calloc(1, sizeof(*key));
    if (!key) {
        EVP_PKEY_free(pkey);
        return VN_ERR_NOMEM;
    }
    key->h = (struct half){.alg = alg, .info = info_of(alg), .pkey = pkey};
    size_t n = sizeof(key->h.pk);
    if (EVP_PKEY_get_raw_public_key(pkey, key->h.pk, &n) != 1 || n != key->h.info->pk_len)
        return vn_ossl_error("sig key", VN_ERR_CRYPTO);
    *ret = VN_TAKE(key);
    return VN_OK;
}

vn_status vn_sig_generate(enum vn_sig_alg alg, struct vn_sig_key **ret)
{
    const struct sig_info *info = info_of(alg);
    if (!info)
        return VN_ERR_ARG;
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, info->name);
    if (!pkey)
        return vn_ossl_error("sig generate", VN_ERR_CRYPTO);
    return wrap(alg, pkey, ret);
}

vn_status vn_sig_from_seed(enum vn_sig_alg alg, struct vn_span seed, struct vn_sig_key **ret)
{
    const struct sig_info *info = info_of(alg);
    if (!info || seed.n != 32)
        return VN_ERR_ARG;
    EVP_PKEY *pkey = alg == VN_SIG_ED25519
                         ? EVP_PKEY_new_raw_private_key_ex(NULL, info->name, NULL, seed.p, seed.n)
                         : vn_ossl_pkey_from(info->name, EVP_PKEY_KEYPAIR,
                                             OSSL_PKEY_PARAM_ML_DSA_SEED, seed.p, seed.n);
    if (!pkey)
        return vn_ossl_error("sig seed", VN_ERR_CRYPTO);
    return wrap(alg, pkey, ret);
}

vn_status vn_sig_from_sk(enum vn_sig_alg alg, struct vn_span sk, struct vn_sig_key **ret)
{
    const struct sig_info *info = info_of(alg);
    if (!info)
        return VN_ERR_ARG;
    if (sk.n != info->sk_len)
        return VN_ERR_MALFORMED;
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key_ex(NULL, info->name, NULL, sk.p, sk.n);
    if (!pkey)
        return vn_ossl_error("sig sk", VN_ERR_MALFORMED);
    return wrap(alg, pkey, ret);
}

vn_status vn_sig_export_sk(const struct vn_sig_key *key, uint8_t *ret, size_t cap, size_t *ret_n)
{
    size_t n = key->h.info->sk_len;
    if (cap < n)
        return VN_ERR_LIMIT;
    if (EVP_PKEY_get_raw_private_key(key->h.pkey, ret, &n) != 1 || n != key->h.info->sk_len)
        return vn_ossl_error("sig export", VN_ERR_CRYPTO);
    *ret_n = n;
    return VN_OK;
}

vn_status vn_sig_seed(const struct vn_sig_key *key, struct vn_secret32 *ret)
{
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 seed;
    size_t n = sizeof(seed.b);
    const int got = key->h.alg == VN_SIG_ED25519
                        ? EVP_PKEY_get_raw_private_key(key->h.pkey, seed.b, &n)
                        : EVP_PKEY_get_octet_string_param(key->h.pkey, OSSL_PKEY_PARAM_ML_DSA_SEED,
                                                          seed.b, sizeof(seed.b), &n);
    if (got != 1 || n != sizeof(seed.b))
        return vn_ossl_error("sig seed", VN_ERR_CRYPTO);
    *ret = seed;
    return VN_OK;
}

struct vn_sig_key *vn_sig_free(struct vn_sig_key *key)
{
    if (key) {
        EVP_PKEY_free(key->h.pkey); /* wipes */
        free(key);
    }
    return NULL;
}

void vn_sig_freep(struct vn_sig_key **key)
{
    *key = vn_sig_free(*key);
}

enum vn_sig_alg vn_sig_alg_of(const struct vn_sig_key *key)
{
    return key->h.alg;
}

struct vn_span vn_sig_pk(const struct vn_sig_key *key)
{
    return VN_SPAN(key->h.pk, key->h.info->pk_len);
}

EVP_PKEY *vn_sig_key_evp(const struct vn_sig_key *key)
{
    return key->h.pkey;
}

EVP_PKEY *vn_sig_pub_evp(const struct vn_sig_pub *pub)
{
    return pub->h.pkey;
}

enum vn_sig_alg vn_sig_pub_alg(const struct vn_sig_pub *pub)
{
    return pub->h.alg;
}

/* Fills what the algorithm takes: Ed25519 knows neither contexts (in its pure form) nor randomness.
 */
static void set_params(const struct half *h, struct vn_span context, int *deterministic,
                       OSSL_PARAM params[3])
{
    size_t n = 0;
    if (h->alg != VN_SIG_ED25519 && context.n > 0)
        params[n++] = OSSL_PARAM_construct_octet_string(OSSL_SIGNATURE_PARAM_CONTEXT_STRING,
                                                        (void *)(uintptr_t)context.p, context.n);
    if (h->alg != VN_SIG_ED25519 && deterministic)
        params[n++] = OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_DETERMINISTIC, deterministic);
    params[n] = OSSL_PARAM_construct_end();
}

/* OpenSSL may look at the pointer of an empty message. */
static struct vn_span never_null(struct vn_span s)
{
    return s.n == 0 ? VN_SPAN("", 0) : s;
}

static vn_status sign(const struct half *h, struct vn_span context, struct vn_span msg,
                      int deterministic, uint8_t *ret)
{
    if (context.n > CONTEXT_MAX)
        return VN_ERR_ARG;
    OSSL_PARAM params[3];
    set_params(h, context, &deterministic, params);
    msg = never_null(msg);
    EVP_SIGNATURE *alg = evp_sig_of(h->alg);
    VN_CLEANUP(vn_pkey_ctx_freep)
    EVP_PKEY_CTX *ctx = alg ? EVP_PKEY_CTX_new_from_pkey(NULL, h->pkey, NULL) : NULL;
    size_t n = h->info->sig_len;
    if (!ctx || EVP_PKEY_sign_message_init(ctx, alg, params) != 1 ||
        EVP_PKEY_sign(ctx, ret, &n, msg.p, msg.n) != 1 || n != h->info->sig_len)
        return vn_ossl_error("sign", VN_ERR_CRYPTO);
    return VN_OK;
}

static struct vn_span context_bytes(const char *context)
{
    return context ? VN_SPAN_STR(context) : VN_SPAN_NONE;
}

vn_status vn_sig_sign(const struct vn_sig_key *key, const char *context, struct vn_span msg,
                      uint8_t *ret)
{
    return sign(&key->h, context_bytes(context), msg, 0, ret);
}

vn_status vn_sig_sign_ctx(const struct vn_sig_key *key, struct vn_span context, struct vn_span msg,
                          uint8_t *ret)
{
    return sign(&key->h, context, msg, 0, ret);
}

vn_status vn_sig_sign_deterministic(const struct vn_sig_key *key, const char *context,
                                    struct vn_span msg, uint8_t *ret)
{
    return sign(&key->h, context_bytes(context), msg, 1, ret);
}

vn_status vn_sig_pub_new(enum vn_sig_alg alg, struct vn_span pk, struct vn_sig_pub **ret)
{
    const struct sig_info *info = info_of(alg);
    if (!info)
        return VN_ERR_ARG;
    if (pk.n != info->pk_len)
        return VN_ERR_MALFORMED;
    VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *pub = calloc(1, sizeof(*pub));
    if (!pub)
        return VN_ERR_NOMEM;
    pub->h.alg = alg;
    pub->h.info = info;
    pub->h.pkey = EVP_PKEY_new_raw_public_key_ex(NULL, info->name, NULL, pk.p, pk.n);
    if (!pub->h.pkey)
        return vn_ossl_error("sig pub", VN_ERR_MALFORMED);
    memcpy(pub->h.pk, pk.p, pk.n);
    *ret = VN_TAKE(pub);
    return VN_OK;
}

vn_status vn_sig_pub_share(enum vn_sig_alg alg, EVP_PKEY *pkey, struct vn_span pk,
                           struct vn_sig_pub **ret)
{
    const struct sig_info *info = info_of(alg);
    if (!info || pk.n != info->pk_len || EVP_PKEY_is_a(pkey, info->name) != 1)
        return VN_ERR_ARG;
    struct vn_sig_pub *pub = calloc(1, sizeof(*pub));
    if (!pub)
        return VN_ERR_NOMEM;
    EVP_PKEY_up_ref(pkey);
    pub->h.alg = alg;
    pub->h.info = info;
    pub->h.pkey = pkey;
    memcpy(pub->h.pk, pk.p, pk.n);
    *ret = pub;
    return VN_OK;
}

struct vn_sig_pub *vn_sig_pub_free(struct vn_sig_pub *pub)
{
    if (pub) {
        EVP_PKEY_free(pub->h.pkey);
        free(pub);
    }
    return NULL;
}

void vn_sig_pub_freep(struct vn_sig_pub **pub)
{
    *pub = vn_sig_pub_free(*pub);
}

struct vn_span vn_sig_pub_bytes(const struct vn_sig_pub *pub)
{
    return VN_SPAN(pub->h.pk, pub->h.info->pk_len);
}

static vn_status verify(const struct half *h, const OSSL_PARAM params[], struct vn_span msg,
                        struct vn_span sig)
{
    if (sig.n != h->info->sig_len)
        return VN_ERR_AUTH;
    msg = never_null(msg);
    EVP_SIGNATURE *alg = evp_sig_of(h->alg);
    VN_CLEANUP(vn_pkey_ctx_freep)
    EVP_PKEY_CTX *ctx = alg ? EVP_PKEY_CTX_new_from_pkey(NULL, h->pkey, NULL) : NULL;
    if (!ctx || EVP_PKEY_verify_message_init(ctx, alg, params) != 1)
        return vn_ossl_error("verify", VN_ERR_CRYPTO);
    if (EVP_PKEY_verify(ctx, sig.p, sig.n, msg.p, msg.n) != 1)
        return vn_ossl_error("verify", VN_ERR_AUTH);
    return VN_OK;
}

vn_status vn_sig_verify(const struct vn_sig_pub *pub, const char *context, struct vn_span msg,
                        struct vn_span sig)
{
    return vn_sig_verify_ctx(pub, context_bytes(context), msg, sig);
}

vn_status vn_sig_verify_ctx(const struct vn_sig_pub *pub, struct vn_span context,
                            struct vn_span msg, struct vn_span sig)
{
    /* FIPS 204 algorithm 3, line 1: too long a context makes the answer false, not an error. */
    if (context.n > CONTEXT_MAX)
        return VN_ERR_AUTH;
    OSSL_PARAM params[3];
    set_params(&pub->h, context, NULL, params);
    return verify(&pub->h, params, msg, sig);
}

vn_status vn_sig_verify_internal(const struct vn_sig_pub *pub, struct vn_span msg,
                                 struct vn_span sig)
{
    if (pub->h.alg == VN_SIG_ED25519)
        return VN_ERR_UNSUPPORTED;
    int raw = 0;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_MESSAGE_ENCODING, &raw),
        OSSL_PARAM_construct_end(),
    };
    return verify(&pub->h, params, msg, sig);
}
