#include "support/test.h"
#include "wire/rekey.h"

struct known {
    enum vn_hash_alg alg;
    size_t ss_len;
    const char *okm;
};

/* Computed from RFC 5869 and FIPS 180-4 by another implementation: ck = 42…, ss = 17…, ek = 1216
 * times 'e', ct = 1120 times 'c'. */
static const struct known knowns[] = {
    {VN_SHA256, 64,
     "90b9cfe4a61186152ef8a468bb667e2c7edc3ffe79b4e81f72a0f35e32fc7c6f"
     "4e2e3830fb6a4fabe30dca40ef90ca45fdb0d2415b8d82efa93c9678ddb3e19d"
     "d4de1435f64c7f33c6e88a7d0291d00a92810ce57bea3b80a27ebe15c16819fb"},
    {VN_SHA384, 32,
     "e2f0673befe61e8a1cba8cbf6484b29aa2840502245a34c7c9b53482d651b141"
     "9d1246c8912dc155e8bdc2d943974f2cceb81d9293852afd5aad46243daf66e5"
     "dd9460f1ead3fb9f91db36cc0535cf01a40d831a0f1e799951718d40ed0db031"},
};

static void make_step(const struct known *k, struct vn_kem_step *ret)
{
    uint8_t ek[1216], ct[1120];
    memset(ek, 'e', sizeof(ek));
    memset(ct, 'c', sizeof(ct));
    *ret = (struct vn_kem_step){.ss.n = k->ss_len};
    memset(ret->ss.b, 0x17, k->ss_len);
    assert_ok(vn_kem_step_digest(k->alg, VN_SPAN_ARRAY(ek), VN_SPAN_ARRAY(ct), &ret->digest));
}

static void test_known_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < VN_ARRAY_LEN(knowns); i++) {
        struct vn_kem_step step;
        struct vn_secret32 ck;
        struct vn_ctl_keys ctl;
        make_step(&knowns[i], &step);
        memset(ck.b, 0x42, sizeof(ck.b));
        assert_ok(vn_chain_kem(knowns[i].alg, &ck, &step, &ck, &ctl)); /* in place */
        struct vn_span okm = vn_test_hex(knowns[i].okm);
        assert_span_equal(VN_SPAN_ARRAY(ck.b), VN_SPAN(okm.p, 32));
        assert_span_equal(VN_SPAN_ARRAY(ctl.ir.b), VN_SPAN(okm.p + 32, 32));
        assert_span_equal(VN_SPAN_ARRAY(ctl.ri.b), VN_SPAN(okm.p + 64, 32));
    }
}

static void test_everything_counts(void **state)
{
    (void)state;
    struct vn_kem_step step, other;
    struct vn_secret32 ck = {{1}}, a, b;
    struct vn_ctl_keys ctl;
    make_step(&knowns[0], &step);
    assert_ok(vn_chain_kem(VN_SHA256, &ck, &step, &a, &ctl));
    other = step;
    other.ss.b[63] ^= 1;
    assert_ok(vn_chain_kem(VN_SHA256, &ck, &other, &b, &ctl));
    assert_memory_not_equal(a.b, b.b, 32);
    other = step;
    other.digest.b[0] ^= 1;
    assert_ok(vn_chain_kem(VN_SHA256, &ck, &other, &b, &ctl));
    assert_memory_not_equal(a.b, b.b, 32);
    ck.b[31] ^= 1;
    assert_ok(vn_chain_kem(VN_SHA256, &ck, &step, &b, &ctl));
    assert_memory_not_equal(a.b, b.b, 32);
}

static void test_wipes(void **state)
{
    (void)state;
    static const struct vn_kem_step no_step;
    static const struct vn_ctl_keys no_keys;
    struct vn_kem_step step;
    struct vn_ctl_keys ctl;
    make_step(&knowns[0], &step);
    memset(&ctl, 7, sizeof(ctl));
    vn_kem_step_wipe(&step);
    vn_ctl_keys_wipe(&ctl);
    assert_memory_equal(&step, &no_step, sizeof(step));
    assert_memory_equal(&ctl, &no_keys, sizeof(ctl));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_everything_counts),
        cmocka_unit_test(test_wipes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
