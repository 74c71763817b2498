/* The private extension of identity certificates: what is accepted encodes to the same bytes. */
#include <stdlib.h>

#include "crypto/x509_ext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vn_identity id = {.prefix_count = 0};
    uint8_t again[VN_X509_EXT_MAX];
    size_t n;
    if (vn_x509_ext_decode(VN_SPAN(data, size), &id) != VN_OK)
        return 0;
    if (vn_x509_ext_encode(&id, again, sizeof(again), &n) != VN_OK || n != size ||
        memcmp(again, data, n) != 0)
        abort();
    return 0;
}
