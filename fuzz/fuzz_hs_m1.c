/* M1. Received: whatever parses is written to the same bytes, and goes through all checks. Sealed:
 * the input is P1 ‖ sig_I under the k1 of a real handshake. */
#include "base/limits.h"
#include "crypto/aead.h"
#include "support/fuzz_wire.h"

static void compare_plain(struct vn_span plain, const struct vn_hs_m1_plain *p)
{
    struct vn_writer w = vn_writer_of(fuzz_scratch() + VN_CONTROL_PAYLOAD_MAX, plain.n);
    vn_write_span(&w, p->ek);
    vn_write_span(&w, vn_hash_span(&p->cert_hash));
    vn_write_block16(&w, p->cert);
    vn_write_block16(&w, p->statement);
    vn_write_bytes(&w, p->tai64n, sizeof(p->tai64n));
    vn_write_u64(&w, p->revocation_list);
    vn_write_block16(&w, p->params);
    vn_write_span(&w, p->sig);
    FUZZ_ASSERT(vn_span_equal(plain, vn_writer_span(&w)));
}

static void compare(struct vn_span in, const struct vn_hs_m1_view *v)
{
    struct vn_writer w = vn_writer_of(fuzz_scratch(), in.n);
    vn_write_u8(&w, VN_WIRE_VERSION);
    vn_write_u8(&w, v->suite);
    vn_write_u8(&w, VN_T_HS_M1);
    vn_write_bytes(&w, v->sid.b, VN_ID_LEN);
    vn_write_bytes(&w, v->realm.b, VN_ID_LEN);
    vn_write_u32(&w, v->generation);
    vn_write_u32(&w, v->hour);
    vn_write_bytes(&w, v->kid, sizeof(v->kid));
    FUZZ_ASSERT(vn_span_equal(v->head, vn_writer_span(&w)));
    vn_write_span(&w, v->ct);
    vn_write_span(&w, v->sealed);
    vn_write_span(&w, v->mac1);
    vn_write_span(&w, v->mac2);
    FUZZ_ASSERT(vn_span_equal(in, vn_writer_span(&w)));
}

static void received(const struct fuzz_wire *f, struct vn_span in)
{
    const struct test_realm *r = f->r;
    const struct vn_suite_info *suite = fuzz_suite(in);
    struct vn_hs_m1_view v;
    if (vn_hs_m1_parse(in, suite, &r->id, &v) != VN_OK)
        return;
    compare(in, &v);
    if (suite != r->suite)
        return;
    VN_CLEANUP(vn_hs_state_wipe) struct vn_hs_state s = {0};
    struct vn_hs_m1_plain p;
    (void)!vn_hs_m1_check_mac1(
        &v, suite, &(struct vn_hour_macs){.keys = &r->hours, .self = &r->b.id}, TEST_NOW_MS);
    if (vn_hs_m1_open(&v, suite, &f->bob, r->b.eks, fuzz_scratch(), &s, &p) != VN_OK)
        return;
    compare_plain(VN_SPAN(fuzz_scratch(), v.sealed.n - VN_AEAD_TAG_LEN), &p);
    (void)!vn_hs_m1_verify(&s, &p, r->a.pub);
}

static void sealed(const struct fuzz_wire *f, struct vn_span in)
{
    const struct test_realm *r = f->r;
    static uint8_t bytes[VN_CONTROL_PAYLOAD_MAX];
    const size_t front = VN_HS_HEAD_LEN + r->suite->ct_len;
    const size_t total = front + in.n + VN_AEAD_TAG_LEN + 2 * VN_MAC_LEN;
    if (total > sizeof(bytes))
        return;
    memset(bytes, 0, total);
    memcpy(bytes, f->m1.p, front);
    struct vn_secret32 k1;
    memcpy(k1.b, f->i.k1.b, sizeof(k1.b));
    TEST_OK(vn_aead_seal_once(&k1, vn_hash_span(&f->i.ha), in, bytes + front));

    VN_CLEANUP(vn_hs_state_wipe) struct vn_hs_state s = {0};
    struct vn_hs_m1_view v;
    struct vn_hs_m1_plain p;
    if (vn_hs_m1_parse(VN_SPAN(bytes, total), r->suite, &r->id, &v) == VN_OK &&
        vn_hs_m1_open(&v, r->suite, &f->bob, r->b.eks, fuzz_scratch(), &s, &p) == VN_OK)
        compare_plain(in, &p);
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
