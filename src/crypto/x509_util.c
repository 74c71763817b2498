#include "crypto/x509_util.h"

#include <stdlib.h>
#include <time.h>

#include "crypto/ossl.h"
#include "crypto/rng.h"
#include "crypto/x509.h"

#define YEAR_9999_END_S 253402300799 /* the last second GeneralizedTime can say */

void vn_x509_freep(X509 **x)
{
    X509_free(*x);
}

void vn_x509_names_freep(GENERAL_NAMES **names)
{
    GENERAL_NAMES_free(*names);
}

X509 *vn_x509_parse(struct vn_span der)
{
    if (der.n == 0 || der.n > VN_CERT_MAX)
        return NULL;
    VN_CLEANUP(vn_x509_freep) X509 *x = NULL;
    const uint8_t *p = der.p;
    x = d2i_X509(NULL, &p, (long)der.n);
    if (!x || p != der.p + der.n || X509_get_version(x) != X509_VERSION_3)
        return NULL;
    /* OpenSSL reads BER as well; a certificate must have one encoding, since peers know it by its
     * hash. */
    uint8_t *again = NULL;
    const int n = i2d_X509(x, &again);
    const bool same = n > 0 && (size_t)n == der.n && memcmp(again, der.p, der.n) == 0;
    OPENSSL_free(again);
    return same ? VN_TAKE(x) : NULL;
}

bool vn_x509_time_ms(const ASN1_TIME *t, uint64_t *ret)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(t, &tm) != 1)
        return false;
    const time_t s = timegm(&tm);
    if (s < 0)
        return false;
    *ret = (uint64_t)s * 1000;
    return true;
}

vn_status vn_x509_check_time(const X509 *x, uint64_t now_ms)
{
    uint64_t from, to;
    if (!vn_x509_time_ms(X509_get0_notBefore(x), &from) ||
        !vn_x509_time_ms(X509_get0_notAfter(x), &to))
        return VN_ERR_MALFORMED;
    return now_ms < from || now_ms > to ? VN_ERR_EXPIRED : VN_OK;
}

static bool set_serial(X509 *x, const uint8_t serial[16])
{
    static const uint8_t NONE[16];
    uint8_t drawn[16];
    if (memcmp(serial, NONE, sizeof(NONE)) == 0) {
        if (vn_rng_bytes(drawn, sizeof(drawn)) != VN_OK)
            return false;
        serial = drawn;
    }
    /* As an unsigned number, so always positive; at most 17 of the 20 bytes RFC 5280
     * section 4.1.2.2 allows. */
    BIGNUM *bn = BN_bin2bn(serial, 16, NULL);
    const bool good = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x));
    BN_free(bn);
    return good;
}

bool vn_x509_start(X509 *x, const uint8_t serial[16], uint64_t not_before_ms, uint64_t not_after_ms)
{
    const uint64_t from = not_before_ms / 1000, to = not_after_ms / 1000;
    return from <= to && to <= YEAR_9999_END_S && X509_set_version(x, X509_VERSION_3) == 1 &&
           set_serial(x, serial) && ASN1_TIME_set(X509_getm_notBefore(x), (time_t)from) &&
           ASN1_TIME_set(X509_getm_notAfter(x), (time_t)to);
}

/* Not X509_set_pubkey, which encodes a key and decodes it again by way of every provider's coders:
 * that takes a sixth of the time of the signature. RFC 9881 section 4: no parameters, and the bits
 * are the key's own bytes. */
bool vn_x509_set_key(X509 *x, enum vn_sig_alg alg, struct vn_span pk)
{
    const int nid = alg == VN_SIG_MLDSA65 ? NID_ML_DSA_65 : NID_ML_DSA_87;
    uint8_t *own = OPENSSL_memdup(pk.p, pk.n);
    if (own && X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(x), OBJ_nid2obj(nid), V_ASN1_UNDEF, NULL,
                                      own, (int)pk.n) == 1)
        return true;
    OPENSSL_free(own);
    return false;
}

X509_NAME *vn_x509_common_name(const char *cn)
{
    X509_NAME *name = X509_NAME_new();
    if (name && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)cn, -1, -1,
                                           0) != 1) {
        X509_NAME_free(name);
        name = NULL;
    }
    return name;
}

static bool add_conf(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    const bool good = ext && X509_add_ext(x, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return good;
}

bool vn_x509_add_usage(X509 *x, bool ca, const char *key_usage)
{
    return add_conf(x, NID_basic_constraints, ca ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
           add_conf(x, NID_key_usage, key_usage);
}

bool vn_x509_name_push(GENERAL_NAMES *names, int type, struct vn_span value)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *s = type == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
    if (!name || !s || ASN1_STRING_set(s, value.p, (int)value.n) != 1) {
        ASN1_STRING_free(s);
        GENERAL_NAME_free(name);
        return false;
    }
    GENERAL_NAME_set0_value(name, type, s);
    if (sk_GENERAL_NAME_push(names, name) <= 0) {
        GENERAL_NAME_free(name);
        return false;
    }
    return true;
}

bool vn_x509_name_push_ip(GENERAL_NAMES *names, const struct vn_ip *ip)
{
    const struct vn_span v4 = VN_SPAN(ip->b + 12, 4), v6 = VN_SPAN_ARRAY(ip->b);
    return vn_x509_name_push(names, GEN_IPADD, vn_ip_is_v4(ip) ? v4 : v6);
}

vn_status vn_x509_to_der(X509 *x, uint8_t **ret, size_t *ret_n)
{
    const int n = i2d_X509(x, NULL);
    if (n <= 0)
        return vn_ossl_error("encode certificate", VN_ERR_CRYPTO);
    if (n > VN_CERT_MAX)
        return VN_ERR_LIMIT;
    uint8_t *der = malloc((size_t)n);
    if (!der)
        return VN_ERR_NOMEM;
    uint8_t *p = der;
    if (i2d_X509(x, &p) != n) {
        free(der);
        return vn_ossl_error("encode certificate", VN_ERR_CRYPTO);
    }
    *ret = der;
    *ret_n = (size_t)n;
    return VN_OK;
}
