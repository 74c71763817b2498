/* Descriptors: what decodes is written to the same bytes; then certificate and signature are
 * checked, which feeds the certificate to OpenSSL's parser. */
#include "support/fuzz_wire.h"

static void compare(struct vn_span in, const struct vn_suite_info *suite,
                    const struct vn_descriptor *d, const struct vn_id *realm,
                    struct vn_span signed_part, struct vn_span sig)
{
    struct vn_writer w = vn_writer_of(fuzz_scratch(), in.n);
    vn_write_u8(&w, VN_WIRE_VERSION);
    vn_write_u8(&w, (uint8_t)suite->id);
    vn_write_bytes(&w, realm->b, VN_ID_LEN);
    vn_write_u64(&w, d->time_ms);
    vn_write_u64(&w, d->eks_until_ms);
    vn_write_block16(&w, d->cert);
    vn_write_block16(&w, d->eks);
    vn_write_block8(&w, d->coordinates);
    vn_write_u8(&w, (uint8_t)d->relay_count);
    vn_write_bytes(&w, d->relays, d->relay_count * VN_ID_LEN);
    FUZZ_ASSERT(vn_span_equal(signed_part, vn_writer_span(&w)));
    vn_write_span(&w, sig);
    FUZZ_ASSERT(vn_span_equal(in, vn_writer_span(&w)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vn_span in = VN_SPAN(data, size), signed_part, sig;
    const struct vn_suite_info *suite = fuzz_suite(in);
    struct vn_descriptor d;
    struct vn_id realm;
    if (vn_descriptor_decode(in, suite, &d, &realm, &signed_part, &sig) != VN_OK)
        return 0;
    compare(in, suite, &d, &realm, signed_part, sig);
    const struct test_realm *r = fuzz_wire()->r;
    (void)!vn_descriptor_check(in, suite, &realm, r->issuing_pub, d.time_ms, &d);
    return 0;
}
