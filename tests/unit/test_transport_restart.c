/* ICE restart of a tether: other sockets, the same DTLS and SCTP, and nothing lost. */
#include "base/log.h"
#include "support/test.h"
#include "support/tether_pair.h"
#include "transport/limits.h"

#define COUNT 400u

struct state {
    struct test_io *io;
    struct tether_pair p;
};

static int set_up(void **state)
{
    static struct state s;
    s = (struct state){.io = test_io_new(), .p = {.v4_only = true}};
    *state = &s;
    return tether_pair_up(&s.p, s.io) ? 0 : -1;
}

static int tear_down(void **state)
{
    struct state *s = *state;
    tether_pair_close(&s->p);
    (void)test_io_free(s->io);
    return 0;
}

static bool both_restarted(void *arg)
{
    const struct state *s = arg;
    return s->p.a.restarted && s->p.b.restarted;
}

static bool all_came(void *arg)
{
    const struct state *s = arg;
    return s->p.a.msg_count >= COUNT && s->p.b.msg_count >= COUNT;
}

static bool gathered(void *arg)
{
    return ((struct state *)arg)->p.a.gathered;
}

static uint16_t port_of(const struct tether_end *e)
{
    struct vn_tether_stats s;
    e->port->stats(e->tether, &s);
    return s.local.port;
}

/* Each once, whatever the order. */
static void expect_all(const struct tether_end *e)
{
    for (uint32_t i = 0; i < COUNT; i++) {
        size_t found = 0;
        for (size_t k = 0; k < e->msg_count; k++)
            found += tether_msg_holds(e->msgs[k], 1000, i);
        assert_int_equal(found, 1);
    }
}

static void send_some(struct state *s, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        assert_true(tether_end_send(&s->p.a, VN_TETHER_BULK, 1000, i));
        assert_true(tether_end_send(&s->p.b, VN_TETHER_BULK, 1000, i));
    }
}

static void nothing_is_lost(void **state)
{
    struct state *s = *state;
    const uint16_t before = port_of(&s->p.a);
    const uint64_t up_us = s->p.a.up_us;
    send_some(s, 0, COUNT / 2);
    assert_true(tether_pair_restart(&s->p, false));
    send_some(s, COUNT / 2, COUNT);
    assert_true(tether_pair_until(&s->p, both_restarted, s));
    assert_true(tether_pair_until(&s->p, all_came, s));
    expect_all(&s->p.a);
    expect_all(&s->p.b);
    assert_int_not_equal(port_of(&s->p.a), before);
    assert_true(s->p.a.up_us == up_us && !s->p.a.down && !s->p.b.down);
    /* and again */
    s->p.a.restarted = s->p.b.restarted = 0;
    assert_true(tether_pair_restart(&s->p, false));
    assert_true(tether_pair_until(&s->p, both_restarted, s));
    assert_true(!s->p.a.down && !s->p.b.down);
}

/* The peer does not answer: the pair that was goes on, and the next restart takes this one's place.
 */
static void one_that_comes_to_nothing(void **state)
{
    struct state *s = *state;
    const uint16_t before = port_of(&s->p.a);
    tether_end_restart(&s->p.a, false);
    assert_true(tether_pair_until(&s->p, gathered, s));
    send_some(s, 0, COUNT);
    assert_true(tether_pair_until(&s->p, all_came, s));
    assert_int_equal(port_of(&s->p.a), before);
    assert_true(tether_pair_restart(&s->p, false));
    assert_true(tether_pair_until(&s->p, both_restarted, s));
    assert_true(!s->p.a.down && !s->p.b.down);
}

/* The same path again is none: the pair that was goes on, and nobody waits for another. */
static void one_for_nothing_better(void **state)
{
    struct state *s = *state;
    const uint16_t before = port_of(&s->p.a);
    assert_true(tether_pair_restart(&s->p, true));
    send_some(s, 0, COUNT);
    assert_true(tether_pair_until(&s->p, all_came, s));
    assert_int_equal(s->p.a.restarted, 0);
    assert_true(tether_pair_until(&s->p, both_restarted, s));
    assert_int_equal(port_of(&s->p.a), before);
    assert_int_equal(s->p.a.better, 0); /* nor is there any reason to look for one */
    assert_true(!s->p.a.down && !s->p.b.down);
}

static void only_what_is_up_restarts(void **state)
{
    (void)state;
    static struct tether_pair p;
    struct test_io *io = test_io_new();
    p = (struct tether_pair){.v4_only = true};
    tether_pair_open(&p, io);
    assert_status(VN_ERR_STATE, p.a.port->restart(p.a.tether, p.a.cfg.local, false));
    assert_status(VN_ERR_STATE, p.a.port->restart_start(p.a.tether, p.b.cfg.local));
    tether_pair_close(&p);
    (void)test_io_free(io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_comes_to_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_for_nothing_better, set_up, tear_down),
        cmocka_unit_test(only_what_is_up_restarts),
    };
    vn_log_setup(VN_LOG_ERROR, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
