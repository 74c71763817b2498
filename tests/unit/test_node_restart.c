/* A tether whose end has lost its address is restarted: what runs through it is as before. */
#include "base/limits.h"
#include "support/node_world.h"
#include "support/test.h"

static int setup(void **state)
{
    vn_world_setup(state);
    struct vn_world *w = *state;
    assert_int_not_equal(vn_world_ping(&w->nodes[0], &w->nodes[1], false, 5000), UINT64_MAX);
    return 0;
}

static uint32_t tether_of(const struct vn_world_node *n)
{
    struct vn_node_link l;
    assert_int_equal(vn_node_links(n->node, &l, 1), 1);
    assert_true(l.tether_up);
    return l.tether;
}

/* So many seconds, all the time in use. */
static void used_for(struct vn_world *w, struct vn_world_node *a, struct vn_world_node *b,
                     unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        vn_world_run(w, 1000);
        assert_in_range(vn_world_ping(a, b, false, 1000), 0, 50);
    }
}

/* Either end, or both at once, and again. */
static void the_tether_stays(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    const uint32_t at_a = tether_of(a), at_b = tether_of(b);
    for (unsigned who = 1; who <= 3; who++) {
        if (who & 1)
            vn_mem_net_strand(w->net, true);
        if (who & 2)
            vn_mem_net_strand(w->net, false);
        vn_world_run(w, 1000);
        assert_int_equal(tether_of(a), at_a);
        assert_int_equal(tether_of(b), at_b);
        assert_in_range(vn_world_ping(a, b, false, 1000), 0, 50);
    }
    /* nothing of it is left: beyond the time that a restart may take */
    used_for(w, a, b, 15);
    assert_int_equal(tether_of(a), at_a);
}

static void lose_restarts(void *arg, struct vn_mem_message *m)
{
    unsigned *lost = arg;
    if (m->n > 2 && m->p[2] == VN_T_RESTART) {
        m->copies = 0;
        ++*lost;
    }
}

/* A better pair is asked for, by either end: answered or not, the tether stays, and what comes
 * later is not disturbed by it. */
static void a_better_pair_is_no_need(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    unsigned lost = 0;
    const uint32_t at_a = tether_of(a), at_b = tether_of(b);
    for (unsigned who = 0; who < 2; who++) {
        vn_mem_net_better(w->net, who == 0);
        used_for(w, a, b, 1);
    }
    vn_mem_broker_hook(w->broker, lose_restarts, &lost);
    for (unsigned i = 0; i < 2; i++) {
        vn_mem_net_better(w->net, true);
        used_for(w, a, b, VN_TETHER_CONNECT_MS / 1000 + 2);
    }
    vn_mem_broker_hook(w->broker, NULL, NULL);
    assert_in_range(lost, 4, 12); /* it was asked for, and given up */
    vn_mem_net_strand(w->net, true);
    used_for(w, a, b, VN_TETHER_CONNECT_MS / 1000 + 2);
    assert_int_equal(tether_of(a), at_a);
    assert_int_equal(tether_of(b), at_b);
}

/* One end looks for a better pair as it, or the other, loses its address. */
static void need_comes_first(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    const uint32_t at_a = tether_of(a), at_b = tether_of(b);
    for (unsigned who = 0; who < 4; who++) {
        const size_t moved = vn_mem_net_moved(w->net);
        vn_mem_net_better(w->net, who & 1);
        vn_mem_net_strand(w->net, who & 2);
        used_for(w, a, b, VN_TETHER_CONNECT_MS / 1000 + 2);
        assert_int_equal(vn_mem_net_moved(w->net), moved + 1);
        assert_int_equal(tether_of(a), at_a);
        assert_int_equal(tether_of(b), at_b);
    }
}

/* Nobody answers: another tether is made, as it would be without restarts. */
static void an_end_that_is_gone(void **state)
{
    struct vn_world *w = *state;
    struct vn_world_node *a = &w->nodes[0], *b = &w->nodes[1];
    const uint32_t before = tether_of(a);
    vn_world_kill(b);
    vn_mem_net_strand(w->net, true);
    vn_mem_net_strand(w->net, false);
    vn_world_run(w, VN_TETHER_CONNECT_MS + 2000);
    struct vn_node_link l;
    assert_true(vn_node_links(a->node, &l, 1) == 0 || l.tether != before);
}

#define PAIR(test) cmocka_unit_test_setup_teardown(test, setup, vn_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR(the_tether_stays),
        PAIR(a_better_pair_is_no_need),
        PAIR(need_comes_first),
        PAIR(an_end_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
