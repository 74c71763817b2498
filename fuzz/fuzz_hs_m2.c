/* M2. Received: whatever parses is written to the same bytes and opened; a failure leaves the
 * initiator as it was. Sealed: the input is P2 ‖ sig_R under k2. */
#include "base/limits.h"
#include "crypto/aead.h"
#include "support/fuzz_wire.h"

static void compare_plain(struct vn_span plain, const struct vn_hs_m2_plain *p)
{
    struct vn_writer w = vn_writer_of(fuzz_scratch() + VN_CONTROL_PAYLOAD_MAX, plain.n);
    vn_write_block16(&w, p->statement);
    vn_write_u64(&w, p->revocation_list);
    vn_write_block16(&w, p->params);
    vn_write_span(&w, p->sig);
    FUZZ_ASSERT(vn_span_equal(plain, vn_writer_span(&w)));
}

/* Opens with a copy of the initiator's state; the key in it stays shared. */
static void open_it(const struct fuzz_wire *f, const struct vn_hs_m2_view *v)
{
    struct vn_hs_state s = f->i;
    struct vn_hs_m2_plain p;
    if (vn_hs_m2_open(&s, v, fuzz_scratch(), &p) != VN_OK) {
        FUZZ_ASSERT(memcmp(&s, &f->i, sizeof(s)) == 0);
        return;
    }
    compare_plain(VN_SPAN(fuzz_scratch(), v->sealed.n - VN_AEAD_TAG_LEN), &p);
    (void)!vn_hs_m2_verify(&s, &p, f->r->b.pub);
}

static void received(const struct fuzz_wire *f, struct vn_span in)
{
    const struct vn_suite_info *suite = fuzz_suite(in);
    struct vn_hs_m2_view v;
    if (vn_hs_m2_parse(in, suite, &v) != VN_OK)
        return;
    struct vn_id sid;
    TEST_OK(vn_hs_peek_sid(in, &sid));
    FUZZ_ASSERT(vn_id_equal(&sid, &v.sid));
    struct vn_writer w = vn_writer_of(fuzz_scratch(), in.n);
    vn_write_u8(&w, VN_WIRE_VERSION);
    vn_write_u8(&w, (uint8_t)suite->id);
    vn_write_u8(&w, VN_T_HS_M2);
    vn_write_bytes(&w, v.sid.b, VN_ID_LEN);
    vn_write_span(&w, v.ct);
    vn_write_span(&w, v.sealed);
    FUZZ_ASSERT(vn_span_equal(in, vn_writer_span(&w)));
    if (suite == f->r->suite)
        open_it(f, &v);
}

static void sealed(const struct fuzz_wire *f, struct vn_span in)
{
    const struct vn_suite_info *suite = f->r->suite;
    static uint8_t ct[VN_CT_MAX], bytes[VN_CONTROL_PAYLOAD_MAX + VN_AEAD_TAG_LEN];
    static struct vn_secret32 k2;
    static struct vn_hash hc;
    if (in.n > VN_CONTROL_PAYLOAD_MAX || in.n < 2 + 8 + 2 + suite->sig_len)
        return;
    if (hc.n == 0) { /* one encapsulation serves all */
        struct vn_secret ss;
        uint8_t ikm[32 + 64];
        TEST_OK(vn_kem_encapsulate(suite->kem, vn_kem_ek(f->i.eke), ct, &ss));
        TEST_OK(vn_hash(suite->hash,
                        VN_PARTS(vn_hash_span(&f->i.hb), VN_SPAN(f->i.sig, suite->sig_len),
                                 VN_SPAN(ct, suite->ct_len)),
                        &hc));
        memcpy(ikm, f->i.k1.b, 32);
        memcpy(ikm + 32, ss.b, ss.n);
        TEST_OK(vn_hkdf(suite->hash, vn_hash_span(&hc), VN_SPAN(ikm, 32 + ss.n),
                        VN_PARTS(VN_SPAN_LIT("m2")), k2.b, sizeof(k2.b)));
    }
    TEST_OK(vn_aead_seal_once(&k2, vn_hash_span(&hc), in, bytes));
    struct vn_hs_m2_view v = {f->i.sid, VN_SPAN(ct, suite->ct_len),
                              VN_SPAN(bytes, in.n + VN_AEAD_TAG_LEN)};
    open_it(f, &v);
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
