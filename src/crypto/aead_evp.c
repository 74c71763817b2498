#include "crypto/aead_backend.h"
#include "crypto/ossl.h"

/* The state is a cipher context keyed once: the key schedule costs as much as a short packet. */
static void *keyed_as(const EVP_CIPHER *cipher, const uint8_t *key)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx && EVP_CipherInit_ex2(ctx, cipher, key, NULL, 1, NULL) != 1) {
        EVP_CIPHER_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

static void *keyed(const uint8_t key[VN_AEAD_KEY_LEN])
{
    const struct vn_ossl *o = vn_ossl();
    return o ? keyed_as(o->aes256gcm, key) : NULL;
}

static void *keyed_128(const uint8_t key[VN_AEAD_KEY_LEN])
{
    const struct vn_ossl *o = vn_ossl();
    return o ? keyed_as(o->aes128gcm, key) : NULL;
}

static void state_free(void *ctx)
{
    EVP_CIPHER_CTX_free(ctx);
}

/* Nonce, AAD and text; only the tag is left. GCM uses one key schedule for both directions. */
static bool run(EVP_CIPHER_CTX *ctx, int encrypt, const uint8_t *nonce, struct vn_span aad,
                struct vn_span in, uint8_t *out)
{
    int n;
    return EVP_CipherInit_ex2(ctx, NULL, NULL, nonce, encrypt, NULL) == 1 &&
           (aad.n == 0 || EVP_CipherUpdate(ctx, NULL, &n, aad.p, (int)aad.n) == 1) &&
           (in.n == 0 || EVP_CipherUpdate(ctx, out, &n, in.p, (int)in.n) == 1);
}

static vn_status seal(void *ctx, const uint8_t *nonce, struct vn_span aad, struct vn_span in,
                      uint8_t *out, uint8_t *tag)
{
    uint8_t rest[16];
    int n;
    if (!run(ctx, 1, nonce, aad, in, out) || EVP_CipherFinal_ex(ctx, rest, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, VN_AEAD_TAG_LEN, tag) != 1)
        return vn_ossl_error("seal", VN_ERR_CRYPTO);
    return VN_OK;
}

static vn_status open(void *ctx, const uint8_t *nonce, struct vn_span aad, struct vn_span in,
                      const uint8_t *tag, uint8_t *out)
{
    uint8_t rest[16], expected[VN_AEAD_TAG_LEN];
    int n;
    memcpy(expected, tag, sizeof(expected)); /* EVP wants it writable */
    if (!run(ctx, 0, nonce, aad, in, out) ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, VN_AEAD_TAG_LEN, expected) != 1)
        return vn_ossl_error("open", VN_ERR_CRYPTO);
    if (EVP_CipherFinal_ex(ctx, rest, &n) != 1)
        return vn_ossl_error("open", VN_ERR_AUTH);
    return VN_OK;
}

const struct vn_aead_backend vn_aead_evp = {
    .name = "evp",
    .keyed = keyed,
    .free = state_free,
    .seal = seal,
    .open = open,
};

const struct vn_aead_backend vn_aead_evp_128 = {
    .name = "evp-128",
    .keyed = keyed_128,
    .free = state_free,
    .seal = seal,
    .open = open,
};
