#include "crypto/rng.h"

#include <openssl/rand.h>

#include "crypto/ossl.h"

vn_status vn_rng_bytes(void *ret, size_t n)
{
    if (RAND_priv_bytes_ex(NULL, ret, n, 0) != 1)
        return vn_ossl_error("rand", VN_ERR_CRYPTO);
    return VN_OK;
}
