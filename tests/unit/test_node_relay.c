/* Circuits through relays: set-up, data, failures and what is refused. */
#include "support/node_world.h"
#include "support/test.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/reader.h"
#include "wire/circuit.h"
#include "wire/frame.h"

static const char *const via_c[] = {"carol", NULL};
static const char *const via_cd[] = {"carol", "dave", NULL};
static const char *const via_cde[] = {"carol", "dave", "erin", NULL};

/* a has taints with c, b has one with a; c and b share none: c learns of b from a. */
static void setup_one(struct vn_world *w, struct vn_world_node **a, struct vn_world_node **b,
                      struct vn_world_node **c)
{
    vn_world_init(w, VN_SUITE_DEFAULT);
    *c = vn_world_add(w, "carol", "relays");
    *b = vn_world_add(w, "bob", "home");
    *a = vn_world_add_via(w, "alice", "home,relays", via_c);
}

static bool has_tether(const struct vn_world_node *n, const struct vn_world_node *to)
{
    struct vn_node_link links[8];
    size_t count = vn_node_links(n->node, links, VN_ARRAY_LEN(links));
    struct vn_node_status s = vn_world_status(to);
    for (size_t i = 0; i < count; i++) {
        if (vn_id_equal(&links[i].node, &s.node) && links[i].tether_up)
            return true;
    }
    return false;
}

static const char *tx_state(const struct vn_world_node *n, const struct vn_world_node *to)
{
    struct vn_node_link links[8];
    size_t count = vn_node_links(n->node, links, VN_ARRAY_LEN(links));
    for (size_t i = 0; i < count; i++) {
        if (links[i].tx_state &&
            vn_ip_equal(&links[i].addrs[0],
                        &vn_mem_authority_member(n->world->authority, to->member)->ip4))
            return links[i].tx_state;
    }
    return "none";
}

static void test_one_relay(void **state)
{
    (void)state;
    struct vn_world w;
    struct vn_world_node *a, *b, *c;
    setup_one(&w, &a, &b, &c);
    uint64_t cold = vn_world_ping(a, b, false, 5000);
    assert_true(cold < 300);
    assert_true(vn_world_ping(a, b, true, 5000) < 20);
    assert_false(has_tether(a, b));
    assert_true(has_tether(a, c));
    assert_true(has_tether(c, b));
    struct vn_worker_counters k = vn_world_counters(c);
    assert_int_equal(k.frames_relayed, 2);
    assert_int_equal(k.frames_opened, 0); /* it has no key */
    assert_int_equal(k.tun_tx_packets, 0);
    assert_int_equal(vn_world_status(c).stream_rx_count, 0);
    assert_int_equal(vn_world_status(c).relay_count, 1);
    /* b answers directly: the two directions are independent. */
    assert_true(vn_world_ping(b, a, false, 5000) < 300);
    assert_true(has_tether(b, a));
    assert_int_equal(vn_world_counters(c).frames_relayed, 2);
    assert_int_equal(vn_world_drops(a) + vn_world_drops(b) + vn_world_drops(c), 0);
    vn_world_done(&w);
}

/* The first that a has to say is for the relay: it waits for the name, and then needs no relay. */
static void test_to_the_relay_itself(void **state)
{
    (void)state;
    struct vn_world w;
    struct vn_world_node *a, *b, *c;
    setup_one(&w, &a, &b, &c);
    assert_true(vn_world_ping(a, c, false, 5000) < 500);
    assert_true(has_tether(a, c));
    assert_true(vn_world_ping(a, b, false, 5000) < 300);
    assert_int_equal(1, vn_world_counters(c).frames_relayed);
    vn_world_done(&w);
}

static void through(enum vn_suite suite, const char *const *via)
{
    struct vn_world w;
    vn_world_init(&w, suite);
    struct vn_world_node *relay[3];
    relay[0] = vn_world_add(&w, "carol", "relays");
    relay[1] = vn_world_add(&w, "dave", "relays");
    relay[2] = vn_world_add(&w, "erin", "relays");
    struct vn_world_node *b = vn_world_add(&w, "bob", "home");
    struct vn_world_node *a = vn_world_add_via(&w, "alice", "home,relays", via);
    assert_true(vn_world_ping(a, b, false, 5000) < 500);
    for (int i = 0; i < 50; i++)
        assert_true(vn_world_ping(a, b, false, 1000) < 20);
    size_t n = 0;
    while (via[n])
        assert_int_equal(vn_world_counters(relay[n++]).frames_relayed, 51);
    for (; n < 3; n++)
        assert_int_equal(vn_world_counters(relay[n]).frames_relayed, 0);
    vn_world_done(&w);
}

static void test_two_and_three_relays(void **state)
{
    (void)state;
    through(VN_SUITE_DEFAULT, via_cd);
    through(VN_SUITE_DEFAULT, via_cde);
    through(VN_SUITE_CNSA, via_cde);
}

/* The source's stream goes idle: circuit and tethers dissolve everywhere. */
static void test_dissolves(void **state)
{
    (void)state;
    struct vn_world w;
    struct vn_world_node *a, *b, *c;
    setup_one(&w, &a, &b, &c);
    assert_true(vn_world_ping(a, b, false, 5000) < 300);
    vn_world_run(&w, 3 * VN_WORLD_IDLE_MS);
    assert_int_equal(vn_world_status(c).relay_count, 0);
    assert_int_equal(vn_world_status(c).tether_count, 0);
    assert_int_equal(vn_world_status(a).tether_count, 0);
    assert_int_equal(vn_mem_net_count(w.net), 0);
    assert_true(vn_world_ping(a, b, false, 5000) < 300);
    vn_world_done(&w);
}

/* Its own setting: policy, and no path: a prompt unreachable. */
static void test_refused(void **state)
{
    (void)state;
    struct vn_world w;
    struct vn_world_node *a, *b, *c;
    setup_one(&w, &a, &b, &c);
    c->no_relay = true;
    vn_world_restart(c);
    assert_int_equal(vn_world_ping(a, b, false, 5000), UINT64_MAX);
    assert_true(a->unreachables >= 1);
    assert_int_equal(vn_world_status(c).relay_count, 0);
    assert_int_equal(vn_world_counters(c).frames_relayed, 0);
    c->no_relay = false;
    vn_world_restart(c);
    vn_world_run(&w, VN_UNREACHABLE_MS);
    assert_true(vn_world_ping(a, b, false, 5000) < 3000);
    vn_world_done(&w);
}

/* The relay dies, and comes back with another identity: the stream goes on under its keys. */
static void test_relay_restarts(void **state)
{
    (void)state;
    struct vn_world w;
    struct vn_world_node *a, *b, *c;
    setup_one(&w, &a, &b, &c);
    assert_true(vn_world_ping(a, b, false, 5000) < 300);
    vn_world_kill(c);
    vn_mem_net_break(w.net, VN_TETHER_DOWN_SILENT);
    vn_world_run(&w, 10);
    vn_world_revive(c);
    assert_true(vn_world_ping(a, b, false, 15000) < 15000);
    vn_world_done(&w);
}

/* The tether behind the relay dies: it reports, and the source makes the circuit anew. */
static void test_reports_failure(void **state)
{
    (void)state;
    struct vn_world w;
    struct vn_world_node *a, *b, *c;
    setup_one(&w, &a, &b, &c);
    assert_true(vn_world_ping(a, b, false, 5000) < 300);
    vn_world_kill(b);
    vn_mem_net_break_of(w.net, vn_world_owner(b), VN_TETHER_DOWN_SILENT);
    vn_world_run(&w, 10);
    assert_string_equal(tx_state(a, b), "circuit");
    vn_world_revive(b);
    assert_true(vn_world_ping(a, b, false, 15000) < 15000);
    vn_world_done(&w);
}

/* Messages of relays' circuits that are lost though tethers live: those behind this count. */
struct losing {
    unsigned setups, lost_from, lost_to;
};

static bool lose(void *arg, const struct vn_id *tether, enum vn_tether_class cls,
                 struct vn_pktbuf *b)
{
    struct losing *l = arg;
    struct vn_circuit_msg m;
    (void)tether;
    if (!vn_world_is_circuit_msg(cls, b, &m) || m.type != VN_CIRCUIT_SETUP || m.blob.n == 0)
        return true;
    const unsigned i = l->setups++;
    return i < l->lost_from || i >= l->lost_to;
}

/* A SETUP, and at each hop of its way: it is sent again a second later, twice in all. Those on the
 * way before count as one with those sent again. */
static void test_lost_setup(void **state)
{
    (void)state;
    static const struct {
        unsigned from, to, sent;
        uint64_t least_ms, most_ms;
    } CASES[] = {
        {0, 0, 2, 0, 300}, {0, 1, 3, 1000, 1400}, {1, 2, 4, 1000, 1400}, {0, 2, 4, 3000, 3400}};
    for (size_t i = 0; i < VN_ARRAY_LEN(CASES); i++) {
        struct losing l = {.lost_from = CASES[i].from, .lost_to = CASES[i].to};
        struct vn_world w;
        vn_world_init_net(
            &w, VN_SUITE_DEFAULT,
            &(struct vn_mem_net_config){.seed = 1, .delay_us = 1000, .arg = &l, .filter = lose});
        struct vn_world_node *c = vn_world_add(&w, "carol", "relays");
        struct vn_world_node *b = vn_world_add(&w, "bob", "home");
        struct vn_world_node *a = vn_world_add_via(&w, "alice", "home,relays", via_c);
        assert_in_range(vn_world_ping(a, b, false, 8000), CASES[i].least_ms, CASES[i].most_ms);
        assert_int_equal(CASES[i].sent, l.setups);
        assert_int_equal(1, vn_world_status(c).relays_accepted);
        assert_int_equal(0, vn_world_drops(c) + vn_world_drops(b));
        vn_world_done(&w);
    }
}

int main(void)
{
    if (getenv("VN_TEST_LOG"))
        vn_log_setup(VN_LOG_DEBUG, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_relay),
        cmocka_unit_test(test_to_the_relay_itself),
        cmocka_unit_test(test_two_and_three_relays),
        cmocka_unit_test(test_dissolves),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_relay_restarts),
        cmocka_unit_test(test_reports_failure),
        cmocka_unit_test(test_lost_setup),
    };
    if (getenv("VN_TEST_ONLY"))
        cmocka_set_test_filter(getenv("VN_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
