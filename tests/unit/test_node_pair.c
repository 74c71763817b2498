/* Two nodes that learn of each other and talk. */
#include "support/node_world.h"
#include "support/test.h"

#include "base/log.h"

static void reach_each_other(enum vn_suite suite)
{
    struct vn_world w;
    struct vn_world_node *a, *b;
    vn_world_pair(&w, suite, "home", &a, &b);
    uint64_t cold = vn_world_ping(a, b, false, 5000);
    assert_true(cold < 100);
    assert_true(vn_world_ping(a, b, true, 5000) < 20);
    assert_true(vn_world_ping(b, a, false, 5000) < 100);
    struct vn_node_status sa = vn_world_status(a), sb = vn_world_status(b);
    assert_int_equal(sa.stream_tx_count, 1);
    assert_int_equal(sa.stream_rx_count, 1);
    assert_int_equal(sa.tether_count, 1); /* both directions share it */
    assert_int_equal(sb.tether_count, 1);
    assert_int_equal(sa.handshakes_done, 1);
    assert_int_equal(sa.handshakes_answered, 1);
    assert_int_equal(vn_world_drops(a), 0);
    assert_int_equal(vn_world_drops(b), 0);
    vn_world_done(&w);
}

static void test_default_suite(void **state)
{
    (void)state;
    reach_each_other(VN_SUITE_DEFAULT);
}

static void test_cnsa_suite(void **state)
{
    (void)state;
    reach_each_other(VN_SUITE_CNSA);
}

/* Certificates of 30 s are renewed; streams live on, as each end hears of the other's new one. */
static void test_streams_outlive_certificates(void **state)
{
    (void)state;
    struct vn_world w;
    vn_world_init(&w, VN_SUITE_DEFAULT);
    vn_mem_authority_set_life(w.authority, 30000);
    struct vn_world_node *a = vn_world_add(&w, "alice", "home");
    struct vn_world_node *b = vn_world_add(&w, "bob", "home");
    for (int i = 0; i < 60; i++) {
        assert_true(vn_world_ping(a, b, false, 1000) < 300);
        assert_true(vn_world_ping(b, a, false, 1000) < 300);
        vn_world_run(&w, 2000);
    }
    assert_true(vn_mem_authority_member(w.authority, a->member)->renewals >= 6);
    assert_int_equal(vn_world_status(a).handshakes_started, 1);
    assert_int_equal(vn_world_status(b).handshakes_started, 1);
    assert_int_equal(vn_world_drops(a) + vn_world_drops(b), 0);
    vn_world_done(&w);
}

/* An offer does not wait for candidates longer than 50 ms; what is found later follows it. */
static void test_late_candidates(void **state)
{
    (void)state;
    struct vn_world w;
    vn_world_init_net(&w, VN_SUITE_DEFAULT,
                      &(struct vn_mem_net_config){.delay_us = 1000, .candidate_us = 150000});
    struct vn_world_node *a = vn_world_add(&w, "alice", "home");
    struct vn_world_node *b = vn_world_add(&w, "bob", "home");
    /* 50 ms, then both have theirs 150 ms after they began: no second offer at 500 ms. */
    const uint64_t cold = vn_world_ping(a, b, false, 5000);
    assert_in_range(cold, 150, 300);
    assert_true(vn_world_ping(b, a, false, 5000) < 100);
    assert_int_equal(vn_world_status(a).tether_count, 1);
    assert_int_equal(vn_world_drops(a) + vn_world_drops(b), 0);
    vn_world_done(&w);
}

struct order {
    unsigned answers, candidates, early;
};

/* Offers are slow; counts candidates that were sent before there was an answer. */
static void slow_offers(void *arg, struct vn_mem_message *m)
{
    struct order *o = arg;
    if (m->p[2] == VN_T_OFFER)
        m->delay_ms = 200;
    o->answers += m->p[2] == VN_T_OFFER_ANSWER;
    o->candidates += m->p[2] == VN_T_CANDIDATES;
    o->early += m->p[2] == VN_T_CANDIDATES && o->answers == 0;
}

/* Messages are signed side by side and may overtake each other: candidates that came before their
 * offer would be lost. */
static void test_candidates_never_overtake_the_offer(void **state)
{
    (void)state;
    struct vn_world w;
    struct order order = {0};
    vn_world_init_net(&w, VN_SUITE_DEFAULT,
                      &(struct vn_mem_net_config){.delay_us = 1000, .candidate_us = 150000});
    vn_mem_broker_hook(w.broker, slow_offers, &order);
    struct vn_world_node *a = vn_world_add(&w, "alice", "home");
    struct vn_world_node *b = vn_world_add(&w, "bob", "home");
    assert_in_range(vn_world_ping(a, b, false, 5000), 250, 600);
    assert_int_equal(order.answers, 1);
    assert_true(order.candidates >= 1);
    assert_int_equal(order.early, 0);
    vn_world_done(&w);
}

int main(void)
{
    if (getenv("VN_TEST_LOG"))
        vn_log_setup(VN_LOG_DEBUG, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_suite),
        cmocka_unit_test(test_cnsa_suite),
        cmocka_unit_test(test_late_candidates),
        cmocka_unit_test(test_candidates_never_overtake_the_offer),
        cmocka_unit_test(test_streams_outlive_certificates),
    };
    if (getenv("VN_TEST_ONLY"))
        cmocka_set_test_filter(getenv("VN_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
