/*
 * Names are functions of realm and kind, so a check needs the issuer's key only, not its
 * certificate:
 *
 *   root      CN "VeilNet root <realm>"     self-signed, SAN veilnet://<realm>/root     CA,
 * keyCertSign issuing   CN "VeilNet issuing <realm>"  by root,     SAN veilnet://<realm>/issuing
 * CA, keyCertSign command   CN "VeilNet command <realm>"  by root,     SAN
 * veilnet://<realm>/command  digitalSignature identity  CN "<node>"                   by issuing,
 * SAN veilnet://<realm>/<node>, addresses; digitalSignature; the private extension of x509_ext.h
 *
 * The signature is checked before any field but the key that it is checked with.
 */
#include "crypto/x509.h"

#include <openssl/core_names.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/kdf.h"
#include "crypto/ossl.h"
#include "crypto/sig_evp.h"
#include "crypto/x509_ext.h"
#include "crypto/x509_util.h"

#define URI_SCHEME "veilnet://"
#define URI_MAX 64 /* scheme, two ids of 22 characters, slash, NUL */

static void name_freep(X509_NAME **name)
{
    X509_NAME_free(*name);
}

static void object_freep(ASN1_OBJECT **obj)
{
    ASN1_OBJECT_free(*obj);
}

static void octets_freep(ASN1_OCTET_STRING **s)
{
    ASN1_OCTET_STRING_free(*s);
}

static const char *kind_name(enum vn_authority_kind kind)
{
    switch (kind) {
    case VN_AUTHORITY_ROOT:
        return "root";
    case VN_AUTHORITY_ISSUING:
        return "issuing";
    case VN_AUTHORITY_COMMAND:
        return "command";
    }
    return NULL;
}

static X509_NAME *authority_name(enum vn_authority_kind kind, const struct vn_id *realm)
{
    char id[VN_ID_TEXT], cn[64];
    vn_id_format(realm, id);
    snprintf(cn, sizeof(cn), "VeilNet %s %s", kind_name(kind), id);
    return vn_x509_common_name(cn);
}

static void uri_format(const struct vn_id *realm, const char *last, char ret[URI_MAX])
{
    char id[VN_ID_TEXT];
    vn_id_format(realm, id);
    snprintf(ret, URI_MAX, URI_SCHEME "%s/%.22s", id, last);
}

vn_status vn_node_id_of(struct vn_span pk, struct vn_id *ret)
{
    struct vn_hash h;
    vn_status st = vn_hash(VN_SHA3_256, &pk, 1, &h);
    if (st != VN_OK)
        return st;
    memcpy(ret->b, h.b, sizeof(ret->b));
    return VN_OK;
}

/* ---- making ---- */

static bool add_names(X509 *x, GENERAL_NAMES *names)
{
    return X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
}

static bool add_identity_ext(X509 *x, struct vn_span body)
{
    /* extnValue wraps the DER of a value: an OCTET STRING inside the OCTET STRING. */
    VN_CLEANUP(object_freep) ASN1_OBJECT *oid = OBJ_txt2obj(VN_X509_EXT_OID, 1);
    VN_CLEANUP(octets_freep) ASN1_OCTET_STRING *inner = ASN1_OCTET_STRING_new();
    VN_CLEANUP(octets_freep) ASN1_OCTET_STRING *outer = ASN1_OCTET_STRING_new();
    uint8_t *der = NULL;
    if (!oid || !inner || !outer || ASN1_OCTET_STRING_set(inner, body.p, (int)body.n) != 1)
        return false;
    const int n = i2d_ASN1_OCTET_STRING(inner, &der);
    bool good = n > 0 && ASN1_OCTET_STRING_set(outer, der, n) == 1;
    OPENSSL_free(der);
    X509_EXTENSION *ext = good ? X509_EXTENSION_create_by_OBJ(NULL, oid, 1, outer) : NULL;
    good = ext && X509_add_ext(x, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return good;
}

/* The issuer's certificate must be about the key that signs, else the result verifies under
 * nothing. */
static vn_status check_issuer(struct vn_span issuer_cert, const struct vn_sig_key *issuer_key,
                              enum vn_authority_kind kind, const struct vn_id *realm)
{
    VN_CLEANUP(vn_x509_freep) X509 *x = vn_x509_parse(issuer_cert);
    VN_CLEANUP(name_freep) X509_NAME *name = authority_name(kind, realm);
    if (!x || !name)
        return vn_ossl_error("issuer certificate", VN_ERR_MALFORMED);
    EVP_PKEY *pkey = X509_get0_pubkey(x);
    if (X509_NAME_cmp(X509_get_subject_name(x), name) != 0 || !pkey ||
        EVP_PKEY_eq(pkey, vn_sig_key_evp(issuer_key)) != 1)
        return vn_ossl_error("issuer certificate", VN_ERR_ARG);
    return VN_OK;
}

vn_status vn_x509_make_authority(enum vn_authority_kind kind, const struct vn_id *realm,
                                 struct vn_span subject_pk, const struct vn_sig_key *issuer_key,
                                 struct vn_span issuer_cert, uint64_t not_before_ms,
                                 uint64_t not_after_ms, uint8_t **ret_der, size_t *ret_n)
{
    const bool root = kind == VN_AUTHORITY_ROOT;
    const enum vn_sig_alg alg = vn_sig_alg_of(issuer_key);
    if (!kind_name(kind) || alg == VN_SIG_ED25519 || subject_pk.n != vn_sig_pk_len(alg) ||
        (root && !vn_span_equal(subject_pk, vn_sig_pk(issuer_key))))
        return VN_ERR_ARG;
    if (!root) {
        vn_status st = check_issuer(issuer_cert, issuer_key, VN_AUTHORITY_ROOT, realm);
        if (st != VN_OK)
            return st;
    }
    char uri[URI_MAX];
    uri_format(realm, kind_name(kind), uri);
    VN_CLEANUP(vn_x509_freep) X509 *x = X509_new();
    VN_CLEANUP(name_freep) X509_NAME *subject = authority_name(kind, realm);
    VN_CLEANUP(name_freep) X509_NAME *issuer = authority_name(VN_AUTHORITY_ROOT, realm);
    VN_CLEANUP(vn_x509_names_freep) GENERAL_NAMES *names = GENERAL_NAMES_new();
    const bool command = kind == VN_AUTHORITY_COMMAND;
    if (!x || !subject || !issuer || !names ||
        !vn_x509_start(x, (const uint8_t[16]){0}, not_before_ms, not_after_ms) ||
        !vn_x509_set_key(x, alg, subject_pk) || X509_set_subject_name(x, subject) != 1 ||
        X509_set_issuer_name(x, issuer) != 1 ||
        !vn_x509_add_usage(x, !command,
                           command ? "critical,digitalSignature" : "critical,keyCertSign") ||
        !vn_x509_name_push(names, GEN_URI, VN_SPAN_STR(uri)) || !add_names(x, names) ||
        X509_sign(x, vn_sig_key_evp(issuer_key), NULL) <= 0)
        return vn_ossl_error("make authority", VN_ERR_CRYPTO);
    return vn_x509_to_der(x, ret_der, ret_n);
}

vn_status vn_x509_check_issuing(struct vn_span issuing_cert, const struct vn_sig_key *issuing_key,
                                const struct vn_id *realm)
{
    return check_issuer(issuing_cert, issuing_key, VN_AUTHORITY_ISSUING, realm);
}

vn_status vn_x509_issue_identity(const struct vn_identity *id, const struct vn_sig_key *issuing_key,
                                 uint8_t **ret_der, size_t *ret_n)
{
    uint8_t ext[VN_X509_EXT_MAX];
    size_t ext_n;
    struct vn_id node;
    if (id->alg == VN_SIG_ED25519 || id->addr_count > VN_CERT_ADDRS_MAX ||
        id->pk_len != vn_sig_pk_len(id->alg) || id->not_before_ms > id->not_after_ms)
        return VN_ERR_ARG;
    vn_status st = vn_node_id_of(VN_SPAN(id->pk, id->pk_len), &node);
    if (st != VN_OK)
        return st;
    if (!vn_id_equal(&node, &id->node))
        return VN_ERR_ARG;
    st = vn_x509_ext_encode(id, ext, sizeof(ext), &ext_n);
    if (st != VN_OK)
        return st;
    char uri[URI_MAX], node_text[VN_ID_TEXT];
    vn_id_format(&node, node_text);
    uri_format(&id->realm, node_text, uri);
    VN_CLEANUP(vn_x509_freep) X509 *x = X509_new();
    VN_CLEANUP(name_freep) X509_NAME *subject = vn_x509_common_name(node_text);
    VN_CLEANUP(name_freep) X509_NAME *issuer = authority_name(VN_AUTHORITY_ISSUING, &id->realm);
    VN_CLEANUP(vn_x509_names_freep) GENERAL_NAMES *names = GENERAL_NAMES_new();
    bool good = x && subject && issuer && names &&
                vn_x509_start(x, id->serial, id->not_before_ms, id->not_after_ms) &&
                vn_x509_set_key(x, id->alg, VN_SPAN(id->pk, id->pk_len)) &&
                X509_set_subject_name(x, subject) == 1 && X509_set_issuer_name(x, issuer) == 1 &&
                vn_x509_add_usage(x, false, "critical,digitalSignature") &&
                vn_x509_name_push(names, GEN_URI, VN_SPAN_STR(uri));
    for (size_t i = 0; good && i < id->addr_count; i++)
        good = vn_x509_name_push_ip(names, &id->addrs[i]);
    if (!good || !add_names(x, names) || !add_identity_ext(x, VN_SPAN(ext, ext_n)) ||
        X509_sign(x, vn_sig_key_evp(issuing_key), NULL) <= 0)
        return vn_ossl_error("issue identity", VN_ERR_CRYPTO);
    return vn_x509_to_der(x, ret_der, ret_n);
}

/* ---- checking ---- */

/*
 * Critical extensions are those we understand, the private one exactly once in identities and
 * nowhere else; its value, if it is there, goes to *ret_value. Of the others OpenSSL refuses
 * duplicates.
 */
static bool check_extensions(const X509 *x, bool identity, struct vn_span *ret_value)
{
    VN_CLEANUP(object_freep) ASN1_OBJECT *oid = OBJ_txt2obj(VN_X509_EXT_OID, 1);
    if (!oid)
        return false;
    int found = 0;
    for (int i = 0; i < X509_get_ext_count(x); i++) {
        X509_EXTENSION *ext = X509_get_ext(x, i);
        const ASN1_OBJECT *type = X509_EXTENSION_get_object(ext);
        const int nid = OBJ_obj2nid(type);
        if (OBJ_cmp(type, oid) == 0) {
            const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(ext);
            *ret_value = VN_SPAN(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
            found++;
        } else if (X509_EXTENSION_get_critical(ext) && nid != NID_basic_constraints &&
                   nid != NID_key_usage && nid != NID_subject_alt_name) {
            return false;
        }
    }
    return found == (identity ? 1 : 0);
}

/* The shape all our certificates share, after their signature was verified. */
static vn_status check_shape(X509 *x, bool ca, uint32_t key_usage, enum vn_authority_kind issuer,
                             const struct vn_id *realm, uint64_t now_ms, bool identity,
                             struct vn_span *ret_value)
{
    const uint32_t flags = X509_get_extension_flags(x);
    if ((flags & EXFLAG_INVALID) || !(flags & EXFLAG_BCONS) || ((flags & EXFLAG_CA) != 0) != ca ||
        X509_get_key_usage(x) != key_usage || !check_extensions(x, identity, ret_value))
        return vn_ossl_error("certificate shape", VN_ERR_MALFORMED);
    VN_CLEANUP(name_freep) X509_NAME *name = authority_name(issuer, realm);
    if (!name)
        return vn_ossl_error("certificate name", VN_ERR_NOMEM);
    if (X509_NAME_cmp(X509_get_issuer_name(x), name) != 0)
        return VN_ERR_AUTH;
    return vn_x509_check_time(x, now_ms);
}

/* The alternative names: exactly one URI, and addresses if *ret_addrs has room for them. */
static vn_status read_names(const X509 *x, char uri[URI_MAX], struct vn_ip *ret_addrs, size_t cap,
                            size_t *ret_count)
{
    VN_CLEANUP(vn_x509_names_freep)
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    if (!names)
        return vn_ossl_error("certificate names", VN_ERR_MALFORMED);
    size_t uris = 0, count = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        const ASN1_STRING *s = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        if (type != GEN_URI && type != GEN_IPADD)
            return VN_ERR_MALFORMED;
        const struct vn_span v = VN_SPAN(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
        if (type == GEN_URI) {
            if (uris++ > 0 || v.n >= URI_MAX || memchr(v.p, 0, v.n))
                return VN_ERR_MALFORMED;
            memcpy(uri, v.p, v.n);
            uri[v.n] = '\0';
            continue;
        }
        struct vn_ip ip;
        if (count == cap || (v.n != 4 && v.n != 16))
            return VN_ERR_MALFORMED;
        if (v.n == 4)
            ip = vn_ip_from_v4(v.p);
        else
            memcpy(ip.b, v.p, 16);
        if (v.n == 16 && vn_ip_is_v4(&ip))
            return VN_ERR_MALFORMED; /* would be a second way to write an IPv4 address */
        ret_addrs[count++] = ip;
    }
    if (uris != 1)
        return VN_ERR_MALFORMED;
    *ret_count = count;
    return VN_OK;
}

/* The public key inside, which must be bare ML-DSA (RFC 9881: parameters absent). */
static vn_status read_key(const X509 *x, enum vn_sig_alg *ret_alg, struct vn_span *ret_pk)
{
    const uint8_t *p;
    int n, ptype;
    X509_ALGOR *algor;
    const ASN1_OBJECT *oid;
    if (X509_PUBKEY_get0_param(NULL, &p, &n, &algor, X509_get_X509_PUBKEY(x)) != 1)
        return vn_ossl_error("certificate key", VN_ERR_MALFORMED);
    X509_ALGOR_get0(&oid, &ptype, NULL, algor);
    switch (OBJ_obj2nid(oid)) {
    case NID_ML_DSA_65:
        *ret_alg = VN_SIG_MLDSA65;
        break;
    case NID_ML_DSA_87:
        *ret_alg = VN_SIG_MLDSA87;
        break;
    default:
        return VN_ERR_MALFORMED;
    }
    if (ptype != V_ASN1_UNDEF || n < 0 || (size_t)n != vn_sig_pk_len(*ret_alg))
        return VN_ERR_MALFORMED;
    *ret_pk = VN_SPAN(p, (size_t)n);
    return VN_OK;
}

vn_status vn_x509_check_authority(enum vn_authority_kind kind, const struct vn_id *realm,
                                  struct vn_span der, const struct vn_sig_pub *root,
                                  uint64_t now_ms, struct vn_sig_pub **ret)
{
    const bool is_root = kind == VN_AUTHORITY_ROOT;
    if (!kind_name(kind) || (!root && !is_root))
        return VN_ERR_ARG;
    VN_CLEANUP(vn_x509_freep) X509 *x = vn_x509_parse(der);
    if (!x)
        return vn_ossl_error("authority certificate", VN_ERR_MALFORMED);
    enum vn_sig_alg alg;
    struct vn_span pk;
    vn_status st = read_key(x, &alg, &pk);
    if (st != VN_OK)
        return st;
    VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *pub = NULL;
    st = vn_sig_pub_new(alg, pk, &pub);
    if (st != VN_OK)
        return st;
    if (is_root && root && !vn_span_equal(pk, vn_sig_pub_bytes(root)))
        return VN_ERR_AUTH;
    const struct vn_sig_pub *issuer = is_root ? pub : root;
    if (X509_verify(x, vn_sig_pub_evp(issuer)) != 1)
        return vn_ossl_error("verify authority", VN_ERR_AUTH);

    const bool command = kind == VN_AUTHORITY_COMMAND;
    struct vn_span no_ext;
    st = check_shape(x, !command, command ? KU_DIGITAL_SIGNATURE : KU_KEY_CERT_SIGN,
                     VN_AUTHORITY_ROOT, realm, now_ms, false, &no_ext);
    if (st != VN_OK)
        return st;
    char uri[URI_MAX], expected[URI_MAX];
    size_t addrs;
    st = read_names(x, uri, NULL, 0, &addrs);
    if (st != VN_OK)
        return st;
    uri_format(realm, kind_name(kind), expected);
    if (strcmp(uri, expected) != 0)
        return VN_ERR_AUTH;
    *ret = VN_TAKE(pub);
    return VN_OK;
}

static vn_status read_serial(X509 *x, uint8_t ret[16])
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
    BIGNUM *bn = ASN1_INTEGER_to_BN(serial, NULL);
    const bool good = bn && !BN_is_negative(bn) && !BN_is_zero(bn) && BN_num_bytes(bn) <= 16 &&
                      BN_bn2binpad(bn, ret, 16) == 16;
    BN_free(bn);
    return good ? VN_OK : VN_ERR_MALFORMED;
}

/* The private extension's body out of the OCTET STRING that wraps it. */
static vn_status read_ext(struct vn_span value, struct vn_identity *ret)
{
    const uint8_t *p = value.p;
    VN_CLEANUP(octets_freep)
    ASN1_OCTET_STRING *inner = d2i_ASN1_OCTET_STRING(NULL, &p, (long)value.n);
    if (!inner || p != value.p + value.n)
        return vn_ossl_error("certificate extension", VN_ERR_MALFORMED);
    return vn_x509_ext_decode(
        VN_SPAN(ASN1_STRING_get0_data(inner), (size_t)ASN1_STRING_length(inner)), ret);
}

/* Parsing the certificate has parsed its key already. */
static vn_status share_key(X509 *x, enum vn_sig_alg alg, struct vn_span pk, struct vn_sig_pub **ret)
{
    EVP_PKEY *pkey = X509_get0_pubkey(x);
    return pkey ? vn_sig_pub_share(alg, pkey, pk, ret)
                : vn_ossl_error("certificate key", VN_ERR_MALFORMED);
}

vn_status vn_x509_check_identity(struct vn_span der, const struct vn_sig_pub *issuing,
                                 const struct vn_id *realm, uint64_t now_ms,
                                 struct vn_identity *ret)
{
    return vn_x509_check_identity_key(der, issuing, realm, now_ms, ret, NULL);
}

vn_status vn_x509_check_identity_key(struct vn_span der, const struct vn_sig_pub *issuing,
                                     const struct vn_id *realm, uint64_t now_ms,
                                     struct vn_identity *ret, struct vn_sig_pub **ret_pub)
{
    VN_CLEANUP(vn_x509_freep) X509 *x = vn_x509_parse(der);
    if (!x)
        return vn_ossl_error("identity certificate", VN_ERR_MALFORMED);
    if (X509_verify(x, vn_sig_pub_evp(issuing)) != 1)
        return vn_ossl_error("verify identity", VN_ERR_AUTH);

    struct vn_identity id = {.realm = *realm};
    struct vn_span ext, pk;
    char uri[URI_MAX], expected[URI_MAX], node[VN_ID_TEXT];
    vn_status st = check_shape(x, false, KU_DIGITAL_SIGNATURE, VN_AUTHORITY_ISSUING, realm, now_ms,
                               true, &ext);
    if (st != VN_OK || (st = read_key(x, &id.alg, &pk)) != VN_OK ||
        (st = read_names(x, uri, id.addrs, VN_CERT_ADDRS_MAX, &id.addr_count)) != VN_OK ||
        (st = read_ext(ext, &id)) != VN_OK || (st = read_serial(x, id.serial)) != VN_OK ||
        (st = vn_node_id_of(pk, &id.node)) != VN_OK)
        return st;
    vn_id_format(&id.node, node);
    uri_format(realm, node, expected);
    if (strcmp(uri, expected) != 0)
        return VN_ERR_AUTH;
    if (!vn_x509_time_ms(X509_get0_notBefore(x), &id.not_before_ms) ||
        !vn_x509_time_ms(X509_get0_notAfter(x), &id.not_after_ms))
        return VN_ERR_MALFORMED;
    memcpy(id.pk, pk.p, pk.n);
    id.pk_len = pk.n;
    if (ret_pub && (st = share_key(x, id.alg, pk, ret_pub)) != VN_OK)
        return st;
    *ret = id;
    return VN_OK;
}
