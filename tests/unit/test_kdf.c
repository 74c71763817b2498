#include "crypto/kdf.h"

#include "crypto/hmac_sha1.h"
#include "support/test.h"

static void hashes(void **state)
{
    (void)state;
    static const struct {
        enum vn_hash_alg alg;
        const char *abc; /* FIPS 180-4 and FIPS 202 example values for "abc" */
    } CASES[] = {
        {VN_SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {VN_SHA384, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                    "8086072ba1e7cc2358baeca134c825a7"},
        {VN_SHA3_256, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"},
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(CASES); i++) {
        struct vn_hash h, again;
        assert_ok(vn_hash(CASES[i].alg, VN_PARTS(VN_SPAN_LIT("abc")), &h));
        assert_span_equal(vn_hash_span(&h), vn_test_hex(CASES[i].abc));
        assert_int_equal(h.n, vn_hash_len(CASES[i].alg));
        /* parts are their concatenation, empty ones count for nothing */
        assert_ok(vn_hash(CASES[i].alg, VN_PARTS(VN_SPAN_LIT("a"), VN_SPAN_NONE, VN_SPAN_LIT("bc")),
                          &again));
        assert_true(vn_hash_equal(&h, &again));
        assert_ok(vn_hash(CASES[i].alg, NULL, 0, &again));
        assert_false(vn_hash_equal(&h, &again));
    }
    struct vn_hash h;
    assert_int_equal(vn_hash_len((enum vn_hash_alg)99), 0);
    assert_status(VN_ERR_CRYPTO, vn_hash((enum vn_hash_alg)99, NULL, 0, &h));
}

/* RFC 4231 sections 4.2, 4.3 and 4.7 (a key longer than the block). */
static void hmac_vectors(void **state)
{
    (void)state;
    uint8_t key[131];
    struct vn_hash h;
    memset(key, 0x0b, 20);
    assert_ok(vn_hmac(VN_SHA256, VN_SPAN(key, 20),
                      VN_PARTS(VN_SPAN_LIT("Hi "), VN_SPAN_LIT("There")), &h));
    assert_span_equal(
        vn_hash_span(&h),
        vn_test_hex("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"));
    assert_ok(vn_hmac(VN_SHA384, VN_SPAN(key, 20), VN_PARTS(VN_SPAN_LIT("Hi There")), &h));
    assert_span_equal(vn_hash_span(&h),
                      vn_test_hex("afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
                                  "faea9ea9076ede7f4af152e8b2fa9cb6"));
    assert_ok(vn_hmac(VN_SHA256, VN_SPAN_LIT("Jefe"),
                      VN_PARTS(VN_SPAN_LIT("what do ya want for nothing?")), &h));
    assert_span_equal(
        vn_hash_span(&h),
        vn_test_hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
    memset(key, 0xaa, sizeof(key));
    assert_ok(vn_hmac(
        VN_SHA256, VN_SPAN_ARRAY(key),
        VN_PARTS(VN_SPAN_LIT("Test Using Larger Than Block-Size Key - Hash Key First")), &h));
    assert_span_equal(
        vn_hash_span(&h),
        vn_test_hex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"));
    uint8_t mac[VN_MAC_LEN];
    assert_ok(vn_mac16(VN_SHA256, VN_SPAN_LIT("Jefe"),
                       VN_PARTS(VN_SPAN_LIT("what do ya want for nothing?")), mac));
    assert_span_equal(VN_SPAN_ARRAY(mac), vn_test_hex("5bdcc146bf60754e6a042426089575c7"));
}

/* RFC 2202 section 3, cases 1 and 6. */
static void hmac_sha1_vectors(void **state)
{
    (void)state;
    uint8_t key[80], mac[VN_HMAC_SHA1_LEN];
    memset(key, 0x0b, 20);
    assert_ok(
        vn_hmac_sha1(VN_SPAN(key, 20), VN_PARTS(VN_SPAN_LIT("Hi "), VN_SPAN_LIT("There")), mac));
    assert_span_equal(VN_SPAN_ARRAY(mac), vn_test_hex("b617318655057264e28bc0b6fb378c8ef146be00"));
    memset(key, 0xaa, 80);
    assert_ok(vn_hmac_sha1(
        VN_SPAN(key, 80),
        VN_PARTS(VN_SPAN_LIT("Test Using Larger Than Block-Size Key - Hash Key First")), mac));
    assert_span_equal(VN_SPAN_ARRAY(mac), vn_test_hex("aa4ae5e15272d00e95705637ce8a3b55ed402112"));
}

/* HMAC with no key and no message: known from RFC 2104's definition, H(opad ‖ H(ipad)). */
static void hmac_of_nothing(void **state)
{
    (void)state;
    static const enum vn_hash_alg ALGS[] = {VN_SHA256, VN_SHA384, VN_SHA3_256};
    static const size_t BLOCK[] = {64, 128, 136};
    for (size_t i = 0; i < VN_ARRAY_LEN(ALGS); i++) {
        uint8_t ipad[136], opad[136];
        struct vn_hash inner, expected, got;
        memset(ipad, 0x36, sizeof(ipad));
        memset(opad, 0x5c, sizeof(opad));
        assert_ok(vn_hash(ALGS[i], VN_PARTS(VN_SPAN(ipad, BLOCK[i])), &inner));
        assert_ok(
            vn_hash(ALGS[i], VN_PARTS(VN_SPAN(opad, BLOCK[i]), vn_hash_span(&inner)), &expected));
        assert_ok(vn_hmac(ALGS[i], VN_SPAN_NONE, NULL, 0, &got));
        assert_true(vn_hash_equal(&expected, &got));
    }
}

/* RFC 5869 appendix A.1 to A.3. */
static void hkdf_vectors(void **state)
{
    (void)state;
    uint8_t ikm[80], salt[80], info[80], okm[82];
    struct vn_hash prk;
    memset(ikm, 0x0b, 22);
    const struct vn_span salt1 = vn_test_hex("000102030405060708090a0b0c");
    const struct vn_span info1 = vn_test_hex("f0f1f2f3f4f5f6f7f8f9");
    const struct vn_span okm1 =
        vn_test_hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
                    "34007208d5b887185865");
    assert_ok(vn_hkdf_extract(VN_SHA256, salt1, VN_SPAN(ikm, 22), &prk));
    assert_span_equal(
        vn_hash_span(&prk),
        vn_test_hex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"));
    assert_ok(vn_hkdf_expand(VN_SHA256, vn_hash_span(&prk), &info1, 1, okm, 42));
    assert_span_equal(VN_SPAN(okm, 42), okm1);
    /* the same in one go and with info in parts */
    memset(okm, 0, sizeof(okm));
    assert_ok(vn_hkdf(VN_SHA256, salt1, VN_SPAN(ikm, 22),
                      VN_PARTS(VN_SPAN(info1.p, 3), VN_SPAN(info1.p + 3, 7)), okm, 42));
    assert_span_equal(VN_SPAN(okm, 42), okm1);

    for (uint8_t i = 0; i < 80; i++) {
        ikm[i] = i;
        salt[i] = (uint8_t)(0x60 + i);
        info[i] = (uint8_t)(0xb0 + i);
    }
    assert_ok(vn_hkdf(VN_SHA256, VN_SPAN_ARRAY(salt), VN_SPAN_ARRAY(ikm),
                      VN_PARTS(VN_SPAN_ARRAY(info)), okm, 82));
    assert_span_equal(VN_SPAN(okm, 82),
                      vn_test_hex("b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
                                  "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
                                  "cc30c58179ec3e87c14c01d5c1f3434f1d87"));

    memset(ikm, 0x0b, 22);
    assert_ok(vn_hkdf(VN_SHA256, VN_SPAN_NONE, VN_SPAN(ikm, 22), NULL, 0, okm, 42));
    assert_span_equal(VN_SPAN(okm, 42),
                      vn_test_hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
                                  "9d201395faa4b61a96c8"));
}

static void hkdf_has_a_longest_output(void **state)
{
    (void)state;
    static uint8_t out[255 * 48 + 1], longer[255 * 48];
    assert_ok(vn_hkdf_expand(VN_SHA384, VN_SPAN_LIT("prk"), NULL, 0, out, 255 * 48));
    assert_status(VN_ERR_ARG,
                  vn_hkdf_expand(VN_SHA384, VN_SPAN_LIT("prk"), NULL, 0, out, 255 * 48 + 1));
    /* every length is a prefix of the longest */
    for (size_t n = 0; n < 200; n++) {
        assert_ok(vn_hkdf_expand(VN_SHA384, VN_SPAN_LIT("prk"), NULL, 0, longer, n));
        assert_memory_equal(out, longer, n);
    }
}

/* The vector for SHA-384 that went round the TLS working group's list in 2011. */
static void tls12_prf_vector(void **state)
{
    (void)state;
    uint8_t out[148];
    const struct vn_span secret = vn_test_hex("b80b733d6ceefcdc71566ea48e5567df");
    const struct vn_span seed = vn_test_hex("cd665cf6a8447dd6ff8b27555edb7465");
    assert_ok(vn_tls12_prf(VN_SHA384, secret, VN_PARTS(VN_SPAN_LIT("test label"), seed), out,
                           sizeof(out)));
    assert_span_equal(VN_SPAN_ARRAY(out),
                      vn_test_hex("7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cd"
                                  "e9ca0faa60be9fe34f82b1233c9146a0e534cb400fed2700884f9dc236f80edd"
                                  "8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d918425"
                                  "9b5bf8cd4d90fa0d31e2dec479e4f1a26066f2eea9a69236a3e52655c9e9aee6"
                                  "91c8f3a26854308d5eaa3be85e0990703d73e56f"));
    static const uint8_t long_seed[VN_TLS12_PRF_SEED_MAX + 1];
    assert_status(VN_ERR_ARG,
                  vn_tls12_prf(VN_SHA384, secret, VN_PARTS(VN_SPAN_ARRAY(long_seed)), out, 1));
    assert_status(VN_ERR_ARG, vn_tls12_prf(VN_SHA384, VN_SPAN_NONE, VN_PARTS(seed), out, 1));
}

/* Values of the reference implementation's own test (phc-winner-argon2, src/test.c, version 0x13).
 */
static void argon2id_vectors(void **state)
{
    (void)state;
    uint8_t out[32];
    assert_ok(
        vn_argon2id(VN_SPAN_LIT("password"), VN_SPAN_LIT("somesalt"), 256, 2, 1, out, sizeof(out)));
    assert_span_equal(
        VN_SPAN_ARRAY(out),
        vn_test_hex("9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"));
    assert_ok(
        vn_argon2id(VN_SPAN_LIT("password"), VN_SPAN_LIT("somesalt"), 256, 2, 2, out, sizeof(out)));
    assert_span_equal(
        VN_SPAN_ARRAY(out),
        vn_test_hex("6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037"));
    assert_ok(vn_argon2id(VN_SPAN_NONE, VN_SPAN_LIT("somesalt"), 64, 1, 1, out, sizeof(out)));
}

static void argon2id_checks_its_arguments(void **state)
{
    (void)state;
    uint8_t out[32];
    const struct vn_span pw = VN_SPAN_LIT("password"), salt = VN_SPAN_LIT("somesalt");
    assert_status(VN_ERR_ARG, vn_argon2id(pw, VN_SPAN_LIT("short"), 256, 1, 1, out, 32));
    assert_status(VN_ERR_ARG, vn_argon2id(pw, salt, 7, 1, 1, out, 32));
    assert_status(VN_ERR_ARG, vn_argon2id(pw, salt, 256, 0, 1, out, 32));
    assert_status(VN_ERR_ARG, vn_argon2id(pw, salt, 256, 1, 0, out, 32));
    assert_status(VN_ERR_ARG, vn_argon2id(pw, salt, 256, 1, 33, out, 32));
    assert_status(VN_ERR_ARG, vn_argon2id(pw, salt, 256, 1, 1, out, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes),
        cmocka_unit_test(hmac_vectors),
        cmocka_unit_test(hmac_sha1_vectors),
        cmocka_unit_test(hmac_of_nothing),
        cmocka_unit_test(hkdf_vectors),
        cmocka_unit_test(hkdf_has_a_longest_output),
        cmocka_unit_test(tls12_prf_vector),
        cmocka_unit_test(argon2id_vectors),
        cmocka_unit_test(argon2id_checks_its_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
