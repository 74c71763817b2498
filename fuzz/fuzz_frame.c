/* A frame with its AEAD taken off: hop header, end-to-end header, plaintext. */
#include "support/fuzz_wire.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 << 17)
        return 0;
    struct vn_reader r = vn_reader_of(VN_SPAN(data, size)), packets;
    struct vn_writer w = vn_writer_of(fuzz_scratch(), size);
    struct vn_hop_header hop;
    struct vn_e2e_header e2e;
    size_t count;
    if (!vn_hop_decode(&r, &hop))
        return 0;
    vn_hop_encode(&w, &hop);
    if (!vn_e2e_decode(&r, &e2e))
        return 0;
    vn_e2e_encode(&w, &e2e);
    if (!vn_frame_open(vn_reader_rest(&r), &packets, &count))
        return 0;
    FUZZ_ASSERT(count > 0 && count <= VN_FRAME_PACKETS_MAX);
    vn_write_u16(&w, (uint16_t)count);
    for (size_t i = 0; i < count; i++) {
        struct vn_frame_packet p;
        FUZZ_ASSERT(vn_frame_next_packet(&packets, &p));
        FUZZ_ASSERT(p.packet.n > 0);
        vn_frame_put_packet(&w, &p);
    }
    FUZZ_ASSERT(vn_reader_done(&packets));
    FUZZ_ASSERT(vn_span_equal(VN_SPAN(data, size), vn_writer_span(&w)));
    return 0;
}
