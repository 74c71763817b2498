/* What a source keeps of its frames, without a stream around it. */
#include "core/retain.h"
#include "support/test.h"

static struct vn_retain retain;
static size_t node_bytes;

static int setup(void **state)
{
    (void)state;
    node_bytes = 0;
    vn_retain_init(&retain, &node_bytes);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vn_retain_done(&retain);
    assert_int_equal(0, node_bytes);
    return 0;
}

/* As the tether takes its share and gives it back at once. */
static size_t add(uint64_t seq, size_t n, uint64_t now_us)
{
    struct vn_pktbuf *b;
    assert_ok(vn_pktbuf_new(n, &b));
    memset(vn_pktbuf_put(b, n), (int)(seq % 251), n);
    size_t gone = vn_retain_add(&retain, b, seq, now_us);
    vn_pktbuf_free(b);
    return gone;
}

static void assert_goes_again(uint64_t seq)
{
    struct vn_pktbuf *b = vn_retain_next(&retain);
    assert_non_null(b);
    assert_int_equal(seq % 251, b->data[0]);
    assert_false(vn_pktbuf_is_shared(b));
}

static void nothing_goes_again_unasked(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(0, add(i, 1000, 0));
    assert_false(vn_retain_waits(&retain));
    assert_null(vn_retain_next(&retain));
    assert_true(node_bytes > 100 * 1000);
}

static void what_was_reported_is_let_go(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 100; i += 2) /* the others are real-time frames */
        add(i, 1000, 0);
    const size_t before = node_bytes;
    /* All below 40, and 42, 44, 46, 98. */
    struct vn_delivery d = {.next = 40, .bits_len = 8, .bits = {0x54, 0, 0, 0, 0, 0, 0, 4}};
    vn_retain_report(&retain, &d, 0);
    assert_int_equal(before / 50 * 26, node_bytes);
    vn_retain_report(&retain, &d, 0); /* it may come twice, or late */
    vn_retain_report(&retain, &(struct vn_delivery){.next = 10}, 0);
    assert_int_equal(before / 50 * 26, node_bytes);
    vn_retain_move(&retain, 0);
    assert_goes_again(40);
    assert_goes_again(48);
    /* One that arrives while others go again does not. */
    vn_retain_report(&retain, &(struct vn_delivery){.next = 51}, 0);
    for (uint64_t i = 52; i < 98; i += 2)
        assert_goes_again(i);
    assert_null(vn_retain_next(&retain));
    vn_retain_report(&retain, &(struct vn_delivery){.next = 99}, 0);
    assert_int_equal(0, node_bytes);
}

/* Where the tether leads to the destination: up to the first frame that it has still. */
static void what_the_tether_has_not_any_more_is_let_go(void **state)
{
    (void)state;
    struct vn_pktbuf *b;
    for (uint64_t i = 0; i < 5; i++)
        add(i, 1000, 0);
    assert_ok(vn_pktbuf_new(1000, &b));
    memset(vn_pktbuf_put(b, 1000), 5, 1000);
    vn_retain_add(&retain, b, 5, 0);
    for (uint64_t i = 6; i < 10; i++)
        add(i, 1000, 0);
    vn_retain_acked(&retain);
    assert_int_equal(5, retain.tail - retain.head);
    vn_pktbuf_free(b);
    /* What goes again has not been given to the tether that is in use now. */
    vn_retain_move(&retain, 0);
    assert_goes_again(5);
    vn_retain_acked(&retain);
    assert_goes_again(6);
    for (uint64_t i = 7; i < 10; i++)
        assert_goes_again(i);
    vn_retain_acked(&retain);
    assert_int_equal(0, node_bytes);
}

/* Whatever a destination says, it harms only itself. */
static void reports_of_anything(void **state)
{
    (void)state;
    struct vn_delivery d = {.next = UINT64_MAX - 3, .bits_len = sizeof(d.bits)};
    memset(d.bits, 0xff, sizeof(d.bits));
    vn_retain_report(&retain, &d, 0);
    for (uint64_t i = 0; i < 10; i++)
        add(i, 100, 0);
    vn_retain_report(&retain, &d, 0);
    d.next = UINT64_MAX;
    d.bits_len = 0;
    vn_retain_report(&retain, &d, 0);
    assert_int_equal(0, node_bytes);
    assert_int_equal(0, add(10, 100, 0));
}

static void send_for_seconds(uint64_t *seq, unsigned n, uint64_t *now_us)
{
    for (unsigned i = 0; i < 10 * n; i++)
        add((*seq)++, 100, *now_us += 100000);
}

/* A relay that takes frames and passes none on. */
static void what_nobody_reports_is_overdue(void **state)
{
    (void)state;
    uint64_t seq = 0, now_us = 1000000;
    send_for_seconds(&seq, 3, &now_us);
    assert_int_equal(2900000, vn_retain_overdue_us(&retain));
    /* One that was lost alone is no reason. */
    vn_retain_report(&retain, &(struct vn_delivery){.next = 20, .bits_len = 1, .bits = {2}}, 0);
    assert_int_equal(0, vn_retain_overdue_us(&retain));
    send_for_seconds(&seq, 3, &now_us);
    assert_int_equal(2900000, vn_retain_overdue_us(&retain));
    /* Another path has its own time. */
    vn_retain_move(&retain, now_us);
    assert_int_equal(0, vn_retain_overdue_us(&retain));
    while (vn_retain_next(&retain))
        ;
    send_for_seconds(&seq, 3, &now_us);
    assert_int_equal(3000000, vn_retain_overdue_us(&retain));
    vn_retain_report(&retain, &(struct vn_delivery){.next = seq}, 0);
    assert_int_equal(0, vn_retain_overdue_us(&retain));
}

/* A relay that passes on most: the few are known, and go again by another path. */
static void what_is_missing_is_counted(void **state)
{
    (void)state;
    struct vn_delivery d = {.next = 3, .bits_len = 2, .bits = {2}}; /* 4 came, 3 did not */
    for (uint64_t i = 0; i < 10; i++)
        add(i, 1000, 0);
    vn_retain_report(&retain, &d, 1000);
    assert_int_equal(4, retain.arrived);
    assert_int_equal(0, retain.missed); /* its tether may be about to repeat it */
    vn_retain_report(&retain, &d, 1000 + VN_MISSED_US);
    vn_retain_report(&retain, &d, 1000 + 2 * VN_MISSED_US);
    assert_int_equal(4, retain.arrived);
    assert_int_equal(1, retain.missed); /* nor is it known of those behind the last that came */
    vn_retain_move(&retain, 0);
    assert_int_equal(0, retain.arrived + retain.missed);
    assert_goes_again(3);
    assert_goes_again(5);
    /* What was lost on the path before says nothing of this one. */
    d = (struct vn_delivery){.next = 5, .bits_len = 1, .bits = {0x10}};
    vn_retain_report(&retain, &d, 0);
    vn_retain_report(&retain, &d, 2 * VN_MISSED_US);
    assert_int_equal(0, retain.arrived + retain.missed);
}

/* Nobody will tell any more: that is no word of its arrival. */
static void what_is_not_known_did_not_arrive(void **state)
{
    (void)state;
    uint64_t seq = 0, now_us = 1000000;
    send_for_seconds(&seq, 3, &now_us);
    vn_retain_report(&retain, &(struct vn_delivery){.known = 10, .next = 10}, now_us);
    assert_int_equal(0, retain.arrived);
    assert_int_equal(10, retain.missed);
    assert_int_equal(2900000, vn_retain_overdue_us(&retain));
    vn_retain_report(&retain, &(struct vn_delivery){.known = 10, .next = 15}, now_us);
    assert_int_equal(5, retain.arrived);
    assert_int_equal(0, vn_retain_overdue_us(&retain));
    vn_retain_move(&retain, now_us);
    assert_goes_again(15);
}

/* The last report before an hour without traffic was lost. */
static void a_pause_is_no_wait(void **state)
{
    (void)state;
    add(0, 100, 1000);
    add(1, 100, 3600000000);
    assert_int_equal(VN_OVERDUE_PAUSE_US, vn_retain_overdue_us(&retain));
}

/* The tether it went to first has not sent all of it: its bytes stay as they are. */
static void a_copy_goes_where_another_has_it(void **state)
{
    (void)state;
    struct vn_pktbuf *b;
    assert_ok(vn_pktbuf_new(500, &b));
    memset(vn_pktbuf_put(b, 500), 7, 500);
    vn_retain_add(&retain, b, 0, 0);
    vn_retain_move(&retain, 0);
    struct vn_pktbuf *again = vn_retain_next(&retain);
    assert_non_null(again);
    assert_ptr_not_equal(b, again);
    assert_span_equal(vn_pktbuf_span(b), vn_pktbuf_span(again));
    assert_false(vn_pktbuf_is_shared(b));
    vn_pktbuf_free(b);
    /* Now nobody else has it. */
    vn_retain_move(&retain, 0);
    assert_ptr_equal(again, vn_retain_next(&retain));
}

/* Where a tether refuses a frame and the way is left at that moment. */
static void what_was_not_sent_goes_again(void **state)
{
    (void)state;
    struct vn_pktbuf *last;
    add(0, 1000, 0);
    add(1, 1000, 0);
    assert_ok(vn_pktbuf_new(10, &last));
    memset(vn_pktbuf_put(last, 10), 2, 10);
    assert_int_equal(0, vn_retain_add(&retain, last, 2, 0));
    vn_retain_unsent(&retain, last);
    vn_pktbuf_free(last);
    assert_goes_again(2);
    assert_null(vn_retain_next(&retain));
    vn_retain_move(&retain, 0);
    assert_goes_again(0);
    struct vn_pktbuf *refused = vn_retain_next(&retain);
    vn_retain_unsent(&retain, refused);
    assert_goes_again(1);
    assert_goes_again(2);
    assert_null(vn_retain_next(&retain));
}

static void memory_is_bounded(void **state)
{
    (void)state;
    size_t gone = 0;
    for (uint64_t i = 0; i < 200; i++)
        gone += add(i, VN_FRAME_MAX, 0);
    assert_true(retain.bytes <= VN_RETAIN_MIN);
    assert_int_equal(200 - (retain.tail - retain.head), gone);
    assert_in_range(gone, 200 - VN_RETAIN_MIN / VN_FRAME_MAX,
                    200 - VN_RETAIN_MIN / VN_FRAME_MAX + 4);
    vn_retain_move(&retain, 0);
    assert_goes_again(gone); /* the oldest went */
    while (vn_retain_next(&retain))
        ;
    /* More is under way: more is kept, */
    for (uint64_t i = 200; i < 1000; i++) {
        add(i, VN_FRAME_MAX, 0);
        if (i % 10 == 0 && i < 900)
            vn_retain_report(&retain, &(struct vn_delivery){.next = i - 100}, 0);
    }
    assert_true(retain.tail - retain.head > 100);
    assert_true(retain.bytes <= VN_RETAIN_MAX);
    /* but not of more streams than the node has room for. */
    node_bytes += VN_RETAIN_NODE_MAX;
    assert_true(add(1000, 1000, 0) > 1);
    assert_int_equal(retain.head, retain.tail);
    node_bytes -= VN_RETAIN_NODE_MAX;
}

static void frames_are_bounded(void **state)
{
    (void)state;
    size_t gone = 0;
    for (uint64_t i = 0; i < 2 * VN_RETAIN_FRAMES_MAX; i++) {
        gone += add(i, 1, 0);
        if (i == VN_RETAIN_FRAMES_MAX * 5 / 8) /* so many under way: twice as many find room */
            vn_retain_report(&retain, &(struct vn_delivery){.next = 1}, 0);
    }
    assert_int_equal(VN_RETAIN_FRAMES_MAX, retain.tail - retain.head);
    assert_true(retain.bytes < 2 * retain.under_way);
    assert_true(gone > 0);
    assert_int_equal(0, retain.missed);
    /* What was seen to be missing and goes for want of room is lost for good. */
    const uint64_t next = 2 * VN_RETAIN_FRAMES_MAX;
    add(next, 1, 0);
    vn_retain_report(&retain, &(struct vn_delivery){.next = next - 1, .bits_len = 1, .bits = {2}},
                     1);
    assert_int_equal(0, retain.missed);
    for (uint64_t i = 1; i < VN_RETAIN_FRAMES_MAX; i++)
        add(next + i, 1, 0);
    assert_int_equal(1, retain.missed);
}

/* Nobody waits for a packet so long. */
static void old_ones_do_not_go_again(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 10; i++)
        add(i, 100, i * 1000000);
    vn_retain_move(&retain, VN_RETAIN_US + 4500000);
    for (uint64_t i = 5; i < 10; i++)
        assert_goes_again(i);
    assert_null(vn_retain_next(&retain));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_goes_again_unasked, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_reported_is_let_go, setup, teardown),
        cmocka_unit_test_setup_teardown(what_the_tether_has_not_any_more_is_let_go, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(reports_of_anything, setup, teardown),
        cmocka_unit_test_setup_teardown(what_nobody_reports_is_overdue, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_missing_is_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_known_did_not_arrive, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pause_is_no_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_goes_where_another_has_it, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_not_sent_goes_again, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(frames_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(old_ones_do_not_go_again, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
