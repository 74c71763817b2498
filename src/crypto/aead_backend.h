/* Who does the work behind vn_aead; not for other layers. */
#pragma once

#include "crypto/aead.h"

/*
 * aad and in are at most INT_MAX bytes and their pointers never NULL, nor is out. open writes
 * whatever it likes to out before it has checked the tag; vn_aead_open cleans up.
 */
struct vn_aead_backend {
    const char *name;
    void *(*keyed)(const uint8_t key[VN_AEAD_KEY_LEN]); /* NULL on error */
    void (*free)(void *state);                          /* wipes */
    vn_status (*seal)(void *state, const uint8_t *nonce, struct vn_span aad, struct vn_span in,
                      uint8_t *out, uint8_t *tag);
    vn_status (*open)(void *state, const uint8_t *nonce, struct vn_span aad, struct vn_span in,
                      const uint8_t *tag, uint8_t *out);
};

/** OpenSSL's EVP: everywhere. */
extern const struct vn_aead_backend vn_aead_evp;
/** AES-128-GCM of the key's first half. */
extern const struct vn_aead_backend vn_aead_evp_128;
/** libipsec-mb, half the cost of EVP for packets; NULL where this build or processor cannot.
 * Thread-safe. */
const struct vn_aead_backend *vn_aead_ipsecmb(void);

/** Copies: what the rest of the path costs. In builds with VN_UNSEALED only, which take it for all.
 */
extern const struct vn_aead_backend vn_aead_none;

/** vn_aead_new with a backend of choice, for tests and benches. */
VN_MUST_CHECK vn_status vn_aead_new_with(const struct vn_aead_backend *backend,
                                         const struct vn_secret32 *key, struct vn_aead **ret);
