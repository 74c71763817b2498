/* Every allocation of a node fails once: nothing crashes, nothing leaks, and the next packets get
 * through. */
#include <stdlib.h>

#include "base/log.h"
#include "support/node_world.h"
#include "support/oom.h"
#include "support/test.h"

static void test_new(void **state)
{
    (void)state;
    struct vn_world w;
    vn_world_init(&w, VN_SUITE_DEFAULT);
    struct vn_world_node *a = vn_world_add(&w, "alice", "home");
    const struct test_realm *r = vn_mem_authority_realm(w.authority);
    struct vn_node_config cfg = {.realm = r->id,
                                 .suite = r->suite->id,
                                 .authority = &a->authority,
                                 .control = &a->control,
                                 .random = &w.random,
                                 .work = &w.work,
                                 .to_worker = &a->to_worker,
                                 .shell = &a->shell};
    size_t n = 1;
    for (;; n++) {
        struct vn_node *node = NULL;
        vn_oom_pause(false);
        vn_oom_arm(n);
        vn_status st = vn_node_new(&cfg, 1000, &node);
        bool failed = vn_oom_disarm();
        vn_node_free(node);
        if (!failed) {
            assert_ok(st);
            break;
        }
        assert_status(VN_ERR_NOMEM, st);
    }
    assert_true(n > 10);
    vn_world_done(&w);
}

static void on_changed(void *arg, const struct vn_authority_error *err)
{
    (void)err; /* out of memory: the renewal brings the statement */
    *(bool *)arg = true;
}

/* Runs a set-up in which allocation number n of the nodes fails. False: there were fewer. */
static bool set_up(size_t n)
{
    struct vn_world w;
    vn_oom_pause(true);
    vn_world_init(&w, VN_SUITE_DEFAULT);
    struct vn_world_node *a = vn_world_add(&w, "alice", "home");
    struct vn_world_node *b = vn_world_add(&w, "bob", "home");
    vn_oom_arm(n);
    (void)vn_world_ping(a, b, false, 3000);
    const char *add = "prod";
    bool changed = false;
    assert_ok(vn_node_change_taints(a->node, &add, 1, NULL, 0, on_changed, &changed));
    vn_world_run(&w, 12000);
    bool failed = vn_oom_disarm();
    assert_true(changed);
    const char *taints[VN_TAINTS_MAX];
    assert_int_equal(vn_node_taints(a->node, taints), 2);
    for (unsigned tries = 0; vn_world_ping(a, b, false, 12000) == UINT64_MAX; tries++)
        assert_true(tries < 2);
    vn_world_run(&w, 60000);
    assert_int_equal(vn_mem_net_count(w.net), 0);
    assert_int_equal(vn_world_status(a).stream_tx_count + vn_world_status(b).stream_rx_count, 0);
    vn_world_done(&w);
    vn_oom_pause(false);
    return failed;
}

static void test_set_up(void **state)
{
    (void)state;
    bool all = getenv("VN_TEST_LONG") != NULL;
    size_t n = 1;
    while (set_up(n))
        n += all ? 1 : 1 + vn_test_below(5);
    assert_true(n > 100);
}

int main(void)
{
    vn_log_setup(getenv("VN_TEST_LOG") ? VN_LOG_DEBUG : VN_LOG_ERROR, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),
        cmocka_unit_test(test_set_up),
    };
    if (getenv("VN_TEST_ONLY"))
        cmocka_set_test_filter(getenv("VN_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
