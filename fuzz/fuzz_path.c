/* Messages about relays: what decodes is encoded to the same bytes. */
#include "support/fuzz_wire.h"
#include "wire/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vn_span in = VN_SPAN(data, size);
    struct vn_path_msg m;
    if (vn_path_decode(in, &m) != VN_OK)
        return 0;
    FUZZ_ASSERT(m.told_count <= VN_PATH_TOLD_MAX);
    struct vn_writer w = vn_writer_of(fuzz_scratch(), size);
    vn_path_encode(&w, &m);
    FUZZ_ASSERT(vn_span_equal(in, vn_writer_span(&w)));
    return 0;
}
