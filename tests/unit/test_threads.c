/* What base and crypto promise for several threads at once; TSan is the judge. */
#include <pthread.h>

#include "base/log.h"
#include "crypto/kdf.h"
#include "crypto/rng.h"
#include "crypto/suite.h"
#include "support/test.h"

#define THREADS 4
#define ROUNDS 8

static struct vn_kem_dk *dk;
static struct vn_sig_key *key;
static struct vn_sig_pub *pub;

static void *use_shared_keys(void *arg)
{
    size_t *good = arg;
    for (int i = 0; i < ROUNDS; i++) {
        uint8_t ct[VN_CT_MAX], sig[VN_SIG_MAX], random[32];
        struct vn_secret a, b;
        struct vn_hash h;
        if (vn_rng_bytes(random, sizeof(random)) == VN_OK &&
            vn_hash(VN_SHA256, VN_PARTS(VN_SPAN_ARRAY(random)), &h) == VN_OK &&
            vn_kem_encapsulate(VN_KEM_X25519MLKEM768, vn_kem_ek(dk), ct, &a) == VN_OK &&
            vn_kem_decapsulate(dk, VN_SPAN(ct, 1120), &b) == VN_OK && vn_ct_equal(a.b, b.b, a.n) &&
            vn_sig_sign(key, "c", vn_hash_span(&h), sig) == VN_OK &&
            vn_sig_verify(pub, "c", vn_hash_span(&h), VN_SPAN(sig, 3309)) == VN_OK &&
            vn_sig_verify(pub, "d", vn_hash_span(&h), VN_SPAN(sig, 3309)) == VN_ERR_AUTH)
            ++*good;
        vn_log(VN_LOG_DEBUG, "never_seen", VN_KV_U64("n", i));
    }
    return NULL;
}

static void keys_may_be_shared(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    size_t good[THREADS] = {0};
    assert_ok(vn_kem_generate(VN_KEM_X25519MLKEM768, &dk));
    assert_ok(vn_sig_generate(VN_SIG_MLDSA65, &key));
    assert_ok(vn_sig_pub_new(VN_SIG_MLDSA65, vn_sig_pk(key), &pub));
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_shared_keys, &good[i]), 0);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(good[i], ROUNDS);
    }
    vn_kem_freep(&dk);
    vn_sig_freep(&key);
    vn_sig_pub_freep(&pub);
}

static void *hash_first(void *arg)
{
    struct vn_hash h;
    *(vn_status *)arg = vn_hash(VN_SHA3_256, NULL, 0, &h);
    return NULL;
}

/* Runs first: whoever comes first fetches the algorithms, the others wait for it. */
static void first_use_may_be_at_once(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    vn_status st[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hash_first, &st[i]), 0);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_ok(st[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_use_may_be_at_once),
        cmocka_unit_test(keys_may_be_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
