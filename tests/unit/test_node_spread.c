/* When a stream's bulk flows are spread over several ways. What arrives is told here, in place of
 * the worker. */
#include <stdlib.h>

#include "base/log.h"
#include "core/node_i.h"
#include "core/tx.h"
#include "support/node_world.h"
#include "support/test.h"
#include "support/world_flow.h"
#include "support/world_way.h"

#define TOLD_MS 100

struct scene {
    struct vn_world w;
    struct vn_world_node *a, *b, *c, *d;
    struct world_flow flow;
    uint32_t one_kbps, more_kbps; /* what arrives by one way, and by several */
    uint32_t flows;
    bool waits;
};

static void setup(struct scene *s)
{
    memset(s, 0, sizeof(*s));
    vn_world_init_net(&s->w, VN_SUITE_DEFAULT,
                      &(struct vn_mem_net_config){.seed = 1, .delay_us = 10000});
    s->c = vn_world_add(&s->w, "carol", "home");
    s->d = vn_world_add(&s->w, "dave", "home");
    s->b = vn_world_add(&s->w, "bob", "home");
    s->a = vn_world_add(&s->w, "alice", "home");
    world_flow_init(&s->flow, s->a, s->b);
    s->one_kbps = s->more_kbps = 10000;
    s->flows = 4;
    s->waits = true;
}

static struct vn_learner *learner(const struct scene *s)
{
    return world_tx(s->a, s->b)->learner;
}

/* The ways beside the one in use that carry flows, as the commands show them. */
static size_t ways(const struct scene *s)
{
    struct vn_node_way list[VN_NODE_WAYS_MAX];
    const struct vn_id b = vn_world_status(s->b).node;
    const size_t count = vn_node_ways(s->a->node, &b, list, VN_ARRAY_LEN(list));
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        assert_false(list[i].flows && strcmp(list[i].why, "in_use") == 0);
        found += list[i].flows;
    }
    return found;
}

/* The worker has as many. */
static size_t sides(const struct scene *s)
{
    const struct vn_tx *tx = vn_map_get(s->a->worker->tx_by_handle, &world_tx(s->a, s->b)->handle);
    return tx->spread && tx->spread->stripe.shares.count ? tx->spread->stripe.shares.count - 1 : 0;
}

static void told(struct scene *s)
{
    const uint32_t kbps = ways(s) ? s->more_kbps : s->one_kbps;
    const struct vn_ev_sent ev = {.handle = world_tx(s->a, s->b)->handle,
                                  .frames = 1,
                                  .delivered = (uint64_t)kbps * TOLD_MS / 8,
                                  .flows = s->flows,
                                  .waits = s->waits};
    world_flow_run(&s->flow, TOLD_MS, TOLD_MS / 4);
    vn_learn_event_sent(s->a->node, &ev);
    assert_int_equal(ways(s), sides(s));
}

/* Until so many ways carry flows beside the one in use: how long that took, in milliseconds. */
static uint64_t until(struct scene *s, size_t count, uint64_t most_ms)
{
    uint64_t ms = 0;
    for (; ways(s) != count; ms += TOLD_MS) {
        assert_in_range(ms, 0, most_ms);
        told(s);
    }
    return ms;
}

static void run(struct scene *s, uint64_t ms)
{
    for (uint64_t at = 0; at < ms; at += TOLD_MS)
        told(s);
}

/* Two standbys, while nothing waits. */
static void begin(struct scene *s)
{
    setup(s);
    world_flow_run(&s->flow, 200, 10);
    for (int i = 0; i < 300; i++) {
        const struct vn_stream *tx = world_tx(s->a, s->b);
        size_t bound = 0;
        VN_LIST_EACH(it, &tx->circuits)
        bound += VN_LIST_ENTRY(it, struct vn_circuit, of_stream)->bound;
        if (bound == 3)
            return;
        world_flow_run(&s->flow, 200, 20);
    }
    fail_msg("no standbys");
}

/* Several ways bring twice as much, and so it is spread over three. */
static void begin_spread(struct scene *s)
{
    begin(s);
    s->more_kbps = 20000;
    until(s, 2, 20000);
}

static void test_what_gains_is_kept(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    s.more_kbps = 15000;
    until(&s, 2, 20000);
    assert_int_equal(VN_SPREAD_TRIED, learner(&s)->spread.state);
    run(&s, 30000);
    assert_int_equal(2, ways(&s));
    assert_int_equal(VN_SPREAD_KEPT, learner(&s)->spread.state);
    /* One way is enough: it ends, and begins when it is not. */
    s.more_kbps = 5000;
    s.waits = false;
    until(&s, 0, 20000);
    run(&s, 10000);
    assert_int_equal(0, ways(&s));
    s.waits = true;
    s.more_kbps = 15000;
    until(&s, 2, 20000);
    vn_world_done(&s.w);
}

/* All share one link: a trial, and none for long, for twice as long after the next. */
static void test_without_gain_it_ends(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    s.more_kbps = 10500;
    until(&s, 2, 20000);
    assert_in_range(until(&s, 0, 20000), 6000, 10000);
    assert_in_range(until(&s, 2, 200000), 110000, 130000);
    until(&s, 0, 20000);
    assert_in_range(until(&s, 2, 400000), 230000, 250000);
    vn_world_done(&s.w);
}

/* What was gained is gone: as if it had never been. */
static void test_gain_that_goes(void **state)
{
    (void)state;
    struct scene s;
    begin_spread(&s);
    run(&s, 20000);
    s.more_kbps = 10000;
    until(&s, 0, 20000);
    assert_in_range(until(&s, 2, 200000), 100000, 130000);
    vn_world_done(&s.w);
}

/* One flow alone takes one way anyway; and what does not wait needs no other. */
static void test_who_needs_none_has_none(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct scene s;
        begin(&s);
        s.flows = i == 0 ? 1 : 4;
        s.waits = i != 1;
        s.one_kbps = i == 2 ? 500 : 10000;
        run(&s, 20000);
        assert_int_equal(0, ways(&s));
        assert_int_equal(VN_SPREAD_ALONE, learner(&s)->spread.state);
        vn_world_done(&s.w);
    }
}

/* The way to a relay that carries a part goes silent: it is left, and the stream stays as it is. */
static void test_a_way_goes_silent(void **state)
{
    (void)state;
    struct scene s;
    begin_spread(&s);
    run(&s, 20000);
    const uint64_t moves = s.a->node->routes.moves;
    assert_null(world_relay(s.a, s.b));
    vn_world_cut(s.a, s.c, true);
    assert_in_range(until(&s, 1, 5000), 1000, 2500);
    run(&s, 10000);
    assert_int_equal(1, ways(&s));
    assert_int_equal(moves, s.a->node->routes.moves);
    vn_world_done(&s.w);
}

/* One that says that it stops is left at once. */
static void test_a_way_ends(void **state)
{
    (void)state;
    struct scene s;
    begin_spread(&s);
    assert_null(world_relay(s.a, s.b));
    vn_node_stop(s.c->node, s.w.now_us / 1000);
    assert_in_range(until(&s, 1, 5000), 0, 300);
    vn_world_done(&s.w);
}

/* The stream's own way goes silent: it moves to one of the others, and spreads anew from there. */
static void test_the_own_way_ends(void **state)
{
    (void)state;
    struct scene s;
    begin_spread(&s);
    run(&s, 20000);
    assert_null(world_relay(s.a, s.b));
    vn_world_cut(s.a, s.b, true);
    assert_in_range(until(&s, 0, 5000), 0, 1000);
    assert_non_null(world_relay(s.a, s.b));
    until(&s, 1, 30000);
    vn_world_done(&s.w);
}

/* A rule pins one relay: others carry nothing any more. */
static void test_a_rule_ends_it(void **state)
{
    (void)state;
    struct scene s;
    begin_spread(&s);
    struct vn_route_rules rules = {0};
    struct vn_route_rule pin;
    assert_ok(vn_route_rule_parse(VN_RELAY_PIN, "carol", &pin));
    assert_ok(vn_route_rules_put(&rules, &pin));
    vn_node_set_relay_rules(s.a->node, &rules);
    until(&s, 0, 10000);
    run(&s, 20000);
    assert_int_equal(0, ways(&s));
    assert_ptr_equal(s.c, world_relay(s.a, s.b));
    vn_world_done(&s.w);
}

/* A way that keeps frames is left as the stream's own would be. */
static void test_a_way_that_drops_is_left(void **state)
{
    (void)state;
    struct scene s;
    begin_spread(&s);
    struct vn_ev_sent ev = {.handle = world_tx(s.a, s.b)->handle, .frames = 1};
    ev.ways[0].arrived = ev.ways[1].arrived = ev.ways[2].arrived = 1000;
    ev.ways[1].missed = ev.ways[2].missed = 5;
    vn_learn_event_sent(s.a->node, &ev);
    assert_int_equal(2, ways(&s));
    for (size_t i = 1; i <= 2; i++)
        if (learner(&s)->spread.ways.circuit[i]->path)
            ev.ways[i].missed = 100;
    vn_learn_event_sent(s.a->node, &ev);
    vn_world_run(&s.w, 10);
    assert_int_equal(0, ways(&s));
    assert_int_equal(0, sides(&s));
    vn_world_done(&s.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_gains_is_kept),
        cmocka_unit_test(test_without_gain_it_ends),
        cmocka_unit_test(test_gain_that_goes),
        cmocka_unit_test(test_who_needs_none_has_none),
        cmocka_unit_test(test_a_way_goes_silent),
        cmocka_unit_test(test_a_way_ends),
        cmocka_unit_test(test_a_rule_ends_it),
        cmocka_unit_test(test_the_own_way_ends),
        cmocka_unit_test(test_a_way_that_drops_is_left),
    };
    if (getenv("VN_TEST_LOG"))
        vn_log_setup(VN_LOG_DEBUG, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
