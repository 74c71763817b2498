/* ECDSA P-256 certificates for HTTPS and for mutual TLS with Master. */
#include <openssl/pem.h>
#include <stdlib.h>

#include "crypto/kdf.h"
#include "crypto/ossl.h"
#include "crypto/x509.h"
#include "crypto/x509_util.h"

#define CN_MAX 64 /* RFC 5280 appendix A.1, ub-common-name */

static const uint8_t SERIAL_DRAWN[16];

static bool cn_good(const char *cn)
{
    const size_t n = strnlen(cn, CN_MAX + 1);
    return n >= 1 && n <= CN_MAX;
}

static void bio_freep(BIO **b)
{
    BIO_free_all(*b);
}

static void name_freep(X509_NAME **name)
{
    X509_NAME_free(*name);
}

static void req_freep(X509_REQ **r)
{
    X509_REQ_free(*r);
}

/* Without it OpenSSL would ask the terminal for the pass phrase of an encrypted key. */
static int no_passphrase(char *buf, int size, int rwflag, void *u)
{
    (void)buf, (void)size, (void)rwflag, (void)u;
    return -1;
}

static EVP_PKEY *read_key(const char *pem)
{
    VN_CLEANUP(bio_freep) BIO *b = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *pkey = b ? PEM_read_bio_PrivateKey(b, NULL, no_passphrase, NULL) : NULL;
    if (pkey && !EVP_PKEY_is_a(pkey, "EC")) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    return pkey;
}

static X509 *read_cert(const char *pem)
{
    VN_CLEANUP(bio_freep) BIO *b = BIO_new_mem_buf(pem, -1);
    return b ? PEM_read_bio_X509(b, NULL, no_passphrase, NULL) : NULL;
}

/* What was written to a memory BIO, as malloc'ed text; the BIO's copy is wiped if it is secret. */
static vn_status take_text(BIO *b, bool secret, char **ret)
{
    char *p;
    const long n = BIO_get_mem_data(b, &p);
    if (n <= 0)
        return vn_ossl_error("pem", VN_ERR_CRYPTO);
    char *text = malloc((size_t)n + 1);
    if (text) {
        memcpy(text, p, (size_t)n);
        text[n] = '\0';
    }
    if (secret)
        vn_wipe(p, (size_t)n);
    if (!text)
        return VN_ERR_NOMEM;
    *ret = text;
    return VN_OK;
}

vn_status vn_tls_key_new(char **ret_key_pem)
{
    VN_CLEANUP(vn_pkey_freep) EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    VN_CLEANUP(bio_freep) BIO *b = BIO_new(BIO_s_secmem());
    if (!pkey || !b || PEM_write_bio_PKCS8PrivateKey(b, pkey, NULL, NULL, 0, NULL, NULL) != 1)
        return vn_ossl_error("tls key", VN_ERR_CRYPTO);
    return take_text(b, true, ret_key_pem);
}

vn_status vn_pkey_pin(EVP_PKEY *pkey, uint8_t ret[32])
{
    uint8_t *der = NULL;
    const int n = i2d_PUBKEY(pkey, &der);
    if (n <= 0)
        return vn_ossl_error("public key", VN_ERR_CRYPTO);
    struct vn_hash h;
    vn_status st = vn_hash(VN_SHA256, &VN_SPAN(der, (size_t)n), 1, &h);
    OPENSSL_free(der);
    if (st == VN_OK)
        memcpy(ret, h.b, 32);
    return st;
}

vn_status vn_tls_key_pin(const char *key_pem, uint8_t ret[32])
{
    VN_CLEANUP(vn_pkey_freep) EVP_PKEY *pkey = read_key(key_pem);
    if (!pkey)
        return vn_ossl_error("read key", VN_ERR_MALFORMED);
    return vn_pkey_pin(pkey, ret);
}

vn_status vn_tls_cert_pin(const char *cert_pem, uint8_t ret[32])
{
    VN_CLEANUP(vn_x509_freep) X509 *x = read_cert(cert_pem);
    EVP_PKEY *pkey = x ? X509_get0_pubkey(x) : NULL;
    if (!pkey)
        return vn_ossl_error("read certificate", VN_ERR_MALFORMED);
    return vn_pkey_pin(pkey, ret);
}

static bool add_conf(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    const bool good = ext && X509_add_ext(x, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return good;
}

static bool add_hosts(X509 *x, const char *const *hosts, size_t count)
{
    VN_CLEANUP(vn_x509_names_freep) GENERAL_NAMES *names = GENERAL_NAMES_new();
    for (size_t i = 0; names && i < count; i++) {
        struct vn_ip ip;
        const bool is_ip = vn_ip_parse(hosts[i], &ip) == VN_OK;
        if (is_ip ? !vn_x509_name_push_ip(names, &ip)
                  : !vn_x509_name_push(names, GEN_DNS, VN_SPAN_STR(hosts[i])))
            return false;
    }
    return names && (count == 0 ||
                     X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1);
}

enum usage { USAGE_CA, USAGE_SERVER, USAGE_CLIENT, USAGE_PEER };

struct tls_cert {
    EVP_PKEY *subject; /* whose certificate it is */
    EVP_PKEY *signer;  /* private key of the issuer */
    X509 *issuer;      /* NULL: self-signed */
    const char *cn;
    enum usage usage;
    const char *const *hosts;
    size_t host_count;
    uint64_t not_before_ms, not_after_ms;
};

static bool add_usages(X509 *x, X509 *issuer, enum usage usage)
{
    switch (usage) {
    case USAGE_CA:
        return vn_x509_add_usage(x, true, "critical,keyCertSign,cRLSign");
    case USAGE_SERVER:
        return vn_x509_add_usage(x, false, "critical,digitalSignature") &&
               add_conf(x, issuer, NID_ext_key_usage, "serverAuth");
    case USAGE_PEER:
        return vn_x509_add_usage(x, false, "critical,digitalSignature") &&
               add_conf(x, issuer, NID_ext_key_usage, "serverAuth,clientAuth");
    case USAGE_CLIENT:
        return vn_x509_add_usage(x, false, "critical,digitalSignature") &&
               add_conf(x, issuer, NID_ext_key_usage, "clientAuth");
    }
    return false;
}

/* What X509_set_pubkey does by way of every provider's coders, three times slower than a P-256
 * signature. RFC 5480 section 2: the curve's name, and the encoded point. */
static bool set_key(X509 *x, EVP_PKEY *pkey)
{
    char group[32];
    size_t n;
    uint8_t *point = NULL;
    if (EVP_PKEY_get_group_name(pkey, group, sizeof(group), &n) != 1)
        return false;
    const int curve = OBJ_txt2nid(group);
    const size_t point_n = EVP_PKEY_get1_encoded_public_key(pkey, &point);
    if (curve != NID_undef && point_n > 0 &&
        X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(x), OBJ_nid2obj(NID_X9_62_id_ecPublicKey),
                               V_ASN1_OBJECT, OBJ_nid2obj(curve), point, (int)point_n) == 1)
        return true;
    OPENSSL_free(point);
    return false;
}

static vn_status make(const struct tls_cert *c, char **ret_cert_pem)
{
    if (!cn_good(c->cn) || c->not_before_ms > c->not_after_ms)
        return VN_ERR_ARG;
    VN_CLEANUP(vn_x509_freep) X509 *x = X509_new();
    VN_CLEANUP(name_freep) X509_NAME *subject = vn_x509_common_name(c->cn);
    VN_CLEANUP(bio_freep) BIO *b = BIO_new(BIO_s_mem());
    X509 *issuer = c->issuer ? c->issuer : x;
    /* Key identifiers: Python and others that check strictly want them (RFC 5280 sections 4.2.1.1
     * and 4.2.1.2). */
    if (!x || !subject || !b ||
        !vn_x509_start(x, SERIAL_DRAWN, c->not_before_ms, c->not_after_ms) ||
        !set_key(x, c->subject) || X509_set_subject_name(x, subject) != 1 ||
        X509_set_issuer_name(x, c->issuer ? X509_get_subject_name(c->issuer) : subject) != 1 ||
        !add_usages(x, issuer, c->usage) || !add_hosts(x, c->hosts, c->host_count) ||
        !add_conf(x, issuer, NID_subject_key_identifier, "hash") ||
        (c->issuer && !add_conf(x, issuer, NID_authority_key_identifier, "keyid:always")) ||
        X509_sign(x, c->signer, EVP_sha256()) <= 0 || PEM_write_bio_X509(b, x) != 1)
        return vn_ossl_error("tls certificate", VN_ERR_CRYPTO);
    return take_text(b, false, ret_cert_pem);
}

/* For the owner of that key, who signs it as well where there is no issuer. */
static vn_status make_for(const char *key_pem, const struct tls_cert *as, char **ret_cert_pem)
{
    VN_CLEANUP(vn_pkey_freep) EVP_PKEY *pkey = read_key(key_pem);
    if (!pkey)
        return vn_ossl_error("read key", VN_ERR_MALFORMED);
    struct tls_cert c = *as;
    c.subject = pkey;
    if (!c.issuer)
        c.signer = pkey;
    return make(&c, ret_cert_pem);
}

vn_status vn_tls_self_signed(const char *key_pem, const char *const *hosts, size_t host_count,
                             uint64_t not_before_ms, uint64_t not_after_ms, char **ret_cert_pem)
{
    const struct tls_cert c = {
        .cn = "VeilNet Guardian",
        .usage = USAGE_SERVER,
        .hosts = hosts,
        .host_count = host_count,
        .not_before_ms = not_before_ms,
        .not_after_ms = not_after_ms,
    };
    return make_for(key_pem, &c, ret_cert_pem);
}

vn_status vn_tls_ca_new(const char *key_pem, const char *common_name, uint64_t not_before_ms,
                        uint64_t not_after_ms, char **ret_cert_pem)
{
    const struct tls_cert c = {
        .cn = common_name,
        .usage = USAGE_CA,
        .not_before_ms = not_before_ms,
        .not_after_ms = not_after_ms,
    };
    return make_for(key_pem, &c, ret_cert_pem);
}

vn_status vn_tls_csr(const char *key_pem, const char *common_name, uint8_t **ret_der, size_t *ret_n)
{
    if (!cn_good(common_name))
        return VN_ERR_ARG;
    VN_CLEANUP(vn_pkey_freep) EVP_PKEY *pkey = read_key(key_pem);
    if (!pkey)
        return vn_ossl_error("read key", VN_ERR_MALFORMED);
    VN_CLEANUP(req_freep) X509_REQ *r = X509_REQ_new();
    VN_CLEANUP(name_freep) X509_NAME *subject = vn_x509_common_name(common_name);
    if (!r || !subject || X509_REQ_set_version(r, X509_REQ_VERSION_1) != 1 ||
        X509_REQ_set_subject_name(r, subject) != 1 || X509_REQ_set_pubkey(r, pkey) != 1 ||
        X509_REQ_sign(r, pkey, EVP_sha256()) <= 0)
        return vn_ossl_error("certificate request", VN_ERR_CRYPTO);
    const int n = i2d_X509_REQ(r, NULL);
    if (n <= 0)
        return vn_ossl_error("certificate request", VN_ERR_CRYPTO);
    uint8_t *der = malloc((size_t)n);
    if (!der)
        return VN_ERR_NOMEM;
    uint8_t *p = der;
    *ret_n = (size_t)i2d_X509_REQ(r, &p);
    *ret_der = der;
    return VN_OK;
}

struct vn_tls_ca {
    EVP_PKEY *key;
    X509 *cert;
};

struct vn_tls_ca *vn_tls_ca_free(struct vn_tls_ca *ca)
{
    if (ca) {
        EVP_PKEY_free(ca->key);
        X509_free(ca->cert);
        free(ca);
    }
    return NULL;
}

void vn_tls_ca_freep(struct vn_tls_ca **ca)
{
    *ca = vn_tls_ca_free(*ca);
}

vn_status vn_tls_ca_open(const char *key_pem, const char *cert_pem, struct vn_tls_ca **ret)
{
    VN_CLEANUP(vn_tls_ca_freep) struct vn_tls_ca *ca = calloc(1, sizeof(*ca));
    if (!ca)
        return VN_ERR_NOMEM;
    ca->key = read_key(key_pem);
    ca->cert = read_cert(cert_pem);
    if (!ca->key || !ca->cert)
        return vn_ossl_error("read authority", VN_ERR_MALFORMED);
    /* Also makes OpenSSL look at the certificate's extensions now, and not when threads do. */
    if (X509_check_private_key(ca->cert, ca->key) != 1 || X509_check_purpose(ca->cert, -1, 0) != 1)
        return vn_ossl_error("authority key", VN_ERR_ARG);
    *ret = VN_TAKE(ca);
    return VN_OK;
}

static vn_status issue_server(const struct vn_tls_ca *ca, enum usage usage, const char *key_pem,
                              const char *const *hosts, size_t host_count, uint64_t not_before_ms,
                              uint64_t not_after_ms, char **ret_cert_pem)
{
    const struct tls_cert c = {
        .signer = ca->key,
        .issuer = ca->cert,
        .cn = "VeilNet Master",
        .usage = usage,
        .hosts = hosts,
        .host_count = host_count,
        .not_before_ms = not_before_ms,
        .not_after_ms = not_after_ms,
    };
    return make_for(key_pem, &c, ret_cert_pem);
}

vn_status vn_tls_ca_issue_server(const struct vn_tls_ca *ca, const char *key_pem,
                                 const char *const *hosts, size_t host_count,
                                 uint64_t not_before_ms, uint64_t not_after_ms, char **ret_cert_pem)
{
    return issue_server(ca, USAGE_SERVER, key_pem, hosts, host_count, not_before_ms, not_after_ms,
                        ret_cert_pem);
}

vn_status vn_tls_ca_issue_peer(const struct vn_tls_ca *ca, const char *key_pem,
                               const char *const *hosts, size_t host_count, uint64_t not_before_ms,
                               uint64_t not_after_ms, char **ret_cert_pem)
{
    return issue_server(ca, USAGE_PEER, key_pem, hosts, host_count, not_before_ms, not_after_ms,
                        ret_cert_pem);
}

static bool is_p256(EVP_PKEY *pkey)
{
    char group[32];
    size_t n;
    return EVP_PKEY_is_a(pkey, "EC") &&
           EVP_PKEY_get_group_name(pkey, group, sizeof(group), &n) == 1 &&
           OBJ_txt2nid(group) == NID_X9_62_prime256v1;
}

vn_status vn_tls_ca_issue_client(const struct vn_tls_ca *ca, struct vn_span csr_der,
                                 const char *common_name, uint64_t not_before_ms,
                                 uint64_t not_after_ms, char **ret_cert_pem)
{
    if (csr_der.n == 0 || csr_der.n > VN_CERT_MAX)
        return VN_ERR_MALFORMED;
    const uint8_t *p = csr_der.p;
    VN_CLEANUP(req_freep) X509_REQ *r = d2i_X509_REQ(NULL, &p, (long)csr_der.n);
    EVP_PKEY *pkey = r && p == csr_der.p + csr_der.n ? X509_REQ_get0_pubkey(r) : NULL;
    if (!pkey || !is_p256(pkey))
        return vn_ossl_error("read request", VN_ERR_MALFORMED);
    if (X509_REQ_verify(r, pkey) != 1)
        return vn_ossl_error("verify request", VN_ERR_AUTH);
    /* Only the key is taken from the request; what the certificate says is ours to decide. */
    const struct tls_cert c = {
        .subject = pkey,
        .signer = ca->key,
        .issuer = ca->cert,
        .cn = common_name,
        .usage = USAGE_CLIENT,
        .not_before_ms = not_before_ms,
        .not_after_ms = not_after_ms,
    };
    return make(&c, ret_cert_pem);
}
