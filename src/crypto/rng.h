/* Random bytes from OpenSSL's private DRBG (seeded by the kernel). */
#pragma once

#include "base/status.h"

/** VN_ERR_CRYPTO only if the system cannot give entropy; the caller must stop what it does then. */
VN_MUST_CHECK vn_status vn_rng_bytes(void *ret, size_t n);
