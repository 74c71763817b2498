#include "crypto/hmac_sha1.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <pthread.h>

#include "crypto/ossl.h"

/* Fetched once and duplicated: it runs for every STUN packet that names us. Lives as long as the
 * process. */
static EVP_MAC_CTX *unkeyed;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
    char digest[] = "SHA1";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                 OSSL_PARAM_construct_end()};
    EVP_MAC_free(mac); /* ctx holds a reference */
    if (ctx && EVP_MAC_CTX_set_params(ctx, params)) {
        unkeyed = ctx;
        return;
    }
    EVP_MAC_CTX_free(ctx);
}

vn_status vn_hmac_sha1(struct vn_span key, const struct vn_span *parts, size_t count,
                       uint8_t ret[VN_HMAC_SHA1_LEN])
{
    if (pthread_once(&once, fetch) != 0 || !unkeyed)
        return vn_ossl_error("hmac_sha1", VN_ERR_CRYPTO);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(unkeyed);
    uint8_t out[VN_HMAC_SHA1_LEN];
    size_t n = 0;
    int ok = ctx && EVP_MAC_init(ctx, key.p, key.n, NULL);
    for (size_t i = 0; ok && i < count; i++)
        ok = EVP_MAC_update(ctx, parts[i].p, parts[i].n);
    ok = ok && EVP_MAC_final(ctx, out, &n, sizeof(out)) && n == sizeof(out);
    EVP_MAC_CTX_free(ctx);
    if (!ok)
        return vn_ossl_error("hmac_sha1", VN_ERR_CRYPTO);
    memcpy(ret, out, sizeof(out));
    return VN_OK;
}
