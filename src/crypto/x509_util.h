/* Pieces that our identity and TLS certificates share; not for other layers. */
#pragma once

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/id.h"
#include "base/status.h"
#include "crypto/sig.h"

/* For VN_CLEANUP. */
void vn_x509_freep(X509 **x);
void vn_x509_names_freep(GENERAL_NAMES **names);

/**
 * Exactly one DER certificate of at most VN_CERT_MAX bytes, version 3. NULL otherwise, queue not
 * drained.
 */
X509 *vn_x509_parse(struct vn_span der);
/** Milliseconds since 1970; false for a time we cannot represent. */
bool vn_x509_time_ms(const ASN1_TIME *t, uint64_t *ret);
/** VN_OK, VN_ERR_EXPIRED (too early as well), VN_ERR_MALFORMED. */
VN_MUST_CHECK vn_status vn_x509_check_time(const X509 *x, uint64_t now_ms);

/** SHA-256 of the DER SubjectPublicKeyInfo. */
VN_MUST_CHECK vn_status vn_pkey_pin(EVP_PKEY *pkey, uint8_t ret[32]);

/* Builders: false on error, queue not drained. */

/** Version 3, validity, serial (16 bytes; all zero: drawn). */
bool vn_x509_start(X509 *x, const uint8_t serial[16], uint64_t not_before_ms,
                   uint64_t not_after_ms);
/** The public key of the subject, ML-DSA of the right length. */
bool vn_x509_set_key(X509 *x, enum vn_sig_alg alg, struct vn_span pk);
/** A name of one common name; NULL on error. */
X509_NAME *vn_x509_common_name(const char *cn);
bool vn_x509_add_usage(X509 *x, bool ca, const char *key_usage);
bool vn_x509_name_push(GENERAL_NAMES *names, int type, struct vn_span value);
/** An address as an iPAddress name: 4 bytes for IPv4, 16 for IPv6. */
bool vn_x509_name_push_ip(GENERAL_NAMES *names, const struct vn_ip *ip);

/** The DER of x in malloc'ed memory. */
VN_MUST_CHECK vn_status vn_x509_to_der(X509 *x, uint8_t **ret, size_t *ret_n);
