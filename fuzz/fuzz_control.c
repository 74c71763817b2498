/* Control packets: what opens is sealed to the same bytes, since the nonce is the sequence. */
#include "base/limits.h"
#include "support/fuzz_wire.h"
#include "wire/control.h"

static void received(const struct fuzz_wire *f, struct vn_span in)
{
    const struct vn_suite_info *suite = fuzz_suite(in);
    struct vn_id sid;
    uint64_t seq;
    size_t n;
    uint8_t *plain = fuzz_scratch();
    if (vn_control_peek(in, suite, &sid, &seq) != VN_OK ||
        vn_control_open(in, &f->control_key, plain, &n) != VN_OK)
        return;
    VN_CLEANUP(vn_buf_done) struct vn_buf b;
    vn_buf_init(&b, VN_CONTROL_PAYLOAD_MAX);
    TEST_OK(vn_control_seal(suite, &f->control_key, &sid, seq, VN_SPAN(plain, n), &b));
    FUZZ_ASSERT(vn_span_equal(in, vn_buf_span(&b)));
}

/* The first 24 bytes are sid and sequence, the rest is the body. */
static void sealed(const struct fuzz_wire *f, struct vn_span in)
{
    struct vn_reader r = vn_reader_of(in);
    struct vn_id sid, back_sid;
    uint64_t seq, back_seq;
    size_t n;
    if (!vn_read_copy(&r, sid.b, VN_ID_LEN) || !vn_read_u64(&r, &seq))
        return;
    VN_CLEANUP(vn_buf_done) struct vn_buf b;
    vn_buf_init(&b, VN_CONTROL_PAYLOAD_MAX);
    if (vn_control_seal(f->r->suite, &f->control_key, &sid, seq, vn_reader_rest(&r), &b) != VN_OK) {
        FUZZ_ASSERT(r.left + VN_CONTROL_HEAD_LEN + VN_AEAD_TAG_LEN > VN_CONTROL_PAYLOAD_MAX);
        return;
    }
    TEST_OK(vn_control_peek(vn_buf_span(&b), f->r->suite, &back_sid, &back_seq));
    FUZZ_ASSERT(vn_id_equal(&sid, &back_sid) && seq == back_seq);
    TEST_OK(vn_control_open(vn_buf_span(&b), &f->control_key, fuzz_scratch(), &n));
    FUZZ_ASSERT(vn_span_equal(vn_reader_rest(&r), VN_SPAN(fuzz_scratch(), n)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vn_span in = VN_SPAN(data, size);
    enum fuzz_mode mode;
    if (!fuzz_mode(&in, &mode))
        return 0;
    (mode == FUZZ_SEALED ? sealed : received)(fuzz_wire(), in);
    return 0;
}
