#include "loop/precedence.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "support/test.h"

static uint64_t now_us;
static struct vn_precedence p;
static struct vn_precedence_bytes carried;

static int setup(void **state)
{
    (void)state;
    now_us = 1000000;
    carried = (struct vn_precedence_bytes){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vn_precedence_done(&p);
    return 0;
}

static int policy(void)
{
    return sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
}

static void sleep_a_little(void)
{
    const struct timespec ts = {.tv_nsec = 1000000};
    nanosleep(&ts, NULL);
}

/* own, relayed: bytes in each turn. */
static void turns_with(unsigned count, bool sleeping, uint64_t own, uint64_t relayed)
{
    for (unsigned i = 0; i < count; i++) {
        if (sleeping)
            sleep_a_little();
        now_us += 10000;
        carried.own += own;
        carried.relayed += relayed;
        vn_precedence_turn(&p, carried, now_us);
    }
}

static void turns(unsigned count, bool sleeping)
{
    turns_with(count, sleeping, 0, 0);
}

/* On one core, or without the right to it, there is nothing more to see. */
static void begin(void)
{
    vn_precedence_init(&p, 1, now_us);
    if (!p.has)
        skip();
    assert_int_equal(SCHED_RR, policy());
}

static void who_sleeps_keeps_it(void **state)
{
    (void)state;
    begin();
    turns(40, true);
    assert_int_equal(SCHED_RR, policy());
    vn_precedence_done(&p);
    assert_int_equal(SCHED_OTHER, policy());
}

static void who_does_not_sleep_loses_it(void **state)
{
    (void)state;
    begin();
    turns(9, false);
    turns(1, true);
    turns(9, false);
    assert_int_equal(SCHED_RR, policy());
    turns(1, false);
    assert_int_equal(SCHED_OTHER, policy());
}

static void it_comes_back_for_a_while(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < 3; i++) {
        turns(10, false);
        assert_int_equal(SCHED_OTHER, policy());
        turns(1, i == 1); /* whether it sleeps or not */
        assert_int_equal(SCHED_OTHER, policy());
        turns(1, false);
        assert_int_equal(SCHED_RR, policy());
    }
}

static void who_relays_has_none(void **state)
{
    (void)state;
    begin();
    turns_with(5, true, 0, 60000); /* little */
    turns_with(5, true, 200000, 1000000);
    assert_int_equal(SCHED_RR, policy());
    turns_with(5, true, 100000, 1000000);
    assert_int_equal(SCHED_OTHER, policy());
    turns_with(1, false, 0, 0);
    turns_with(1, false, 0, 1000000);
    turns_with(1, true, 0, 0);
    assert_int_equal(SCHED_OTHER, policy());
    turns_with(1, false, 100000, 100000);
    assert_int_equal(SCHED_RR, policy());
}

static void a_core_is_left(void **state)
{
    (void)state;
    vn_precedence_init(&p, CPU_SETSIZE, now_us);
    assert_int_equal(SCHED_OTHER, policy());
    turns(40, true);
    assert_int_equal(SCHED_OTHER, policy());
}

static void *say_policy(void *ret)
{
    *(int *)ret = policy();
    return NULL;
}

static void what_it_begins_has_none(void **state)
{
    (void)state;
    pthread_t child;
    int of_child = -1;
    begin();
    assert_int_equal(0, pthread_create(&child, NULL, say_policy, &of_child));
    assert_int_equal(0, pthread_join(child, NULL));
    assert_int_equal(SCHED_OTHER, of_child);
}

static void without_the_right_all_goes_on(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(0, seteuid(65534));
    vn_precedence_init(&p, 1, now_us);
    turns(40, false);
    assert_int_equal(SCHED_OTHER, policy());
    assert_false(p.has);
    assert_int_equal(0, seteuid(0));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(who_sleeps_keeps_it),
        T(who_does_not_sleep_loses_it),
        T(it_comes_back_for_a_while),
        T(who_relays_has_none),
        T(a_core_is_left),
        T(what_it_begins_has_none),
        T(without_the_right_all_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
