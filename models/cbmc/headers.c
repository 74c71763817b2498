/*
 * sources: base/reader.c base/writer.c base/id.c wire/frame.c wire/hourkeys.c
 * options: --unwind 102
 * proves: hop, e2e and envelope headers: decode stays inside and encodes back to the same bytes
 * bound: any input to 64 bytes, any values
 */
#include "harness.h"

#include "wire/envelope.c"
#include "wire/frame.h"

static void hop(void)
{
    static uint8_t message[64];
    __CPROVER_havoc_object(message);
    struct vn_span in = any_input(message, sizeof(message));
    struct vn_reader r = vn_reader_of(in);
    struct vn_hop_header h;
    if (!vn_hop_decode(&r, &h)) {
        assert(r.cur == in.p && r.left == in.n);
        return;
    }
    assert(r.left == in.n - VN_HOP_HEADER_LEN && (h.label == 0) == vn_hop_to_neighbour(h.type));
    uint8_t out[VN_HOP_HEADER_LEN];
    struct vn_writer w = vn_writer_of(out, sizeof(out));
    vn_hop_encode(&w, &h);
    assert(vn_writer_ok(&w) && w.len == sizeof(out) && memcmp(out, in.p, sizeof(out)) == 0);
}

static void e2e(void)
{
    struct vn_e2e_header m = {nondet_u32(), nondet_u32(), nondet_u16(),
                              nondet_u8(),  nondet_u8(),  nondet_u64()};
    uint8_t out[VN_E2E_HEADER_LEN];
    struct vn_writer w = vn_writer_of(out, sizeof(out));
    vn_e2e_encode(&w, &m);
    assert(vn_writer_ok(&w) && w.len == sizeof(out));
    struct vn_reader r = vn_reader_of(vn_writer_span(&w));
    struct vn_e2e_header back;
    bool ok = vn_e2e_decode(&r, &back);
    assert(ok && vn_reader_done(&r) && back.epoch == m.epoch && back.batch == m.batch &&
           back.idx == m.idx && back.lane == m.lane && back.cls == m.cls && back.seq == m.seq);

    static uint8_t message[64];
    __CPROVER_havoc_object(message);
    struct vn_span in = any_input(message, sizeof(message));
    r = vn_reader_of(in);
    if (!vn_e2e_decode(&r, &back)) {
        assert(in.n < VN_E2E_HEADER_LEN && r.left == in.n);
        return;
    }
    w = vn_writer_of(out, sizeof(out));
    vn_e2e_encode(&w, &back);
    assert(memcmp(out, in.p, sizeof(out)) == 0);
}

static void envelope(void)
{
    static uint8_t in[VN_ENVELOPE_HEADER_LEN];
    __CPROVER_havoc_object(in);
    struct vn_reader r = vn_reader_of(VN_SPAN_ARRAY(in));
    struct vn_envelope_header h;
    bool ok = read_header(&r, &h);
    assert(ok && vn_reader_done(&r));
    uint8_t out[VN_ENVELOPE_HEADER_LEN];
    struct vn_writer w = vn_writer_of(out, sizeof(out));
    write_header(&w, &h);
    assert(vn_writer_ok(&w) && w.len == sizeof(out) && memcmp(out, in, sizeof(in)) == 0);
}

int main(void)
{
    envelope();
    hop();
    e2e();
    return 0;
}
