/* Affinity statements: what decodes is written to the same bytes; a signature is checked then. */
#include "support/fuzz_wire.h"

static void compare(struct vn_span in, const struct vn_suite_info *suite,
                    const struct vn_statement *s, struct vn_span signed_part, struct vn_span sig)
{
    struct vn_writer w = vn_writer_of(fuzz_scratch(), in.n);
    vn_write_u8(&w, VN_WIRE_VERSION);
    vn_write_u8(&w, (uint8_t)suite->id);
    vn_write_bytes(&w, s->realm.b, VN_ID_LEN);
    vn_write_bytes(&w, s->node.b, VN_ID_LEN);
    vn_write_span(&w, vn_hash_span(&s->pk_hash));
    vn_write_u64(&w, s->number);
    vn_write_u64(&w, s->not_after_ms);
    vn_write_u8(&w, (uint8_t)s->taint_count);
    vn_write_u8(&w, (uint8_t)s->scope_count);
    vn_write_bytes(&w, s->taints, s->taint_count * VN_AFFINITY_TAG_LEN);
    vn_write_bytes(&w, s->scopes, s->scope_count * VN_AFFINITY_TAG_LEN);
    FUZZ_ASSERT(vn_span_equal(signed_part, vn_writer_span(&w)));
    vn_write_block16(&w, sig);
    FUZZ_ASSERT(vn_span_equal(in, vn_writer_span(&w)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vn_span in = VN_SPAN(data, size), signed_part, sig;
    const struct vn_suite_info *suite = fuzz_suite(in);
    struct vn_statement s;
    if (vn_statement_decode(in, suite, &s, &signed_part, &sig) != VN_OK)
        return 0;
    compare(in, suite, &s, signed_part, sig);
    const struct test_realm *r = fuzz_wire()->r;
    (void)!vn_statement_check(in, r->command_pub, suite, &r->id, TEST_NOW_MS, &s);
    return 0;
}
