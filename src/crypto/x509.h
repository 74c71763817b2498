/*
 * X.509 as VeilNet uses it: identity certificates with ML-DSA keys (RFC 9881) from a realm's
 * authority, and ECDSA P-256 certificates for TLS and mutual TLS. DER throughout. Times are
 * milliseconds since 1970 (protocol time).
 */
#pragma once

#include <stdbool.h>

#include "base/country.h"
#include "base/id.h"
#include "crypto/sig.h"

#define VN_CERT_MAX 16384
#define VN_CERT_ADDRS_MAX 4
#define VN_CERT_PREFIXES_MAX 32
#define VN_TAG_MAX 63 /* a tag is one DNS label */

enum vn_cert_right {
    VN_RIGHT_RELAY = 1u << 0,
    VN_RIGHT_CONDUIT = 1u << 1,
    VN_RIGHT_PORTAL = 1u << 2,
    VN_RIGHT_BROWSER = 1u << 3,
};

/** What an identity certificate says (DESIGN section 4.5). */
struct vn_identity {
    struct vn_id realm;
    struct vn_id node;             /* SHA3-256(public key)[0..16) */
    char tag[VN_TAG_MAX + 1];      /* a-z 0-9 -, one DNS label; may be empty */
    char country[VN_COUNTRY_TEXT]; /* where it logged in from; "": not said */
    struct vn_ip addrs[VN_CERT_ADDRS_MAX];
    size_t addr_count;
    struct vn_prefix prefixes[VN_CERT_PREFIXES_MAX]; /* a portal's approved prefixes */
    size_t prefix_count;
    uint32_t rights;    /* enum vn_cert_right */
    uint8_t serial[16]; /* an unsigned number; all zero when issuing: drawn at random */
    uint64_t not_before_ms, not_after_ms;
    enum vn_sig_alg alg;
    uint8_t pk[2592];
    size_t pk_len;
};

/** What its holder may do, by this certificate; NULL: nothing. */
static inline bool vn_identity_may(const struct vn_identity *id, enum vn_cert_right right)
{
    return id && (id->rights & (uint32_t)right) != 0;
}

enum vn_authority_kind { VN_AUTHORITY_ROOT, VN_AUTHORITY_ISSUING, VN_AUTHORITY_COMMAND };

/** Node id of a public key: SHA3-256(pk)[0..16). */
VN_MUST_CHECK vn_status vn_node_id_of(struct vn_span pk, struct vn_id *ret);

/**
 * Makes the certificate of a realm authority key: the self-signed root (issuer_key = subject key,
 * issuer_cert empty) or an issuing or command key certified by it. *ret_der is malloc'ed.
 */
VN_MUST_CHECK vn_status vn_x509_make_authority(enum vn_authority_kind kind,
                                               const struct vn_id *realm, struct vn_span subject_pk,
                                               const struct vn_sig_key *issuer_key,
                                               struct vn_span issuer_cert, uint64_t not_before_ms,
                                               uint64_t not_after_ms, uint8_t **ret_der,
                                               size_t *ret_n);
/** Verifies an authority certificate under the root (or the root under itself) and yields its key.
 * VN_ERR_AUTH. */
VN_MUST_CHECK vn_status vn_x509_check_authority(enum vn_authority_kind kind,
                                                const struct vn_id *realm, struct vn_span der,
                                                const struct vn_sig_pub *root, uint64_t now_ms,
                                                struct vn_sig_pub **ret);

/** Whether a certificate is that of the realm's issuing key: what this key issues verifies under
 * nothing else. Once for each key, before the first identity. VN_ERR_MALFORMED, VN_ERR_ARG. */
VN_MUST_CHECK vn_status vn_x509_check_issuing(struct vn_span issuing_cert,
                                              const struct vn_sig_key *issuing_key,
                                              const struct vn_id *realm);
/**
 * Issues an identity certificate with the issuing key, which vn_x509_check_issuing approved for
 * id->realm. Times are cut to whole seconds. *ret_der is malloc'ed.
 *
 * @return VN_ERR_ARG if id->node is not the hash of id->pk, the tag no DNS label, a prefix has host
 *         bits, or a count is over its maximum
 */
VN_MUST_CHECK vn_status vn_x509_issue_identity(const struct vn_identity *id,
                                               const struct vn_sig_key *issuing_key,
                                               uint8_t **ret_der, size_t *ret_n);
/**
 * Parses and verifies an identity certificate: signature under the issuing key, SAN, node id = hash
 * of the key, realm, validity at now_ms, no unknown critical extension. VN_ERR_AUTH,
 * VN_ERR_EXPIRED (also before not_before), VN_ERR_MALFORMED.
 */
VN_MUST_CHECK vn_status vn_x509_check_identity(struct vn_span der, const struct vn_sig_pub *issuing,
                                               const struct vn_id *realm, uint64_t now_ms,
                                               struct vn_identity *ret);
/** The same, with the certificate's key ready to verify with: parsing it again would cost as much
 * as a signature. ret_pub may be NULL. */
VN_MUST_CHECK vn_status vn_x509_check_identity_key(struct vn_span der,
                                                   const struct vn_sig_pub *issuing,
                                                   const struct vn_id *realm, uint64_t now_ms,
                                                   struct vn_identity *ret,
                                                   struct vn_sig_pub **ret_pub);

/* ---- ECDSA P-256 for TLS ---- */

/** Private keys travel as PKCS#8 PEM (malloc'ed, NUL-terminated); free them with vn_secret_strp. */
VN_MUST_CHECK vn_status vn_tls_key_new(char **ret_key_pem);
/** SHA-256 of the DER SubjectPublicKeyInfo: what a join token pins. */
VN_MUST_CHECK vn_status vn_tls_key_pin(const char *key_pem, uint8_t ret[32]);
VN_MUST_CHECK vn_status vn_tls_cert_pin(const char *cert_pem, uint8_t ret[32]);
/** Self-signed server certificate for Guardian's HTTPS. hosts: DNS names or addresses. PEM,
 * malloc'ed. */
VN_MUST_CHECK vn_status vn_tls_self_signed(const char *key_pem, const char *const *hosts,
                                           size_t host_count, uint64_t not_before_ms,
                                           uint64_t not_after_ms, char **ret_cert_pem);
/** The certification authority for Master's and clients' certificates. */
VN_MUST_CHECK vn_status vn_tls_ca_new(const char *key_pem, const char *common_name,
                                      uint64_t not_before_ms, uint64_t not_after_ms,
                                      char **ret_cert_pem);
/** PKCS#10 request, DER, malloc'ed. */
VN_MUST_CHECK vn_status vn_tls_csr(const char *key_pem, const char *common_name, uint8_t **ret_der,
                                   size_t *ret_n);
/** An authority that signs, read once: reading takes longer than signing. Constant, so any thread
 * may use it. VN_ERR_MALFORMED; VN_ERR_ARG: key and certificate are not of each other. */
struct vn_tls_ca;
VN_MUST_CHECK vn_status vn_tls_ca_open(const char *key_pem, const char *cert_pem,
                                       struct vn_tls_ca **ret);
struct vn_tls_ca *vn_tls_ca_free(struct vn_tls_ca *ca); /* returns NULL */
void vn_tls_ca_freep(struct vn_tls_ca **ca);
/** Signs a server certificate for key_pem's public key. */
VN_MUST_CHECK vn_status vn_tls_ca_issue_server(const struct vn_tls_ca *ca, const char *key_pem,
                                               const char *const *hosts, size_t host_count,
                                               uint64_t not_before_ms, uint64_t not_after_ms,
                                               char **ret_cert_pem);
/** Likewise for a server that is also a client of its like. */
VN_MUST_CHECK vn_status vn_tls_ca_issue_peer(const struct vn_tls_ca *ca, const char *key_pem,
                                             const char *const *hosts, size_t host_count,
                                             uint64_t not_before_ms, uint64_t not_after_ms,
                                             char **ret_cert_pem);
/** Checks the request's own signature and signs a client certificate with this common name. */
VN_MUST_CHECK vn_status vn_tls_ca_issue_client(const struct vn_tls_ca *ca, struct vn_span csr_der,
                                               const char *common_name, uint64_t not_before_ms,
                                               uint64_t not_after_ms, char **ret_cert_pem);
