/* Revocation lists: what decodes is written to the same bytes; a signature is checked then. */
#include "support/fuzz_wire.h"
#include "wire/revocation.h"

static void compare(struct vn_span in, const struct vn_suite_info *suite,
                    const struct vn_revocation_list *l, struct vn_span signed_part,
                    struct vn_span sig)
{
    struct vn_writer w = vn_writer_of(fuzz_scratch(), in.n);
    vn_write_u8(&w, VN_WIRE_VERSION);
    vn_write_u8(&w, (uint8_t)suite->id);
    vn_write_u8(&w, VN_T_REVOCATIONS);
    vn_write_bytes(&w, l->realm.b, VN_ID_LEN);
    vn_write_u64(&w, l->after);
    vn_write_u64(&w, l->to);
    vn_write_u16(&w, (uint16_t)l->count);
    for (size_t i = 0; i < l->count; i++) {
        const struct vn_revocation *e = &l->entries[i];
        vn_write_u64(&w, e->number);
        vn_write_u8(&w, (uint8_t)e->kind);
        vn_write_bytes(&w, e->node.b, VN_ID_LEN);
        vn_write_bytes(&w, e->serial, sizeof(e->serial));
        vn_write_u64(&w, e->minimum);
        vn_write_u64(&w, e->until_ms);
    }
    FUZZ_ASSERT(vn_span_equal(signed_part, vn_writer_span(&w)));
    vn_write_block16(&w, sig);
    FUZZ_ASSERT(vn_span_equal(in, vn_writer_span(&w)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vn_revocation_list l;
    struct vn_span in = VN_SPAN(data, size), signed_part, sig;
    const struct vn_suite_info *suite = fuzz_suite(in);
    if (vn_revocation_list_decode(in, suite, &l, &signed_part, &sig) != VN_OK)
        return 0;
    compare(in, suite, &l, signed_part, sig);
    const struct test_realm *r = fuzz_wire()->r;
    (void)!vn_revocation_list_check(in, r->command_pub, suite, &r->id, &l);
    return 0;
}
