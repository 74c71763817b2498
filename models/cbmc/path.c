/*
 * sources: base/reader.c base/writer.c wire/path.c
 * options: --unwind 17
 * long: --unwind 17
 * proves: messages about relays: decode stays inside, at most 6 are told of, encodes back to the
 * same bytes bound: any message to 110 bytes, so that two are told of
 */
#include "harness.h"

#include "wire/path.h"

int main(void)
{
    static uint8_t message[110];
    __CPROVER_havoc_object(message);
    struct vn_span in = any_input(message, sizeof(message));
    struct vn_path_msg m;
    if (vn_path_decode(in, &m) != VN_OK)
        return 0;
    assert(m.type >= VN_PATH_QUERY && m.type <= VN_PATH_DIGEST);
    assert(m.told_count <= VN_PATH_TOLD_MAX && (m.place.flags & ~3) == 0);
    if (m.type == VN_PATH_QUERY)
        assert(in.n == VN_PATH_QUERY_LEN);
    else if (m.type == VN_PATH_DIGEST)
        assert(in.n == VN_PATH_DIGEST_LEN(m.told_count));
    else
        assert(in.n == VN_PATH_REPLY_LEN(m.told_count) + m.descriptor.n + m.statement.n);
    if (m.type == VN_PATH_REPLY) {
        size_t at = VN_PATH_DIGEST_LEN(m.told_count) + 4 + 2;
        assert(stands_at(m.descriptor, in, at));
        assert(stands_at(m.statement, in, at + m.descriptor.n + 2));
    }
    uint8_t out[110];
    struct vn_writer w = vn_writer_of(out, sizeof(out));
    vn_path_encode(&w, &m);
    assert(vn_writer_ok(&w) && w.len == in.n);
    size_t i = nondet_size();
    __CPROVER_assume(i < in.n);
    assert(out[i] == in.p[i]);
    return 0;
}
