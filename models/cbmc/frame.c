/*
 * sources: base/reader.c base/writer.c wire/frame.c
 * options: --unwind 9 --unwindset vn_frame_open.0:5,main.0:5,main.1:5 -DCHECK_ONLY
 * proves: frame plaintext: the walk stays inside; its packets tile the frame and encode back
 * bound: any plaintext to 20 bytes (3 packets)
 */
#include "harness.h"

#include "wire/frame.h"

int main(void)
{
    static uint8_t message[20];
    __CPROVER_havoc_object(message);
    struct vn_span in = any_input(message, sizeof(message));
    struct vn_reader r;
    size_t count;
    if (!vn_frame_open(in, &r, &count))
        return 0;
    assert(count >= 1 && count <= VN_FRAME_PACKETS_MAX && r.left == in.n - 2);
    size_t at = 2;
    for (size_t i = 0; i < count; i++) {
        struct vn_frame_packet p;
        bool ok = vn_frame_next_packet(&r, &p); /* promised by vn_frame_open */
        assert(ok && p.packet.n > 0 && p.ecn < 4 && p.kind <= VN_PKT_UDP_L4);
        uint8_t head[7];
        struct vn_writer w = vn_writer_of(head, sizeof(head));
        vn_frame_put_header(&w, &p);
        assert(vn_writer_ok(&w) && w.len <= in.n - at);
        size_t k = nondet_size();
        __CPROVER_assume(k < w.len);
        assert(head[k] == in.p[at + k]);
        at += w.len;
        assert(stands_at(p.packet, in, at));
        at += p.packet.n;
    }
    assert(at == in.n);
    return 0;
}
