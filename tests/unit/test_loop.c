#include "loop/loop.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/boot_timer.h"
#include "loop/boot_timer.h"
#include "loop/io.h"
#include "loop/pool.h"
#include "support/test.h"

static struct vn_loop *loop;

static int setup(void **state)
{
    (void)state;
    return vn_loop_new(&loop) == VN_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    loop = vn_loop_free(loop); /* asserts that no handle is left */
    return 0;
}

/* ---- timers ---- */

struct fired {
    struct vn_io_timer *t;
    int order[16];
    size_t count;
    uint64_t at_us;
};

struct one {
    struct fired *all;
    struct vn_io_timer *t;
    int number;
};

static void on_timer(void *arg)
{
    struct one *o = arg;
    o->all->order[o->all->count++] = o->number;
    o->all->at_us = vn_loop_now_us(loop);
}

static void timers_fire_in_order_of_time(void **state)
{
    (void)state;
    static const uint64_t after[] = {9000, 3000, 7000, 1000, 5000, 200, 0};
    static const int expected[] = {6, 5, 3, 1, 4, 2, 0};
    struct fired all = {0};
    struct one ones[7];
    for (int i = 0; i < 7; i++) {
        ones[i] = (struct one){.all = &all, .number = i};
        assert_ok(vn_loop_timer_new(loop, on_timer, &ones[i], &ones[i].t));
        vn_loop_timer_arm(ones[i].t, 50000);
        vn_loop_timer_arm(ones[i].t, after[i]); /* again replaces */
    }
    assert_int_equal(0, all.count); /* never inside the call */
    uint64_t began = vn_loop_now_us(loop);
    vn_loop_run(loop); /* ends when no timer is left */
    assert_int_equal(7, all.count);
    for (int i = 0; i < 7; i++)
        assert_int_equal(expected[i], all.order[i]);
    assert_true(all.at_us >= began + 9000);
    for (int i = 0; i < 7; i++)
        vn_loop_timer_free(ones[i].t);
    vn_loop_timer_free(NULL);
}

/* In seconds from now, what the only timerfd of this process is set to. */
static long timerfd_is_set_to(void)
{
    char path[32], name[32];
    for (int fd = 3; fd < 256; fd++) {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        const ssize_t n = readlink(path, name, sizeof(name) - 1);
        name[VN_MAX(n, 0)] = 0;
        struct itimerspec spec;
        if (strcmp(name, "anon_inode:[timerfd]") == 0 && timerfd_gettime(fd, &spec) == 0)
            return spec.it_value.tv_sec;
    }
    return -1;
}

static void a_timer_that_moves_far_wakes_nobody_early(void **state)
{
    (void)state;
    const uint64_t hour_us = 3600000000ull;
    struct fired all = {0};
    struct one o = {.all = &all};
    assert_ok(vn_loop_timer_new(loop, on_timer, &o, &o.t));
    vn_loop_timer_arm(o.t, hour_us);
    vn_loop_poll(loop);
    assert_in_range(timerfd_is_set_to(), 3000, 3600);
    vn_loop_timer_arm(o.t, 2 * hour_us);
    vn_loop_poll(loop);
    assert_in_range(timerfd_is_set_to(), 6000, 7200);
    vn_loop_timer_arm(o.t, hour_us);
    vn_loop_poll(loop);
    assert_in_range(timerfd_is_set_to(), 3000, 3600);
    vn_loop_timer_free(o.t);
}

/* ---- of CLOCK_BOOTTIME ---- */

static void on_boot_timer(void *arg)
{
    uint64_t *at_ms = arg;
    *at_ms = vn_loop_boot_ms(loop);
}

static void boot_timers_fire_when_they_should(void **state)
{
    (void)state;
    struct vn_loop_boot_timer *t;
    uint64_t at_ms = 0;
    assert_ok(vn_loop_boot_timer_new(loop, on_boot_timer, &at_ms, &t));
    vn_loop_run(loop); /* it waits for nothing */
    const uint64_t began = vn_loop_boot_ms(loop);
    vn_loop_boot_timer_set(t, began + 1);
    vn_loop_boot_timer_set(t, began + 20); /* later: the descriptor fires before that */
    assert_int_equal(0, at_ms);
    vn_loop_run(loop);
    assert_true(at_ms >= began + 20);
    vn_loop_boot_timer_set(t, 1); /* long ago, as after a sleep */
    at_ms = 0;
    vn_loop_run(loop);
    assert_true(at_ms > 0);
    at_ms = 0;
    vn_loop_boot_timer_set(t, vn_loop_boot_ms(loop) + 1);
    vn_loop_boot_timer_set(t, UINT64_MAX);
    vn_loop_run(loop);
    assert_int_equal(0, at_ms);
    vn_loop_boot_timer_set(t, UINT64_MAX - 1); /* for ever, and no overflow */
    vn_loop_poll(loop);
    assert_int_equal(0, at_ms);
    assert_null(vn_loop_boot_timer_free(t));
    assert_null(vn_loop_boot_timer_free(NULL));
}

/* The kernel lets such a timer go on while the machine sleeps (timerfd_create(2)). */
static void boot_timers_are_of_the_clock_that_goes_on(void **state)
{
    (void)state;
    char path[64], text[512] = "", clock[32];
    const int fd = vn_boot_timer_open();
    assert_true(fd >= 0);
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    snprintf(clock, sizeof(clock), "clockid: %d\n", CLOCK_BOOTTIME);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
    fclose(f);
    assert_non_null(strstr(text, clock));
    vn_boot_timer_arm(fd, 0);
    uint64_t fired;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(1, poll(&p, 1, 10000));
    vn_boot_timer_drain(fd);
    assert_int_equal(-1, read(fd, &fired, sizeof(fired)));
    close(fd);
}

static void disarmed_timers_do_not_fire(void **state)
{
    (void)state;
    struct fired all = {0};
    struct one a = {.all = &all, .number = 1}, b = {.all = &all, .number = 2};
    assert_ok(vn_loop_timer_new(loop, on_timer, &a, &a.t));
    assert_ok(vn_loop_timer_new(loop, on_timer, &b, &b.t));
    vn_loop_timer_arm(a.t, 100);
    vn_loop_timer_arm(b.t, 3000);
    vn_loop_timer_disarm(a.t);
    vn_loop_timer_disarm(a.t);
    vn_loop_run(loop);
    assert_int_equal(1, all.count);
    assert_int_equal(2, all.order[0]);
    vn_loop_timer_arm(a.t, 100);
    vn_loop_timer_free(a.t); /* armed */
    vn_loop_timer_free(b.t);
}

struct again {
    struct vn_io_timer *t;
    int left;
};

static void on_again(void *arg)
{
    struct again *a = arg;
    if (--a->left)
        vn_loop_timer_arm(a->t, 0);
    else
        vn_loop_timer_free(a->t);
}

static void a_timer_may_arm_and_free_itself(void **state)
{
    (void)state;
    struct again a = {.left = 100};
    assert_ok(vn_loop_timer_new(loop, on_again, &a, &a.t));
    vn_loop_timer_arm(a.t, 0);
    vn_loop_run(loop);
    assert_int_equal(0, a.left);
}

#define MANY 500

struct random_one {
    struct vn_io_timer *t;
    uint64_t due_us, fired_us;
    bool armed;
};

static void on_random(void *arg)
{
    struct random_one *o = arg;
    assert_true(o->armed);
    o->armed = false;
    o->fired_us = vn_loop_now_us(loop);
    assert_true(o->fired_us >= o->due_us);
}

/* Arms, re-arms, disarms at random: what is armed at the end fires, once, and nothing else does. */
static void timers_at_random(void **state)
{
    (void)state;
    static struct random_one ones[MANY];
    for (size_t i = 0; i < MANY; i++)
        assert_ok(vn_loop_timer_new(loop, on_random, &ones[i], &ones[i].t));
    for (int k = 0; k < 20000; k++) {
        struct random_one *o = &ones[vn_test_below(MANY)];
        if (vn_test_below(4) == 0) {
            vn_loop_timer_disarm(o->t);
            o->armed = false;
        } else {
            uint64_t after = vn_test_below(20000);
            vn_loop_timer_arm(o->t, after);
            o->due_us = vn_loop_now_us(loop) + after;
            o->armed = true;
        }
    }
    vn_loop_run(loop);
    for (size_t i = 0; i < MANY; i++) {
        assert_false(ones[i].armed);
        vn_loop_timer_free(ones[i].t);
    }
}

/* ---- descriptors ---- */

struct pipe_state {
    int fds[2];
    struct vn_io_watch *watch;
    int reads, writes;
};

static void on_fd(void *arg, unsigned events)
{
    struct pipe_state *p = arg;
    char c;
    if (events & VN_LOOP_WRITE)
        p->writes++;
    if (events & VN_LOOP_READ) {
        if (p->reads++ == 0)
            return; /* level-triggered: what is not read is reported again */
        assert_int_equal(1, read(p->fds[0], &c, 1));
        vn_loop_unwatch(p->watch);
    }
}

static void watches_are_level_triggered(void **state)
{
    (void)state;
    struct pipe_state p = {0};
    assert_int_equal(0, pipe(p.fds));
    assert_ok(vn_loop_watch(loop, p.fds[0], VN_LOOP_READ, on_fd, &p, &p.watch));
    struct vn_io_watch *second;
    assert_status(VN_ERR_EXISTS, vn_loop_watch(loop, p.fds[0], VN_LOOP_READ, on_fd, &p, &second));
    vn_loop_poll(loop);
    assert_int_equal(0, p.reads);
    assert_int_equal(1, write(p.fds[1], "x", 1));
    vn_loop_run(loop);
    assert_int_equal(2, p.reads);
    close(p.fds[0]);
    close(p.fds[1]);
}

static void rewatch_changes_what_is_reported(void **state)
{
    (void)state;
    struct pipe_state p = {0};
    assert_int_equal(0, pipe(p.fds));
    assert_ok(vn_loop_watch(loop, p.fds[1], 0, on_fd, &p, &p.watch));
    vn_loop_poll(loop);
    assert_int_equal(0, p.writes);
    vn_loop_rewatch(p.watch, VN_LOOP_WRITE);
    vn_loop_poll(loop);
    vn_loop_poll(loop);
    assert_int_equal(2, p.writes);
    vn_loop_rewatch(p.watch, 0);
    vn_loop_poll(loop);
    assert_int_equal(2, p.writes);
    vn_loop_unwatch(p.watch);
    vn_loop_unwatch(NULL);
    close(p.fds[0]);
    close(p.fds[1]);
}

static void a_watch_outlives_an_error(void **state)
{
    (void)state;
    struct pipe_state p = {0};
    assert_int_equal(0, pipe(p.fds));
    assert_ok(vn_loop_watch(loop, p.fds[1], VN_LOOP_WRITE, on_fd, &p, &p.watch));
    close(p.fds[0]); /* EPOLLERR on the writing end, for good */
    vn_loop_poll(loop);
    vn_loop_poll(loop);
    vn_loop_poll(loop);
    assert_int_equal(3, p.writes);
    vn_loop_unwatch(p.watch);
    close(p.fds[1]);
}

/* ---- turns ---- */

static char trace[64];

static void note(char c)
{
    size_t n = strlen(trace);
    if (n + 1 < sizeof(trace)) {
        trace[n] = c;
        trace[n + 1] = 0;
    }
}

static void on_begin(void *arg)
{
    (void)arg;
    note('b');
}

static void on_end(void *arg)
{
    (void)arg;
    note('e');
}

static void on_traced(void *arg)
{
    (void)arg;
    note('t');
}

static void hooks_surround_a_turn(void **state)
{
    (void)state;
    trace[0] = 0;
    struct vn_io_timer *a, *b;
    assert_ok(vn_loop_timer_new(loop, on_traced, NULL, &a));
    assert_ok(vn_loop_timer_new(loop, on_traced, NULL, &b));
    vn_loop_set_turn(loop, &(struct vn_loop_turn){.begin = on_begin, .end = on_end});
    vn_loop_timer_arm(a, 0);
    vn_loop_timer_arm(b, 0);
    vn_loop_run(loop);
    /* The first turn begins with nothing; both timers are one turn. */
    assert_non_null(strstr(trace, "bttt") ? NULL : strstr(trace, "btte"));
    assert_int_equal('e', trace[0]);
    vn_loop_set_turn(loop, NULL);
    vn_loop_timer_free(a);
    vn_loop_timer_free(b);
}

static void on_time(void *arg)
{
    uint64_t *times = arg;
    uint64_t first = vn_loop_now_us(loop);
    usleep(2000);
    times[0] = first;
    times[1] = vn_loop_now_us(loop);
}

static void time_stands_still_in_a_turn(void **state)
{
    (void)state;
    uint64_t times[2];
    struct vn_io_timer *t;
    assert_ok(vn_loop_timer_new(loop, on_time, times, &t));
    vn_loop_timer_arm(t, 0);
    vn_loop_run(loop);
    assert_int_equal(times[0], times[1]);
    assert_true(vn_loop_now_us(loop) >= times[0] + 2000);
    assert_true(vn_loop_boot_ms(loop) > 0);
    vn_loop_timer_free(t);
}

static void on_signal(void *arg, int signum)
{
    *(int *)arg = signum;
    vn_loop_stop(loop);
}

static void signals_are_events(void **state)
{
    (void)state;
    int got = 0;
    struct vn_loop_signal *s;
    assert_ok(vn_loop_signal(loop, SIGUSR1, on_signal, &got, &s));
    kill(getpid(), SIGUSR1);
    vn_loop_run(loop);
    assert_int_equal(SIGUSR1, got);
    vn_loop_signal_free(s);
    vn_loop_signal_free(NULL);
}

/* ---- pool ---- */

struct work {
    int ran, done, cancelled;
};

static void work_fn(void *arg)
{
    ((struct work *)arg)->ran++;
}

static void slow_fn(void *arg)
{
    usleep(20000);
    ((struct work *)arg)->ran++;
}

static void work_done(void *arg, bool cancelled)
{
    struct work *w = arg;
    w->done++;
    w->cancelled += cancelled;
}

static void work_is_answered_on_the_loop(void **state)
{
    (void)state;
    struct vn_pool *p;
    assert_ok(vn_pool_new(loop, &p));
    struct work w[10] = {0};
    for (int i = 0; i < 10; i++)
        assert_ok(vn_pool_submit(p, work_fn, work_done, &w[i]));
    for (int i = 0; i < 10; i++)
        assert_int_equal(0, w[i].done);
    vn_loop_run(loop);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(1, w[i].ran);
        assert_int_equal(1, w[i].done);
        assert_int_equal(0, w[i].cancelled);
    }
    vn_pool_free(p);
    vn_pool_free(NULL);
}

static void freeing_answers_everything(void **state)
{
    (void)state;
    struct vn_pool *p;
    assert_ok(vn_pool_new(loop, &p));
    struct work w[64] = {0};
    for (int i = 0; i < 64; i++)
        assert_ok(vn_pool_submit(p, slow_fn, work_done, &w[i]));
    vn_pool_free(p);
    int cancelled = 0;
    for (int i = 0; i < 64; i++) {
        assert_int_equal(1, w[i].done);
        assert_int_equal(1, w[i].ran + w[i].cancelled);
        cancelled += w[i].cancelled;
    }
    assert_true(cancelled > 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(timers_fire_in_order_of_time),
        T(disarmed_timers_do_not_fire),
        T(a_timer_may_arm_and_free_itself),
        T(timers_at_random),
        T(watches_are_level_triggered),
        T(rewatch_changes_what_is_reported),
        T(a_watch_outlives_an_error),
        T(hooks_surround_a_turn),
        T(time_stands_still_in_a_turn),
        T(signals_are_events),
        T(work_is_answered_on_the_loop),
        T(freeing_answers_everything),
        T(boot_timers_fire_when_they_should),
        T(boot_timers_are_of_the_clock_that_goes_on),
        T(a_timer_that_moves_far_wakes_nobody_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
