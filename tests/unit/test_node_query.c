/* When questions for an address are asked, and when nobody is waited for any more. */
#include <stdlib.h>

#include "base/log.h"
#include "core/node_i.h"
#include "support/node_world.h"
#include "support/test.h"
#include "wire/types.h"

#define SLACK_MS 10 /* signing, and steps of the world */

static struct vn_world w;
static struct vn_world_node *alice, *bob;
static uint64_t asked_ms[32];
static size_t asked;

static void see(void *arg, struct vn_mem_message *m)
{
    (void)arg;
    if (m->p[2] == VN_T_QUERY && asked < VN_ARRAY_LEN(asked_ms))
        asked_ms[asked++] = w.now_us / 1000;
}

static int setup(void **state)
{
    (void)state;
    vn_world_init(&w, VN_SUITE_DEFAULT);
    alice = vn_world_add(&w, "alice", "home");
    bob = vn_world_add(&w, "bob", "home");
    asked = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vn_world_done(&w);
    return 0;
}

static uint64_t now_ms(void)
{
    return w.now_us / 1000;
}

/* A packet of alice for an address that nobody has. */
static void to_nobody(void)
{
    struct vn_inner i = {.src = "10.66.0.1", .dst = "10.66.0.200", .payload_len = 4};
    vn_worker_tun_input(alice->worker, vn_inner_new(&i), w.now_us);
    vn_world_run(&w, 1);
}

static bool told(void *arg)
{
    return alice->unreachables > *(size_t *)arg;
}

/* Milliseconds until the sender hears that nobody is there. */
static uint64_t verdict_ms(uint64_t at_most_ms)
{
    size_t before = alice->unreachables;
    uint64_t from = now_ms();
    assert_true(vn_world_until(&w, told, &before, at_most_ms));
    return now_ms() - from;
}

static void assert_asked_at(uint64_t from_ms, const uint64_t *after_ms, size_t count)
{
    assert_int_equal(asked, count);
    for (size_t i = 0; i < count; i++)
        assert_in_range(asked_ms[i] - from_ms, after_ms[i], after_ms[i] + SLACK_MS);
}

static const uint64_t unknown_ms[] = {0, 500, 1500};

static void an_address_that_never_answered(void **state)
{
    (void)state;
    vn_mem_broker_hook(w.broker, see, NULL);
    uint64_t from = now_ms();
    to_nobody();
    assert_in_range(verdict_ms(4000), 3500 - SLACK_MS, 3500 + SLACK_MS);
    assert_asked_at(from, unknown_ms, VN_ARRAY_LEN(unknown_ms));
    /* The verdict is remembered for 10 s; each packet is answered, none asks. */
    size_t before = alice->unreachables;
    vn_world_run(&w, VN_UNREACHABLE_MS / 10 * 9);
    to_nobody();
    assert_int_equal(alice->unreachables, before + 1);
    assert_int_equal(asked, VN_ARRAY_LEN(unknown_ms));
    vn_world_run(&w, VN_UNREACHABLE_MS / 10);
    to_nobody();
    assert_int_equal(alice->unreachables, before + 1);
    vn_world_run(&w, SLACK_MS);
    assert_int_equal(asked, VN_ARRAY_LEN(unknown_ms) + 1);
}

/* Many packets are one question. */
static void packets_do_not_hasten(void **state)
{
    (void)state;
    vn_mem_broker_hook(w.broker, see, NULL);
    uint64_t from = now_ms();
    for (unsigned i = 0; i < 100; i++)
        to_nobody();
    vn_world_run(&w, 4000);
    assert_asked_at(from, unknown_ms, VN_ARRAY_LEN(unknown_ms));
}

static void a_peer_that_was_here(void **state)
{
    (void)state;
    static const uint64_t lost_ms[] = {0, 500, 1250, 2000, 2750};
    assert_true(vn_world_ping(alice, bob, false, 1000) < 100);
    vn_world_kill(bob);
    vn_mem_net_break(w.net, VN_TETHER_DOWN_SILENT);
    vn_world_run(&w, VN_WORLD_IDLE_MS + 6000); /* its stream has gone too */
    asked = 0;
    vn_mem_broker_hook(w.broker, see, NULL);
    uint64_t from = now_ms();
    vn_world_send(alice, bob, false, 1);
    assert_in_range(verdict_ms(4000), 3000 - SLACK_MS, 3000 + SLACK_MS);
    assert_asked_at(from, lost_ms, VN_ARRAY_LEN(lost_ms));
}

/* A question that cannot be sent waits, and then has all its tries. */
static void while_the_control_channel_is_down(void **state)
{
    (void)state;
    vn_mem_broker_hook(w.broker, see, NULL);
    vn_mem_broker_set_up(w.broker, false);
    vn_world_run(&w, 100);
    size_t before = alice->unreachables;
    to_nobody();
    vn_world_run(&w, 3000); /* all three would have been sent by then */
    assert_int_equal(asked, 0);
    assert_int_equal(alice->unreachables, before);
    vn_mem_broker_set_up(w.broker, true);
    for (unsigned i = 0; i < 5000 && !asked; i++)
        vn_world_run(&w, 1);
    uint64_t from = asked_ms[0];
    assert_in_range(verdict_ms(4000), 3500 - SLACK_MS, 3500 + SLACK_MS);
    assert_asked_at(from, unknown_ms, VN_ARRAY_LEN(unknown_ms));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    vn_log_setup(getenv("VN_TEST_LOG") ? VN_LOG_DEBUG : VN_LOG_ERROR, 0);
    const struct CMUnitTest tests[] = {
        T(an_address_that_never_answered),
        T(packets_do_not_hasten),
        T(a_peer_that_was_here),
        T(while_the_control_channel_is_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
