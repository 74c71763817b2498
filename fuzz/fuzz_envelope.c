/* Envelopes. Received: whatever parses is written to the same bytes, and goes through all checks.
 * Sealed: the input is the plaintext under the hour key. */
#include "base/limits.h"
#include "crypto/aead.h"
#include "support/fuzz_wire.h"

static void write_header(struct vn_writer *w, const struct vn_envelope_header *h)
{
    const uint8_t first[4] = {h->version, h->suite, h->type, h->seal};
    vn_write_bytes(w, first, sizeof(first));
    vn_write_bytes(w, h->realm.b, VN_ID_LEN);
    vn_write_u32(w, h->generation);
    vn_write_u32(w, h->hour);
    vn_write_bytes(w, h->kid, VN_KID_LEN);
    vn_write_bytes(w, h->src.b, VN_ID_LEN);
    vn_write_bytes(w, h->dst.b, VN_ID_LEN);
    vn_write_bytes(w, h->tai64n, sizeof(h->tai64n));
    vn_write_bytes(w, h->nonce, sizeof(h->nonce));
    vn_write_u32(w, h->len);
}

static void compare_plain(struct vn_span plain, const struct vn_envelope_plain *p)
{
    struct vn_writer w = vn_writer_of(fuzz_scratch() + VN_CONTROL_PAYLOAD_MAX, plain.n);
    vn_write_span(&w, vn_hash_span(&p->cert_hash));
    vn_write_block16(&w, p->cert);
    vn_write_block16(&w, p->body);
    vn_write_span(&w, p->sig);
    FUZZ_ASSERT(vn_span_equal(plain, vn_writer_span(&w)));
}

static void received(const struct fuzz_wire *f, struct vn_span in)
{
    const struct vn_suite_info *suite = fuzz_suite(in);
    const struct test_realm *r = f->r;
    struct vn_envelope_view v;
    if (vn_envelope_parse(in, suite, &r->id, &r->b.id, &v) != VN_OK)
        return;
    uint8_t *scratch = fuzz_scratch();
    struct vn_writer w = vn_writer_of(scratch, in.n);
    write_header(&w, &v.h);
    vn_write_span(&w, v.ct);
    vn_write_span(&w, v.sealed);
    vn_write_span(&w, v.mac);
    FUZZ_ASSERT(vn_span_equal(in, vn_writer_span(&w)));
    if (suite != r->suite)
        return;
    struct vn_envelope_plain p;
    /* The mac decides nothing here, so that mutations reach what is behind it. */
    (void)!vn_envelope_check_mac(
        &v, suite, &(struct vn_hour_macs){.keys = &r->hours, .self = &r->b.id}, TEST_NOW_MS);
    if (vn_envelope_open(&v, suite, &r->hours, r->b.eks, TEST_NOW_MS, scratch, &p) != VN_OK)
        return;
    compare_plain(VN_SPAN(scratch, v.sealed.n - VN_AEAD_TAG_LEN), &p);
    (void)!vn_envelope_verify(&v, &p, r->a.pub, "anchor-env-v1");
}

static void sealed(const struct fuzz_wire *f, struct vn_span in)
{
    const struct test_realm *r = f->r;
    static uint8_t bytes[VN_CONTROL_PAYLOAD_MAX];
    size_t total = VN_ENVELOPE_HEADER_LEN + in.n + VN_AEAD_TAG_LEN + VN_MAC_LEN;
    if (total > sizeof(bytes))
        return;
    struct vn_envelope_header h = {.version = VN_WIRE_VERSION,
                                   .suite = VN_SUITE_DEFAULT,
                                   .type = VN_T_QUERY,
                                   .seal = VN_SEAL_HOUR,
                                   .realm = r->id,
                                   .generation = r->hours.generation,
                                   .hour = vn_hour_of(TEST_NOW_MS),
                                   .src = r->a.id,
                                   .dst = r->b.id,
                                   .len = (uint32_t)(total - VN_ENVELOPE_HEADER_LEN)};
    struct vn_writer w = vn_writer_of(bytes, total);
    write_header(&w, &h);
    struct vn_span header = vn_writer_span(&w);
    struct vn_secret32 key;
    TEST_OK(vn_hkdf(r->suite->hash, VN_SPAN_ARRAY(h.nonce), VN_SPAN_ARRAY(r->hours.keys[1].b),
                    VN_PARTS(VN_SPAN_LIT("env-hour"), header), key.b, sizeof(key.b)));
    TEST_OK(vn_aead_seal_once(&key, header, in, bytes + header.n));

    struct vn_envelope_view v;
    struct vn_envelope_plain p;
    if (vn_envelope_parse(VN_SPAN(bytes, total), r->suite, &r->id, &r->b.id, &v) == VN_OK &&
        vn_envelope_open(&v, r->suite, &r->hours, NULL, TEST_NOW_MS, fuzz_scratch(), &p) == VN_OK)
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
