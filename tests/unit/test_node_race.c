/* Relays that are tried beside each other: one that does not reach the end keeps nobody waiting. */
#include <stdlib.h>

#include "base/log.h"
#include "core/node_i.h"
#include "support/test.h"
#include "support/world_way.h"

/* Virtual milliseconds that a set-up takes where nothing is slow, with the tether beyond the relay.
 */
#define SET_UP_MS 600

struct scene {
    struct vn_world w;
    struct vn_id deaf; /* a tether that brings no word of ends; 0: none */
    struct vn_world_node *a, *b, *last, *first[4];
    size_t count;
};

static void add_rule(struct vn_world_node *n, enum vn_relay_wish wish, const char *what)
{
    struct vn_route_rule r;
    assert_ok(vn_route_rule_parse(wish, what, &r));
    assert_ok(vn_route_rules_put(&n->rules, &r));
}

/* a's settings name relays that it asks first, and that do not reach b; the last one does. a has a
 * tether to each. */
static void setup_net(struct scene *s, enum vn_relay_wish wish, size_t count,
                      const struct vn_mem_net_config *net)
{
    static const char *const names[] = {"carol", "dave", "erin", "frank"};
    memset(s, 0, sizeof(*s));
    vn_world_init_net(&s->w, VN_SUITE_DEFAULT, net);
    s->count = count;
    for (size_t i = 0; i < count; i++)
        s->first[i] = vn_world_add(&s->w, names[i], "home");
    s->last = vn_world_add(&s->w, "zoe", "home");
    s->b = vn_world_add(&s->w, "bob", "home");
    s->b->no_relay = true;
    vn_world_restart(s->b);
    s->a = vn_world_add(&s->w, "alice", "home");
    for (size_t i = 0; i < count; i++) {
        vn_world_cut(s->first[i], s->b, true);
        add_rule(s->a, wish, names[i]);
    }
    vn_world_restart(s->a);
    for (size_t i = 0; i < count; i++)
        assert_true(vn_world_ping(s->a, s->first[i], false, 5000) < 5000);
    assert_true(vn_world_ping(s->a, s->last, false, 5000) < 5000);
}

static void setup(struct scene *s, enum vn_relay_wish wish, size_t count)
{
    setup_net(s, wish, count, &(struct vn_mem_net_config){.seed = 1, .delay_us = 5000});
    vn_world_cut(s->a, s->b, true);
}

static const struct vn_arm *arm_of(const struct scene *s, const struct vn_world_node *relay)
{
    const struct vn_id id = vn_world_id(relay);
    return vn_learn_arm(world_tx(s->a, s->b)->learner, vn_place_key(&id));
}

static enum vn_ccx_state state_of(const struct scene *s, const struct vn_world_node *relay)
{
    const struct vn_ccx_arm *seen =
        vn_ccx_find(&world_tx(s->a, s->b)->learner->ccx, arm_of(s, relay)->key);
    assert_non_null(seen);
    return seen->state;
}

static bool swallow(void *arg, const struct vn_id *tether, enum vn_tether_class cls,
                    struct vn_pktbuf *b)
{
    const struct scene *s = arg;
    struct vn_circuit_msg m;
    return cls != VN_TETHER_CONTROL || !vn_id_equal(tether, &s->deaf) ||
           vn_world_is_circuit_msg(cls, b, &m);
}

/* A relay accepts, and keeps what is for the end. */
static void test_accepts_and_keeps(void **state)
{
    (void)state;
    struct scene s;
    setup_net(
        &s, VN_RELAY_PREFER, 1,
        &(struct vn_mem_net_config){.seed = 1, .delay_us = 5000, .arg = &s, .filter = swallow});
    vn_world_cut(s.a, s.b, true);
    vn_world_cut(s.first[0], s.b, false);
    s.deaf = vn_world_peer(s.a, s.first[0])->hop->tether;
    assert_in_range(vn_world_ping(s.a, s.b, false, 10000), VN_DIRECT_WAIT_MS + VN_RACE_LEAST_MS,
                    VN_DIRECT_WAIT_MS + VN_RACE_WAIT_MS + SET_UP_MS);
    assert_ptr_equal(s.last, world_relay(s.a, s.b));
    vn_world_run(&s.w, 4000);
    assert_int_equal(VN_CCX_DEAD, state_of(&s, s.first[0]));
    vn_world_done(&s.w);
}

static void test_silent_relay(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, VN_RELAY_PREFER, 1);
    assert_in_range(vn_world_ping(s.a, s.b, false, 10000), VN_DIRECT_WAIT_MS + VN_RACE_WAIT_MS,
                    VN_DIRECT_WAIT_MS + VN_RACE_WAIT_MS + SET_UP_MS);
    assert_ptr_equal(s.last, world_relay(s.a, s.b));
    const struct vn_id silent = vn_world_id(s.first[0]);
    const struct vn_peer *p = vn_peer_get(s.a->node, &silent);
    assert_non_null(arm_of(&s, s.first[0])->circuit); /* it may answer yet */
    assert_int_equal(0, p->relay_failed_ms);
    vn_world_run(&s.w, VN_SETUP_SEALED_WAIT_MS - VN_RACE_WAIT_MS);
    assert_int_equal(VN_CCX_DEAD, state_of(&s, s.first[0]));
    assert_int_not_equal(0, p->relay_failed_ms);
    assert_int_equal(0, s.a->unreachables);
    vn_world_done(&s.w);
}

/* The first one does answer, between the second one's SETUP and its answer: it is the way, and the
 * second one stands by. */
static void test_first_answers(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, VN_RELAY_PREFER, 1);
    vn_world_cut(s.first[0], s.b, false);
    vn_mem_net_slow(s.w.net, vn_world_owner(s.first[0]), 400000);
    vn_mem_net_slow(s.w.net, vn_world_owner(s.last), 380000);
    assert_in_range(vn_world_ping(s.a, s.b, false, 20000), VN_DIRECT_WAIT_MS + VN_RACE_WAIT_MS,
                    10000);
    assert_ptr_equal(s.first[0], world_relay(s.a, s.b));
    const struct vn_arm *second = arm_of(&s, s.last);
    assert_non_null(second);
    for (int i = 0; i < 50 && !vn_arm_is_ready(second); i++)
        vn_world_run(&s.w, 100);
    assert_true(vn_arm_is_ready(second));
    vn_world_done(&s.w);
}

static size_t racing(const struct vn_stream *s)
{
    size_t count = 0;
    VN_LIST_EACH(it, &s->circuits)
    count += VN_LIST_ENTRY(it, struct vn_circuit, of_stream)->racing;
    return count;
}

/* Never more than VN_RACE_MAX; the next one when the time of the first is over. */
static void test_many_silent(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, VN_RELAY_PREFER, VN_RACE_MAX + 1);
    size_t most = 0;
    uint64_t ms = 0;
    vn_world_send(s.a, s.b, false, 1);
    for (; ms < 20000 && !vn_world_received(s.b, 1); ms += 10) {
        vn_world_run(&s.w, 10);
        if (world_tx(s.a, s.b))
            most = VN_MAX(most, racing(world_tx(s.a, s.b)));
    }
    assert_int_equal(VN_RACE_MAX, most);
    assert_in_range(ms, VN_DIRECT_WAIT_MS + VN_SETUP_SEALED_WAIT_MS,
                    VN_DIRECT_WAIT_MS + VN_SETUP_SEALED_WAIT_MS + VN_RACE_WAIT_MS + SET_UP_MS);
    assert_ptr_equal(s.last, world_relay(s.a, s.b));
    assert_int_equal(0, racing(world_tx(s.a, s.b)));
    vn_world_done(&s.w);
}

/* Who is refused beside a silent one goes on to the next. */
static void test_one_refuses(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, VN_RELAY_PREFER, 2);
    vn_world_cut(s.first[0], s.b, false);
    s.first[0]->node->relaying.count = VN_RELAY_CIRCUITS_MAX;
    const uint64_t took = vn_world_ping(s.a, s.b, false, 10000);
    /* Which of the two is drawn first does not matter. */
    assert_in_range(took, VN_DIRECT_WAIT_MS + VN_RACE_WAIT_MS,
                    VN_DIRECT_WAIT_MS + VN_RACE_WAIT_MS + SET_UP_MS);
    assert_ptr_equal(s.last, world_relay(s.a, s.b));
    s.first[0]->node->relaying.count = 0;
    vn_world_done(&s.w);
}

/* While one that is pinned may answer, nobody else is asked. */
static void test_pinned(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, VN_RELAY_PIN, 1);
    assert_in_range(vn_world_ping(s.a, s.b, false, 10000),
                    VN_DIRECT_WAIT_MS + VN_SETUP_SEALED_WAIT_MS,
                    VN_DIRECT_WAIT_MS + VN_SETUP_SEALED_WAIT_MS + SET_UP_MS);
    assert_ptr_equal(s.last, world_relay(s.a, s.b));
    vn_world_done(&s.w);
}

/* The tether to the end comes up while a relay is silent. */
static void test_direct_comes_up(void **state)
{
    (void)state;
    struct scene s;
    const struct vn_mem_net_config net = {.seed = 1, .delay_us = 5000, .connect_us = 1300000};
    setup_net(&s, VN_RELAY_PREFER, 1, &net);
    assert_in_range(vn_world_ping(s.a, s.b, false, 10000), VN_DIRECT_WAIT_MS,
                    VN_DIRECT_WAIT_MS + VN_RACE_WAIT_MS - 100);
    assert_null(world_relay(s.a, s.b));
    assert_non_null(arm_of(&s, s.first[0]));
    vn_world_done(&s.w);
}

/* Where the way over it is known to be short, a relay has less time. */
static void test_known_distance(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, VN_RELAY_PREFER, 1);
    const struct vn_id silent = vn_world_id(s.first[0]);
    vn_book_measured(&s.a->node->places.book, vn_place_key(&silent), 10000);
    vn_world_send(s.a, s.b, false, 1);
    vn_world_run(&s.w, 500);
    struct vn_peer *b = vn_world_peer(s.a, s.b);
    assert_non_null(b);
    b->placed = true;
    b->at = vn_book_find(&s.a->node->places.book, vn_place_key(&silent))->at;
    uint64_t ms = 500;
    for (; ms < 10000 && !vn_world_received(s.b, 1); ms += 10)
        vn_world_run(&s.w, 10);
    assert_in_range(ms, VN_DIRECT_WAIT_MS + VN_RACE_LEAST_MS,
                    VN_DIRECT_WAIT_MS + VN_RACE_LEAST_MS + SET_UP_MS);
    vn_world_done(&s.w);
}

/* A rule that comes while they are tried ends those that it excludes. */
static void test_rule_comes(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, VN_RELAY_PREFER, 2);
    vn_world_send(s.a, s.b, false, 1);
    vn_world_run(&s.w, VN_DIRECT_WAIT_MS + VN_RACE_WAIT_MS + 100);
    assert_int_equal(2, racing(world_tx(s.a, s.b)));
    struct vn_route_rules rules = s.a->rules;
    struct vn_route_rule r;
    for (size_t i = 0; i < 2; i++) {
        assert_ok(vn_route_rule_parse(VN_RELAY_EXCLUDE, i ? "dave" : "carol", &r));
        assert_ok(vn_route_rules_put(&rules, &r));
    }
    vn_node_set_relay_rules(s.a->node, &rules);
    vn_world_run(&s.w, SET_UP_MS);
    assert_true(vn_world_received(s.b, 1));
    assert_ptr_equal(s.last, world_relay(s.a, s.b));
    assert_null(arm_of(&s, s.first[0]));
    vn_world_done(&s.w);
}

int main(void)
{
    if (getenv("VN_TEST_LOG"))
        vn_log_setup(VN_LOG_DEBUG, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silent_relay),    cmocka_unit_test(test_accepts_and_keeps),
        cmocka_unit_test(test_first_answers),   cmocka_unit_test(test_many_silent),
        cmocka_unit_test(test_one_refuses),     cmocka_unit_test(test_pinned),
        cmocka_unit_test(test_direct_comes_up), cmocka_unit_test(test_known_distance),
        cmocka_unit_test(test_rule_comes),
    };
    if (getenv("VN_TEST_ONLY"))
        cmocka_set_test_filter(getenv("VN_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
