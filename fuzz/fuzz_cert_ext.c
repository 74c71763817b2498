/* The private extension of identity certificates: what is accepted encodes to the same bytes. */
#include "crypto/x509_ext.h"
#include "support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vn_identity id = {.prefix_count = 0};
    uint8_t again[VN_X509_EXT_MAX];
    size_t n;
    if (vn_x509_ext_decode(VN_SPAN(data, size), &id) != VN_OK)
        return 0;
    FUZZ_ASSERT(vn_x509_ext_encode(&id, again, sizeof(again), &n) == VN_OK && n == size &&
                memcmp(again, data, n) == 0);
    return 0;
}
