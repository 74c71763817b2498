/*
 * Every allocation of each operation fails once, OpenSSL's included: an error comes back, nothing
 * leaks (ASan sees) and no output is touched.
 */
#include <openssl/crypto.h>
#include <stdlib.h>

#include "crypto/aead.h"
#include "crypto/kem.h"
#include "crypto/suite.h"
#include "crypto/x509.h"
#include "support/oom.h"
#include "support/test.h"

static struct vn_kem_dk *dk;
static struct vn_sig_key *key;
static struct vn_sig_pub *pub;
static uint8_t ct[VN_CT_MAX], sig[VN_SIG_MAX];
static uint8_t *cert;
static size_t cert_n;
static const struct vn_id REALM = {.b = {1}};

static vn_status hash_and_mac(void)
{
    struct vn_hash h;
    uint8_t out[100];
    vn_status st = vn_hash(VN_SHA256, VN_PARTS(VN_SPAN_LIT("x")), &h);
    if (st == VN_OK)
        st = vn_hmac(VN_SHA384, VN_SPAN_LIT("k"), VN_PARTS(VN_SPAN_LIT("x")), &h);
    if (st == VN_OK)
        st = vn_hkdf(VN_SHA256, VN_SPAN_NONE, VN_SPAN_LIT("k"), NULL, 0, out, sizeof(out));
    return st;
}

static vn_status seal_and_open(void)
{
    const struct vn_secret32 k = {.b = {1}};
    uint8_t sealed[17], plain[1];
    vn_status st = vn_aead_seal_once(&k, VN_SPAN_NONE, VN_SPAN_LIT("x"), sealed);
    return st == VN_OK ? vn_aead_open_once(&k, VN_SPAN_NONE, VN_SPAN_ARRAY(sealed), plain) : st;
}

static vn_status argon2id(void)
{
    uint8_t out[32];
    return vn_argon2id(VN_SPAN_LIT("password"), VN_SPAN_LIT("somesalt"), 64, 1, 1, out, 32);
}

static vn_status kem_generate(void)
{
    struct vn_kem_dk *made = NULL;
    const vn_status st = vn_kem_generate(VN_KEM_X25519MLKEM768, &made);
    assert_int_equal(made != NULL, st == VN_OK);
    vn_kem_freep(&made);
    return st;
}

static vn_status kem_encapsulate(void)
{
    struct vn_secret ss = {.n = 99};
    uint8_t out[VN_CT_MAX];
    const vn_status st = vn_kem_encapsulate(VN_KEM_X25519MLKEM768, vn_kem_ek(dk), out, &ss);
    if (st != VN_OK)
        assert_int_equal(ss.n, 99);
    return st;
}

static vn_status kem_decapsulate(void)
{
    struct vn_secret ss = {.n = 99};
    const vn_status st = vn_kem_decapsulate(dk, VN_SPAN(ct, 1120), &ss);
    if (st != VN_OK)
        assert_int_equal(ss.n, 99);
    return st;
}

static vn_status sig_generate(void)
{
    struct vn_sig_key *made = NULL;
    const vn_status st = vn_sig_generate(VN_SIG_MLDSA65, &made);
    assert_int_equal(made != NULL, st == VN_OK);
    vn_sig_freep(&made);
    return st;
}

static vn_status sig_sign(void)
{
    uint8_t out[VN_SIG_MAX];
    return vn_sig_sign(key, "c", VN_SPAN_LIT("m"), out);
}

static vn_status sig_pub(void)
{
    struct vn_sig_pub *made = NULL;
    const vn_status st = vn_sig_pub_new(VN_SIG_MLDSA65, vn_sig_pk(key), &made);
    assert_int_equal(made != NULL, st == VN_OK);
    vn_sig_pub_freep(&made);
    return st;
}

static vn_status sig_verify(void)
{
    return vn_sig_verify(pub, "c", VN_SPAN_LIT("m"), VN_SPAN(sig, 3309));
}

static vn_status make_root(void)
{
    uint8_t *der = NULL;
    size_t n;
    const vn_status st = vn_x509_make_authority(VN_AUTHORITY_ROOT, &REALM, vn_sig_pk(key), key,
                                                VN_SPAN_NONE, 0, 1000, &der, &n);
    assert_int_equal(der != NULL, st == VN_OK);
    free(der);
    return st;
}

static vn_status check_root(void)
{
    struct vn_sig_pub *made = NULL;
    const vn_status st =
        vn_x509_check_authority(VN_AUTHORITY_ROOT, &REALM, VN_SPAN(cert, cert_n), NULL, 1, &made);
    assert_int_equal(made != NULL, st == VN_OK);
    vn_sig_pub_freep(&made);
    return st;
}

static void *ossl_malloc(size_t n, const char *file, int line)
{
    (void)file, (void)line;
    return vn_oom_malloc(n);
}

static void *ossl_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file, (void)line;
    return vn_oom_realloc(p, n);
}

static void ossl_free(void *p, const char *file, int line)
{
    (void)file, (void)line;
    free(p);
}

static const struct {
    const char *name;
    vn_status (*run)(void);
} OPERATIONS[] = {
    {"hash and mac", hash_and_mac},   {"seal and open", seal_and_open},
    {"argon2id", argon2id},           {"kem generate", kem_generate},
    {"encapsulate", kem_encapsulate}, {"decapsulate", kem_decapsulate},
    {"sig generate", sig_generate},   {"sign", sig_sign},
    {"public key", sig_pub},          {"verify", sig_verify},
    {"make root", make_root},         {"check root", check_root},
};

static void every_failed_allocation_is_an_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < VN_ARRAY_LEN(OPERATIONS); i++) {
        size_t n = 1, ok_anyway = 0;
        assert_ok(OPERATIONS[i].run()); /* what is fetched and cached once is there afterwards */
        for (;; n++) {
            vn_oom_arm(n);
            const vn_status st = OPERATIONS[i].run();
            if (!vn_oom_disarm()) {
                assert_ok(st);
                break;
            }
            ok_anyway += st == VN_OK; /* OpenSSL can do without some of them */
        }
        print_message("%s: %zu allocations, %zu of them dispensable\n", OPERATIONS[i].name, n - 1,
                      ok_anyway);
        assert_true(n > 1);
        assert_ok(OPERATIONS[i].run());
    }
}

int main(void)
{
    if (CRYPTO_set_mem_functions(ossl_malloc, ossl_realloc, ossl_free) != 1)
        return 1;
    if (vn_kem_generate(VN_KEM_X25519MLKEM768, &dk) != VN_OK ||
        vn_kem_encapsulate(VN_KEM_X25519MLKEM768, vn_kem_ek(dk), ct, &(struct vn_secret){.n = 0}) !=
            VN_OK ||
        vn_sig_generate(VN_SIG_MLDSA65, &key) != VN_OK ||
        vn_sig_pub_new(VN_SIG_MLDSA65, vn_sig_pk(key), &pub) != VN_OK ||
        vn_sig_sign(key, "c", VN_SPAN_LIT("m"), sig) != VN_OK ||
        vn_x509_make_authority(VN_AUTHORITY_ROOT, &REALM, vn_sig_pk(key), key, VN_SPAN_NONE, 0,
                               1000, &cert, &cert_n) != VN_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failed_allocation_is_an_error),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    vn_kem_freep(&dk);
    vn_sig_freep(&key);
    vn_sig_pub_freep(&pub);
    free(cert);
    return failed;
}
