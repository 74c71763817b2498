#include "crypto/aead.h"

#include <limits.h>
#include <stdlib.h>

#include "crypto/ossl.h"

struct vn_aead {
    EVP_CIPHER_CTX *ctx; /* keyed once: the key schedule costs as much as a short packet */
};

vn_status vn_aead_new(const struct vn_secret32 *key, struct vn_aead **ret)
{
    const struct vn_ossl *o = vn_ossl();
    if (!o)
        return VN_ERR_CRYPTO;
    VN_CLEANUP(vn_aead_freep) struct vn_aead *a = calloc(1, sizeof(*a));
    if (!a)
        return VN_ERR_NOMEM;
    a->ctx = EVP_CIPHER_CTX_new();
    if (!a->ctx || EVP_CipherInit_ex2(a->ctx, o->aes256gcm, key->b, NULL, 1, NULL) != 1)
        return vn_ossl_error("aes-gcm", VN_ERR_CRYPTO);
    *ret = VN_TAKE(a);
    return VN_OK;
}

struct vn_aead *vn_aead_free(struct vn_aead *a)
{
    if (a) {
        EVP_CIPHER_CTX_free(a->ctx); /* wipes the key schedule */
        free(a);
    }
    return NULL;
}

void vn_aead_freep(struct vn_aead **a)
{
    *a = vn_aead_free(*a);
}

/* Nonce, AAD and text; only the tag is left. GCM uses one key schedule for both directions. */
static bool run(struct vn_aead *a, int encrypt, const uint8_t *nonce, struct vn_span aad,
                struct vn_span in, uint8_t *out)
{
    int n;
    return EVP_CipherInit_ex2(a->ctx, NULL, NULL, nonce, encrypt, NULL) == 1 &&
           (aad.n == 0 || EVP_CipherUpdate(a->ctx, NULL, &n, aad.p, (int)aad.n) == 1) &&
           (in.n == 0 || EVP_CipherUpdate(a->ctx, out, &n, in.p, (int)in.n) == 1);
}

vn_status vn_aead_seal(struct vn_aead *a, const uint8_t nonce[12], struct vn_span aad,
                       struct vn_span in, uint8_t *out, uint8_t tag[16])
{
    uint8_t rest[16];
    int n;
    if (in.n > INT_MAX || aad.n > INT_MAX)
        return VN_ERR_ARG;
    if (!run(a, 1, nonce, aad, in, out) || EVP_CipherFinal_ex(a->ctx, rest, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_GET_TAG, VN_AEAD_TAG_LEN, tag) != 1)
        return vn_ossl_error("seal", VN_ERR_CRYPTO);
    return VN_OK;
}

vn_status vn_aead_open(struct vn_aead *a, const uint8_t nonce[12], struct vn_span aad,
                       struct vn_span in, const uint8_t tag[16], uint8_t *out)
{
    uint8_t rest[16], expected[VN_AEAD_TAG_LEN];
    int n;
    if (in.n > INT_MAX || aad.n > INT_MAX)
        return VN_ERR_ARG;
    memcpy(expected, tag, sizeof(expected)); /* EVP wants it writable */
    vn_status st = VN_OK;
    if (!run(a, 0, nonce, aad, in, out) ||
        EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_SET_TAG, VN_AEAD_TAG_LEN, expected) != 1)
        st = vn_ossl_error("open", VN_ERR_CRYPTO);
    else if (EVP_CipherFinal_ex(a->ctx, rest, &n) != 1)
        st = vn_ossl_error("open", VN_ERR_AUTH);
    /* EVP has written the text before the tag was checked. */
    if (st != VN_OK)
        vn_wipe(out, in.n);
    return st;
}

static const uint8_t NONCE_ZERO[VN_AEAD_NONCE_LEN];

vn_status vn_aead_seal_once(const struct vn_secret32 *key, struct vn_span aad, struct vn_span in,
                            uint8_t *out)
{
    VN_CLEANUP(vn_aead_freep) struct vn_aead *a = NULL;
    vn_status st = vn_aead_new(key, &a);
    if (st != VN_OK)
        return st;
    return vn_aead_seal(a, NONCE_ZERO, aad, in, out, out + in.n);
}

vn_status vn_aead_open_once(const struct vn_secret32 *key, struct vn_span aad, struct vn_span in,
                            uint8_t *out)
{
    if (in.n < VN_AEAD_TAG_LEN)
        return VN_ERR_MALFORMED;
    VN_CLEANUP(vn_aead_freep) struct vn_aead *a = NULL;
    vn_status st = vn_aead_new(key, &a);
    if (st != VN_OK)
        return st;
    const size_t n = in.n - VN_AEAD_TAG_LEN;
    return vn_aead_open(a, NONCE_ZERO, aad, VN_SPAN(in.p, n), in.p + n, out);
}
