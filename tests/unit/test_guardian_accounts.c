/* In which order, and when, Master is told of accounts. */
#include "guardian/account_queue.h"
#include "support/test.h"

static const struct vn_id A = {{1}}, B = {{2}}, C = {{3}};

static void add(struct vn_account_queue *q, const struct vn_id *realm)
{
    assert_ok(vn_account_queue_add(q, realm));
}

/* The next one is this, and is sent. */
static uint64_t send(struct vn_account_queue *q, uint64_t now_ms, const struct vn_id *want)
{
    struct vn_id got;
    assert_true(vn_account_queue_next(q, now_ms, &got));
    assert_memory_equal(&got, want, sizeof(got));
    return vn_account_queue_sent(q, now_ms);
}

static bool nothing(struct vn_account_queue *q, uint64_t now_ms)
{
    struct vn_id got;
    return !vn_account_queue_next(q, now_ms, &got);
}

static void one_under_way(void **state)
{
    (void)state;
    struct vn_account_queue q;
    vn_account_queue_init(&q);
    assert_true(nothing(&q, 0) && vn_account_queue_idle(&q));
    add(&q, &A);
    assert_true(vn_account_queue_has(&q, &A) && !vn_account_queue_has(&q, &B));
    uint64_t number = send(&q, 0, &A);
    for (int i = 0; i < 100; i++) {
        add(&q, &A);
        add(&q, &B);
        assert_true(nothing(&q, 1));
    }
    assert_true(vn_account_queue_answered(&q, number));
    assert_true(vn_account_queue_has(&q, &A));
    number = send(&q, 2, &A); /* once for all that came */
    assert_true(vn_account_queue_answered(&q, number) && !vn_account_queue_has(&q, &A));
    number = send(&q, 3, &B);
    assert_false(vn_account_queue_idle(&q));
    assert_true(vn_account_queue_answered(&q, number) && vn_account_queue_idle(&q));
    assert_true(nothing(&q, 4));
    vn_account_queue_done(&q);
}

static void realms_take_turns(void **state)
{
    (void)state;
    struct vn_account_queue q;
    vn_account_queue_init(&q);
    add(&q, &A);
    add(&q, &B);
    uint64_t number = send(&q, 0, &A);
    add(&q, &A); /* behind B, however often it changes */
    add(&q, &C);
    assert_true(vn_account_queue_answered(&q, number));
    number = send(&q, 0, &B);
    add(&q, &B);
    assert_true(vn_account_queue_answered(&q, number));
    number = send(&q, 0, &A);
    assert_true(vn_account_queue_answered(&q, number));
    struct vn_id got;
    assert_true(vn_account_queue_next(&q, 0, &got) && vn_id_equal(&got, &C));
    vn_account_queue_drop(&q); /* deleted */
    assert_false(vn_account_queue_has(&q, &C));
    (void)send(&q, 0, &B);
    add(&q, &A);
    vn_account_queue_done(&q); /* with one under way and one that waits */
}

static void what_may_be_lost_goes_again(void **state)
{
    (void)state;
    struct vn_account_queue q;
    vn_account_queue_init(&q);
    add(&q, &A);
    const uint64_t lost = send(&q, 0, &A);
    add(&q, &B);
    add(&q, &A);
    vn_account_queue_lost(&q);
    vn_account_queue_lost(&q);
    const uint64_t again = send(&q, 5, &A);
    assert_false(vn_account_queue_answered(&q, lost)); /* it was on its way after all */
    assert_true(nothing(&q, 5) && vn_account_queue_answered(&q, again));
    assert_false(vn_account_queue_answered(&q, again));
    const uint64_t unanswered = send(&q, 10, &B);
    assert_true(nothing(&q, 10 + VN_ACCOUNT_ANSWER_MS - 1));
    const uint64_t at_last = send(&q, 10 + VN_ACCOUNT_ANSWER_MS, &B);
    assert_false(vn_account_queue_answered(&q, unanswered));
    assert_true(vn_account_queue_answered(&q, at_last) && vn_account_queue_idle(&q));
    vn_account_queue_done(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_under_way),
        cmocka_unit_test(realms_take_turns),
        cmocka_unit_test(what_may_be_lost_goes_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
