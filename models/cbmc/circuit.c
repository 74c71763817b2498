/*
 * sources: base/reader.c base/writer.c wire/circuit.c
 * options: --unwind 34
 * proves: circuit messages: decode stays inside, refuses label 0, encodes back to the same bytes
 * bound: any message to 192 bytes; bytes compared in messages to 24
 */
#include "harness.h"

#include "wire/circuit.h"

int main(void)
{
    static uint8_t message[MESSAGE_MAX];
    __CPROVER_havoc_object(message);
    struct vn_span in = any_input(message, sizeof(message));
    struct vn_circuit_msg m;
    if (vn_circuit_decode(in, &m) != VN_OK)
        return 0;
    assert(m.type >= VN_CIRCUIT_SETUP && m.type <= VN_CIRCUIT_TEARDOWN);
    assert(m.type != VN_CIRCUIT_SETUP || (m.reverse_label != 0 && stands_at(m.blob, in, 12)));
    assert((m.type != VN_CIRCUIT_ACCEPT && m.type != VN_CIRCUIT_TEARDOWN) || m.label != 0);

    __CPROVER_assume(in.n <= 24);
    uint8_t out[24];
    struct vn_writer w = vn_writer_of(out, sizeof(out));
    vn_circuit_encode(&w, &m);
    assert(vn_writer_ok(&w) && w.len == in.n);
    size_t i = nondet_size();
    __CPROVER_assume(i < in.n);
    assert(out[i] == in.p[i]);
    return 0;
}
