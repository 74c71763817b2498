/* The sealed part of SETUP: a blob for bob, or what stands sealed in a slot, which is encoded to
 * the same bytes. */
#include "support/fuzz_wire.h"
#include "wire/setup.h"

static void received(const struct fuzz_wire *f, struct vn_span in)
{
    struct vn_setup_open o;
    size_t n = vn_setup_blob_len(f->r->suite);
    vn_status st = vn_setup_open(f->r->suite, f->r->b.eks, in, fuzz_scratch(), &o);
    FUZZ_ASSERT(st != VN_OK || (in.n == n && (o.kind == VN_SETUP_NEXT || o.bind != 0)));
}

static void sealed(struct vn_span in)
{
    struct vn_setup_open o = {0};
    uint8_t head[VN_SETUP_HEAD_LEN];
    if (!vn_setup_head_decode(in, &o))
        return;
    vn_setup_head_encode(&o, head);
    FUZZ_ASSERT(vn_span_equal(in, VN_SPAN_ARRAY(head)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vn_span in = VN_SPAN(data, size);
    enum fuzz_mode mode;
    if (!fuzz_mode(&in, &mode))
        return 0;
    if (mode == FUZZ_SEALED)
        sealed(in);
    else
        received(fuzz_wire(), in);
    return 0;
}
