#include "support/mutate.h"
#include "support/realm.h"
#include "support/test.h"
#include "wire/merkle.h"

static vn_status check(void *arg, struct vn_span in)
{
    const struct test_realm *r = arg;
    struct vn_statement s;
    return vn_statement_check(in, r->command_pub, r->suite, &r->id, TEST_NOW_MS, &s);
}

static void check_round_trip(enum vn_suite suite)
{
    struct test_realm *r = test_realm_new(suite);
    struct vn_statement s, back;
    test_node_issue(r, &r->a, 0x0102030405060708, &s);
    struct vn_span bytes = test_node_statement(&r->a);
    const size_t h = r->suite->hash_len;
    assert_int_equal(52 + h + 4 * 16 + 2 + r->suite->sig_len, bytes.n);
    assert_int_equal(1, bytes.p[0]);
    assert_int_equal(suite, bytes.p[1]);
    assert_memory_equal(r->id.b, bytes.p + 2, 16);
    assert_memory_equal(r->a.id.b, bytes.p + 18, 16);
    assert_memory_equal(r->a.pk_hash.b, bytes.p + 34, h);
    assert_span_equal(VN_SPAN(bytes.p + 34 + h, 8), vn_test_hex("0102030405060708"));
    assert_int_equal(2, bytes.p[50 + h]);
    assert_int_equal(2, bytes.p[51 + h]);

    assert_ok(vn_statement_check(bytes, r->command_pub, r->suite, &r->id, TEST_NOW_MS, &back));
    assert_memory_equal(&s.realm, &back.realm, sizeof(s.realm));
    assert_memory_equal(&s.node, &back.node, sizeof(s.node));
    assert_true(vn_hash_equal(&s.pk_hash, &back.pk_hash));
    assert_int_equal(s.number, back.number);
    assert_int_equal(s.not_after_ms, back.not_after_ms);
    assert_int_equal(s.taint_count, back.taint_count);
    assert_int_equal(s.scope_count, back.scope_count);
    assert_memory_equal(s.taints, back.taints, sizeof(s.taints));
    assert_memory_equal(s.scopes, back.scopes, sizeof(s.scopes));

    vn_test_lengths(bytes, check, r);
    vn_test_flips(bytes, 0, bytes.n, check, r);
    test_realm_free(r);
}

static void test_default(void **state)
{
    (void)state;
    check_round_trip(VN_SUITE_DEFAULT);
}

static void test_cnsa(void **state)
{
    (void)state;
    check_round_trip(VN_SUITE_CNSA);
}

static void test_most_and_fewest_tags(void **state)
{
    struct test_realm *r = *state;
    struct vn_statement s, back;
    test_node_issue(r, &(struct test_node){.id = r->a.id, .pk_hash = r->a.pk_hash}, 1, &s);
    assert_int_equal(0, s.taint_count + s.scope_count);

    struct test_node full = {.id = r->a.id, .pk_hash = r->a.pk_hash};
    for (int i = 0; i < VN_TAINTS_MAX; i++) {
        char label[16];
        snprintf(label, sizeof(label), "l%d", i);
        test_node_add(r, &full, VN_KIND_TAINT, label);
        test_node_add(r, &full, i % 2 ? VN_KIND_TEAM : VN_KIND_OAUTH, label);
    }
    test_node_issue(r, &full, 1, &s);
    assert_true(full.statement_n <= VN_STATEMENT_MAX);
    assert_ok(vn_statement_check(test_node_statement(&full), r->command_pub, r->suite, &r->id,
                                 TEST_NOW_MS, &back));
    assert_int_equal(VN_TAINTS_MAX, back.taint_count);
    assert_int_equal(VN_SCOPES_MAX, back.scope_count);
    for (size_t i = 1; i < VN_TAINTS_MAX; i++)
        assert_true(memcmp(&back.taints[i - 1], &back.taints[i], 16) < 0);
}

static void test_issue_refuses(void **state)
{
    struct test_realm *r = *state;
    uint8_t out[VN_STATEMENT_MAX];
    size_t n;
    struct vn_statement s = {.pk_hash = r->a.pk_hash, .taint_count = 2}; /* twice the zero tag */
    assert_status(VN_ERR_ARG, vn_statement_issue(&s, r->command, out, &n));
    s = (struct vn_statement){.pk_hash = r->a.pk_hash, .scope_count = VN_SCOPES_MAX + 1};
    assert_status(VN_ERR_ARG, vn_statement_issue(&s, r->command, out, &n));
    s = (struct vn_statement){.pk_hash = {.n = 48}};
    assert_status(VN_ERR_ARG, vn_statement_issue(&s, r->command, out, &n));
}

static void test_who_when_where(void **state)
{
    struct test_realm *r = *state;
    struct vn_statement s = {.number = 77};
    struct vn_span bytes = test_node_statement(&r->a);
    const struct vn_id other = {.b = "other"};
    assert_status(VN_ERR_AUTH,
                  vn_statement_check(bytes, r->issuing_pub, r->suite, &r->id, TEST_NOW_MS, &s));
    assert_status(VN_ERR_AUTH,
                  vn_statement_check(bytes, r->command_pub, r->suite, &other, TEST_NOW_MS, &s));
    assert_ok(
        vn_statement_check(bytes, r->command_pub, r->suite, &r->id, TEST_NOW_MS + 86400000, &s));
    s.number = 77;
    assert_status(VN_ERR_EXPIRED, vn_statement_check(bytes, r->command_pub, r->suite, &r->id,
                                                     TEST_NOW_MS + 86400001, &s));
    assert_status(VN_ERR_MALFORMED,
                  vn_statement_check(bytes, r->command_pub, vn_suite_get(VN_SUITE_CNSA), &r->id,
                                     TEST_NOW_MS, &s));
    assert_int_equal(77, s.number); /* outputs only on success */
}

/* Sorting is part of the format: the same set has one encoding. */
static void test_decoder_wants_ascending_tags(void **state)
{
    struct test_realm *r = *state;
    uint8_t bytes[VN_STATEMENT_MAX];
    size_t n = r->a.statement_n;
    memcpy(bytes, r->a.statement, n);
    uint8_t *tags = bytes + 52 + r->suite->hash_len, swap[16];
    memcpy(swap, tags, 16);
    memcpy(tags, tags + 16, 16);
    memcpy(tags + 16, swap, 16);
    struct vn_statement s;
    struct vn_span signed_part, sig;
    assert_status(VN_ERR_MALFORMED,
                  vn_statement_decode(VN_SPAN(bytes, n), r->suite, &s, &signed_part, &sig));
    memcpy(tags, tags + 16, 16); /* twice the same */
    assert_status(VN_ERR_MALFORMED,
                  vn_statement_decode(VN_SPAN(bytes, n), r->suite, &s, &signed_part, &sig));
}

/* ---- signed together ---- */

struct group {
    uint8_t bytes[VN_STATEMENTS_MAX + 1][VN_STATEMENT_MAX];
    struct vn_statement_out out[VN_STATEMENTS_MAX + 1];
};

/* Those of node a with numbers from 1 on, not signed. */
static void encode_group(const struct test_realm *r, struct group *g)
{
    for (size_t i = 0; i < VN_ARRAY_LEN(g->out); i++) {
        struct vn_statement s = {.realm = r->id,
                                 .node = r->a.id,
                                 .pk_hash = r->a.pk_hash,
                                 .number = i + 1,
                                 .not_after_ms = TEST_NOW_MS + 1000};
        g->out[i].bytes = g->bytes[i];
        assert_ok(vn_statement_encode(&s, r->suite, g->bytes[i], &g->out[i].n));
    }
}

static struct vn_span out_span(const struct vn_statement_out *o)
{
    return VN_SPAN(o->bytes, o->n);
}

static struct vn_span sig_of(const struct test_realm *r, const struct vn_statement_out *o)
{
    return VN_SPAN(o->bytes + o->n - r->suite->sig_len, r->suite->sig_len);
}

static void test_groups_of_every_size(void **state)
{
    struct test_realm *r = *state;
    static struct group g;
    for (size_t n = 1; n <= VN_STATEMENTS_MAX; n++) {
        encode_group(r, &g);
        assert_ok(vn_statements_sign(r->command, g.out, n));
        for (size_t i = 0; i < n; i++) {
            struct vn_statement s;
            assert_ok(vn_statement_check(out_span(&g.out[i]), r->command_pub, r->suite, &r->id,
                                         TEST_NOW_MS, &s));
            assert_int_equal(s.number, i + 1);
            assert_span_equal(sig_of(r, &g.out[i]), sig_of(r, &g.out[0]));
        }
        assert_int_equal(n == 1, g.out[0].n == 52 + r->suite->hash_len + 2 + r->suite->sig_len);
    }
}

static void check_member(enum vn_suite suite)
{
    struct test_realm *r = test_realm_new(suite);
    static struct group g;
    encode_group(r, &g);
    assert_ok(vn_statements_sign(r->command, g.out, 5));
    const size_t h = r->suite->hash_len, at = 52 + h;
    const struct vn_span second = out_span(&g.out[1]), last = out_span(&g.out[4]);
    assert_int_equal(at + 2 + 4 + 3 * h + r->suite->sig_len, second.n);
    assert_int_equal(at + 2 + 4 + h + r->suite->sig_len, last.n); /* promoted twice */
    assert_span_equal(VN_SPAN(second.p + at + 2, 4), vn_test_hex("00010005"));
    vn_test_lengths(second, check, r);
    vn_test_flips(second, 0, at + 2 + 4 + 3 * h + 64, check, r);
    test_realm_free(r);
}

static void test_member_default(void **state)
{
    (void)state;
    check_member(VN_SUITE_DEFAULT);
}

static void test_member_cnsa(void **state)
{
    (void)state;
    check_member(VN_SUITE_CNSA);
}

/* The biggest there is has its place. */
static void test_biggest_member(void **state)
{
    (void)state;
    struct test_realm *r = test_realm_new(VN_SUITE_CNSA);
    static struct group g;
    encode_group(r, &g);
    struct vn_statement s = {.realm = r->id,
                             .node = r->a.id,
                             .pk_hash = r->a.pk_hash,
                             .not_after_ms = TEST_NOW_MS,
                             .taint_count = VN_TAINTS_MAX,
                             .scope_count = VN_SCOPES_MAX};
    for (uint8_t i = 0; i < VN_TAINTS_MAX; i++)
        s.taints[i].b[0] = s.scopes[i].b[0] = i;
    assert_ok(vn_statement_encode(&s, r->suite, g.bytes[0], &g.out[0].n));
    assert_ok(vn_statements_sign(r->command, g.out, VN_STATEMENTS_MAX));
    assert_int_equal(g.out[0].n, 5437);
    assert_ok(check(r, out_span(&g.out[0])));
    test_realm_free(r);
}

/* What one was given with is good for no other one. */
static void test_proofs_are_their_own(void **state)
{
    struct test_realm *r = *state;
    static struct group g, other;
    encode_group(r, &g);
    encode_group(r, &other);
    const size_t body = g.out[0].n;
    assert_ok(vn_statements_sign(r->command, g.out, 2));
    assert_ok(vn_statements_sign(r->command, other.out + 2, 2));
    uint8_t bytes[VN_STATEMENT_MAX];
    memcpy(bytes, g.bytes[0], g.out[0].n);
    memcpy(bytes + body, g.bytes[1] + body, g.out[1].n - body);
    assert_status(VN_ERR_AUTH, check(r, VN_SPAN(bytes, g.out[0].n))); /* its neighbour's */
    memcpy(bytes + body, other.bytes[2] + body, g.out[0].n - body);
    assert_status(VN_ERR_AUTH, check(r, VN_SPAN(bytes, g.out[0].n))); /* of another group */
}

/* A signature of one alone is none of a root, whatever its bytes say: contexts differ. */
static void test_alone_and_together_differ(void **state)
{
    struct test_realm *r = *state;
    static struct group g;
    encode_group(r, &g);
    const size_t body = g.out[0].n, sig_n = r->suite->sig_len;
    struct vn_hash leaf[2];
    struct vn_merkle *tree;
    for (size_t i = 0; i < 2; i++)
        assert_ok(vn_merkle_leaf(r->suite->hash, out_span(&g.out[i]), &leaf[i]));
    assert_ok(vn_merkle_new(r->suite->hash, leaf, 2, &tree));
    uint8_t message[18 + 2 + VN_HASH_MAX] = {0};
    memcpy(message, g.bytes[0], 18);
    message[19] = 2;
    memcpy(message + 20, vn_merkle_root(tree)->b, r->suite->hash_len);
    vn_merkle_free(tree);
    const struct vn_span root = VN_SPAN(message, 20 + r->suite->hash_len);
    assert_ok(vn_statements_sign(r->command, g.out, 2));
    uint8_t *sig = g.bytes[0] + g.out[0].n - sig_n;
    assert_ok(vn_sig_sign(r->command, "anchor-stmts-v1", root, sig));
    assert_ok(check(r, out_span(&g.out[0])));
    assert_ok(vn_sig_sign(r->command, "anchor-stmt-v1", root, sig));
    assert_status(VN_ERR_AUTH, check(r, out_span(&g.out[0])));

    g.out[2].n = body;
    assert_ok(vn_statements_sign(r->command, &g.out[2], 1));
    sig = g.bytes[2] + g.out[2].n - sig_n;
    assert_ok(vn_sig_sign(r->command, "anchor-stmts-v1", VN_SPAN(g.bytes[2], body), sig));
    assert_status(VN_ERR_AUTH, check(r, out_span(&g.out[2])));
}

/* A place in a tree of one, or of more than there may be. */
static void test_refuses_odd_places(void **state)
{
    struct test_realm *r = *state;
    static struct group g;
    encode_group(r, &g);
    const size_t body = g.out[0].n, sig_n = r->suite->sig_len;
    assert_ok(vn_statements_sign(r->command, g.out, 2));
    static const struct {
        uint16_t index, leaves;
        uint8_t hashes;
    } ODD[] = {{0, 0, 0}, {0, 1, 0}, {1, 1, 1},  {2, 2, 1},
               {0, 2, 2}, {0, 2, 0}, {0, 17, 5}, {16, 17, 1}};
    for (size_t i = 0; i < VN_ARRAY_LEN(ODD); i++) {
        uint8_t bytes[VN_STATEMENT_MAX] = {0};
        const size_t placed = 4 + ODD[i].hashes * r->suite->hash_len;
        struct vn_writer w = vn_writer_of(bytes, sizeof(bytes));
        vn_write_bytes(&w, g.bytes[0], body);
        vn_write_u16(&w, (uint16_t)(placed + sig_n));
        vn_write_u16(&w, ODD[i].index);
        vn_write_u16(&w, ODD[i].leaves);
        w.len += ODD[i].hashes * r->suite->hash_len;
        vn_write_span(&w, sig_of(r, &g.out[0]));
        assert_true(vn_writer_ok(&w));
        assert_status(VN_ERR_MALFORMED, check(r, vn_writer_span(&w)));
    }
}

static void test_groups_refused(void **state)
{
    struct test_realm *r = *state;
    struct test_realm *cnsa = test_realm_new(VN_SUITE_CNSA);
    static struct group g;
    encode_group(r, &g);
    assert_status(VN_ERR_ARG, vn_statements_sign(r->command, g.out, 0));
    assert_status(VN_ERR_ARG, vn_statements_sign(r->command, g.out, VN_STATEMENTS_MAX + 1));
    assert_status(VN_ERR_ARG, vn_statements_sign(cnsa->command, g.out, 1));
    g.bytes[1][2] ^= 1; /* of another realm */
    assert_status(VN_ERR_ARG, vn_statements_sign(r->command, g.out, 2));
    assert_ok(vn_statements_sign(r->command, g.out, 1));
    test_realm_free(cnsa);
}

static int setup(void **state)
{
    *state = test_realm_new(VN_SUITE_DEFAULT);
    return 0;
}

static int teardown(void **state)
{
    *state = test_realm_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_cnsa),
        cmocka_unit_test(test_most_and_fewest_tags),
        cmocka_unit_test(test_issue_refuses),
        cmocka_unit_test(test_who_when_where),
        cmocka_unit_test(test_decoder_wants_ascending_tags),
        cmocka_unit_test(test_groups_of_every_size),
        cmocka_unit_test(test_member_default),
        cmocka_unit_test(test_member_cnsa),
        cmocka_unit_test(test_biggest_member),
        cmocka_unit_test(test_proofs_are_their_own),
        cmocka_unit_test(test_alone_and_together_differ),
        cmocka_unit_test(test_refuses_odd_places),
        cmocka_unit_test(test_groups_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
