/* DCEP: what decodes encodes to the same bytes. */
#include "support/fuzz.h"
#include "transport/dcep.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t buf[256];
    struct vn_dcep_msg m;
    if (vn_dcep_decode(VN_SPAN(data, size), &m) != VN_OK)
        return 0;
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_dcep_encode(&w, &m);
    FUZZ_ASSERT(vn_span_equal(vn_writer_span(&w), VN_SPAN(data, size)));
    return 0;
}
