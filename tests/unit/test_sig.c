#include "crypto/sig.h"

#include "support/guard.h"
#include "support/test.h"

#define SIG_MAX 4627

static const enum vn_sig_alg ALGS[] = {VN_SIG_MLDSA65, VN_SIG_MLDSA87, VN_SIG_ED25519};

static struct vn_sig_pub *pub_of(const struct vn_sig_key *key)
{
    struct vn_sig_pub *pub = NULL;
    assert_ok(vn_sig_pub_new(vn_sig_alg_of(key), vn_sig_pk(key), &pub));
    assert_span_equal(vn_sig_pub_bytes(pub), vn_sig_pk(key));
    return pub;
}

static void signs_and_verifies(void **state)
{
    (void)state;
    for (size_t i = 0; i < VN_ARRAY_LEN(ALGS); i++) {
        VN_CLEANUP(vn_sig_freep) struct vn_sig_key *key = NULL;
        uint8_t sig[SIG_MAX], again[SIG_MAX];
        assert_ok(vn_sig_generate(ALGS[i], &key));
        assert_int_equal(vn_sig_pk(key).n, vn_sig_pk_len(ALGS[i]));
        VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *pub = pub_of(key);
        static const struct vn_span MSGS[] = {VN_SPAN_NONE, VN_SPAN_LIT("x"),
                                              VN_SPAN_LIT("a longer message of several words")};
        const size_t n = vn_sig_len(ALGS[i]);
        for (size_t m = 0; m < VN_ARRAY_LEN(MSGS); m++) {
            assert_ok(vn_sig_sign(key, "anchor-env-v1", MSGS[m], sig));
            assert_ok(vn_sig_verify(pub, "anchor-env-v1", MSGS[m], VN_SPAN(sig, n)));
            assert_status(VN_ERR_AUTH, vn_sig_verify(pub, "anchor-env-v1", VN_SPAN_LIT("other"),
                                                     VN_SPAN(sig, n)));
        }
        /* hedged and deterministic */
        assert_ok(vn_sig_sign_deterministic(key, "c", MSGS[2], sig));
        assert_ok(vn_sig_sign_deterministic(key, "c", MSGS[2], again));
        assert_memory_equal(sig, again, n);
        assert_ok(vn_sig_verify(pub, "c", MSGS[2], VN_SPAN(sig, n)));
        assert_ok(vn_sig_sign(key, "c", MSGS[2], again));
        if (ALGS[i] != VN_SIG_ED25519)
            assert_memory_not_equal(sig, again, n);
    }
}

static void context_separates(void **state)
{
    (void)state;
    char long_context[257];
    memset(long_context, 'c', 256);
    long_context[256] = '\0';
    for (size_t i = 0; i < 2; i++) {
        VN_CLEANUP(vn_sig_freep) struct vn_sig_key *key = NULL;
        uint8_t sig[SIG_MAX];
        assert_ok(vn_sig_generate(ALGS[i], &key));
        VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *pub = pub_of(key);
        const struct vn_span msg = VN_SPAN_LIT("m"), s = VN_SPAN(sig, vn_sig_len(ALGS[i]));
        assert_ok(vn_sig_sign(key, "anchor-hs-i-v1", msg, sig));
        assert_ok(vn_sig_verify(pub, "anchor-hs-i-v1", msg, s));
        assert_status(VN_ERR_AUTH, vn_sig_verify(pub, "anchor-hs-r-v1", msg, s));
        assert_status(VN_ERR_AUTH, vn_sig_verify(pub, "anchor-hs-i-v", msg, s));
        assert_status(VN_ERR_AUTH, vn_sig_verify(pub, NULL, msg, s));
        assert_ok(vn_sig_sign(key, NULL, msg, sig));
        assert_ok(vn_sig_verify(pub, NULL, msg, s));
        assert_ok(vn_sig_verify(pub, "", msg, s)); /* FIPS 204: no context is the empty one */
        assert_status(VN_ERR_AUTH, vn_sig_verify(pub, "anchor-hs-i-v1", msg, s));
        /* at most 255 bytes */
        assert_status(VN_ERR_ARG, vn_sig_sign(key, long_context, msg, sig));
        assert_status(VN_ERR_AUTH, vn_sig_verify(pub, long_context, msg, s));
        assert_ok(vn_sig_sign(key, long_context + 1, msg, sig));
        assert_ok(vn_sig_verify(pub, long_context + 1, msg, s));
    }
}

static void flipped_bits_and_truncations_fail(void **state)
{
    (void)state;
    struct vn_guard g;
    vn_guard_init(&g, SIG_MAX + 1);
    for (size_t i = 0; i < VN_ARRAY_LEN(ALGS); i++) {
        VN_CLEANUP(vn_sig_freep) struct vn_sig_key *key = NULL;
        uint8_t sig[SIG_MAX + 1] = {0};
        assert_ok(vn_sig_generate(ALGS[i], &key));
        VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *pub = pub_of(key);
        const struct vn_span msg = VN_SPAN_LIT("message");
        const size_t n = vn_sig_len(ALGS[i]);
        assert_ok(vn_sig_sign(key, "c", msg, sig));
        assert_ok(vn_sig_verify(pub, "c", msg, vn_guard_copy(&g, VN_SPAN(sig, n))));
        for (size_t at = 0; at < n; at += 1 + vn_test_below(60)) {
            const uint8_t flip = (uint8_t)(1 << vn_test_below(8));
            sig[at] ^= flip;
            assert_status(VN_ERR_AUTH, vn_sig_verify(pub, "c", msg, VN_SPAN(sig, n)));
            sig[at] ^= flip;
        }
        for (size_t cut = 0; cut < n; cut++)
            assert_status(VN_ERR_AUTH,
                          vn_sig_verify(pub, "c", msg, vn_guard_copy(&g, VN_SPAN(sig, cut))));
        assert_status(VN_ERR_AUTH, vn_sig_verify(pub, "c", msg, VN_SPAN(sig, n + 1)));

        /* another key */
        VN_CLEANUP(vn_sig_freep) struct vn_sig_key *other = NULL;
        assert_ok(vn_sig_generate(ALGS[i], &other));
        VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *other_pub = pub_of(other);
        assert_status(VN_ERR_AUTH, vn_sig_verify(other_pub, "c", msg, VN_SPAN(sig, n)));
    }
    vn_guard_done(&g);
}

static void seed_is_the_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < VN_ARRAY_LEN(ALGS); i++) {
        VN_CLEANUP(vn_sig_freep) struct vn_sig_key *key = NULL;
        VN_CLEANUP(vn_sig_freep) struct vn_sig_key *again = NULL;
        struct vn_secret32 seed, seed2;
        assert_ok(vn_sig_generate(ALGS[i], &key));
        assert_ok(vn_sig_seed(key, &seed));
        assert_ok(vn_sig_from_seed(ALGS[i], VN_SPAN_ARRAY(seed.b), &again));
        assert_span_equal(vn_sig_pk(key), vn_sig_pk(again));
        assert_ok(vn_sig_seed(again, &seed2));
        assert_memory_equal(seed.b, seed2.b, 32);
        vn_sig_freep(&again);
        uint8_t sk[VN_SIG_SK_MAX], sig[SIG_MAX];
        size_t n = 0;
        assert_status(VN_ERR_LIMIT, vn_sig_export_sk(key, sk, 31, &n));
        assert_ok(vn_sig_export_sk(key, sk, sizeof(sk), &n));
        assert_ok(vn_sig_from_sk(ALGS[i], VN_SPAN(sk, n), &again));
        assert_span_equal(vn_sig_pk(key), vn_sig_pk(again));
        VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *pub = pub_of(key);
        assert_ok(vn_sig_sign_ctx(again, VN_SPAN("\0\xff", 2), VN_SPAN_LIT("m"), sig));
        assert_ok(vn_sig_verify_ctx(pub, VN_SPAN("\0\xff", 2), VN_SPAN_LIT("m"),
                                    VN_SPAN(sig, vn_sig_len(ALGS[i]))));
        vn_sig_freep(&again);
        assert_status(VN_ERR_MALFORMED, vn_sig_from_sk(ALGS[i], VN_SPAN(sk, n - 1), &again));
        assert_status(VN_ERR_ARG, vn_sig_from_seed(ALGS[i], VN_SPAN(seed.b, 31), &again));
        assert_null(again);
    }
}

/* RFC 8032 section 7.1, tests 1 and 2. */
static void ed25519_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *seed, *pk, *msg, *sig;
    } CASES[] = {
        {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
         "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701"
         "c"
         "f9b46bd25bf5f0595bbe24655141438e7a100b"},
        {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
         "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d"
         "0"
         "f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(CASES); i++) {
        VN_CLEANUP(vn_sig_freep) struct vn_sig_key *key = NULL;
        uint8_t sig[64];
        assert_ok(vn_sig_from_seed(VN_SIG_ED25519, vn_test_hex(CASES[i].seed), &key));
        assert_span_equal(vn_sig_pk(key), vn_test_hex(CASES[i].pk));
        assert_ok(vn_sig_sign(key, "ignored", vn_test_hex(CASES[i].msg), sig));
        assert_span_equal(VN_SPAN_ARRAY(sig), vn_test_hex(CASES[i].sig));
    }
}

static void public_keys_have_one_length(void **state)
{
    (void)state;
    struct vn_sig_pub *pub = NULL;
    static const uint8_t BYTES[2600];
    for (size_t i = 0; i < VN_ARRAY_LEN(ALGS); i++) {
        const size_t n = vn_sig_pk_len(ALGS[i]);
        assert_status(VN_ERR_MALFORMED, vn_sig_pub_new(ALGS[i], VN_SPAN(BYTES, n - 1), &pub));
        assert_status(VN_ERR_MALFORMED, vn_sig_pub_new(ALGS[i], VN_SPAN(BYTES, n + 1), &pub));
        assert_status(VN_ERR_MALFORMED, vn_sig_pub_new(ALGS[i], VN_SPAN_NONE, &pub));
    }
    assert_status(VN_ERR_ARG, vn_sig_pub_new((enum vn_sig_alg)9, VN_SPAN_NONE, &pub));
    assert_null(pub);
    assert_int_equal(vn_sig_len((enum vn_sig_alg)9) + vn_sig_pk_len((enum vn_sig_alg)9), 0);
    assert_null(vn_sig_pub_free(NULL));
    assert_null(vn_sig_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_and_verifies),
        cmocka_unit_test(context_separates),
        cmocka_unit_test(flipped_bits_and_truncations_fail),
        cmocka_unit_test(seed_is_the_key),
        cmocka_unit_test(ed25519_vectors),
        cmocka_unit_test(public_keys_have_one_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
