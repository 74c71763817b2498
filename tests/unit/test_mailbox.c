#include "loop/mailbox.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "loop/loop.h"
#include "loop/worker_thread.h"
#include "support/test.h"

/* ---- in one thread ---- */

struct sink {
    uintptr_t next; /* expected */
    size_t got, batches, dropped;
    struct vn_loop *loop;
    size_t stop_at;
};

static void on_item(void *arg, void *item)
{
    struct sink *s = arg;
    assert_int_equal(s->next, (uintptr_t)item);
    s->next++;
    if (++s->got == s->stop_at)
        vn_loop_stop(s->loop);
}

static void on_drained(void *arg)
{
    ((struct sink *)arg)->batches++;
}

static size_t dropped;

static void on_drop(void *item)
{
    (void)item;
    dropped++;
}

static void order_bound_and_drop(void **state)
{
    (void)state;
    struct sink s = {.next = 1};
    dropped = 0;
    assert_ok(vn_loop_new(&s.loop));
    struct vn_mailbox *m;
    assert_ok(vn_mailbox_new(&(struct vn_mailbox_config){.loop = s.loop,
                                                         .max = 3000,
                                                         .arg = &s,
                                                         .item = on_item,
                                                         .drained = on_drained,
                                                         .drop = on_drop},
                             &m));
    for (uintptr_t i = 1; i <= 3000; i++)
        assert_ok(vn_mailbox_send(m, (void *)i));
    assert_status(VN_ERR_LIMIT, vn_mailbox_send(m, (void *)(uintptr_t)3001));
    assert_int_equal(0, s.got);
    s.stop_at = 3000;
    vn_loop_run(s.loop);
    assert_int_equal(3000, s.got);
    assert_true(s.batches > 1); /* the fairness bound */
    assert_ok(vn_mailbox_send(m, (void *)(uintptr_t)3001));
    vn_mailbox_flush(m);
    assert_int_equal(3001, s.got);
    vn_mailbox_close(m);
    assert_ok(vn_mailbox_send(m, (void *)(uintptr_t)3002));
    vn_loop_poll(s.loop);
    assert_int_equal(3001, s.got);
    vn_mailbox_free(m);
    assert_int_equal(1, dropped);
    vn_mailbox_free(NULL);
    vn_loop_free(s.loop);
}

/* ---- between threads ---- */

#define ITEMS 300000

struct producer {
    struct vn_mailbox *m;
    size_t refused;
};

static void *produce(void *arg)
{
    struct producer *p = arg;
    for (uintptr_t i = 1; i <= ITEMS;) {
        vn_status st = vn_mailbox_send(p->m, (void *)i);
        if (st == VN_OK) {
            i++;
            if (i % 5000 == 0)
                usleep(100); /* so that the consumer sleeps now and then */
        } else {
            p->refused++;
            usleep(10);
        }
    }
    return NULL;
}

static void nothing_is_lost_between_threads(void **state)
{
    (void)state;
    struct sink s = {.next = 1, .stop_at = ITEMS};
    assert_ok(vn_loop_new(&s.loop));
    struct producer p = {0};
    assert_ok(vn_mailbox_new(
        &(struct vn_mailbox_config){.loop = s.loop, .max = 1000, .arg = &s, .item = on_item},
        &p.m));
    pthread_t id;
    assert_int_equal(0, pthread_create(&id, NULL, produce, &p));
    vn_loop_run(s.loop);
    pthread_join(id, NULL);
    assert_int_equal(ITEMS, s.got);
    vn_mailbox_free(p.m);
    vn_loop_free(s.loop);
}

/* ---- threads: items go there and come back ---- */

struct echo {
    struct vn_thread *thread;
    struct vn_loop *mine;
    struct vn_mailbox *back;
    uintptr_t expected;
    size_t got;
    /* the thread's */
    bool inited, done;
    pthread_t id;
};

static vn_status echo_init(void *arg, struct vn_loop *loop)
{
    struct echo *e = arg;
    (void)loop;
    e->inited = true;
    e->id = pthread_self();
    return VN_OK;
}

static void echo_item(void *arg, void *item)
{
    struct echo *e = arg;
    assert_true(pthread_equal(e->id, pthread_self()));
    while (vn_mailbox_send(e->back, item) != VN_OK)
        usleep(10);
}

static void echo_done(void *arg)
{
    ((struct echo *)arg)->done = true;
}

static void echo_back(void *arg, void *item)
{
    struct echo *e = arg;
    assert_int_equal(e->expected, (uintptr_t)item);
    e->expected++;
    e->got++;
    if (e->got == ITEMS)
        vn_loop_stop(e->mine);
    uintptr_t next = (uintptr_t)item + 64;
    if (next <= ITEMS)
        assert_ok(vn_thread_post(e->thread, (void *)next));
}

static void a_thread_answers_in_order(void **state)
{
    (void)state;
    struct echo e = {.expected = 1};
    assert_ok(vn_loop_new(&e.mine));
    assert_ok(vn_mailbox_new(
        &(struct vn_mailbox_config){.loop = e.mine, .max = 100, .arg = &e, .item = echo_back},
        &e.back));
    assert_ok(vn_thread_start(&(struct vn_thread_config){.name = "echo",
                                                         .arg = &e,
                                                         .init = echo_init,
                                                         .item = echo_item,
                                                         .done = echo_done,
                                                         .mailbox_max = 100},
                              &e.thread));
    assert_true(e.inited);
    for (uintptr_t i = 1; i <= 64; i++)
        assert_ok(vn_thread_post(e.thread, (void *)i));
    vn_loop_run(e.mine);
    assert_int_equal(ITEMS, e.got);
    e.thread = vn_thread_stop(e.thread);
    assert_true(e.done);
    vn_mailbox_free(e.back);
    vn_loop_free(e.mine);
}

static void stopping_handles_what_was_posted(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        struct echo e = {0};
        assert_ok(vn_loop_new(&e.mine));
        assert_ok(vn_mailbox_new(
            &(struct vn_mailbox_config){.loop = e.mine, .max = 100, .arg = &e, .item = echo_back},
            &e.back));
        assert_ok(vn_thread_start(&(struct vn_thread_config){.name = "a rather long name",
                                                             .arg = &e,
                                                             .init = echo_init,
                                                             .item = echo_item,
                                                             .done = echo_done,
                                                             .mailbox_max = 100},
                                  &e.thread));
        for (uintptr_t i = 1; i <= 20; i++)
            assert_ok(vn_thread_post(e.thread, (void *)(ITEMS + i)));
        e.thread = vn_thread_stop(e.thread);
        e.expected = ITEMS + 1;
        vn_mailbox_flush(e.back);
        assert_int_equal(20, e.got);
        vn_mailbox_free(e.back);
        vn_loop_free(e.mine);
    }
}

static vn_status failing_init(void *arg, struct vn_loop *loop)
{
    (void)arg;
    (void)loop;
    return VN_ERR_DENIED;
}

static void init_may_fail(void **state)
{
    (void)state;
    struct vn_thread *t = NULL;
    assert_status(VN_ERR_DENIED, vn_thread_start(&(struct vn_thread_config){.name = "x",
                                                                            .init = failing_init,
                                                                            .done = echo_done,
                                                                            .mailbox_max = 1},
                                                 &t));
    assert_null(t);
    vn_thread_stop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_bound_and_drop),
        cmocka_unit_test(nothing_is_lost_between_threads),
        cmocka_unit_test(a_thread_answers_in_order),
        cmocka_unit_test(stopping_handles_what_was_posted),
        cmocka_unit_test(init_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
