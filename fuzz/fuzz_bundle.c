/* Changes of keys: bundles, Guardian's word that they are in force, and the key set in a bundle.
 * What is taken is written to the same bytes. */
#include "base/limits.h"
#include "support/fuzz_wire.h"
#include "wire/bundle.h"
#include "wire/realm_rule.h"

static void key_set(struct vn_span in)
{
    static struct vn_key_set s;
    size_t n;
    if (vn_key_set_decode(in, &s) != VN_OK)
        return;
    FUZZ_ASSERT(vn_key_set_encode(&s, fuzz_scratch(), &n) == VN_OK);
    FUZZ_ASSERT(vn_span_equal(in, VN_SPAN(fuzz_scratch(), n)));
}

static void bundle(struct vn_span in, const struct vn_suite_info *suite)
{
    const struct test_realm *r = fuzz_wire()->r;
    struct vn_bundle_view v;
    struct vn_span set;
    if (vn_bundle_parse(in, suite, &v) != VN_OK)
        return;
    struct vn_writer w = vn_writer_of(fuzz_scratch(), in.n);
    vn_write_span(&w, v.leaf);
    vn_write_u16(&w, v.place.index);
    vn_write_u16(&w, v.place.leaves);
    vn_write_span(&w, v.place.path);
    vn_write_block16(&w, v.sig);
    FUZZ_ASSERT(vn_span_equal(in, vn_writer_span(&w)));
    if (suite != r->suite)
        return;
    (void)!vn_bundle_verify(&v, suite, r->command_pub);
    if (vn_bundle_open(&v, suite, r->a.eks, fuzz_scratch(), &set) == VN_OK)
        FUZZ_ASSERT(set.n <= VN_KEY_SET_MAX);
}

/* A notice, as far as its kind's own members go: they are written again behind the header. */
static void notice(struct vn_span in, const struct vn_suite_info *suite,
                   const struct vn_notice_kind *kind, const struct vn_id *realm,
                   struct vn_span members)
{
    struct vn_notice n;
    FUZZ_ASSERT(vn_notice_decode(in, suite, kind, &n) == VN_OK);
    struct vn_writer w = vn_writer_of(fuzz_scratch(), in.n);
    vn_write_bytes(&w, in.p, 3);
    vn_write_bytes(&w, realm->b, VN_ID_LEN);
    vn_write_bytes(&w, members.p, members.n);
    FUZZ_ASSERT(vn_span_equal(n.signed_part, vn_writer_span(&w)));
    vn_write_block16(&w, n.sig);
    FUZZ_ASSERT(vn_span_equal(in, vn_writer_span(&w)));
}

static void in_force(struct vn_span in, const struct vn_suite_info *suite)
{
    const struct vn_notice_kind kind = {.type = VN_T_KEYS_NOW, .body_n = VN_KEYS_NOW_BODY};
    const struct test_realm *r = fuzz_wire()->r;
    uint8_t members[VN_KEYS_NOW_BODY];
    struct vn_writer w = vn_writer_of(members, sizeof(members));
    struct vn_keys_now k;
    if (vn_keys_now_decode(in, suite, &k) != VN_OK)
        return;
    vn_write_u32(&w, k.generation);
    vn_write_u64(&w, k.until_ms);
    notice(in, suite, &kind, &k.realm, vn_writer_span(&w));
    (void)!vn_keys_now_check(in, r->command_pub, suite, &r->id, &k);
}

static void rule(struct vn_span in, const struct vn_suite_info *suite)
{
    const struct vn_notice_kind kind = {.type = VN_T_REALM_RULE, .body_n = VN_REALM_RULE_BODY};
    const struct test_realm *r = fuzz_wire()->r;
    uint8_t members[VN_REALM_RULE_BODY];
    struct vn_writer w = vn_writer_of(members, sizeof(members));
    struct vn_realm_rule k;
    if (vn_realm_rule_decode(in, suite, &k) != VN_OK)
        return;
    vn_write_u64(&w, k.number);
    vn_write_u8(&w, (uint8_t)k.access);
    vn_write_u8(&w, (uint8_t)k.relay);
    notice(in, suite, &kind, &k.realm, vn_writer_span(&w));
    (void)!vn_realm_rule_check(in, r->command_pub, suite, &r->id, &k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vn_span in = VN_SPAN(data, size);
    enum fuzz_mode mode;
    if (!fuzz_mode(&in, &mode))
        return 0;
    if (mode == FUZZ_SEALED) {
        key_set(in);
        return 0;
    }
    const struct vn_suite_info *suite = fuzz_suite(in);
    bundle(in, suite);
    in_force(in, suite);
    rule(in, suite);
    return 0;
}
