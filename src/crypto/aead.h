/* AES-256-GCM (RFC 5116 AEAD_AES_256_GCM): key 32, nonce 12, tag 16. AES-128-GCM is for peers whose
 * standard leaves nothing else (DTLS with browsers). */
#pragma once

#include "base/secret.h"
#include "base/status.h"

#define VN_AEAD_KEY_LEN 32
#define VN_AEAD_KEY_LEN_128 16
#define VN_AEAD_NONCE_LEN 12
#define VN_AEAD_TAG_LEN 16

/** A keyed cipher for one direction and one thread. */
struct vn_aead;

VN_MUST_CHECK vn_status vn_aead_new(const struct vn_secret32 *key, struct vn_aead **ret);
/** AES-128-GCM under the first VN_AEAD_KEY_LEN_128 bytes. Everything below serves it too. */
VN_MUST_CHECK vn_status vn_aead_new_128(const struct vn_secret32 *key, struct vn_aead **ret);
struct vn_aead *vn_aead_free(struct vn_aead *a); /* wipes; returns NULL */
void vn_aead_freep(struct vn_aead **a);

/** Encrypts n bytes from in to out (may be equal) and writes the tag; the caller never repeats a
 * nonce. */
VN_MUST_CHECK vn_status vn_aead_seal(struct vn_aead *a, const uint8_t nonce[12], struct vn_span aad,
                                     struct vn_span in, uint8_t *out, uint8_t tag[16]);
/** VN_ERR_AUTH when the tag is wrong; then out holds zeros, never unauthenticated plaintext. */
VN_MUST_CHECK vn_status vn_aead_open(struct vn_aead *a, const uint8_t nonce[12], struct vn_span aad,
                                     struct vn_span in, const uint8_t tag[16], uint8_t *out);

/** One message under a key that is used once: nonce 0, ciphertext then tag (in.n + 16 bytes) to
 * out. */
VN_MUST_CHECK vn_status vn_aead_seal_once(const struct vn_secret32 *key, struct vn_span aad,
                                          struct vn_span in, uint8_t *out);
/** in is ciphertext then tag; in.n - 16 bytes to out. VN_ERR_AUTH, VN_ERR_MALFORMED (shorter than a
 * tag). */
VN_MUST_CHECK vn_status vn_aead_open_once(const struct vn_secret32 *key, struct vn_span aad,
                                          struct vn_span in, uint8_t *out);
