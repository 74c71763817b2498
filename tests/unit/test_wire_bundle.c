#include "base/limits.h"
#include "support/mutate.h"
#include "support/realm.h"
#include "support/test.h"
#include "wire/bundle.h"

static struct vn_key_set set, back;
static uint8_t encoded[VN_KEY_SET_MAX], plain[VN_KEY_SET_MAX + 16];

static void fill(const struct test_realm *r, const struct test_node *n, size_t hours)
{
    set = (struct vn_key_set){.until_ms = 0x0102030405060708, .statement = test_node_statement(n)};
    set.hours = r->hours;
    set.hours.count = hours;
    memcpy(set.identities, n->identities, sizeof(set.identities));
    set.identity_count = n->identity_count;
}

static vn_status decode_set(void *arg, struct vn_span in)
{
    (void)arg;
    return vn_key_set_decode(in, &back);
}

static void test_key_set(void **state)
{
    (void)state;
    struct test_realm *r = test_realm_new(VN_SUITE_DEFAULT);
    size_t n;
    fill(r, &r->a, 14);
    assert_ok(vn_key_set_encode(&set, encoded, &n));
    assert_span_equal(VN_SPAN(encoded, 8), vn_test_hex("0102030405060708"));
    assert_int_equal(14, encoded[16]);
    assert_memory_equal(r->hours.keys[13].b, encoded + 17 + 13 * 32, 32);
    assert_ok(decode_set(NULL, VN_SPAN(encoded, n)));
    assert_int_equal(set.until_ms, back.until_ms);
    assert_int_equal(7, back.hours.generation);
    assert_int_equal(set.hours.first_hour, back.hours.first_hour);
    assert_int_equal(14, back.hours.count);
    assert_int_equal(4, back.identity_count);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(set.identities[i].kind, back.identities[i].kind);
        assert_string_equal(set.identities[i].label, back.identities[i].label);
        assert_memory_equal(set.identities[i].key.b, back.identities[i].key.b, 32);
    }
    assert_span_equal(set.statement, back.statement);
    vn_test_lengths(VN_SPAN(encoded, n), decode_set, NULL);
    test_realm_free(r);
}

/* What each byte may be: refused, and nothing of it left behind. */
static void test_key_set_refuses(void **state)
{
    (void)state;
    struct test_realm *r = test_realm_new(VN_SUITE_DEFAULT);
    size_t n;
    fill(r, &r->a, 1);
    assert_ok(vn_key_set_encode(&set, encoded, &n));
    size_t identities = 17 + 32;
    const struct {
        size_t at;
        uint8_t value;
    } BAD[] = {{16, 0},
               {16, VN_HOURS_MAX + 1},
               {identities, VN_TAINTS_MAX + VN_SCOPES_MAX + 1},
               {identities + 1, 0},
               {identities + 1, VN_KIND_OAUTH + 1},
               {identities + 2, 0},
               {identities + 2, VN_IDENTITY_LABEL_MAX + 1},
               {identities + 3, 0}};
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++) {
        uint8_t was = encoded[BAD[i].at];
        encoded[BAD[i].at] = BAD[i].value;
        assert_status(VN_ERR_MALFORMED, decode_set(NULL, VN_SPAN(encoded, n)));
        assert_int_equal(0, back.hours.keys[0].b[0]);
        encoded[BAD[i].at] = was;
    }
    memset(encoded + 8, 0, 4); /* generation 0 is none */
    assert_status(VN_ERR_MALFORMED, decode_set(NULL, VN_SPAN(encoded, n)));
    set.hours.count = 0;
    assert_status(VN_ERR_ARG, vn_key_set_encode(&set, encoded, &n));
    set.hours.count = VN_HOURS_MAX + 1;
    assert_status(VN_ERR_ARG, vn_key_set_encode(&set, encoded, &n));
    set.hours.count = 1;
    set.identity_count = VN_TAINTS_MAX + VN_SCOPES_MAX + 1;
    assert_status(VN_ERR_ARG, vn_key_set_encode(&set, encoded, &n));
    test_realm_free(r);
}

struct receiver {
    const struct test_realm *r;
    const struct test_node *n;
};

/* All that a node does with what it receives. */
static vn_status receive(void *arg, struct vn_span in)
{
    const struct receiver *x = arg;
    struct vn_bundle_view v;
    struct vn_span got;
    vn_status st = vn_bundle_parse(in, x->r->suite, &v);
    if (st == VN_OK)
        st = vn_bundle_verify(&v, x->r->suite, x->r->command_pub);
    if (st == VN_OK)
        st = vn_bundle_open(&v, x->r->suite, x->n->eks, plain, &got);
    return st == VN_OK ? vn_key_set_decode(got, &back) : st;
}

static void make(const struct test_realm *r, struct vn_bundle_to *list, size_t n)
{
    size_t len;
    fill(r, &r->a, 14);
    assert_ok(vn_key_set_encode(&set, encoded, &len));
    for (size_t i = 0; i < n; i++) {
        const struct test_node *to = i % 2 ? &r->b : &r->a;
        list[i] = (struct vn_bundle_to){
            .node = to->id, .ek = vn_kem_ek(to->eks), .set = VN_SPAN(encoded, len)};
        vn_buf_init(&list[i].ret, VN_CONTROL_PAYLOAD_MAX);
    }
    assert_ok(vn_bundles_make(r->suite, &r->id, 8, r->command, list, n));
}

static void check_round_trip(enum vn_suite suite, size_t n)
{
    struct test_realm *r = test_realm_new(suite);
    struct vn_bundle_to list[5];
    make(r, list, n);
    for (size_t i = 0; i < n; i++) {
        struct receiver x = {r, i % 2 ? &r->b : &r->a}, other = {r, i % 2 ? &r->a : &r->b};
        struct vn_span in = vn_buf_span(&list[i].ret);
        struct vn_bundle_view v;
        assert_ok(receive(&x, in));
        assert_span_equal(set.statement, back.statement);
        assert_ok(vn_bundle_parse(in, r->suite, &v));
        assert_int_equal(8, v.generation);
        assert_int_equal(i, v.place.index);
        assert_int_equal(n, v.place.leaves);
        assert_memory_equal(&x.n->id, &v.node, sizeof(v.node));
        assert_status(VN_ERR_AUTH, receive(&other, in)); /* sealed to another */
        if (i + 1 == n && n > 1) {
            vn_test_lengths(in, receive, &x);
            vn_test_flips(in, 0, in.n, receive, &x);
        }
    }
    for (size_t i = 0; i < n; i++)
        vn_buf_done(&list[i].ret);
    test_realm_free(r);
}

static void test_bundles(void **state)
{
    (void)state;
    check_round_trip(VN_SUITE_DEFAULT, 4);
    check_round_trip(VN_SUITE_CNSA, 1);
}

/* The fullest one, in the largest tree, is one message of the control channel. */
static void test_fits(void **state)
{
    (void)state;
    assert_true(VN_BUNDLE_HEADER_LEN + VN_CT_MAX + 2 + VN_KEY_SET_MAX + 16 + 4 +
                    VN_MERKLE_PATH_MAX * VN_HASH_MAX + 2 + VN_SIG_MAX <=
                VN_CONTROL_PAYLOAD_MAX);
}

/* Two trees of one generation: neither signature is good for the other's leaves. */
static void test_trees_do_not_mix(void **state)
{
    (void)state;
    struct test_realm *r = test_realm_new(VN_SUITE_DEFAULT);
    struct vn_bundle_to one[2], two[2];
    make(r, one, 2);
    make(r, two, 2);
    struct receiver x = {r, &r->a};
    size_t tail = 4 + r->suite->hash_len + 2 + r->suite->sig_len;
    assert_int_equal(one[0].ret.len, two[0].ret.len);
    memcpy(one[0].ret.p + one[0].ret.len - tail, two[0].ret.p + two[0].ret.len - tail, tail);
    assert_status(VN_ERR_AUTH, receive(&x, vn_buf_span(&one[0].ret)));
    for (size_t i = 0; i < 2; i++) {
        vn_buf_done(&one[i].ret);
        vn_buf_done(&two[i].ret);
    }
    test_realm_free(r);
}

static void test_make_refuses(void **state)
{
    (void)state;
    struct test_realm *r = test_realm_new(VN_SUITE_DEFAULT);
    struct vn_bundle_to to = {
        .node = r->a.id, .ek = VN_SPAN(encoded, 10), .set = VN_SPAN(encoded, 1)};
    vn_buf_init(&to.ret, VN_CONTROL_PAYLOAD_MAX);
    assert_status(VN_ERR_ARG, vn_bundles_make(r->suite, &r->id, 8, r->command, &to, 0));
    assert_status(VN_ERR_ARG,
                  vn_bundles_make(r->suite, &r->id, 8, r->command, &to, VN_BUNDLES_MAX + 1));
    assert_status(VN_ERR_ARG, vn_bundles_make(r->suite, &r->id, 8, r->command, &to, 1));
    assert_status(VN_ERR_ARG,
                  vn_bundles_make(vn_suite_get(VN_SUITE_CNSA), &r->id, 8, r->command, &to, 1));
    vn_buf_done(&to.ret);
    test_realm_free(r);
}

static struct vn_keys_now now;

static vn_status check_now(void *arg, struct vn_span in)
{
    const struct test_realm *r = arg;
    return vn_keys_now_check(in, r->command_pub, r->suite, &r->id, &now);
}

static void test_in_force(void **state)
{
    (void)state;
    struct test_realm *r = test_realm_new(VN_SUITE_DEFAULT);
    uint8_t bytes[VN_KEYS_NOW_MAX];
    size_t n;
    const struct vn_keys_now k = {
        .realm = r->id, .generation = 0x01020304, .until_ms = 0x0102030405060708};
    assert_ok(vn_keys_now_issue(r->suite, &k, r->command, bytes, &n));
    assert_int_equal(31 + 2 + r->suite->sig_len, n);
    assert_int_equal(0xa2, bytes[2]);
    assert_span_equal(VN_SPAN(bytes + 19, 12), vn_test_hex("010203040102030405060708"));
    assert_ok(check_now(r, VN_SPAN(bytes, n)));
    assert_int_equal(k.generation, now.generation);
    assert_int_equal(k.until_ms, now.until_ms);
    vn_test_lengths(VN_SPAN(bytes, n), check_now, r);
    vn_test_flips(VN_SPAN(bytes, n), 0, n, check_now, r);
    const struct vn_keys_now other = {.generation = 1};
    assert_ok(vn_keys_now_issue(r->suite, &other, r->command, bytes, &n));
    assert_status(VN_ERR_AUTH, check_now(r, VN_SPAN(bytes, n))); /* of another realm */
    assert_status(VN_ERR_ARG,
                  vn_keys_now_issue(vn_suite_get(VN_SUITE_CNSA), &k, r->command, bytes, &n));
    test_realm_free(r);
}

/* Two generations of hour keys at once. */
static void test_other_hours(void **state)
{
    (void)state;
    struct test_realm *r = test_realm_new(VN_SUITE_DEFAULT);
    struct vn_hour_keys other = r->hours;
    other.generation = 8;
    other.keys[1].b[0] ^= 1;
    uint32_t hour = vn_hour_of(TEST_NOW_MS);
    const struct vn_hour_mac_keys *a, *b;
    struct vn_hour_macs macs = {.keys = &r->hours, .self = &r->a.id};
    assert_null(vn_hour_keys_find(&r->hours, 8, hour, TEST_NOW_MS));
    r->hours.other = &other;
    assert_ptr_equal(&r->hours.keys[1], vn_hour_keys_find(&r->hours, 7, hour, TEST_NOW_MS));
    assert_ptr_equal(&other.keys[1], vn_hour_keys_find(&r->hours, 8, hour, TEST_NOW_MS));
    assert_null(vn_hour_keys_find(&r->hours, 9, hour, TEST_NOW_MS));
    for (int i = 0; i < 2; i++) {
        assert_ok(vn_hour_macs_find(&macs, r->suite->hash, 7, hour, TEST_NOW_MS, &a));
        assert_ok(vn_hour_macs_find(&macs, r->suite->hash, 8, hour, TEST_NOW_MS, &b));
        assert_ptr_not_equal(a, b);
        assert_memory_not_equal(a->mac1.b, b->mac1.b, 32);
        vn_hour_macs_forget(&macs);
    }
    r->hours.other = NULL;
    assert_status(VN_ERR_EXPIRED,
                  vn_hour_macs_find(&macs, r->suite->hash, 8, hour, TEST_NOW_MS, &b));
    test_realm_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_set),      cmocka_unit_test(test_key_set_refuses),
        cmocka_unit_test(test_bundles),      cmocka_unit_test(test_fits),
        cmocka_unit_test(test_in_force),     cmocka_unit_test(test_trees_do_not_mix),
        cmocka_unit_test(test_make_refuses), cmocka_unit_test(test_other_hours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
