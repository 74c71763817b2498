/*
 * The private extension of identity certificates: what X.509 has no field for.
 *
 * OID 2.25.174343519541857296662644661470115916668 (the UUID 8329572a-52c4-44fe-afac-22f14d3beb7c,
 * ITU-T X.667), critical, since it says what the certificate may be used for. Its value is a DER
 * OCTET STRING of:
 *
 *    version u8 | rights u32 | tag_len u8, tag | count u8, count x { bits u8, ip 16 } | country 2
 *
 * Version 2 has the country, two letters A-Z; version 1 ends before it. tag is one lower-case DNS
 * label or empty; ip is IPv6 or IPv4 as ::ffff:a.b.c.d and bits counts of 128.
 */
#pragma once

#include "crypto/x509.h"

#define VN_X509_EXT_OID "2.25.174343519541857296662644661470115916668"
#define VN_X509_EXT_MAX (1 + 4 + 1 + VN_TAG_MAX + 1 + VN_CERT_PREFIXES_MAX * 17 + 2)

/** Writes tag, rights, prefixes and country of id. VN_ERR_ARG if they break a rule above. */
VN_MUST_CHECK vn_status vn_x509_ext_encode(const struct vn_identity *id, uint8_t *ret, size_t cap,
                                           size_t *ret_n);
/** Fills tag, rights, prefixes and country of ret, which is untouched on error. VN_ERR_MALFORMED.
 */
VN_MUST_CHECK vn_status vn_x509_ext_decode(struct vn_span in, struct vn_identity *ret);
