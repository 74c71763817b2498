#include "router/book.h"

#include "base/attr.h"
#include "support/test.h"

#define SELF 1
#define DIRECT 0

static struct vn_book book;
static struct vn_coord here;

/* On a line, ms from here. */
static struct vn_coord at_ms(int32_t ms)
{
    struct vn_coord c;
    vn_coord_init(&c);
    c.x_us[0] = ms * 1000;
    return c;
}

static void hear(uint64_t key, int32_t ms)
{
    struct vn_coord c = at_ms(ms);
    vn_book_hear(&book, key, &c, &here);
}

static int begin(void **state)
{
    (void)state;
    here = at_ms(0);
    vn_book_init(&book, SELF);
    return 0;
}

static size_t count_kind(const struct vn_relay_candidate *list, size_t n,
                         enum vn_candidate_kind kind)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        found += list[i].kind == kind;
    return found;
}

static void the_nearest_come_first(void **state)
{
    (void)state;
    for (uint64_t k = 2; k < 40; k++)
        hear(k, (int32_t)(100 - k));
    hear(SELF, 1);
    uint64_t near[VN_NEAR_MAX];
    assert_int_equal(VN_NEAR_MAX, vn_book_near(&book, &here, near));
    for (size_t i = 0; i < VN_NEAR_MAX; i++)
        assert_int_equal(39 - i, near[i]);
    assert_null(vn_book_find(&book, SELF));
}

/* What was measured counts, not what the relay says of its place. */
static void a_measurement_beats_a_claim(void **state)
{
    (void)state;
    hear(10, 5);
    hear(11, 1); /* so it says */
    vn_book_measured(&book, 11, 90000);
    hear(11, 1);
    uint64_t near[VN_NEAR_MAX];
    assert_int_equal(2, vn_book_near(&book, &here, near));
    assert_int_equal(10, near[0]);
}

static void a_full_book_keeps_the_nearest_and_the_newest(void **state)
{
    (void)state;
    for (uint64_t k = 2; k < 8; k++)
        hear(k, (int32_t)k); /* the six nearest, heard of first */
    for (uint64_t k = 100; k < 100000; k++)
        hear(k, 500);
    assert_int_equal(VN_BOOK_MAX, book.count);
    for (uint64_t k = 2; k < 8; k++)
        assert_non_null(vn_book_find(&book, k));
    for (uint64_t k = 100000 - (VN_BOOK_MAX - VN_NEAR_MAX); k < 100000; k++)
        assert_non_null(vn_book_find(&book, k));
}

static void who_fails_three_times_is_forgotten(void **state)
{
    (void)state;
    hear(10, 5);
    hear(11, 6);
    vn_book_failed(&book, 10);
    vn_book_failed(&book, 10);
    vn_book_measured(&book, 10, 5000); /* it is back */
    vn_book_failed(&book, 10);
    vn_book_failed(&book, 10);
    assert_non_null(vn_book_find(&book, 10));
    vn_book_failed(&book, 10);
    assert_null(vn_book_find(&book, 10));
    vn_book_failed(&book, 10);
    assert_non_null(vn_book_find(&book, 11));
    assert_int_equal(1, book.count);
}

static void candidates_are_of_three_kinds(void **state)
{
    (void)state;
    struct vn_descriptor_place to = {.key = 900, .at = at_ms(100), .near_count = VN_NEAR_MAX};
    for (uint64_t k = 0; k < VN_NEAR_MAX; k++)
        to.near[k] = (struct vn_relay){.key = 800 + k, .at = at_ms(101)};
    to.near[0].key = SELF; /* we are near it ourselves */
    to.near[1].key = 20;   /* and so is one that is near us */
    for (uint64_t k = 20; k < 26; k++)
        hear(k, 1);
    for (uint64_t k = 30; k < 40; k++)
        hear(k, -300); /* wrong way */
    for (uint64_t k = 40; k < 46; k++)
        hear(k, 50); /* half way */
    hear(900, 0);    /* the destination itself, in the book */
    struct vn_relay_candidate list[VN_CANDIDATES_MAX];
    size_t n = vn_candidates(&book, &here, &to, list);
    assert_int_equal(6 + 4 + 6, n);
    assert_int_equal(6, count_kind(list, n, VN_NEAR_SOURCE));
    assert_int_equal(4, count_kind(list, n, VN_NEAR_DESTINATION));
    for (size_t i = 0; i < n; i++) {
        assert_true(list[i].key != SELF && list[i].key != 900);
        if (list[i].kind == VN_HUB)
            assert_in_range(list[i].key, 40, 45);
    }
}

static void arms_follow_the_list_and_keep_what_is_used(void **state)
{
    (void)state;
    struct vn_ccx c;
    struct vn_ccx_budget b;
    vn_ccx_init(&c, 1);
    vn_ccx_budget_init(&b, 0);
    assert_ok(vn_ccx_add(&c, DIRECT));
    struct vn_relay_candidate list[VN_CANDIDATES_MAX];
    for (size_t i = 0; i < VN_CANDIDATES_MAX; i++)
        list[i] = (struct vn_relay_candidate){10 + i, VN_HUB};
    size_t most = VN_CANDIDATES_MAX;
    assert_int_equal(most, vn_candidates_apply(&c, DIRECT, list, most, most));
    assert_int_equal(VN_CCX_ARMS_MAX, c.count);
    assert_int_equal(0, vn_candidates_apply(&c, DIRECT, list, most, most));
    vn_ccx_measured(&c, DIRECT, 90000);
    for (uint64_t k = 10; k < 14; k++)
        vn_ccx_measured(&c, k, 10000 + (uint32_t)k * 3000);
    vn_ccx_died(&c, 20); /* did worst */
    for (uint64_t t = 1; t < 20; t++)
        vn_ccx_tick(&c, &b, t * VN_CCX_TICK_MS);
    assert_int_equal(10, vn_ccx_current(&c)->key);
    for (size_t i = 0; i < VN_CANDIDATES_MAX; i++)
        list[i].key = 500 + i;
    assert_int_equal(1, vn_candidates_apply(&c, DIRECT, list, most, 1));
    assert_int_equal(500, c.arms[c.count - 1].key);
    assert_null(vn_ccx_find(&c, 20));
    assert_int_equal(most - 4, vn_candidates_apply(&c, DIRECT, list, most, most));
    assert_int_equal(VN_CCX_ARMS_MAX, c.count);
    assert_non_null(vn_ccx_find(&c, 10)); /* in use */
    assert_non_null(vn_ccx_find(&c, 11)); /* standbys */
    assert_non_null(vn_ccx_find(&c, 12));
    assert_null(vn_ccx_find(&c, 13));
    assert_non_null(vn_ccx_find(&c, DIRECT));
    vn_ccx_pin(&c, 505);
    for (size_t i = 0; i < VN_CANDIDATES_MAX; i++)
        list[i].key = 900 + i;
    vn_candidates_apply(&c, DIRECT, list, most, most);
    assert_non_null(vn_ccx_find(&c, 505));
    assert_null(vn_ccx_find(&c, 506));
}

/* Whatever is heard, in whatever order: no key twice, never ourselves, never more than fit. */
static void any_order_of_news(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        begin(NULL);
        for (int step = 0; step < 500; step++) {
            uint64_t key = 1 + vn_test_below(100);
            switch (vn_test_below(4)) {
            case 0:
            case 1:
                hear(key, (int32_t)vn_test_below(400) - 200);
                break;
            case 2:
                vn_book_measured(&book, key, (uint32_t)vn_test_random());
                break;
            default:
                vn_book_failed(&book, key);
            }
            assert_true(book.count <= VN_BOOK_MAX);
        }
        struct vn_descriptor_place to = {.key = 5, .at = at_ms(50), .near_count = 3};
        for (size_t i = 0; i < 3; i++)
            to.near[i].key = 1 + vn_test_below(100);
        struct vn_relay_candidate list[VN_CANDIDATES_MAX];
        size_t n = vn_candidates(&book, &here, &to, list);
        assert_true(n <= VN_CANDIDATES_MAX);
        for (size_t i = 0; i < n; i++) {
            assert_true(list[i].key != SELF && list[i].key != 5);
            for (size_t k = 0; k < i; k++)
                assert_int_not_equal(list[i].key, list[k].key);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_nearest_come_first, begin),
        cmocka_unit_test_setup(a_measurement_beats_a_claim, begin),
        cmocka_unit_test_setup(a_full_book_keeps_the_nearest_and_the_newest, begin),
        cmocka_unit_test_setup(who_fails_three_times_is_forgotten, begin),
        cmocka_unit_test_setup(candidates_are_of_three_kinds, begin),
        cmocka_unit_test_setup(arms_follow_the_list_and_keep_what_is_used, begin),
        cmocka_unit_test_setup(any_order_of_news, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
