/* What the files of this layer share about OpenSSL; not for other layers. */
#pragma once

#include <openssl/evp.h>
#include <openssl/kdf.h>

#include "base/status.h"

/** Algorithms fetched once: a fetch by name costs more than most of what follows it. */
struct vn_ossl {
    EVP_MD *sha256, *sha384, *sha3_256;
    EVP_CIPHER *aes256gcm, *aes128gcm;
    EVP_MD *md5; /* NULL where the system forbids it (FIPS mode): everything else goes on */
    /* without a key; to be duplicated */
    EVP_MAC_CTX *hmac_sha256, *hmac_sha384, *hmac_sha3_256, *hmac_sha1;
    EVP_KDF *argon2id, *tls1_prf;
    EVP_SIGNATURE *mldsa65, *mldsa87, *ed25519;
};

/** NULL when this OpenSSL lacks one of them. */
const struct vn_ossl *vn_ossl(void);

/**
 * Empties OpenSSL's error queue into one debug line.
 * @return VN_ERR_NOMEM if the queue blames memory, else the status given
 */
vn_status vn_ossl_error(const char *what, vn_status otherwise);

/* For VN_CLEANUP. */
void vn_pkey_freep(EVP_PKEY **p);
void vn_pkey_ctx_freep(EVP_PKEY_CTX **p);

/** A key object from one octet-string parameter (seed, public or private bytes). NULL on error,
 * queue not drained. */
EVP_PKEY *vn_ossl_pkey_from(const char *alg, int selection, const char *param, const void *p,
                            size_t n);
