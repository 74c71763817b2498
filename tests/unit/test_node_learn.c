/* Ways that are learned: standbys, moves by cost, and what happens when a path goes silent. */
#include <stdlib.h>

#include "base/log.h"
#include "core/node_i.h"
#include "support/test.h"
#include "support/world_flow.h"
#include "support/world_way.h"

#define DELAY_US 10000      /* of a tether: a round trip of 20 ms */
#define RETRANSMIT_US 55000 /* and what is lost on it comes so much later */
#define IN_TIME_MS 40       /* two hops and more */

struct scene {
    struct vn_world w;
    struct vn_world_node *a, *b, *c, *d;
    struct world_flow flow;              /* from a to b; what goes again is late */
    size_t control_bytes, control_count; /* of all tethers */
    struct vn_id swallows;               /* a tether whose frames are lost behind it, */
    unsigned every, swallowed;           /* or one in so many; 0: all */
    struct vn_id grants_none;            /* a tether on which no credit comes */
};

static bool is_grant(struct vn_pktbuf *b)
{
    struct vn_reader r = vn_reader_of(vn_pktbuf_span(b));
    struct vn_hop_header hop;
    return vn_hop_decode(&r, &hop) && hop.type == VN_HOP_CREDIT;
}

static bool count_control(void *arg, const struct vn_id *tether, enum vn_tether_class cls,
                          struct vn_pktbuf *b)
{
    struct scene *s = arg;
    s->control_bytes += cls == VN_TETHER_CONTROL ? b->len : 0;
    s->control_count += cls == VN_TETHER_CONTROL;
    if (vn_id_equal(tether, &s->grants_none) && is_grant(b))
        return false;
    if (cls == VN_TETHER_CONTROL || !vn_id_equal(tether, &s->swallows))
        return true;
    return s->every && ++s->swallowed % s->every != 0;
}

static void setup(struct scene *s)
{
    memset(s, 0, sizeof(*s));
    vn_world_init_net(&s->w, VN_SUITE_DEFAULT,
                      &(struct vn_mem_net_config){.seed = 1,
                                                  .delay_us = DELAY_US,
                                                  .retransmit_us = RETRANSMIT_US,
                                                  .arg = s,
                                                  .filter = count_control});
    s->c = vn_world_add(&s->w, "carol", "home");
    s->d = vn_world_add(&s->w, "dave", "home");
    s->b = vn_world_add(&s->w, "bob", "home");
    s->a = vn_world_add(&s->w, "alice", "home");
    world_flow_init(&s->flow, s->a, s->b);
    s->flow.in_time_ms = IN_TIME_MS;
}

static void stream(struct scene *s, uint64_t ms, uint64_t every_ms)
{
    world_flow_run(&s->flow, ms, every_ms);
}

static size_t bound_circuits(const struct scene *s)
{
    const struct vn_stream *tx = world_tx(s->a, s->b);
    size_t bound = 0;
    VN_LIST_EACH(it, &tx->circuits)
    bound += VN_LIST_ENTRY(it, struct vn_circuit, of_stream)->bound;
    return bound;
}

/* Traffic until a's stream has so many circuits, its own among them, that can be used. Whom a node
 * asks for relays is drawn by lot, so it may take a while. */
static void send_until_bound(struct scene *s, size_t count)
{
    for (int i = 0; i < 300; i++) {
        stream(s, 200, 10);
        if (bound_circuits(s) == count)
            return;
    }
    fail_msg("no standbys");
}

static void warm_up(struct scene *s)
{
    send_until_bound(s, 3);
}

/* Traffic makes two circuits that are ready to be used, and they go when it ends. */
static void test_standbys(void **state)
{
    (void)state;
    struct scene s;
    setup(&s);
    stream(&s, 100, 100);
    vn_world_run(&s.w, 4000);
    assert_int_equal(0, vn_world_status(s.c).relay_count + vn_world_status(s.d).relay_count);
    warm_up(&s);
    assert_int_equal(1, vn_world_status(s.c).relay_count);
    assert_int_equal(1, vn_world_status(s.d).relay_count);
    assert_null(world_relay(s.a, s.b));
    assert_int_equal(0, vn_world_counters(s.c).frames_relayed);
    /* Nobody sends: nothing is asked. */
    vn_world_run(&s.w, 4100);
    size_t before = s.control_bytes;
    vn_world_run(&s.w, 700);
    assert_int_equal(before, s.control_bytes);
    vn_world_run(&s.w, VN_WORLD_IDLE_MS);
    assert_null(world_tx(s.a, s.b));
    assert_int_equal(0, vn_world_status(s.c).relay_count + vn_world_status(s.d).relay_count);
    assert_int_equal(0, s.a->node->routes.budget.sharers);
    assert_int_equal(0, world_flow_gap(&s.flow, 2)); /* the first waited for the handshake */
    vn_world_done(&s.w);
}

/* What a stream that sends little costs beside its packets. On the wire a message has an IP, a UDP,
 * a DTLS and an SCTP header more, and a SACK for another (sim/net_i.h). */
static void test_costs_little(void **state)
{
    (void)state;
    const size_t headers = 28 + 37 + 28 + 16, seconds = 20;
    struct scene s;
    setup(&s);
    warm_up(&s);
    stream(&s, 4000, 100);
    s.control_bytes = s.control_count = 0;
    const uint32_t from = s.flow.next;
    stream(&s, seconds * 1000, 100);
    /* A heartbeat and at most a probe a second, each answered; a probe crosses two tethers. */
    assert_in_range(s.control_count, 2 * seconds, 6 * seconds + 12);
    assert_in_range(s.control_bytes + headers * s.control_count, 1, 1250 * seconds);
    assert_int_equal(0, world_flow_gap(&s.flow, from));
    vn_world_done(&s.w);
}

/* The path in use goes silent, without a word from anybody. */
static void test_direct_goes_silent(void **state)
{
    (void)state;
    struct scene s;
    setup(&s);
    warm_up(&s);
    stream(&s, 1000, 1);
    uint32_t from = s.flow.next;
    vn_world_cut(s.a, s.b, true);
    stream(&s, 1000, 1);
    assert_non_null(world_relay(s.a, s.b));
    /* A heartbeat on its way, its answer, and the silence that is borne. */
    assert_in_range(world_flow_gap(&s.flow, from), 20, 150);
    assert_int_equal(1, s.a->node->routes.failovers);
    struct vn_node_way ways[VN_NODE_WAYS_MAX];
    const struct vn_id b = vn_world_status(s.b).node;
    assert_int_equal(3, vn_node_ways(s.a->node, &b, ways, VN_ARRAY_LEN(ways)));
    for (size_t i = 0; i < 3; i++) {
        bool used = strcmp(ways[i].why, "in_use") == 0;
        assert_int_equal(i == 0,
                         strcmp(ways[i].why, "held") == 0 || strcmp(ways[i].why, "dead") == 0);
        assert_int_equal(i > 0 && !used, strcmp(ways[i].why, "standby") == 0);
        /* Over a relay: 20 ms one way, and what a path costs anyhow. */
        assert_in_range(ways[i].cost_us, i ? 30000 : 0, i ? 32000 : 0);
    }
    stream(&s, 5000, 10); /* the tether's end is noticed meanwhile */
    assert_int_equal(1, s.a->node->routes.failovers);
    assert_int_equal(1, vn_world_status(s.a).handshakes_started);
    assert_int_equal(0, s.a->unreachables);
    vn_world_done(&s.w);
}

/* a and b through a relay, the other one stands by. Returns the one in use. */
static struct vn_world_node *relayed(struct scene *s)
{
    setup(s);
    vn_world_cut(s->a, s->b, true);
    stream(s, 2000, 20); /* the first path takes a while */
    send_until_bound(s, 2);
    assert_int_equal(1, vn_world_status(s->c).relay_count);
    assert_int_equal(1, vn_world_status(s->d).relay_count);
    struct vn_world_node *relay = world_relay(s->a, s->b);
    assert_non_null(relay);
    stream(s, 500, 1);
    return relay;
}

/* The relay in use goes silent, or its way to the end does. */
static void test_relay_goes_silent(void **state)
{
    (void)state;
    for (int behind = 0; behind < 2; behind++) {
        struct scene s;
        struct vn_world_node *first = relayed(&s);
        uint32_t from = s.flow.next;
        vn_world_cut(first, behind ? s.b : s.a, true);
        stream(&s, 500, 1);
        assert_ptr_not_equal(first, world_relay(s.a, s.b));
        assert_in_range(world_flow_gap(&s.flow, from), 20, 150);
        assert_int_equal(1, vn_world_status(s.a).handshakes_started);
        vn_world_done(&s.w);
    }
}

/* A relay that says it is going: the stream is on another one with the next packet. */
static void test_relay_stops(void **state)
{
    (void)state;
    struct scene s;
    struct vn_world_node *first = relayed(&s);
    uint32_t from = s.flow.next;
    vn_node_stop(first->node, s.w.now_us / 1000);
    stream(&s, 500, 1);
    assert_ptr_not_equal(first, world_relay(s.a, s.b));
    assert_in_range(world_flow_gap(&s.flow, from), 0, 30); /* what was on its way over it */
    vn_world_done(&s.w);
}

/* A path that has become slow is left for a faster one, and one that is fast again taken. */
static void test_slow_path_is_left(void **state)
{
    (void)state;
    struct scene s;
    struct vn_world_node *first = relayed(&s);
    uint32_t from = s.flow.next;
    vn_mem_net_slow(s.w.net, vn_world_owner(first), 10000);
    stream(&s, 20000, 20);
    assert_ptr_not_equal(first, world_relay(s.a, s.b));
    assert_int_equal(0, world_flow_gap(&s.flow, from));
    assert_int_equal(0, s.a->node->routes.failovers);
    vn_world_done(&s.w);
}

/* What is known of the way over a relay. */
static struct vn_node_way way_over(const struct scene *s, const struct vn_world_node *relay)
{
    struct vn_node_way ways[VN_NODE_WAYS_MAX];
    const struct vn_id b = vn_world_status(s->b).node, r = vn_world_status(relay).node;
    size_t count = vn_node_ways(s->a->node, &b, ways, VN_ARRAY_LEN(ways));
    for (size_t i = 0; i < count; i++)
        if (!ways[i].direct && vn_id_equal(&ways[i].relay, &r))
            return ways[i];
    fail_msg("no such way");
    return ways[0];
}

static struct vn_world_node *other_than(const struct scene *s, const struct vn_world_node *relay)
{
    return relay == s->c ? s->d : s->c;
}

/* What the last answers happened to be like varies. */
static bool is_seen_lossy(struct scene *s, const struct vn_world_node *first,
                          const struct vn_world_node *other)
{
    const struct vn_node_way lossy = way_over(s, first), clean = way_over(s, other);
    return world_relay(s->a, s->b) == other && lossy.loss_permille >= 15 &&
           lossy.loss_permille <= 400 && lossy.delay_us >= 20000 && lossy.delay_us <= 21000 &&
           clean.loss_permille == 0 && lossy.cost_us >= clean.cost_us + 3000 &&
           lossy.cost_us <= clean.cost_us + 100000;
}

/* A relay whose tethers lose packets costs what it takes to send them again, though the fastest
 * answers over it are as fast as before: the other one is taken. */
static void test_lossy_relay_is_left(void **state)
{
    (void)state;
    struct scene s;
    struct vn_world_node *first = relayed(&s), *other = other_than(&s, first);
    vn_mem_net_lossy(s.w.net, vn_world_owner(first), 100);
    for (int i = 0; i < 60 && world_relay(s.a, s.b) == first; i++)
        stream(&s, 1000, 20);
    assert_ptr_equal(other, world_relay(s.a, s.b));
    bool seen = false;
    for (int i = 0; i < 60 && !seen; i++) {
        stream(&s, 1000, 20);
        seen = is_seen_lossy(&s, first, other);
    }
    assert_true(seen);
    vn_world_done(&s.w);
}

/* As if others had filled the relay, or left it. */
static void load(const struct vn_world_node *relay, uint32_t kbps)
{
    relay->node->places.headroom.rate_kbps = kbps;
}

/* A relay that is full says so, and is left alone by who would gain by it, until it has room. */
static void test_full_relay_is_avoided(void **state)
{
    (void)state;
    struct scene s;
    struct vn_world_node *first = relayed(&s), *other = other_than(&s, first);
    load(other, UINT32_MAX);
    stream(&s, 5000, 20);
    vn_mem_net_slow(s.w.net, vn_world_owner(first), 10000);
    stream(&s, 20000, 20);
    assert_ptr_equal(first, world_relay(s.a, s.b));
    const struct vn_node_way full = way_over(&s, other);
    assert_string_equal("no_headroom", full.why);
    assert_string_equal("relay", full.bottleneck);
    assert_int_equal(VN_WAY_ROOM_LEAST_KBPS, full.room_kbps);
    load(other, 0);
    for (int i = 0; i < 60 && world_relay(s.a, s.b) != other; i++)
        stream(&s, 1000, 20);
    assert_ptr_equal(other, world_relay(s.a, s.b));
    assert_int_not_equal(VN_WAY_ROOM_LEAST_KBPS, way_over(&s, other).room_kbps);
    assert_int_equal(0, s.a->node->routes.failovers);
    vn_world_done(&s.w);
}

static void set_rule(struct scene *s, enum vn_relay_wish wish, const struct vn_world_node *relay)
{
    struct vn_route_rules rules = {0};
    struct vn_route_rule r;
    assert_ok(vn_route_rule_parse(wish, relay == s->c ? "carol" : "dave", &r));
    assert_ok(vn_route_rules_put(&rules, &r));
    vn_node_set_relay_rules(s->a->node, &rules);
}

/* Rules that change while a stream lives: what excludes its relay moves it with the next packet. */
static void test_excluded_under_traffic(void **state)
{
    (void)state;
    struct scene s;
    struct vn_world_node *first = relayed(&s), *other = other_than(&s, first);
    uint32_t from = s.flow.next;
    set_rule(&s, VN_RELAY_EXCLUDE, first);
    assert_ptr_equal(other, world_relay(s.a, s.b));
    stream(&s, 10000, 20);
    assert_ptr_equal(other, world_relay(s.a, s.b));
    assert_string_equal("unwanted", way_over(&s, first).why);
    assert_string_equal("exclude", way_over(&s, first).wish);
    assert_int_equal(0, vn_world_status(first).relay_count);
    assert_in_range(world_flow_gap(&s.flow, from), 0, 2); /* what was on its way over it */
    vn_world_done(&s.w);
}

/* A rule that is forgotten at once: the relay that it made the stream leave stands by again with
 * the router's next ticks, however lately its circuit was set up. */
static void test_excluded_for_a_moment(void **state)
{
    (void)state;
    struct scene s;
    relayed(&s);
    for (int i = 0; i < 3; i++) {
        struct vn_world_node *left = world_relay(s.a, s.b);
        set_rule(&s, VN_RELAY_EXCLUDE, left);
        vn_node_set_relay_rules(s.a->node, &(struct vn_route_rules){0});
        assert_string_not_equal("standby", way_over(&s, left).why);
        stream(&s, 100, 20);
        assert_int_equal(0, vn_world_status(left).relay_count);
        stream(&s, 4400, 20);
        assert_int_equal(1, vn_world_status(left).relay_count);
    }
    vn_world_done(&s.w);
}

/* A pinned relay carries the stream though the direct way costs less, while it lives; after that,
 * and when the rule is forgotten, it is as ever. */
static void test_pinned_relay(void **state)
{
    (void)state;
    struct scene s;
    setup(&s);
    warm_up(&s);
    assert_null(world_relay(s.a, s.b));
    uint32_t from = s.flow.next;
    set_rule(&s, VN_RELAY_PIN, s.d);
    for (int i = 0; i < 20 && world_relay(s.a, s.b) != s.d; i++)
        stream(&s, 500, 20);
    stream(&s, 20000, 20);
    assert_ptr_equal(s.d, world_relay(s.a, s.b));
    assert_string_equal("pin", way_over(&s, s.d).wish);
    assert_int_equal(0, world_flow_gap(&s.flow, from));
    vn_world_cut(s.a, s.d, true);
    stream(&s, 2000, 20);
    assert_ptr_not_equal(s.d, world_relay(s.a, s.b));
    vn_world_cut(s.a, s.d, false);
    for (int i = 0; i < 200 && world_relay(s.a, s.b) != s.d; i++)
        stream(&s, 500, 20);
    assert_ptr_equal(s.d, world_relay(s.a, s.b));
    vn_node_set_relay_rules(s.a->node, &(struct vn_route_rules){0});
    for (int i = 0; i < 40 && world_relay(s.a, s.b); i++)
        stream(&s, 500, 20);
    assert_null(world_relay(s.a, s.b));
    vn_world_done(&s.w);
}

/* Answers that are late by a retransmission are loss; a path that became slow is not. */
static void test_answers(void **state)
{
    (void)state;
    struct vn_answers a = {0};
    struct vn_ccx_sample s;
    vn_answers_sample(&a, &s);
    assert_int_equal(0, s.delay_us + s.jitter_us + s.loss_q16);
    assert_int_equal(0, vn_answers_nth(&a, 0));
    for (int i = 0; i < 64; i++)
        vn_answers_add(&a, i % 4 ? 20000 : 20000 + VN_ANSWER_LATE_US + 1);
    assert_int_equal(20000, vn_answers_nth(&a, 0));
    vn_answers_sample(&a, &s);
    assert_int_equal(10000, s.delay_us);
    assert_int_equal(VN_Q16 / 10, s.loss_q16); /* six of thirty, there and back */
    for (int i = 0; i < 64; i++)
        vn_answers_add(&a, i % 2 ? 20000 + VN_ANSWER_LATE_US : 20000);
    vn_answers_sample(&a, &s);
    assert_int_equal(0, s.loss_q16);
    for (int i = 0; i < VN_ANSWERS_KEPT + 32; i++)
        vn_answers_add(&a, 200000);
    vn_answers_sample(&a, &s);
    assert_int_equal(100000, s.delay_us);
    assert_int_equal(0, s.loss_q16);
    assert_int_equal(0, s.jitter_us);
    a = (struct vn_answers){0};
    for (int i = 0; i < 24; i++)
        vn_answers_add(&a, i == 5 || i == 14 ? 140000 : 1000);
    vn_answers_sample(&a, &s);
    assert_int_equal(0, s.loss_q16); /* somebody was busy */
}

/* A relay that answers, grants credit and takes frames, and passes none of them on: nothing is lost
 * in the end. */
static void test_relay_drops_silently(void **state)
{
    (void)state;
    struct scene s;
    struct vn_world_node *first = relayed(&s);
    stream(&s, 4000, 20); /* reported */
    const uint32_t from = s.flow.next;
    const size_t before = s.flow.arrived;
    s.swallows = vn_world_peer(first, s.b)->hop->tether;
    stream(&s, VN_OVERDUE_MS - 500, 40);
    assert_ptr_equal(first, world_relay(s.a, s.b));
    stream(&s, 4500, 40); /* a report was on its way */
    assert_ptr_not_equal(first, world_relay(s.a, s.b));
    assert_int_equal(1, s.a->node->routes.failovers);
    stream(&s, 500, 40);
    assert_int_equal(s.flow.next - from, s.flow.arrived - before);
    assert_int_equal(1, vn_world_status(s.a).handshakes_started);
    vn_world_done(&s.w);
}

/* One that keeps a part of them is known by what the destination reports, though its tethers live
 * and it answers. */
static void test_relay_drops_some(void **state)
{
    (void)state;
    struct scene s;
    struct vn_world_node *first = relayed(&s);
    stream(&s, 4000, 20); /* reported */
    const uint32_t from = s.flow.next;
    const size_t before = s.flow.arrived;
    s.swallows = vn_world_peer(first, s.b)->hop->tether;
    s.every = 30;
    for (int i = 0; i < 12 && world_relay(s.a, s.b) == first; i++)
        stream(&s, 1000, 5);
    assert_ptr_not_equal(first, world_relay(s.a, s.b));
    assert_int_equal(1, s.a->node->routes.failovers);
    stream(&s, 1000, 5);
    stream(&s, 200, 100); /* nothing is under way then */
    assert_true(s.swallowed >= 30 * VN_MISSED_LEAST);
    assert_int_equal(s.flow.next - from, s.flow.arrived - before); /* they went again */
    assert_int_equal(1, vn_world_status(s.a).handshakes_started);
    vn_world_done(&s.w);
}

/* One frame in a hundred may be anybody's fault. */
static void test_relay_drops_little(void **state)
{
    (void)state;
    struct scene s;
    struct vn_world_node *first = relayed(&s);
    s.swallows = vn_world_peer(first, s.b)->hop->tether;
    s.every = 100;
    stream(&s, 20000, 5);
    assert_true(s.swallowed > 3000);
    assert_ptr_equal(first, world_relay(s.a, s.b));
    assert_int_equal(0, s.a->node->routes.failovers);
    vn_world_done(&s.w);
}

/* A relay that answers and grants no credit: what waits goes by another way. */
static void test_relay_grants_nothing(void **state)
{
    (void)state;
    struct scene s;
    struct vn_world_node *first = relayed(&s);
    const struct vn_id a = vn_world_status(s.a).node;
    stream(&s, 4000, 20);
    s.grants_none = vn_peer_get(first->node, &a)->hop->tether;
    for (int i = 0; i < 60 && world_relay(s.a, s.b) == first; i++)
        stream(&s, 1000, 5);
    assert_ptr_not_equal(first, world_relay(s.a, s.b));
    assert_int_equal(1, s.a->node->routes.failovers);
    const size_t before = s.flow.arrived;
    stream(&s, 1000, 5);
    assert_true(s.flow.arrived - before >= 190);
    assert_int_equal(1, vn_world_status(s.a).handshakes_started);
    vn_world_done(&s.w);
}

/* Back and forth between the same two circuits: credit goes on where it was left. */
static void test_comes_back(void **state)
{
    (void)state;
    struct scene s;
    setup(&s);
    vn_world_kill(s.d);
    send_until_bound(&s, 2);
    for (int i = 0; i < 2; i++) {
        vn_world_cut(s.a, s.b, true);
        stream(&s, 600, 1);
        assert_ptr_equal(s.c, world_relay(s.a, s.b));
        vn_world_cut(s.a, s.b, false);
        uint32_t from = s.flow.next;
        for (int k = 0; k < 100 && world_relay(s.a, s.b); k++)
            stream(&s, 200, 10);
        assert_null(world_relay(s.a, s.b));
        assert_int_equal(0, world_flow_gap(&s.flow, from));
    }
    vn_world_done(&s.w);
}

/* A peer that is silent on every path is not left: there is nowhere to go. */
static void test_a_silent_peer_is_no_dead_path(void **state)
{
    (void)state;
    struct scene s;
    setup(&s);
    warm_up(&s);
    vn_world_kill(s.b);
    stream(&s, 1000, 1);
    assert_null(world_relay(s.a, s.b));
    assert_int_equal(0, s.a->node->routes.failovers);
    vn_world_done(&s.w);
}

int main(void)
{
    if (getenv("VN_TEST_LOG"))
        vn_log_setup(VN_LOG_DEBUG, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_standbys),
        cmocka_unit_test(test_costs_little),
        cmocka_unit_test(test_direct_goes_silent),
        cmocka_unit_test(test_relay_goes_silent),
        cmocka_unit_test(test_relay_stops),
        cmocka_unit_test(test_slow_path_is_left),
        cmocka_unit_test(test_lossy_relay_is_left),
        cmocka_unit_test(test_full_relay_is_avoided),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_excluded_under_traffic),
        cmocka_unit_test(test_excluded_for_a_moment),
        cmocka_unit_test(test_pinned_relay),
        cmocka_unit_test(test_relay_drops_silently),
        cmocka_unit_test(test_relay_drops_some),
        cmocka_unit_test(test_relay_drops_little),
        cmocka_unit_test(test_relay_grants_nothing),
        cmocka_unit_test(test_comes_back),
        cmocka_unit_test(test_a_silent_peer_is_no_dead_path),
    };
    if (getenv("VN_TEST_ONLY"))
        cmocka_set_test_filter(getenv("VN_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
