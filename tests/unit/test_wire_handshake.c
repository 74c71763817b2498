#include "base/limits.h"
#include "crypto/aead.h"
#include "support/mutate.h"
#include "support/realm.h"
#include "support/test.h"

/* alice initiates, bob responds */
struct run {
    struct test_realm *r;
    struct vn_hs_responder bob;
    struct vn_hs_state i, j; /* initiator's, responder's */
    struct vn_buf m1, m2;
    uint8_t plain1[VN_CONTROL_PAYLOAD_MAX], plain2[VN_CONTROL_PAYLOAD_MAX];
    struct vn_hs_m1_view v1;
    struct vn_hs_m1_plain p1;
    struct vn_hs_m2_view v2;
    struct vn_hs_m2_plain p2;
};

static const struct vn_span PARAMS_I = {(const uint8_t *)"params of alice", 15};
static const struct vn_span PARAMS_R = {(const uint8_t *)"params of bob", 13};

static struct vn_hs_m1_args args_of(const struct run *x)
{
    struct vn_hs_m1_args a = {
        .suite = x->r->suite,
        .sid = {.b = "sid"},
        .realm = x->r->id,
        .responder = x->bob,
        .hour_keys = &x->r->hours,
        .now_ms = TEST_NOW_MS,
        .cert = test_node_cert(&x->r->a),
        .include_cert = true,
        .statement = test_node_statement(&x->r->a),
        .revocation_list = 41,
        .params = PARAMS_I,
        .key = x->r->a.key,
    };
    vn_tai64n(TEST_NOW_MS, a.tai64n);
    return a;
}

static struct run *run_new(enum vn_suite suite)
{
    struct run *x = calloc(1, sizeof(*x));
    assert_non_null(x);
    x->r = test_realm_new(suite);
    x->bob = test_node_responder(&x->r->b);
    vn_buf_init(&x->m1, VN_CONTROL_PAYLOAD_MAX);
    vn_buf_init(&x->m2, VN_CONTROL_PAYLOAD_MAX);
    return x;
}

static struct run *run_free(struct run *x)
{
    vn_hs_state_wipe(&x->i);
    vn_hs_state_wipe(&x->j);
    vn_buf_done(&x->m1);
    vn_buf_done(&x->m2);
    test_realm_free(x->r);
    free(x);
    return NULL;
}

static void make_m1(struct run *x)
{
    struct vn_hs_m1_args a = args_of(x);
    assert_ok(vn_hs_m1_make(&a, &x->i, &x->m1));
}

/* The responder's steps in the order of DESIGN section 6. */
static vn_status accept_m1(struct run *x, struct vn_span in, bool with_mac1)
{
    const struct test_realm *r = x->r;
    vn_hs_state_wipe(&x->j);
    vn_status st = vn_hs_m1_parse(in, r->suite, &r->id, &x->v1);
    if (st == VN_OK && with_mac1)
        st = vn_hs_m1_check_mac1(&x->v1, r->suite,
                                 &(struct vn_hour_macs){.keys = &r->hours, .self = &r->b.id},
                                 TEST_NOW_MS);
    if (st == VN_OK)
        st = vn_hs_m1_open(&x->v1, r->suite, &x->bob, r->b.eks, x->plain1, &x->j, &x->p1);
    if (st == VN_OK)
        st = vn_hs_m1_verify(&x->j, &x->p1, r->a.pub);
    return st;
}

static vn_status decode_m1(void *arg, struct vn_span in)
{
    return accept_m1(arg, in, true);
}

static vn_status decode_m1_without_mac1(void *arg, struct vn_span in)
{
    return accept_m1(arg, in, false);
}

static void make_m2(struct run *x)
{
    assert_ok(vn_hs_m2_make(&x->j, x->p1.ek, test_node_statement(&x->r->b), 42, PARAMS_R,
                            x->r->b.key, &x->m2));
}

static vn_status accept_m2(struct run *x, struct vn_span in)
{
    vn_status st = vn_hs_m2_parse(in, x->r->suite, &x->v2);
    if (st == VN_OK)
        st = vn_hs_m2_open(&x->i, &x->v2, x->plain2, &x->p2);
    if (st == VN_OK)
        st = vn_hs_m2_verify(&x->i, &x->p2, x->r->b.pub);
    return st;
}

/* A forgery must leave the state as it was, so every attempt uses the same one; what succeeds
 * changes it, and is put back. */
static vn_status decode_m2(void *arg, struct vn_span in)
{
    struct run *x = arg;
    struct vn_hs_state before = x->i;
    vn_status st = accept_m2(x, in);
    if (st != VN_OK)
        assert_memory_equal(&before, &x->i, sizeof(before));
    x->i = before;
    return st;
}

static void finish(struct run *x)
{
    struct vn_hash matched;
    assert_ok(vn_hash(x->r->suite->hash, VN_PARTS(VN_SPAN_LIT("tags")), &matched));
    struct vn_hs_keys ki, kr;
    assert_ok(vn_hs_finish(&x->i, &matched, VN_HS_MODE_PLAIN, &ki));
    assert_ok(vn_hs_finish(&x->j, &matched, VN_HS_MODE_PLAIN, &kr));
    assert_memory_equal(&ki, &kr, sizeof(ki));
    assert_memory_not_equal(ki.ck0.b, ki.k_ctl_ir.b, 32);
    assert_memory_not_equal(ki.k_ctl_ir.b, ki.k_ctl_ri.b, 32);
    /* k1 and k2 are gone: it works once */
    assert_status(VN_ERR_STATE, vn_hs_finish(&x->i, &matched, VN_HS_MODE_PLAIN, &ki));
}

static void check_run(enum vn_suite suite)
{
    struct run *x = run_new(suite);
    const struct test_realm *r = x->r;
    const struct vn_suite_info *s = r->suite;
    make_m1(x);
    const struct vn_hs_m1_args a = args_of(x);
    assert_int_equal(VN_HS_HEAD_LEN + s->ct_len + s->ek_len + s->hash_len + 2 + a.cert.n + 2 +
                         a.statement.n + 12 + 8 + 2 + 15 + s->sig_len + 16 + 32,
                     x->m1.len);
    static const uint8_t zero[16];
    assert_memory_equal(zero, x->m1.p + x->m1.len - 16, 16); /* mac2 */
    assert_ok(accept_m1(x, vn_buf_span(&x->m1), true));
    assert_true(vn_id_equal(&a.sid, &x->v1.sid));
    assert_memory_equal(x->i.mac1, x->v1.mac1.p, 16);
    assert_span_equal(vn_kem_ek(x->i.eke), x->p1.ek);
    assert_span_equal(a.cert, x->p1.cert);
    assert_span_equal(a.statement, x->p1.statement);
    assert_memory_equal(a.tai64n, x->p1.tai64n, 12);
    assert_int_equal(41, x->p1.revocation_list);
    assert_span_equal(PARAMS_I, x->p1.params);
    assert_true(vn_hash_equal(&r->a.cert_hash, &x->p1.cert_hash));

    make_m2(x);
    assert_int_equal(19 + s->ct_len + 2 + r->b.statement_n + 8 + 2 + 13 + s->sig_len + 16,
                     x->m2.len);
    struct vn_id sid;
    assert_ok(vn_hs_peek_sid(vn_buf_span(&x->m2), &sid));
    assert_true(vn_id_equal(&a.sid, &sid));
    assert_ok(accept_m2(x, vn_buf_span(&x->m2)));
    assert_span_equal(test_node_statement(&r->b), x->p2.statement);
    assert_int_equal(42, x->p2.revocation_list);
    assert_span_equal(PARAMS_R, x->p2.params);
    finish(x);
    printf("# %s: M1 %zu, M2 %zu bytes\n", s->name, x->m1.len, x->m2.len);
    run_free(x);
}

static void test_default(void **state)
{
    (void)state;
    check_run(VN_SUITE_DEFAULT);
}

static void test_cnsa(void **state)
{
    (void)state;
    check_run(VN_SUITE_CNSA);
}

static void check_mutations(enum vn_suite suite)
{
    struct run *x = run_new(suite);
    make_m1(x);
    struct vn_span m1 = vn_buf_span(&x->m1);
    /* mac2 is outside the transcript and unused until cookies exist */
    vn_test_lengths(m1, decode_m1, x);
    vn_test_flips(m1, 0, m1.n - 16, decode_m1, x);
    vn_test_flips(m1, 0, m1.n - 32, decode_m1_without_mac1, x);
    assert_ok(decode_m1(x, m1));
    make_m2(x);
    vn_test_lengths(vn_buf_span(&x->m2), decode_m2, x);
    vn_test_flips(vn_buf_span(&x->m2), 0, x->m2.len, decode_m2, x);
    assert_ok(accept_m2(x, vn_buf_span(&x->m2)));
    finish(x);
    run_free(x);
}

static void test_default_mutations(void **state)
{
    (void)state;
    check_mutations(VN_SUITE_DEFAULT);
}

static void test_cnsa_mutations(void **state)
{
    (void)state;
    check_mutations(VN_SUITE_CNSA);
}

static void test_without_certificate(void **state)
{
    struct run *x = run_new(VN_SUITE_DEFAULT);
    (void)state;
    struct vn_hs_m1_args a = args_of(x);
    a.include_cert = false;
    a.params = VN_SPAN_NONE;
    assert_ok(vn_hs_m1_make(&a, &x->i, &x->m1));
    assert_ok(accept_m1(x, vn_buf_span(&x->m1), true));
    assert_int_equal(0, x->p1.cert.n);
    assert_int_equal(0, x->p1.params.n);
    assert_true(vn_hash_equal(&x->r->a.cert_hash, &x->p1.cert_hash));
    make_m2(x);
    assert_ok(accept_m2(x, vn_buf_span(&x->m2)));
    finish(x);
    run_free(x);
}

/* Whoever is wrong about one part of the transcript gets nowhere. */
static void test_transcript_binds_the_responder(void **state)
{
    (void)state;
    struct run *x = run_new(VN_SUITE_DEFAULT);
    make_m1(x);
    const struct vn_hs_responder bob = x->bob;
    x->bob.node.b[0] ^= 1;
    assert_status(VN_ERR_AUTH, accept_m1(x, vn_buf_span(&x->m1), false));
    x->bob = bob;
    x->bob.cert_hash.b[31] ^= 1;
    assert_status(VN_ERR_AUTH, accept_m1(x, vn_buf_span(&x->m1), false));
    x->bob = bob;
    x->bob.eks = vn_kem_ek(x->r->a.eks);
    assert_status(VN_ERR_AUTH, accept_m1(x, vn_buf_span(&x->m1), false));
    x->bob = bob;
    assert_ok(accept_m1(x, vn_buf_span(&x->m1), false));
    run_free(x);
}

static void test_finish_binds_tags_and_mode(void **state)
{
    (void)state;
    struct run *x = run_new(VN_SUITE_DEFAULT);
    make_m1(x);
    assert_ok(accept_m1(x, vn_buf_span(&x->m1), true));
    make_m2(x);
    struct vn_hs_state again[3] = {x->j, x->j, x->j};
    struct vn_hash one = {.n = 32}, other = {.n = 32, .b = {1}};
    struct vn_hs_keys k[3];
    assert_ok(vn_hs_finish(&again[0], &one, 0, &k[0]));
    assert_ok(vn_hs_finish(&again[1], &other, 0, &k[1]));
    assert_ok(vn_hs_finish(&again[2], &one, 1, &k[2]));
    assert_memory_not_equal(k[0].ck0.b, k[1].ck0.b, 32);
    assert_memory_not_equal(k[0].ck0.b, k[2].ck0.b, 32);
    run_free(x);
}

static void test_each_m1_is_fresh(void **state)
{
    (void)state;
    struct run *x = run_new(VN_SUITE_DEFAULT);
    make_m1(x);
    struct vn_hs_m1_args a = args_of(x);
    VN_CLEANUP(vn_hs_state_wipe) struct vn_hs_state s = {0};
    VN_CLEANUP(vn_buf_done) struct vn_buf b;
    vn_buf_init(&b, VN_CONTROL_PAYLOAD_MAX);
    assert_ok(vn_hs_m1_make(&a, &s, &b));
    assert_memory_not_equal(x->m1.p + VN_HS_HEAD_LEN, b.p + VN_HS_HEAD_LEN, 32);
    assert_memory_not_equal(x->i.k1.b, s.k1.b, 32);
    run_free(x);
}

static void test_hour_keys(void **state)
{
    (void)state;
    struct run *x = run_new(VN_SUITE_DEFAULT);
    const struct test_realm *r = x->r;
    make_m1(x);
    assert_ok(vn_hs_m1_parse(vn_buf_span(&x->m1), r->suite, &r->id, &x->v1));
    assert_status(VN_ERR_AUTH,
                  vn_hs_m1_check_mac1(&x->v1, r->suite,
                                      &(struct vn_hour_macs){.keys = &r->hours, .self = &r->a.id},
                                      TEST_NOW_MS));
    assert_status(VN_ERR_EXPIRED,
                  vn_hs_m1_check_mac1(&x->v1, r->suite,
                                      &(struct vn_hour_macs){.keys = &r->hours, .self = &r->b.id},
                                      TEST_NOW_MS + 2 * VN_HOUR_MS));
    struct vn_hs_m1_args a = args_of(x);
    a.now_ms += 100 * VN_HOUR_MS;
    x->m1.len = 0;
    VN_CLEANUP(vn_hs_state_wipe) struct vn_hs_state s = {0};
    assert_status(VN_ERR_EXPIRED, vn_hs_m1_make(&a, &s, &x->m1));
    assert_int_equal(0, x->m1.len);
    run_free(x);
}

/* mac2 under the cookie of the source; M1 is the same message with and without. */
static void test_cookie(void **state)
{
    (void)state;
    static const enum vn_suite suites[] = {VN_SUITE_DEFAULT, VN_SUITE_CNSA};
    for (size_t i = 0; i < VN_ARRAY_LEN(suites); i++) {
        struct run *x = run_new(suites[i]);
        const struct test_realm *r = x->r;
        struct vn_secret32 secret = {.b = {1}}, other = {.b = {2}};
        uint8_t cookie[VN_COOKIE_LEN], wrong[VN_COOKIE_LEN];
        assert_ok(vn_hs_cookie(r->suite, &secret, &r->a.id, cookie));
        assert_ok(vn_hs_cookie(r->suite, &other, &r->a.id, wrong));
        assert_memory_not_equal(cookie, wrong, sizeof(cookie));
        assert_ok(vn_hs_cookie(r->suite, &secret, &r->b.id, wrong));
        assert_memory_not_equal(cookie, wrong, sizeof(cookie));
        make_m1(x);
        assert_ok(vn_hs_m1_parse(vn_buf_span(&x->m1), r->suite, &r->id, &x->v1));
        assert_status(VN_ERR_AUTH, vn_hs_m1_check_mac2(&x->v1, r->suite, cookie));
        assert_ok(vn_hs_m1_set_mac2(r->suite, cookie, &x->m1));
        assert_ok(vn_hs_m1_check_mac2(&x->v1, r->suite, cookie)); /* the view borrows */
        assert_status(VN_ERR_AUTH, vn_hs_m1_check_mac2(&x->v1, r->suite, wrong));
        assert_ok(accept_m1(x, vn_buf_span(&x->m1), true)); /* as without it */
        struct vn_span covered[] = {x->v1.head, x->v1.ct, x->v1.mac1};
        for (size_t k = 0; k < VN_ARRAY_LEN(covered); k++) {
            uint8_t *p = (uint8_t *)(uintptr_t)covered[k].p;
            p[covered[k].n - 1] ^= 1;
            assert_status(VN_ERR_AUTH, vn_hs_m1_check_mac2(&x->v1, r->suite, cookie));
            p[covered[k].n - 1] ^= 1;
        }
        x->m1.len = VN_HS_HEAD_LEN;
        assert_status(VN_ERR_ARG, vn_hs_m1_set_mac2(r->suite, cookie, &x->m1));
        run_free(x);
    }
}

static void test_misuse(void **state)
{
    (void)state;
    struct run *x = run_new(VN_SUITE_DEFAULT);
    struct vn_hash matched = {.n = 32};
    struct vn_hs_keys k;
    make_m1(x);
    assert_status(VN_ERR_STATE, vn_hs_finish(&x->i, &matched, 0, &k)); /* no M2 yet */
    assert_ok(accept_m1(x, vn_buf_span(&x->m1), true));
    make_m2(x);
    assert_ok(vn_hs_m2_parse(vn_buf_span(&x->m2), x->r->suite, &x->v2));
    assert_status(VN_ERR_STATE, vn_hs_m2_open(&x->j, &x->v2, x->plain2, &x->p2));
    /* an M2 for another handshake */
    x->v2.sid.b[0] ^= 1;
    assert_status(VN_ERR_AUTH, vn_hs_m2_open(&x->i, &x->v2, x->plain2, &x->p2));
    /* an ephemeral key that is none */
    uint8_t bad[VN_EK_MAX];
    memset(bad, 0xff, sizeof(bad));
    assert_ok(accept_m1(x, vn_buf_span(&x->m1), true));
    const struct vn_hs_state before = x->j;
    size_t len = x->m2.len;
    assert_status(VN_ERR_LIMIT, vn_hs_m2_make(&x->j, x->p1.ek, VN_SPAN(bad, VN_STATEMENT_MAX + 1),
                                              0, VN_SPAN_NONE, x->r->b.key, &x->m2));
    assert_status(VN_ERR_MALFORMED,
                  vn_hs_m2_make(&x->j, VN_SPAN(bad, x->r->suite->ek_len), VN_SPAN_NONE, 0,
                                VN_SPAN_NONE, x->r->b.key, &x->m2));
    assert_int_equal(len, x->m2.len);
    assert_memory_equal(&before, &x->j, sizeof(before));
    run_free(x);
}

/* Seals a P1 of our choice as M1, as a malicious member could. */
static void reseal_m1(struct run *x, size_t p1_n)
{
    struct vn_secret32 k1;
    memcpy(k1.b, x->i.k1.b, 32);
    VN_CLEANUP(vn_buf_done) struct vn_buf b;
    vn_buf_init(&b, VN_CONTROL_PAYLOAD_MAX);
    size_t front = VN_HS_HEAD_LEN + x->r->suite->ct_len;
    assert_ok(vn_buf_reserve(&b, front + p1_n + 16 + 32));
    b.len = front + p1_n + 16 + 32;
    memset(b.p, 0, b.len);
    memcpy(b.p, x->m1.p, front);
    assert_ok(
        vn_aead_seal_once(&k1, vn_hash_span(&x->i.ha), VN_SPAN(x->plain1, p1_n), b.p + front));
    vn_buf_done(&x->m1);
    x->m1 = b;
    b = (struct vn_buf){0};
}

/* Inside the AEAD the decoder is as strict as outside. */
static void test_plaintext_is_decoded_strictly(void **state)
{
    (void)state;
    struct run *x = run_new(VN_SUITE_DEFAULT);
    make_m1(x);
    assert_ok(accept_m1(x, vn_buf_span(&x->m1), true));
    const size_t n = x->v1.sealed.n - 16;
    static uint8_t valid[VN_CONTROL_PAYLOAD_MAX];
    memcpy(valid, x->plain1, n);
    for (size_t cut = 1; cut < n; cut = cut * 2 + 1) {
        memcpy(x->plain1, valid, n);
        reseal_m1(x, n - cut);
        assert_status(VN_ERR_MALFORMED, accept_m1(x, vn_buf_span(&x->m1), false));
    }
    memcpy(x->plain1, valid, n);
    reseal_m1(x, n + 1);
    assert_status(VN_ERR_MALFORMED, accept_m1(x, vn_buf_span(&x->m1), false));
    memcpy(x->plain1, valid, n);
    x->plain1[x->r->suite->ek_len] ^= 1; /* H(cert_I) */
    reseal_m1(x, n);
    assert_status(VN_ERR_MALFORMED, accept_m1(x, vn_buf_span(&x->m1), false));
    memcpy(x->plain1, valid, n);
    x->plain1[n - 1] ^= 1; /* sig_I */
    reseal_m1(x, n);
    assert_status(VN_ERR_AUTH, accept_m1(x, vn_buf_span(&x->m1), false));
    memcpy(x->plain1, valid, n);
    reseal_m1(x, n);
    assert_ok(accept_m1(x, vn_buf_span(&x->m1), false));
    run_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_cnsa),
        cmocka_unit_test(test_default_mutations),
        cmocka_unit_test(test_cnsa_mutations),
        cmocka_unit_test(test_without_certificate),
        cmocka_unit_test(test_transcript_binds_the_responder),
        cmocka_unit_test(test_finish_binds_tags_and_mode),
        cmocka_unit_test(test_each_m1_is_fresh),
        cmocka_unit_test(test_hour_keys),
        cmocka_unit_test(test_cookie),
        cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_plaintext_is_decoded_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
