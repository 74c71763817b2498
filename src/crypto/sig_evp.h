/* The OpenSSL keys inside our signature keys, for certificates; not for other layers. */
#pragma once

#include <openssl/evp.h>

#include "crypto/sig.h"

/* Borrowed; live as long as the argument. */
EVP_PKEY *vn_sig_key_evp(const struct vn_sig_key *key);
EVP_PKEY *vn_sig_pub_evp(const struct vn_sig_pub *pub);
enum vn_sig_alg vn_sig_pub_alg(const struct vn_sig_pub *pub);
