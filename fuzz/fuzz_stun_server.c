/* Whatever comes to a public node: an answer is no longer than its question, a success for whoever
 * knew the key. The first byte says which key the rest is signed anew with, if any. */
#include "support/fuzz.h"
#include "transport/stun.h"
#include "transport/stun_server.h"

static vn_status zeros(void *self, void *ret, size_t n)
{
    (void)self;
    memset(ret, 0, n);
    return VN_OK;
}

/* What the input says up to its MESSAGE-INTEGRITY, under the right key. */
static struct vn_span sign(struct vn_span in, const struct vn_stun_key *key, uint8_t *buf,
                           size_t cap)
{
    struct vn_stun_msg m;
    struct vn_span out;
    struct vn_writer w = vn_writer_of(buf, cap);
    if (vn_stun_decode(in, &m) != VN_OK || !m.has_integrity)
        return in;
    vn_write_bytes(&w, in.p, m.integrity_at);
    return vn_stun_end(&w, VN_SPAN_ARRAY(key->key.b), &out) == VN_OK ? out : in;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vn_stun_server s;
    const struct vn_random random = {.fill = zeros};
    const struct vn_addr from = {.port = 7};
    uint8_t buf[VN_STUN_BYTES_MAX + 64], room[VN_STUN_ANSWER_MAX];
    struct vn_span in = VN_SPAN(data, size), out;
    struct vn_stun_msg m;
    bool other;
    if (size == 0)
        return 0;
    FUZZ_ASSERT(vn_stun_server_init(&s, &random, 0) == VN_OK);
    s.keys =
        (struct vn_stun_keys){.keys = {{.generation = 3, .hour = 500, .key = {{1}}}}, .count = 1};
    in = VN_SPAN(data + 1, size - 1);
    if (data[0] & 1)
        in = sign(in, &s.keys.keys[0], buf, sizeof(buf));
    if (vn_stun_server_input(&s, &from, in, 0, room, &out, &other) != VN_STUN_ANSWER)
        return 0;
    FUZZ_ASSERT(vn_stun_decode(in, &m) == VN_OK);
    FUZZ_ASSERT(vn_stun_verify(&m, VN_SPAN_ARRAY(s.keys.keys[0].key.b)) == VN_OK);
    FUZZ_ASSERT(out.n <= in.n && vn_stun_decode(out, &m) == VN_OK);
    FUZZ_ASSERT(m.cls == VN_STUN_SUCCESS && m.has_mapped && m.mapped.port == 7);
    FUZZ_ASSERT(vn_stun_verify(&m, VN_SPAN_ARRAY(s.keys.keys[0].key.b)) == VN_OK);
    return 0;
}
