/* Recorded handshakes need every random byte to follow from the seed. */
#include "crypto/kem.h"
#include "crypto/rng.h"
#include "crypto/sig.h"
#include "crypto/suite.h"
#include "support/test.h"
#include "support/test_rand.h"

struct everything {
    uint8_t bytes[100], ek[3][VN_EK_MAX], ct[3][VN_CT_MAX], sig[2][VN_SIG_MAX];
    struct vn_secret32 seed[3];
};

static void draw(struct everything *e)
{
    static const enum vn_kem_alg KEMS[] = {VN_KEM_X25519MLKEM768, VN_KEM_MLKEM768,
                                           VN_KEM_MLKEM1024};
    static const enum vn_sig_alg SIGS[] = {VN_SIG_MLDSA65, VN_SIG_MLDSA87, VN_SIG_ED25519};
    memset(e, 0, sizeof(*e));
    assert_ok(vn_rng_bytes(e->bytes, sizeof(e->bytes)));
    for (size_t i = 0; i < 3; i++) {
        VN_CLEANUP(vn_kem_freep) struct vn_kem_dk *dk = NULL;
        struct vn_secret ss;
        assert_ok(vn_kem_generate(KEMS[i], &dk));
        memcpy(e->ek[i], vn_kem_ek(dk).p, vn_kem_ek(dk).n);
        assert_ok(vn_kem_encapsulate(KEMS[i], vn_kem_ek(dk), e->ct[i], &ss));
    }
    for (size_t i = 0; i < 3; i++) {
        VN_CLEANUP(vn_sig_freep) struct vn_sig_key *key = NULL;
        assert_ok(vn_sig_generate(SIGS[i], &key));
        assert_ok(vn_sig_seed(key, &e->seed[i]));
        if (i < 2)
            assert_ok(vn_sig_sign(key, "c", VN_SPAN_LIT("m"), e->sig[i]));
    }
}

static void everything_follows_from_the_seed(void **state)
{
    (void)state;
    static struct everything a, b;
    vn_test_rand_install(7);
    draw(&a);
    vn_test_rand_install(7);
    draw(&b);
    assert_memory_equal(&a, &b, sizeof(a));
    vn_test_rand_install(8);
    draw(&b);
    assert_memory_not_equal(a.bytes, b.bytes, sizeof(a.bytes));
    for (size_t i = 0; i < 3; i++)
        assert_memory_not_equal(a.ek[i], b.ek[i], 1184);
    vn_test_rand_remove();
    draw(&a);
    draw(&b);
    assert_memory_not_equal(a.bytes, b.bytes, sizeof(a.bytes));
}

/* SHA-256(seed ‖ counter): recordings made on one machine must hold on the next. */
static void stream_is_the_documented_one(void **state)
{
    (void)state;
    uint8_t got[40], expected[64];
    const uint8_t in0[16] = {[7] = 5}, in1[16] = {[7] = 5, [15] = 1};
    struct vn_hash h;
    assert_ok(vn_hash(VN_SHA256, VN_PARTS(VN_SPAN_ARRAY(in0)), &h));
    memcpy(expected, h.b, 32);
    assert_ok(vn_hash(VN_SHA256, VN_PARTS(VN_SPAN_ARRAY(in1)), &h));
    memcpy(expected + 32, h.b, 32);
    vn_test_rand_install(5);
    assert_ok(vn_rng_bytes(got, 3));
    assert_ok(vn_rng_bytes(got + 3, 37));
    vn_test_rand_remove();
    assert_memory_equal(got, expected, sizeof(got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_follows_from_the_seed),
        cmocka_unit_test(stream_is_the_documented_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
