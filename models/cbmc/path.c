/*
 * sources: base/reader.c base/writer.c
 * options: --unwind 5 --unwindset read_told.0:2 -DCHECK_ONLY
 * proves: messages of relays: decode stays inside, bounds what is told, leaves no gap
 * bound: any message to 99 bytes, one relay told at most
 */
#include "harness.h"

#undef VN_PATH_TOLD_MAX
#define VN_PATH_TOLD_MAX 1

#include "wire/path.c"

int main(void)
{
    static uint8_t message[99];
    __CPROVER_havoc_object(message);
    struct vn_span in = any_input(message, sizeof(message));
    struct vn_path_msg m;
    if (vn_path_decode(in, &m) != VN_OK)
        return 0;
    assert(m.told_count <= VN_PATH_TOLD_MAX && m.place.flags <= FLAGS);
    switch (m.type) {
    case VN_PATH_QUERY:
        assert(in.n == VN_PATH_QUERY_LEN && m.flags <= VN_PATH_STATEMENT);
        break;
    case VN_PATH_REPLY: {
        const size_t at = VN_PATH_DIGEST_LEN(m.told_count) + 4 + 2;
        assert(stands_at(m.descriptor, in, at));
        assert(stands_at(m.statement, in, at + m.descriptor.n + 2));
        assert(in.n == VN_PATH_REPLY_LEN(m.told_count) + m.descriptor.n + m.statement.n);
        break;
    }
    case VN_PATH_DIGEST:
        assert(in.n == VN_PATH_DIGEST_LEN(m.told_count));
        break;
    default:
        assert(false);
    }
    return 0;
}
