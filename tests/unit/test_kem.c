#include "crypto/kem.h"

#include "crypto/suite.h"
#include "support/guard.h"
#include "support/test.h"

static const enum vn_kem_alg ALGS[] = {VN_KEM_X25519MLKEM768, VN_KEM_MLKEM768, VN_KEM_MLKEM1024};

static bool secrets_equal(const struct vn_secret *a, const struct vn_secret *b)
{
    return a->n == b->n && vn_ct_equal(a->b, b->b, a->n);
}

static void both_sides_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < VN_ARRAY_LEN(ALGS); i++) {
        VN_CLEANUP(vn_kem_freep) struct vn_kem_dk *dk = NULL;
        uint8_t ct[VN_CT_MAX], ct2[VN_CT_MAX];
        struct vn_secret a, b, c;
        assert_ok(vn_kem_generate(ALGS[i], &dk));
        assert_int_equal(vn_kem_alg_of(dk), ALGS[i]);
        assert_int_equal(vn_kem_ek(dk).n, vn_kem_ek_len(ALGS[i]));
        assert_ok(vn_kem_encapsulate(ALGS[i], vn_kem_ek(dk), ct, &a));
        assert_int_equal(a.n, vn_kem_ss_len(ALGS[i]));
        assert_ok(vn_kem_decapsulate(dk, VN_SPAN(ct, vn_kem_ct_len(ALGS[i])), &b));
        assert_true(secrets_equal(&a, &b));
        assert_ok(vn_kem_encapsulate(ALGS[i], vn_kem_ek(dk), ct2, &c));
        assert_false(secrets_equal(&a, &c));
        assert_memory_not_equal(ct, ct2, vn_kem_ct_len(ALGS[i]));
    }
}

static void exported_key_is_the_same_key(void **state)
{
    (void)state;
    static const size_t DK_LEN[] = {2432, 2400, 3168};
    for (size_t i = 0; i < VN_ARRAY_LEN(ALGS); i++) {
        VN_CLEANUP(vn_kem_freep) struct vn_kem_dk *dk = NULL;
        VN_CLEANUP(vn_kem_freep) struct vn_kem_dk *again = NULL;
        uint8_t bytes[3200], ct[VN_CT_MAX];
        struct vn_secret a, b;
        size_t n = 0;
        assert_ok(vn_kem_generate(ALGS[i], &dk));
        assert_status(VN_ERR_LIMIT, vn_kem_export_dk(dk, bytes, DK_LEN[i] - 1, &n));
        assert_ok(vn_kem_export_dk(dk, bytes, sizeof(bytes), &n));
        assert_int_equal(n, DK_LEN[i]);
        assert_ok(vn_kem_from_dk(ALGS[i], VN_SPAN(bytes, n), &again));
        assert_span_equal(vn_kem_ek(dk), vn_kem_ek(again));
        assert_ok(vn_kem_encapsulate(ALGS[i], vn_kem_ek(dk), ct, &a));
        assert_ok(vn_kem_decapsulate(again, VN_SPAN(ct, vn_kem_ct_len(ALGS[i])), &b));
        assert_true(secrets_equal(&a, &b));
        /* FIPS 203 section 7.3: the hash of ek inside dk is checked */
        bytes[n - (i == 0 ? 32 : 0) - 40] ^= 1;
        vn_kem_freep(&again);
        assert_status(VN_ERR_MALFORMED, vn_kem_from_dk(ALGS[i], VN_SPAN(bytes, n), &again));
        assert_status(VN_ERR_MALFORMED, vn_kem_from_dk(ALGS[i], VN_SPAN(bytes, n - 1), &again));
        assert_null(again);
    }
}

static void seeds_and_given_randomness_repeat(void **state)
{
    (void)state;
    uint8_t seed[64], m[32];
    vn_test_fill(seed, sizeof(seed));
    vn_test_fill(m, sizeof(m));
    for (size_t i = 1; i < VN_ARRAY_LEN(ALGS); i++) {
        VN_CLEANUP(vn_kem_freep) struct vn_kem_dk *a = NULL;
        VN_CLEANUP(vn_kem_freep) struct vn_kem_dk *b = NULL;
        uint8_t ct_a[VN_CT_MAX], ct_b[VN_CT_MAX];
        struct vn_secret ss_a, ss_b, ss;
        const size_t ct_len = vn_kem_ct_len(ALGS[i]);
        assert_ok(vn_kem_from_seed(ALGS[i], VN_SPAN_ARRAY(seed), &a));
        assert_ok(vn_kem_from_seed(ALGS[i], VN_SPAN_ARRAY(seed), &b));
        assert_span_equal(vn_kem_ek(a), vn_kem_ek(b));
        assert_ok(vn_kem_encapsulate_derand(ALGS[i], vn_kem_ek(a), VN_SPAN_ARRAY(m), ct_a, &ss_a));
        assert_ok(vn_kem_encapsulate_derand(ALGS[i], vn_kem_ek(b), VN_SPAN_ARRAY(m), ct_b, &ss_b));
        assert_memory_equal(ct_a, ct_b, ct_len);
        assert_ok(vn_kem_decapsulate(b, VN_SPAN(ct_a, ct_len), &ss));
        assert_true(secrets_equal(&ss, &ss_a) && secrets_equal(&ss, &ss_b));
        assert_status(VN_ERR_ARG,
                      vn_kem_encapsulate_derand(ALGS[i], vn_kem_ek(a), VN_SPAN(m, 31), ct_a, &ss));
        vn_kem_freep(&b);
        assert_status(VN_ERR_ARG, vn_kem_from_seed(ALGS[i], VN_SPAN(seed, 63), &b));
    }
    VN_CLEANUP(vn_kem_freep) struct vn_kem_dk *h = NULL;
    uint8_t ct[VN_CT_MAX];
    struct vn_secret ss;
    assert_status(VN_ERR_UNSUPPORTED,
                  vn_kem_from_seed(VN_KEM_X25519MLKEM768, VN_SPAN_ARRAY(seed), &h));
    assert_ok(vn_kem_generate(VN_KEM_X25519MLKEM768, &h));
    assert_status(VN_ERR_UNSUPPORTED, vn_kem_encapsulate_derand(VN_KEM_X25519MLKEM768, vn_kem_ek(h),
                                                                VN_SPAN_ARRAY(m), ct, &ss));
}

/* The hybrid is its two halves, side by side: ek = ML-KEM then X25519, ss likewise. */
static void hybrid_is_made_of_its_halves(void **state)
{
    (void)state;
    VN_CLEANUP(vn_kem_freep) struct vn_kem_dk *dk = NULL;
    VN_CLEANUP(vn_kem_freep) struct vn_kem_dk *mlkem = NULL;
    uint8_t bytes[2432], ct[1120];
    struct vn_secret ss, half;
    struct vn_secret32 dh;
    size_t n;
    assert_ok(vn_kem_generate(VN_KEM_X25519MLKEM768, &dk));
    assert_ok(vn_kem_export_dk(dk, bytes, sizeof(bytes), &n));
    assert_ok(vn_kem_encapsulate(VN_KEM_X25519MLKEM768, vn_kem_ek(dk), ct, &ss));
    assert_ok(vn_kem_from_dk(VN_KEM_MLKEM768, VN_SPAN(bytes, 2400), &mlkem));
    assert_span_equal(vn_kem_ek(mlkem), VN_SPAN(vn_kem_ek(dk).p, 1184));
    assert_ok(vn_kem_decapsulate(mlkem, VN_SPAN(ct, 1088), &half));
    assert_memory_equal(ss.b, half.b, 32);
    assert_ok(vn_x25519(bytes + 2400, ct + 1088, &dh));
    assert_memory_equal(ss.b + 32, dh.b, 32);
}

static void wrong_ciphertext_yields_a_secret_nobody_knows(void **state)
{
    (void)state;
    for (size_t i = 0; i < VN_ARRAY_LEN(ALGS); i++) {
        VN_CLEANUP(vn_kem_freep) struct vn_kem_dk *dk = NULL;
        uint8_t ct[VN_CT_MAX];
        struct vn_secret a, b, c;
        const size_t n = vn_kem_ct_len(ALGS[i]);
        assert_ok(vn_kem_generate(ALGS[i], &dk));
        assert_ok(vn_kem_encapsulate(ALGS[i], vn_kem_ek(dk), ct, &a));
        for (int k = 0; k < 20; k++) {
            const size_t at = vn_test_below(n);
            ct[at] ^= 4; /* not the top bit of an X25519 coordinate, which does not count */
            assert_ok(vn_kem_decapsulate(dk, VN_SPAN(ct, n), &b));
            assert_false(secrets_equal(&a, &b));
            assert_ok(vn_kem_decapsulate(dk, VN_SPAN(ct, n), &c));
            assert_true(secrets_equal(&b, &c)); /* the same each time */
            ct[at] ^= 4;
        }
    }
}

static void wrong_lengths_and_bad_keys_are_malformed(void **state)
{
    (void)state;
    struct vn_guard g;
    vn_guard_init(&g, 4096);
    for (size_t i = 0; i < VN_ARRAY_LEN(ALGS); i++) {
        VN_CLEANUP(vn_kem_freep) struct vn_kem_dk *dk = NULL;
        uint8_t ct[VN_CT_MAX], long_ek[2000] = {0}, untouched[VN_CT_MAX];
        struct vn_secret ss, ss2 = {.n = 99};
        const size_t ct_len = vn_kem_ct_len(ALGS[i]), ek_len = vn_kem_ek_len(ALGS[i]);
        assert_ok(vn_kem_generate(ALGS[i], &dk));
        assert_ok(vn_kem_encapsulate(ALGS[i], vn_guard_copy(&g, vn_kem_ek(dk)), ct, &ss));
        for (size_t cut = 0; cut < ct_len; cut++)
            assert_status(VN_ERR_MALFORMED,
                          vn_kem_decapsulate(dk, vn_guard_copy(&g, VN_SPAN(ct, cut)), &ss2));
        assert_ok(vn_kem_decapsulate(dk, vn_guard_copy(&g, VN_SPAN(ct, ct_len)), &ss));
        assert_status(VN_ERR_MALFORMED, vn_kem_decapsulate(dk, VN_SPAN(long_ek, ct_len + 1), &ss2));

        memcpy(untouched, ct, sizeof(ct));
        for (size_t cut = 0; cut < ek_len; cut++)
            assert_status(VN_ERR_MALFORMED,
                          vn_kem_encapsulate(
                              ALGS[i], vn_guard_copy(&g, VN_SPAN(vn_kem_ek(dk).p, cut)), ct, &ss2));
        assert_status(VN_ERR_MALFORMED,
                      vn_kem_encapsulate(ALGS[i], VN_SPAN(long_ek, ek_len + 1), ct, &ss2));
        /* section 7.2: a coefficient that is not reduced modulo q */
        memcpy(long_ek, vn_kem_ek(dk).p, ek_len);
        long_ek[0] = 0xff;
        long_ek[1] |= 0x0f;
        assert_status(VN_ERR_MALFORMED,
                      vn_kem_encapsulate(ALGS[i], VN_SPAN(long_ek, ek_len), ct, &ss2));
        assert_memory_equal(untouched, ct, sizeof(ct));
        assert_int_equal(ss2.n, 99);
    }
    vn_guard_done(&g);
}

/* A peer must not be able to fix the X25519 half: all-zero results are refused (RFC 7748
 * section 6.1). */
static void low_order_points_are_refused(void **state)
{
    (void)state;
    VN_CLEANUP(vn_kem_freep) struct vn_kem_dk *dk = NULL;
    uint8_t ek[1216], ct[1120];
    struct vn_secret ss;
    assert_ok(vn_kem_generate(VN_KEM_X25519MLKEM768, &dk));
    memcpy(ek, vn_kem_ek(dk).p, sizeof(ek));
    assert_ok(vn_kem_encapsulate(VN_KEM_X25519MLKEM768, VN_SPAN_ARRAY(ek), ct, &ss));
    memset(ek + 1184, 0, 32);
    memset(ct + 1088, 0, 32);
    assert_status(VN_ERR_CRYPTO, vn_kem_decapsulate(dk, VN_SPAN_ARRAY(ct), &ss));
    assert_status(VN_ERR_CRYPTO,
                  vn_kem_encapsulate(VN_KEM_X25519MLKEM768, VN_SPAN_ARRAY(ek), ct, &ss));
    struct vn_secret32 out;
    const uint8_t scalar[32] = {1}, zero[32] = {0};
    assert_status(VN_ERR_CRYPTO, vn_x25519(scalar, zero, &out));
}

/* RFC 7748 section 5.2, first vector. */
static void x25519_vector(void **state)
{
    (void)state;
    struct vn_secret32 out;
    assert_ok(vn_x25519(
        vn_test_hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4").p,
        vn_test_hex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c").p, &out));
    assert_span_equal(
        VN_SPAN_ARRAY(out.b),
        vn_test_hex("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"));
}

static void suites_say_what_the_algorithms_say(void **state)
{
    (void)state;
    for (unsigned id = VN_SUITE_DEFAULT; id <= VN_SUITE_CNSA; id++) {
        const struct vn_suite_info *s = vn_suite_get(id);
        assert_non_null(s);
        assert_ptr_equal(vn_suite_by_name(s->name), s);
        assert_int_equal(s->ek_len, vn_kem_ek_len(s->kem));
        assert_int_equal(s->ct_len, vn_kem_ct_len(s->kem));
        assert_int_equal(s->ss_len, vn_kem_ss_len(s->kem));
        assert_int_equal(s->pk_len, vn_sig_pk_len(s->sig));
        assert_int_equal(s->sig_len, vn_sig_len(s->sig));
        assert_int_equal(s->hash_len, vn_hash_len(s->hash));
        assert_true(s->ek_len <= VN_EK_MAX && s->ct_len <= VN_CT_MAX && s->pk_len <= VN_PK_MAX &&
                    s->sig_len <= VN_SIG_MAX);
    }
    assert_null(vn_suite_get(0));
    assert_null(vn_suite_get(3));
    assert_null(vn_suite_by_name("Default"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_agree),
        cmocka_unit_test(exported_key_is_the_same_key),
        cmocka_unit_test(seeds_and_given_randomness_repeat),
        cmocka_unit_test(hybrid_is_made_of_its_halves),
        cmocka_unit_test(wrong_ciphertext_yields_a_secret_nobody_knows),
        cmocka_unit_test(wrong_lengths_and_bad_keys_are_malformed),
        cmocka_unit_test(low_order_points_are_refused),
        cmocka_unit_test(x25519_vector),
        cmocka_unit_test(suites_say_what_the_algorithms_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
