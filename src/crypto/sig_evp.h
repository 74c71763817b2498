/* The OpenSSL keys inside our signature keys, for certificates; not for other layers. */
#pragma once

#include <openssl/evp.h>

#include "crypto/sig.h"

/* Borrowed; live as long as the argument. */
EVP_PKEY *vn_sig_key_evp(const struct vn_sig_key *key);
EVP_PKEY *vn_sig_pub_evp(const struct vn_sig_pub *pub);
/** A verification key that shares pkey, whose raw form is pk. */
VN_MUST_CHECK vn_status vn_sig_pub_share(enum vn_sig_alg alg, EVP_PKEY *pkey, struct vn_span pk,
                                         struct vn_sig_pub **ret);
enum vn_sig_alg vn_sig_pub_alg(const struct vn_sig_pub *pub);
