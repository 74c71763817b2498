/* Two nodes that learn of each other and talk. */
#include "support/node_world.h"
#include "support/test.h"

#include "base/log.h"

static void setup_pair(struct vn_world *w, enum vn_suite suite, struct vn_world_node **a,
                       struct vn_world_node **b)
{
    vn_world_init(w, suite);
    *a = vn_world_add(w, "alice", "home");
    *b = vn_world_add(w, "bob", "home");
}

static void reach_each_other(enum vn_suite suite)
{
    struct vn_world w;
    struct vn_world_node *a, *b;
    setup_pair(&w, suite, &a, &b);
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

int main(void)
{
    if (getenv("VN_TEST_LOG"))
        vn_log_setup(VN_LOG_DEBUG, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_suite),
        cmocka_unit_test(test_cnsa_suite),
    };
    if (getenv("VN_TEST_ONLY"))
        cmocka_set_test_filter(getenv("VN_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
