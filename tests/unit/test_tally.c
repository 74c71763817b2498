/* What a source makes of the tallies of its real-time frames. */
#include "core/tally.h"
#include "support/test.h"

static struct vn_tally tally;

static int teardown(void **state)
{
    (void)state;
    vn_tally_done(&tally);
    return 0;
}

/* Frames of these numbers, every other one since bulk has the rest, 1 ms apart. */
static void send(uint64_t from, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        vn_tally_sent(&tally, 2 * (from + i), 1000 * (from + i));
}

static void expect(uint64_t told, uint64_t lost)
{
    assert_int_equal(told, tally.told);
    assert_int_equal(lost, tally.lost);
    tally.told = tally.lost = 0;
}

/* The first word is what all after it are held against: the circuit may have carried frames before.
 */
static void loss_is_what_did_not_come(void **state)
{
    (void)state;
    vn_tally_came(&tally, 10, 5); /* of nothing that went here */
    assert_false(tally.begun);
    send(100, 1000);
    vn_tally_came(&tally, 200, 900); /* of those before */
    assert_false(tally.begun);
    vn_tally_came(&tally, 401, 1001); /* 101 were sent */
    expect(0, 0);
    vn_tally_came(&tally, 601, 1096); /* 100 more; 95 came */
    expect(100, 5);
    vn_tally_came(&tally, 601, 1099); /* what is told of once is */
    vn_tally_came(&tally, 401, 1001);
    expect(0, 0);
    vn_tally_came(&tally, 801, 1198); /* three came late */
    expect(100, 0);
    vn_tally_came(&tally, 1001, 1290);
    expect(100, 6);
    vn_tally_came(&tally, UINT64_MAX, UINT64_MAX); /* all 1,000, and more */
    expect(599, 0);
    assert_int_equal(1000, tally.judged);
    vn_tally_came(&tally, UINT64_MAX, 0);
    expect(0, 0);
}

/* The destination made room for other circuits, and counts this one from nothing again. */
static void a_count_that_begins_again(void **state)
{
    (void)state;
    send(0, 300);
    vn_tally_came(&tally, 200, 100);
    vn_tally_came(&tally, 400, 20);
    expect(0, 0);
    send(300, 100);
    vn_tally_came(&tally, 800, 219);
    expect(200, 1);
}

static void another_path_begins_anew(void **state)
{
    (void)state;
    send(0, 100);
    vn_tally_came(&tally, 100, 50);
    vn_tally_move(&tally);
    vn_tally_came(&tally, 200, 50); /* of the former */
    expect(0, 0);
    assert_false(tally.begun);
    send(100, 100);
    vn_tally_came(&tally, 300, 50);
    assert_true(tally.begun);
    vn_tally_came(&tally, 400, 90);
    expect(50, 10);
}

/* Word of more frames ago than are remembered says nothing. */
static void too_long_ago(void **state)
{
    (void)state;
    send(0, 100);
    vn_tally_came(&tally, 100, 50);
    send(100, 2 * VN_TALLY_SENT);
    vn_tally_came(&tally, 400, 100);
    expect(0, 0);
    vn_tally_came(&tally, 2 * (100 + 2 * VN_TALLY_SENT), 100 + 2 * VN_TALLY_SENT);
    expect(50 + 2 * VN_TALLY_SENT, 0);
}

static void waits_for_word(void **state)
{
    (void)state;
    assert_int_equal(0, vn_tally_overdue_us(&tally));
    send(0, 101);
    assert_int_equal(100000, vn_tally_overdue_us(&tally));
    vn_tally_came(&tally, 100, 10);
    assert_int_equal(0, vn_tally_overdue_us(&tally));
    send(101, 51);
    assert_int_equal(50000, vn_tally_overdue_us(&tally));
    vn_tally_came(&tally, 100, 10); /* nothing new */
    assert_int_equal(50000, vn_tally_overdue_us(&tally));
    send(100000, 1); /* a pause counts for little */
    assert_int_equal(50000 + VN_OVERDUE_PAUSE_US, vn_tally_overdue_us(&tally));
    vn_tally_move(&tally);
    assert_int_equal(0, vn_tally_overdue_us(&tally));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(loss_is_what_did_not_come, teardown),
        cmocka_unit_test_teardown(a_count_that_begins_again, teardown),
        cmocka_unit_test_teardown(another_path_begins_anew, teardown),
        cmocka_unit_test_teardown(too_long_ago, teardown),
        cmocka_unit_test_teardown(waits_for_word, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
