#include "support/fuzz_wire.h"

#include "base/limits.h"
#include "support/test_rand.h"

static struct fuzz_wire *wire_new(void)
{
    struct fuzz_wire *f = calloc(1, sizeof(*f));
    if (!f)
        abort();
    vn_test_rand_install(7);
    f->r = test_realm_new(VN_SUITE_DEFAULT);
    f->bob = test_node_responder(&f->r->b);
    memset(f->control_key.b, 0xc7, sizeof(f->control_key.b));
    struct vn_hs_m1_args a = {.suite = f->r->suite,
                              .sid = {.b = "sid"},
                              .realm = f->r->id,
                              .responder = f->bob,
                              .hour_keys = &f->r->hours,
                              .now_ms = TEST_NOW_MS,
                              .cert = test_node_cert(&f->r->a),
                              .include_cert = true,
                              .statement = test_node_statement(&f->r->a),
                              .params = VN_SPAN_LIT("\x10\xe0\xd4\x03"),
                              .key = f->r->a.key};
    vn_tai64n(TEST_NOW_MS, a.tai64n);
    vn_buf_init(&f->m1, VN_CONTROL_PAYLOAD_MAX);
    TEST_OK(vn_hs_m1_make(&a, &f->i, &f->m1));
    return f;
}

const struct fuzz_wire *fuzz_wire(void)
{
    static struct fuzz_wire *f;
    if (!f)
        f = wire_new();
    return f;
}

bool fuzz_mode(struct vn_span *in, enum fuzz_mode *ret)
{
    if (in->n == 0)
        return false;
    *ret = in->p[0] & 1 ? FUZZ_SEALED : FUZZ_RECEIVED;
    *in = VN_SPAN(in->p + 1, in->n - 1);
    return true;
}

const struct vn_suite_info *fuzz_suite(struct vn_span in)
{
    return vn_suite_get(in.n > 1 && in.p[1] == VN_SUITE_CNSA ? VN_SUITE_CNSA : VN_SUITE_DEFAULT);
}

uint8_t *fuzz_scratch(void)
{
    static uint8_t scratch[1 << 17];
    return scratch;
}
