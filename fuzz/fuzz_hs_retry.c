/* RETRY. Sealed: the input is kind ‖ data under the key of the hour; what opens is made again to
 * the same plaintext. */
#include "base/limits.h"
#include "crypto/aead.h"
#include "support/fuzz_wire.h"

#define HEAD_LEN 39
static const uint8_t NONCE[12] = "retry nonce.";

static void open_it(const struct fuzz_wire *f, struct vn_span in)
{
    const struct test_realm *r = f->r;
    struct vn_hs_retry retry;
    struct vn_id sid, peeked;
    if (vn_hs_retry_open(in, r->suite, &r->hours, &r->b.id, f->i.mac1, TEST_NOW_MS, fuzz_scratch(),
                         &sid, &retry) != VN_OK)
        return;
    TEST_OK(vn_hs_peek_sid(in, &peeked));
    FUZZ_ASSERT(vn_id_equal(&sid, &peeked));
    VN_CLEANUP(vn_buf_done) struct vn_buf b;
    vn_buf_init(&b, VN_CONTROL_PAYLOAD_MAX);
    struct vn_hs_m1_view m1 = {.sid = sid, .mac1 = VN_SPAN_ARRAY(f->i.mac1)};
    TEST_OK(
        vn_hs_retry_make(&m1, r->suite, &r->hours, &r->b.id, TEST_NOW_MS, in.p + 27, &retry, &b));
    FUZZ_ASSERT(vn_span_equal(in, vn_buf_span(&b)));
}

static void sealed(const struct fuzz_wire *f, struct vn_span in)
{
    const struct test_realm *r = f->r;
    static uint8_t bytes[VN_CONTROL_PAYLOAD_MAX];
    size_t total = HEAD_LEN + in.n + VN_AEAD_TAG_LEN;
    if (total > sizeof(bytes))
        return;
    struct vn_writer w = vn_writer_of(bytes, total);
    vn_write_u8(&w, VN_WIRE_VERSION);
    vn_write_u8(&w, VN_SUITE_DEFAULT);
    vn_write_u8(&w, VN_T_HS_RETRY);
    vn_write_bytes(&w, f->i.sid.b, VN_ID_LEN);
    vn_write_u32(&w, r->hours.generation);
    vn_write_u32(&w, vn_hour_of(TEST_NOW_MS));
    vn_write_bytes(&w, NONCE, sizeof(NONCE));
    struct vn_secret32 key;
    struct vn_aead *aead = NULL;
    TEST_OK(vn_hkdf(r->suite->hash, VN_SPAN_NONE, VN_SPAN_ARRAY(r->hours.keys[1].b),
                    VN_PARTS(VN_SPAN_LIT("retry"), VN_SPAN_ARRAY(r->b.id.b)), key.b,
                    sizeof(key.b)));
    TEST_OK(vn_aead_new(&key, &aead));
    TEST_OK(vn_aead_seal(aead, NONCE, VN_SPAN_ARRAY(f->i.mac1), in, bytes + HEAD_LEN,
                         bytes + HEAD_LEN + in.n));
    vn_aead_free(aead);
    open_it(f, VN_SPAN(bytes, total));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vn_span in = VN_SPAN(data, size);
    enum fuzz_mode mode;
    if (!fuzz_mode(&in, &mode))
        return 0;
    (mode == FUZZ_SEALED ? sealed : open_it)(fuzz_wire(), in);
    return 0;
}
