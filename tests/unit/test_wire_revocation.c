#include "support/mutate.h"
#include "support/realm.h"
#include "support/test.h"
#include "wire/revocation.h"

static uint8_t bytes[VN_REVOCATION_LIST_MAX];
static struct vn_revocation_list list, back;

static void two_entries(const struct test_realm *r)
{
    list = (struct vn_revocation_list){.realm = r->id, .after = 4, .to = 9, .count = 2};
    list.entries[0] = (struct vn_revocation){.number = 6,
                                             .kind = VN_REVOKE_NODE,
                                             .node = r->a.id,
                                             .serial = {0x40, 1, 2},
                                             .until_ms = TEST_NOW_MS + 1};
    list.entries[1] = (struct vn_revocation){.number = 9,
                                             .kind = VN_REVOKE_STATEMENTS,
                                             .node = r->b.id,
                                             .minimum = 0x0102030405060708,
                                             .until_ms = TEST_NOW_MS + 2};
}

static vn_status check(void *arg, struct vn_span in)
{
    const struct test_realm *r = arg;
    return vn_revocation_list_check(in, r->command_pub, r->suite, &r->id, &back);
}

static void check_round_trip(enum vn_suite suite)
{
    struct test_realm *r = test_realm_new(suite);
    size_t n;
    two_entries(r);
    assert_ok(vn_revocation_list_issue(&list, r->command, bytes, &n));
    assert_int_equal(37 + 2 * VN_REVOCATION_ENTRY_LEN + 2 + r->suite->sig_len, n);
    assert_int_equal(0xa0, bytes[2]);
    assert_memory_equal(r->id.b, bytes + 3, 16);
    assert_memory_equal(r->a.id.b, bytes + 37 + 9, 16);
    assert_span_equal(VN_SPAN(bytes + 37 + 57 + 41, 8), vn_test_hex("0102030405060708"));

    assert_ok(check(r, VN_SPAN(bytes, n)));
    assert_int_equal(4, back.after);
    assert_int_equal(9, back.to);
    assert_int_equal(2, back.count);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(list.entries[i].number, back.entries[i].number);
        assert_int_equal(list.entries[i].kind, back.entries[i].kind);
        assert_memory_equal(&list.entries[i].node, &back.entries[i].node, 16);
        assert_memory_equal(list.entries[i].serial, back.entries[i].serial, 16);
        assert_int_equal(list.entries[i].minimum, back.entries[i].minimum);
        assert_int_equal(list.entries[i].until_ms, back.entries[i].until_ms);
    }
    vn_test_lengths(VN_SPAN(bytes, n), check, r);
    vn_test_flips(VN_SPAN(bytes, n), 0, n, check, r);
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

/* The fullest one still is one message of the control channel. */
static void test_fewest_and_most(void **state)
{
    (void)state;
    struct test_realm *r = test_realm_new(VN_SUITE_CNSA);
    size_t n;
    list = (struct vn_revocation_list){.realm = r->id, .after = 7, .to = 7};
    assert_ok(vn_revocation_list_issue(&list, r->command, bytes, &n));
    assert_ok(check(r, VN_SPAN(bytes, n)));
    assert_int_equal(0, back.count);
    list.to = 7 + VN_REVOCATION_ENTRIES_MAX;
    for (size_t i = 0; i < VN_REVOCATION_ENTRIES_MAX; i++)
        list.entries[list.count++] = (struct vn_revocation){
            .number = 8 + i, .kind = VN_REVOKE_NODE, .node = {{(uint8_t)i}}, .until_ms = 1};
    assert_ok(vn_revocation_list_issue(&list, r->command, bytes, &n));
    assert_true(n < VN_CONTROL_PAYLOAD_MAX - 512 && n <= VN_REVOCATION_LIST_MAX);
    assert_ok(check(r, VN_SPAN(bytes, n)));
    assert_int_equal(VN_REVOCATION_ENTRIES_MAX, back.count);
    test_realm_free(r);
}

static void test_issue_refuses(void **state)
{
    (void)state;
    struct test_realm *r = test_realm_new(VN_SUITE_DEFAULT);
    size_t n;
    static const struct {
        size_t entry;
        uint64_t number, minimum;
        enum vn_revocation_kind kind;
    } BAD[] = {{0, 4, 0, VN_REVOKE_NODE},
               {1, 10, 1, VN_REVOKE_STATEMENTS},
               {1, 6, 1, VN_REVOKE_STATEMENTS},
               {0, 6, 1, VN_REVOKE_NODE},
               {1, 9, 0, VN_REVOKE_STATEMENTS},
               {0, 6, 1, VN_REVOKE_STATEMENTS},
               {0, 6, 0, (enum vn_revocation_kind)3}};
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++) {
        two_entries(r);
        struct vn_revocation *e = &list.entries[BAD[i].entry];
        e->number = BAD[i].number;
        e->minimum = BAD[i].minimum;
        e->kind = BAD[i].kind;
        assert_status(VN_ERR_ARG, vn_revocation_list_issue(&list, r->command, bytes, &n));
    }
    two_entries(r);
    list.to = 3;
    list.count = 0;
    assert_status(VN_ERR_ARG, vn_revocation_list_issue(&list, r->command, bytes, &n));
    test_realm_free(r);
}

static void test_who_and_where(void **state)
{
    (void)state;
    struct test_realm *r = test_realm_new(VN_SUITE_DEFAULT);
    const struct vn_id other = {.b = "other"};
    size_t n;
    two_entries(r);
    assert_ok(vn_revocation_list_issue(&list, r->command, bytes, &n));
    assert_status(VN_ERR_AUTH, vn_revocation_list_check(VN_SPAN(bytes, n), r->issuing_pub, r->suite,
                                                        &r->id, &back));
    assert_status(VN_ERR_AUTH, vn_revocation_list_check(VN_SPAN(bytes, n), r->command_pub, r->suite,
                                                        &other, &back));
    assert_status(VN_ERR_MALFORMED,
                  vn_revocation_list_check(VN_SPAN(bytes, n), r->command_pub,
                                           vn_suite_get(VN_SUITE_CNSA), &r->id, &back));
    test_realm_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),         cmocka_unit_test(test_cnsa),
        cmocka_unit_test(test_fewest_and_most), cmocka_unit_test(test_issue_refuses),
        cmocka_unit_test(test_who_and_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
