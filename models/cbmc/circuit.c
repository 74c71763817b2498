/*
 * sources: base/reader.c base/writer.c wire/circuit.c
 * options: --unwind 34
 * proves: circuit messages: decode stays inside, refuses label 0, encodes back to the same bytes
 * bound: any message to 64 bytes; bytes compared in messages to 28
 */
#include "harness.h"

#include "wire/circuit.h"
#include "wire/setup.h"

int main(void)
{
    static uint8_t message[64];
    __CPROVER_havoc_object(message);
    struct vn_span in = any_input(message, sizeof(message));
    struct vn_circuit_msg m;
    if (vn_circuit_decode(in, &m) != VN_OK)
        return 0;
    assert(m.type >= VN_CIRCUIT_SETUP && m.type <= VN_CIRCUIT_WORN);
    assert(m.type != VN_CIRCUIT_SETUP || (m.reverse_label != 0 && stands_at(m.blob, in, 12)));
    assert((m.type != VN_CIRCUIT_ACCEPT && m.type != VN_CIRCUIT_TEARDOWN &&
            m.type != VN_CIRCUIT_WORN) ||
           m.label != 0);
    assert((m.type != VN_CIRCUIT_NEED_DESC && m.type != VN_CIRCUIT_DESC) ||
           (m.mark.n == VN_SETUP_MARK_LEN && stands_at(m.mark, in, 5)));
    assert(m.type != VN_CIRCUIT_DESC || stands_at(m.blob, in, 5 + VN_SETUP_MARK_LEN + 2));
    if (m.type == VN_CIRCUIT_FAILED) {
        assert(m.blob.n > 0 && m.blob.n % 4 == 0 && stands_at(m.blob, in, 3));
        size_t k = nondet_size();
        __CPROVER_assume(k < m.blob.n / 4);
        assert(m.blob.p[4 * k] | m.blob.p[4 * k + 1] | m.blob.p[4 * k + 2] | m.blob.p[4 * k + 3]);
    }

    __CPROVER_assume(in.n <= 28);
    uint8_t out[28];
    struct vn_writer w = vn_writer_of(out, sizeof(out));
    vn_circuit_encode(&w, &m);
    assert(vn_writer_ok(&w) && w.len == in.n);
    size_t i = nondet_size();
    __CPROVER_assume(i < in.n);
    assert(out[i] == in.p[i]);
    return 0;
}
