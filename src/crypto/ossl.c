#include "crypto/ossl.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"

#define LINES_PER_SECOND 20

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct vn_ossl algs;
static bool complete;

/* The digest is set here and not per use, since setting it fetches it by name again. */
static EVP_MAC_CTX *hmac_template(EVP_MAC *hmac, const char *digest)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac);
    if (ctx && EVP_MAC_CTX_set_params(ctx, params) != 1) {
        EVP_MAC_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

static void fetch_all(void)
{
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    algs = (struct vn_ossl){
        .sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL),
        .sha384 = EVP_MD_fetch(NULL, "SHA2-384", NULL),
        .sha3_256 = EVP_MD_fetch(NULL, "SHA3-256", NULL),
        .md5 = EVP_MD_fetch(NULL, "MD5", NULL),
        .aes256gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL),
        .aes128gcm = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL),
        .hmac_sha256 = hmac_template(hmac, "SHA2-256"),
        .hmac_sha384 = hmac_template(hmac, "SHA2-384"),
        .hmac_sha3_256 = hmac_template(hmac, "SHA3-256"),
        .hmac_sha1 = hmac_template(hmac, "SHA1"),
        .argon2id = EVP_KDF_fetch(NULL, "ARGON2ID", NULL),
        .tls1_prf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL),
        .mldsa65 = EVP_SIGNATURE_fetch(NULL, "ML-DSA-65", NULL),
        .mldsa87 = EVP_SIGNATURE_fetch(NULL, "ML-DSA-87", NULL),
        .ed25519 = EVP_SIGNATURE_fetch(NULL, "ED25519", NULL),
    };
    EVP_MAC_free(hmac); /* the templates hold references */
    complete = algs.sha256 && algs.sha384 && algs.sha3_256 && algs.aes256gcm && algs.aes128gcm &&
               algs.hmac_sha256 && algs.hmac_sha384 && algs.hmac_sha3_256 && algs.hmac_sha1 &&
               algs.argon2id && algs.tls1_prf && algs.mldsa65 && algs.mldsa87 && algs.ed25519;
    if (!complete)
        (void)vn_ossl_error("fetch", VN_ERR_CRYPTO);
}

const struct vn_ossl *vn_ossl(void)
{
    pthread_once(&once, fetch_all);
    return complete ? &algs : NULL;
}

/* Peers can cause errors at will, so there is a bound on the lines of one second. */
static bool may_log(void)
{
    static _Atomic uint64_t window; /* second, then the lines in it as the low 8 bits */
    if (vn_log_level_now() < VN_LOG_DEBUG)
        return false;
    const uint64_t second = vn_clock_mono_us() / 1000000;
    uint64_t seen = atomic_load(&window);
    uint64_t next;
    do {
        next = seen >> 8 == second ? seen + 1 : second << 8;
        if ((next & 0xff) >= LINES_PER_SECOND)
            return false;
    } while (!atomic_compare_exchange_weak(&window, &seen, next));
    return true;
}

vn_status vn_ossl_error(const char *what, vn_status otherwise)
{
    /* The first entry is the cause; those after it say what failed because of it. */
    const unsigned long first = ERR_peek_error();
    unsigned count = 0;
    bool nomem = false;
    for (unsigned long e; (e = ERR_get_error()) != 0; count++)
        nomem |= ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE;
    if (count > 0 && may_log()) {
        const char *reason = ERR_reason_error_string(first);
        vn_log(VN_LOG_DEBUG, "openssl_error", VN_KV_STR("call", what),
               VN_KV_STR("error", reason ? reason : "unknown"), VN_KV_U64("count", count));
    }
    return nomem ? VN_ERR_NOMEM : otherwise;
}

void vn_pkey_freep(EVP_PKEY **p)
{
    EVP_PKEY_free(*p);
}

void vn_pkey_ctx_freep(EVP_PKEY_CTX **p)
{
    EVP_PKEY_CTX_free(*p);
}

EVP_PKEY *vn_ossl_pkey_from(const char *alg, int selection, const char *param, const void *p,
                            size_t n)
{
    /* OSSL_PARAM has no const, but fromdata only reads. */
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(param, (void *)(uintptr_t)p, n),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *pkey = NULL;
    VN_CLEANUP(vn_pkey_ctx_freep)
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, alg, NULL);
    if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, selection, params) != 1)
        return NULL;
    return pkey;
}
