/* NATS nkeys: Ed25519 keys in base32 with a prefix byte and CRC-16 (nats-io/nkeys), and the JWTs
 * signed with them. */
#pragma once

#include "base/secret.h"
#include "base/status.h"

enum vn_nkey_kind { VN_NKEY_OPERATOR = 'O', VN_NKEY_ACCOUNT = 'A', VN_NKEY_USER = 'U' };

#define VN_NKEY_TEXT 57      /* 56 characters and NUL: a public key */
#define VN_NKEY_SEED_TEXT 59 /* 58 characters and NUL: a seed, "SU..." */

/** From the 32-byte Ed25519 public key to "U...", "A...", "O...". */
VN_MUST_CHECK vn_status vn_nkey_public(enum vn_nkey_kind kind, const uint8_t pk[32],
                                       char ret[VN_NKEY_TEXT]);
/** "S" kind ... ; a secret, wiped by the caller. */
VN_MUST_CHECK vn_status vn_nkey_seed(enum vn_nkey_kind kind, const struct vn_secret32 *seed,
                                     char ret[VN_NKEY_SEED_TEXT]);
/** Checks prefix, length and CRC. VN_ERR_MALFORMED. */
VN_MUST_CHECK vn_status vn_nkey_parse_public(enum vn_nkey_kind kind, const char *text,
                                             uint8_t ret_pk[32]);
VN_MUST_CHECK vn_status vn_nkey_parse_seed(const char *text, enum vn_nkey_kind *ret_kind,
                                           struct vn_secret32 *ret_seed);
