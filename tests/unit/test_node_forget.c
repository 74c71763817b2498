/* What a node remembers of others ends with their lives, so a day of comings and goings leaves
 * nothing. */
#include "base/limits.h"
#include "base/log.h"
#include "core/node_i.h"
#include "support/node_world.h"
#include "support/test.h"

#define LIVES 5
#define LISTS 100u
#define REPEATED 16u /* by Guardian, in every list */
/* A sweep comes with each rotation, so within this whatever may go is gone. */
#define SWEPT_MS ((uint64_t)VN_LOST_SHARE * VN_UNREACHABLE_MS + 2 * VN_EKS_ROTATE_MS)

static size_t sources(const struct vn_world_node *a)
{
    return vn_map_count(a->node->seen.sources);
}

/* As Guardian publishes it. */
static void publish(struct vn_world *w, uint64_t number)
{
    struct vn_buf list;
    vn_mem_authority_list(w->authority, 0, number, &list);
    vn_mem_broker_inject(w->broker, "a.rev", list.p, list.len);
    vn_buf_done(&list);
    vn_world_run(w, 10);
}

static void test_earlier_lives(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    for (int i = 0; i < LIVES; i++) {
        assert_true(vn_world_ping(b, a, false, 10000) < 5000);
        vn_world_kill(b);
        vn_world_run(w, 2000);
        vn_world_revive(b);
    }
    assert_true(vn_world_ping(b, a, false, 10000) < 5000);
    assert_int_equal(vn_world_status(a).peer_count, LIVES + 1);
    vn_world_run(w, 2 * VN_EKS_ROTATE_MS);
    assert_int_equal(vn_world_status(a).peer_count, 1); /* idle, but alive */
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
}

static void test_revoked(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    struct vn_world_node *c = vn_world_add(w, "carol", "home");
    assert_true(vn_world_ping(b, a, false, 1000) < 100);
    assert_true(vn_world_ping(c, a, false, 1000) < 100);
    assert_int_equal(vn_world_status(a).peer_count, 2);
    vn_world_kill(b);
    publish(w, vn_mem_authority_revoke(w->authority, b->member, 0));
    size_t before = sources(a);
    /* Its address is looked for harder than one that never answered, as long as that matters. */
    vn_world_run(w, VN_EKS_ROTATE_MS);
    assert_int_equal(vn_world_status(a).peer_count, 2);
    vn_world_run(w, SWEPT_MS);
    assert_int_equal(vn_world_status(a).peer_count, 1);
    assert_int_equal(sources(a), before - 1);
    assert_true(vn_world_ping(c, a, false, 1000) < 100);
}

/* Nobody said so, but a certificate that was not renewed is over. */
static void test_expired(void **state)
{
    (void)state;
    struct vn_world w;
    vn_world_init(&w, VN_SUITE_DEFAULT);
    vn_mem_authority_set_life(w.authority, 3600000);
    struct vn_world_node *a = vn_world_add(&w, "alice", "home");
    struct vn_world_node *b = vn_world_add(&w, "bob", "home");
    assert_true(vn_world_ping(a, b, false, 1000) < 100);
    vn_world_kill(b);
    vn_world_run(&w, 3000000);
    assert_int_equal(vn_world_status(a).peer_count, 1);
    vn_world_run(&w, 600000 + SWEPT_MS);
    assert_int_equal(vn_world_status(a).peer_count, 0);
    vn_world_done(&w);
}

/* Each list repeats what is in force of those before: few are needed to pass all of it on. */
static void test_covered_lists(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    struct vn_world_node *c = vn_world_add(w, "carol", "home");
    const struct vn_control *deaf = vn_mem_client_port(c->client);
    deaf->unsubscribe(deaf->self, "a.rev");
    vn_world_kill(b);
    for (unsigned i = 0; i < LISTS; i++) {
        uint64_t to = vn_mem_authority_revoke(w->authority, b->member, i + 1);
        struct vn_buf list;
        vn_mem_authority_list(w->authority, to > REPEATED ? to - REPEATED : 0, to, &list);
        vn_mem_broker_inject(w->broker, "a.rev", list.p, list.len);
        vn_buf_done(&list);
        vn_world_run(w, 50);
    }
    assert_int_equal(a->node->revocations.number, LISTS);
    assert_true(a->node->revocations.list_count <= LISTS / REPEATED + 2);
    assert_int_equal(c->node->revocations.number, 0);
    assert_true(vn_world_ping(c, a, false, 1000) < 100);
    vn_world_run(w, 200);
    assert_int_equal(c->node->revocations.number, LISTS);
}

#define PAIR(test) cmocka_unit_test_setup_teardown(test, vn_world_setup, vn_world_teardown)

int main(void)
{
    vn_log_setup(getenv("VN_TEST_LOG") ? VN_LOG_DEBUG : VN_LOG_ERROR, 0);
    const struct CMUnitTest tests[] = {
        PAIR(test_earlier_lives),
        PAIR(test_revoked),
        cmocka_unit_test(test_expired),
        PAIR(test_covered_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
