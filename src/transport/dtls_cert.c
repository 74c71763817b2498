/*
 * Certificates that nobody vouches for but the signalling, by their fingerprint (RFC 8122, RFC 8827
 * section 6.5).
 */
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "transport/dtls_auth.h"
#include "transport/limits.h"

/* AES-128 because libwebrtc has no other AES-GCM. */
#define CIPHERS "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256"
#define SIGNATURES "ECDSA+SHA256"
#define GROUPS "X25519:P-256"

struct vn_dtls_cert {
    SSL_CTX *ctx;
    struct vn_dtls_fingerprint fingerprint;
};

static bool fingerprint_of(const X509 *x, struct vn_dtls_fingerprint *ret)
{
    unsigned int n = 0;
    return X509_digest(x, EVP_sha256(), ret->b, &n) == 1 && n == sizeof(ret->b);
}

/*
 * In place of any chain: the certificate that the peer has just proved it holds the key of, or will
 * before the handshake ends, is the signalled one. 0 ends the handshake with bad_certificate.
 */
static int check_peer(X509_STORE_CTX *store, void *arg)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct vn_dtls_auth *a = SSL_get_app_data(ssl);
    const X509 *x = X509_STORE_CTX_get0_cert(store);
    struct vn_dtls_fingerprint f;
    (void)arg;
    a->verified = x && fingerprint_of(x, &f) && vn_ct_equal(f.b, a->peer.b, sizeof(f.b));
    X509_STORE_CTX_set_error(store, a->verified ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
    return a->verified;
}

/* It names nobody: number and name are random, as those of browsers. */
static bool fill(X509 *x, EVP_PKEY *key)
{
    enum { SERIAL_LEN = 8, DAY_S = 24 * 3600 };
    static const char digits[] = "0123456789abcdef";
    uint8_t r[SERIAL_LEN];
    char name[2 * SERIAL_LEN + 1] = {0};
    uint64_t serial = 0;
    if (RAND_bytes(r, sizeof(r)) != 1)
        return false;
    for (size_t i = 0; i < sizeof(r); i++) {
        serial = serial << 8 | r[i];
        name[2 * i] = digits[r[i] >> 4];
        name[2 * i + 1] = digits[r[i] & 15];
    }
    X509_NAME *subject = X509_get_subject_name(x);
    return X509_set_version(x, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1 | 1) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(x), -DAY_S) &&
           X509_gmtime_adj(X509_getm_notAfter(x), (long)VN_DTLS_CERT_DAYS * DAY_S) &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1,
                                      0) == 1 &&
           X509_set_issuer_name(x, subject) == 1 && X509_set_pubkey(x, key) == 1 &&
           X509_sign(x, key, EVP_sha256()) > 0;
}

static bool configure(SSL_CTX *ctx, X509 *x, EVP_PKEY *key)
{
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, check_peer, NULL);
    SSL_CTX_set_max_cert_list(ctx, VN_DTLS_CERT_MAX);
    return SSL_CTX_use_certificate(ctx, x) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
           SSL_CTX_set1_groups_list(ctx, GROUPS) == 1 &&
           SSL_CTX_set1_sigalgs_list(ctx, SIGNATURES) == 1 &&
           SSL_CTX_set1_client_sigalgs_list(ctx, SIGNATURES) == 1;
}

vn_status vn_dtls_cert_new(struct vn_dtls_cert **ret)
{
    struct vn_dtls_cert *c = calloc(1, sizeof(*c));
    EVP_PKEY *key = c ? EVP_EC_gen("P-256") : NULL;
    X509 *x = key ? X509_new() : NULL;
    vn_status st = c ? VN_ERR_CRYPTO : VN_ERR_NOMEM;
    if (x && fill(x, key) && fingerprint_of(x, &c->fingerprint) &&
        (c->ctx = vn_dtls_ssl_ctx(CIPHERS)) && configure(c->ctx, x, key))
        st = VN_OK;
    X509_free(x);
    EVP_PKEY_free(key);
    if (st == VN_OK) {
        *ret = c;
        return VN_OK;
    }
    ERR_clear_error();
    (void)vn_dtls_cert_free(c);
    return st;
}

struct vn_dtls_cert *vn_dtls_cert_free(struct vn_dtls_cert *c)
{
    if (c)
        SSL_CTX_free(c->ctx);
    free(c);
    return NULL;
}

const struct vn_dtls_fingerprint *vn_dtls_cert_fingerprint(const struct vn_dtls_cert *c)
{
    return &c->fingerprint;
}

SSL_CTX *vn_dtls_cert_ssl_ctx(const struct vn_dtls_cert *cert)
{
    return cert->ctx;
}
