#include "crypto/aead.h"

#include "crypto/aead_backend.h"
#include "support/guard.h"
#include "support/test.h"

/* Each test runs with each backend. */
static const struct vn_aead_backend *backend;

static vn_status keyed(const struct vn_secret32 *key, struct vn_aead **ret)
{
    return vn_aead_new_with(backend, key, ret);
}

static int use_evp(void **state)
{
    (void)state;
    backend = &vn_aead_evp;
    return 0;
}

static int use_ipsecmb(void **state)
{
    (void)state;
    backend = vn_aead_ipsecmb();
    return 0;
}

/* False, with the reason, where there is only EVP. */
static bool have_backend(void)
{
    if (backend)
        return true;
    print_message("skipped: no libipsec-mb in this build, or not for this processor\n");
    skip();
    return false;
}

static struct vn_secret32 key_of(const char *hex)
{
    struct vn_secret32 k;
    memcpy(k.b, vn_test_hex(hex).p, 32);
    return k;
}

/* What the GCM specification's test cases 4 and 16 have in common, in both directions. */
static void assert_specified(struct vn_aead *a, const char *sealed, const char *sealed_tag)
{
    uint8_t tag[16], out[60];
    const struct vn_span plain =
        vn_test_hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
    const struct vn_span aad = vn_test_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    const uint8_t *nonce = vn_test_hex("cafebabefacedbaddecaf888").p;
    assert_ok(vn_aead_seal(a, nonce, aad, plain, out, tag));
    assert_span_equal(VN_SPAN_ARRAY(out), vn_test_hex(sealed));
    assert_span_equal(VN_SPAN_ARRAY(tag), vn_test_hex(sealed_tag));
    /* one object may turn round, and in place */
    assert_ok(vn_aead_open(a, nonce, aad, VN_SPAN_ARRAY(out), tag, out));
    assert_span_equal(VN_SPAN_ARRAY(out), plain);
    tag[0] ^= 1;
    assert_status(VN_ERR_AUTH, vn_aead_open(a, nonce, aad, VN_SPAN_ARRAY(out), tag, out));
}

/* The GCM specification (McGrew, Viega), test cases 13 and 16. */
static void specification_vectors(void **state)
{
    (void)state;
    if (!have_backend())
        return;
    uint8_t tag[16];
    VN_CLEANUP(vn_aead_freep) struct vn_aead *a = NULL;
    struct vn_secret32 key = {0};
    assert_ok(keyed(&key, &a));
    assert_ok(vn_aead_seal(a, key.b, VN_SPAN_NONE, VN_SPAN_NONE, NULL, tag));
    assert_span_equal(VN_SPAN_ARRAY(tag), vn_test_hex("530f8afbc74536b9a963b4f1c4cb738b"));
    vn_aead_freep(&a);

    key = key_of("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
    assert_ok(keyed(&key, &a));
    assert_specified(a,
                     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
                     "76fc6ece0f4e1768cddf8853bb2d551b");
}

/* The same, test case 4: half the key. */
static void specification_vector_128(void **state)
{
    (void)state;
    VN_CLEANUP(vn_aead_freep) struct vn_aead *a = NULL;
    const struct vn_secret32 key =
        key_of("feffe9928665731c6d6a8f94673083080123456789abcdef0123456789abcdef");
    assert_ok(vn_aead_new_128(&key, &a));
    assert_specified(a,
                     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
                     "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
                     "5bc94fbc3221a5db94fae95ae7121a47");
}

static void every_flipped_bit_is_noticed_and_yields_zeros(void **state)
{
    (void)state;
    if (!have_backend())
        return;
    uint8_t nonce[12], aad[20], plain[33], ct[33], tag[16], out[33];
    struct vn_secret32 key;
    VN_CLEANUP(vn_aead_freep) struct vn_aead *a = NULL;
    vn_test_fill(&key, sizeof(key));
    vn_test_fill(nonce, sizeof(nonce));
    vn_test_fill(aad, sizeof(aad));
    vn_test_fill(plain, sizeof(plain));
    assert_ok(keyed(&key, &a));
    assert_ok(vn_aead_seal(a, nonce, VN_SPAN_ARRAY(aad), VN_SPAN_ARRAY(plain), ct, tag));
    struct {
        uint8_t *p;
        size_t n;
    } const fields[] = {{nonce, 12}, {aad, 20}, {ct, 33}, {tag, 16}};
    static const uint8_t ZERO[33];
    for (size_t f = 0; f < VN_ARRAY_LEN(fields); f++) {
        for (size_t bit = 0; bit < 8 * fields[f].n; bit++) {
            fields[f].p[bit / 8] ^= (uint8_t)(1 << bit % 8);
            memset(out, 0xee, sizeof(out));
            assert_status(VN_ERR_AUTH,
                          vn_aead_open(a, nonce, VN_SPAN_ARRAY(aad), VN_SPAN_ARRAY(ct), tag, out));
            assert_memory_equal(out, ZERO, sizeof(out));
            fields[f].p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
    /* and a shorter AAD or text is another message */
    assert_status(VN_ERR_AUTH,
                  vn_aead_open(a, nonce, VN_SPAN(aad, 19), VN_SPAN_ARRAY(ct), tag, out));
    assert_status(VN_ERR_AUTH,
                  vn_aead_open(a, nonce, VN_SPAN_ARRAY(aad), VN_SPAN(ct, 32), tag, out));
    assert_ok(vn_aead_open(a, nonce, VN_SPAN_ARRAY(aad), VN_SPAN_ARRAY(ct), tag, out));
    assert_memory_equal(out, plain, sizeof(plain));
}

static void once_round_trip_and_every_truncation(void **state)
{
    (void)state;
    uint8_t plain[100], sealed[116], out[100];
    struct vn_secret32 key;
    struct vn_guard g;
    vn_guard_init(&g, sizeof(sealed));
    vn_test_fill(&key, sizeof(key));
    vn_test_fill(plain, sizeof(plain));
    const struct vn_span aad = VN_SPAN_LIT("header");
    for (size_t n = 0; n <= sizeof(plain); n += 25) {
        assert_ok(vn_aead_seal_once(&key, aad, VN_SPAN(plain, n), sealed));
        for (size_t cut = 0; cut < n + 16; cut++)
            assert_status(
                cut < 16 ? VN_ERR_MALFORMED : VN_ERR_AUTH,
                vn_aead_open_once(&key, aad, vn_guard_copy(&g, VN_SPAN(sealed, cut)), out));
        assert_ok(vn_aead_open_once(&key, aad, vn_guard_copy(&g, VN_SPAN(sealed, n + 16)), out));
        assert_memory_equal(out, plain, n);
    }
    assert_status(VN_ERR_AUTH, vn_aead_open_once(&key, VN_SPAN_NONE, VN_SPAN_ARRAY(sealed), out));
    vn_guard_done(&g);
}

static void sizes_from_nothing_to_64_kb(void **state)
{
    (void)state;
    if (!have_backend())
        return;
    static const size_t SIZES[] = {0, 1, 15, 16, 17, 1200, 65535, 66560};
    static uint8_t plain[66560], ct[66560], out[66560];
    VN_CLEANUP(vn_aead_freep) struct vn_aead *seal = NULL;
    VN_CLEANUP(vn_aead_freep) struct vn_aead *open = NULL;
    struct vn_secret32 key;
    vn_test_fill(&key, sizeof(key));
    vn_test_fill(plain, sizeof(plain));
    assert_ok(keyed(&key, &seal));
    assert_ok(keyed(&key, &open));
    for (uint8_t i = 0; i < VN_ARRAY_LEN(SIZES); i++) {
        uint8_t tag[16];
        const uint8_t nonce[12] = {i};
        const struct vn_span aad = VN_SPAN(plain, i);
        assert_ok(vn_aead_seal(seal, nonce, aad, VN_SPAN(plain, SIZES[i]), ct, tag));
        assert_ok(vn_aead_open(open, nonce, aad, VN_SPAN(ct, SIZES[i]), tag, out));
        assert_memory_equal(out, plain, SIZES[i]);
    }
}

/* Lengths and alignments of which block-wise code is afraid, at a guard page, against each other.
 */
static void backends_agree(void **state)
{
    (void)state;
    backend = vn_aead_ipsecmb();
    if (!have_backend())
        return;
    struct vn_guard g_in, g_aad, g_out;
    vn_guard_init(&g_in, 2048);
    vn_guard_init(&g_aad, 256);
    vn_guard_init(&g_out, 2048);
    for (size_t n = 0; n < 1100; n += n < 300 ? 1 : 7) {
        uint8_t plain[1100], aad[64], nonce[12], a[1100], tag_a[16], tag_b[16];
        struct vn_secret32 key;
        vn_test_fill(&key, sizeof(key));
        vn_test_fill(plain, n);
        vn_test_fill(aad, sizeof(aad));
        vn_test_fill(nonce, sizeof(nonce));
        VN_CLEANUP(vn_aead_freep) struct vn_aead *evp = NULL;
        VN_CLEANUP(vn_aead_freep) struct vn_aead *imb = NULL;
        assert_ok(vn_aead_new_with(&vn_aead_evp, &key, &evp));
        assert_ok(vn_aead_new_with(backend, &key, &imb));
        const struct vn_span ad = vn_guard_copy(&g_aad, VN_SPAN(aad, n % sizeof(aad)));
        const struct vn_span in = vn_guard_copy(&g_in, VN_SPAN(plain, n));
        uint8_t *out = (uint8_t *)(uintptr_t)vn_guard_copy(&g_out, in).p;
        assert_ok(vn_aead_seal(evp, nonce, ad, in, a, tag_a));
        assert_ok(vn_aead_seal(imb, nonce, ad, in, out, tag_b));
        assert_memory_equal(a, out, n);
        assert_memory_equal(tag_a, tag_b, 16);
        assert_ok(vn_aead_open(imb, nonce, ad, VN_SPAN(out, n), tag_a, out)); /* in place */
        assert_memory_equal(out, plain, n);
    }
    vn_guard_done(&g_in);
    vn_guard_done(&g_aad);
    vn_guard_done(&g_out);
}

#define WITH_BOTH(test)                                                                            \
    {#test "/evp", test, use_evp, NULL, NULL},                                                     \
    {                                                                                              \
        #test "/ipsec-mb", test, use_ipsecmb, NULL, NULL                                           \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BOTH(specification_vectors),
        WITH_BOTH(every_flipped_bit_is_noticed_and_yields_zeros),
        WITH_BOTH(sizes_from_nothing_to_64_kb),
        cmocka_unit_test(once_round_trip_and_every_truncation),
        cmocka_unit_test(backends_agree),
        cmocka_unit_test(specification_vector_128),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
