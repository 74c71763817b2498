/* Messages of the control channel in-band: what decodes is encoded to the same bytes. */
#include "support/fuzz_wire.h"
#include "wire/inband.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vn_span in = VN_SPAN(data, size);
    struct vn_inband m;
    if (vn_inband_decode(in, &m) != VN_OK)
        return 0;
    struct vn_writer w = vn_writer_of(fuzz_scratch(), size);
    vn_inband_encode(&w, &m);
    FUZZ_ASSERT(vn_span_equal(in, vn_writer_span(&w)));
    return 0;
}
