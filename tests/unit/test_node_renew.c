/* Tethers whose keys are nearly used up are replaced, and nothing that goes through them notices.
 */
#include <stdlib.h>

#include "base/log.h"
#include "core/node_i.h"
#include "support/test.h"
#include "support/world_flow.h"

#define DELAY_US 10000
#define JITTER_US 60000 /* of frames: what waits in a tether comes after what control says */

struct scene {
    struct vn_world w;
    struct vn_world_node *a, *b, *c;
    struct world_flow flow; /* from a to b */
};

static void begin(struct scene *s)
{
    memset(s, 0, sizeof(*s));
    vn_world_init_net(
        &s->w, VN_SUITE_DEFAULT,
        &(struct vn_mem_net_config){.seed = 1, .delay_us = DELAY_US, .jitter_us = JITTER_US});
}

static void setup(struct scene *s)
{
    begin(s);
    s->b = vn_world_add(&s->w, "bob", "home");
    s->b->no_relay = true; /* whose descriptor nobody asks for but to reach it */
    vn_world_restart(s->b);
    s->a = vn_world_add(&s->w, "alice", "home");
    world_flow_init(&s->flow, s->a, s->b);
    world_flow_run(&s->flow, 1000, 10);
}

static void wear(struct vn_world_node *n, const struct vn_world_node *peer)
{
    vn_mem_net_wear(n->world->net, vn_world_owner(n), vn_world_owner(peer));
}

static struct vn_id tether_of(const struct vn_world_node *n, const struct vn_world_node *peer)
{
    const struct vn_peer *p = vn_world_peer(n, peer);
    assert_non_null(p->hop);
    assert_int_equal(VN_HOP_UP, p->hop->state);
    return p->hop->tether;
}

static void expect_tether(const struct vn_world_node *n, const struct vn_world_node *peer,
                          const struct vn_id *before)
{
    const struct vn_id now = tether_of(n, peer), other = tether_of(peer, n);
    assert_true(vn_id_equal(&now, &other));
    assert_false(vn_id_equal(&now, before));
    assert_null(vn_world_peer(n, peer)->beside);
    assert_null(vn_world_peer(peer, n)->beside);
}

/* Nothing was lost since, and the stream is the one that it was. */
static void expect_unharmed(struct scene *s, uint32_t since)
{
    assert_int_equal(0, world_flow_gap(&s->flow, since));
    assert_int_equal(1, vn_world_status(s->a).handshakes_started);
    assert_int_equal(0, vn_world_status(s->a).failovers);
    assert_int_equal(0, s->a->unreachables);
    assert_int_equal(0, vn_world_counters(s->b).drops[VN_DROP_LABEL_UNKNOWN]);
}

/* Either end tells, or both at once; and again. */
static void test_direct(void **state)
{
    (void)state;
    struct scene s;
    setup(&s);
    const struct vn_stream *tx = vn_world_peer(s.a, s.b)->tx;
    for (unsigned who = 1; who <= 3; who++) {
        const struct vn_id before = tether_of(s.a, s.b);
        const uint32_t since = s.flow.next;
        if (who & 1)
            wear(s.a, s.b);
        if (who & 2)
            wear(s.b, s.a);
        world_flow_run(&s.flow, 50, 1);
        assert_int_equal(4, vn_mem_net_count(s.w.net));
        world_flow_run(&s.flow, 1000, 1);
        world_flow_run(&s.flow, 5000, 10);
        expect_tether(s.a, s.b, &before);
        expect_unharmed(&s, since);
        assert_int_equal(2, vn_mem_net_count(s.w.net));
        assert_ptr_equal(tx, vn_world_peer(s.a, s.b)->tx);
        assert_int_equal(VN_TX_OPEN, tx->state);
    }
    vn_world_done(&s.w);
}

/* It is tried again, and what is worn carries on. */
static void test_no_successor_at_first(void **state)
{
    (void)state;
    struct scene s;
    setup(&s);
    const struct vn_id before = tether_of(s.a, s.b);
    const uint32_t since = s.flow.next;
    s.w.hold_jobs = true; /* no offer is signed */
    wear(s.a, s.b);
    world_flow_run(&s.flow, 5000, 10);
    const struct vn_id now = tether_of(s.a, s.b);
    assert_true(vn_id_equal(&before, &now));
    s.w.hold_jobs = false;
    world_flow_run(&s.flow, 15000, 10);
    expect_tether(s.a, s.b, &before);
    expect_unharmed(&s, since);
    vn_world_done(&s.w);
}

/* The peer's key that is known is not good any more: another one is asked for. */
static void test_without_descriptor(void **state)
{
    (void)state;
    struct scene s;
    setup(&s);
    const struct vn_id before = tether_of(s.a, s.b);
    const uint32_t since = s.flow.next;
    vn_peer_drop_descriptor(vn_world_peer(s.a, s.b));
    wear(s.a, s.b);
    world_flow_run(&s.flow, 2500, 10);
    assert_non_null(vn_world_peer(s.a, s.b)->beside);
    world_flow_run(&s.flow, 5000, 10);
    expect_tether(s.a, s.b, &before);
    expect_unharmed(&s, since);
    vn_world_done(&s.w);
}

/* The tether of a relay, told by either end: the source moves, over the same relay. */
static void over_a_relay(const char *const *via)
{
    struct scene s;
    begin(&s);
    s.c = vn_world_add(&s.w, "carol", "home");
    s.b = vn_world_add(&s.w, "bob", "home");
    s.a = via ? vn_world_add_via(&s.w, "alice", "home", via) : vn_world_add(&s.w, "alice", "home");
    if (!via)
        vn_world_cut(s.a, s.b, true);
    world_flow_init(&s.flow, s.a, s.b);
    world_flow_run(&s.flow, 12000, 10); /* also as long as no relay's word makes a path anew */
    struct vn_world_node *const ends[][2] = {{s.a, s.c}, {s.c, s.a}, {s.c, s.b}, {s.b, s.c}};
    for (size_t i = 0; i < VN_ARRAY_LEN(ends); i++) {
        const struct vn_id before = tether_of(ends[i][0], ends[i][1]);
        const uint32_t since = s.flow.next;
        wear(ends[i][0], ends[i][1]);
        world_flow_run(&s.flow, 1000, 2);
        world_flow_run(&s.flow, 15000, 20);
        expect_tether(ends[i][0], ends[i][1], &before);
        expect_unharmed(&s, since);
        const struct vn_circuit *c = vn_world_peer(s.a, s.b)->tx->circuit;
        const struct vn_id relay = vn_world_status(s.c).node;
        assert_non_null(c->path);
        assert_true(vn_id_equal(&relay, &c->path->nodes[0]));
        assert_int_equal(1, vn_world_status(s.c).relay_count);
    }
    vn_world_done(&s.w);
}

static void test_learned_relay(void **state)
{
    (void)state;
    over_a_relay(NULL);
}

static void test_pinned_relay(void **state)
{
    (void)state;
    over_a_relay((const char *const[]){"carol", NULL});
}

static void via_a_relay(struct scene *s)
{
    begin(s);
    s->c = vn_world_add(&s->w, "carol", "home");
    s->b = vn_world_add(&s->w, "bob", "home");
    s->a = vn_world_add_via(&s->w, "alice", "home", (const char *const[]){"carol", NULL});
    world_flow_init(&s->flow, s->a, s->b);
    world_flow_run(&s->flow, 12000, 10);
}

/* c calls what goes through it from a worn, every 10 ms, so often. */
static void cry(struct scene *s, unsigned times)
{
    const struct vn_hop *h = vn_world_peer(s->c, s->a)->hop;
    for (unsigned i = 0; i < times; i++) {
        VN_LIST_EACH(it, &h->circuits)
        {
            const struct vn_circuit *in = VN_LIST_ENTRY(it, struct vn_circuit, of_hop);
            vn_circuit_send(s->c->node, h,
                            &(struct vn_circuit_msg){.type = VN_CIRCUIT_WORN, .label = in->rev});
        }
        world_flow_run(&s->flow, 10, 10);
    }
}

/* A relay that calls its circuits worn without end makes its users set up one now and then. */
static void test_a_relay_that_cries(void **state)
{
    (void)state;
    struct scene s;
    via_a_relay(&s);
    const uint32_t since = s.flow.next;
    cry(&s, 2500);
    assert_in_range(vn_world_status(s.c).relays_accepted, 3, 4);
    expect_unharmed(&s, since);
    vn_world_done(&s.w);
}

/* Nor more often if it refuses them. */
static void test_a_relay_that_cries_and_refuses(void **state)
{
    (void)state;
    struct scene s;
    via_a_relay(&s);
    const uint32_t since = s.flow.next;
    const uint64_t before = vn_world_drops(s.c);
    s.c->node->cfg.no_relay = true;
    cry(&s, 2500);
    assert_in_range(vn_world_drops(s.c) - before, 2, 3);
    expect_unharmed(&s, since);
    vn_world_done(&s.w);
}

/* The peer answers questions but no offer: it is offered less and less often. */
static void test_no_answer(void **state)
{
    (void)state;
    struct scene s;
    setup(&s);
    const struct vn_peer *p = vn_world_peer(s.a, s.b);
    vn_world_peer(s.b, s.a)->signalled_ms = UINT64_MAX; /* each is late */
    wear(s.a, s.b);
    uint32_t last = 0, offers = 0;
    for (unsigned i = 0; i < 1200; i++) {
        world_flow_run(&s.flow, 100, 10);
        if (p->beside && p->beside->handle != last) {
            last = p->beside->handle;
            offers++;
        }
    }
    assert_in_range(offers, 4, 8);
    vn_world_done(&s.w);
}

/* The successor goes at once, as a hostile peer may have it: the other end, whose key is good,
 * offers none by itself. */
static void test_successor_goes(void **state)
{
    (void)state;
    struct scene s;
    setup(&s);
    const struct vn_id before = tether_of(s.a, s.b);
    const struct vn_peer *a = vn_world_peer(s.b, s.a), *b = vn_world_peer(s.a, s.b);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(VN_OK, vn_hop_offer(s.b->node, vn_world_peer(s.b, s.a)));
        for (unsigned k = 0; k < 100 && vn_id_equal(&a->hop->tether, &before); k++)
            world_flow_run(&s.flow, 1, 1);
        vn_hop_close(s.b->node, a->hop);
        world_flow_run(&s.flow, 100, 1);
        assert_true(vn_id_equal(&b->hop->tether, &before));
    }
    for (unsigned i = 0; i < 100; i++) {
        world_flow_run(&s.flow, 50, 10);
        assert_null(b->beside);
    }
    const uint32_t since = s.flow.next;
    world_flow_run(&s.flow, 1000, 10);
    assert_int_equal(0, world_flow_gap(&s.flow, since));
    vn_world_done(&s.w);
}

/* What is worn is lost while the stream's circuit is being replaced: none is left over. */
static void test_lost_meanwhile(void **state)
{
    (void)state;
    struct scene s;
    setup(&s);
    const struct vn_peer *p = vn_world_peer(s.a, s.b);
    for (unsigned wait_ms = 0; wait_ms < 60; wait_ms += 7) {
        wear(s.a, s.b);
        while (!p->tx->circuit->successor)
            world_flow_run(&s.flow, 1, 1);
        world_flow_run(&s.flow, wait_ms, 1);
        if (p->beside)
            vn_hop_close(s.a->node, p->beside);
        world_flow_run(&s.flow, 3000, 10);
        assert_int_equal(1, p->tx->circuit_count);
        const uint32_t since = s.flow.next;
        world_flow_run(&s.flow, 500, 10);
        assert_int_equal(0, world_flow_gap(&s.flow, since));
        assert_int_equal(2, vn_mem_net_count(s.w.net));
    }
    vn_world_done(&s.w);
}

/* A peer that offers one beside another without end has two at most, and harms itself alone. */
static void test_hostile(void **state)
{
    (void)state;
    struct scene s;
    setup(&s);
    struct vn_peer *p = vn_world_peer(s.a, s.b);
    for (unsigned i = 0; i < 200; i++) {
        if (p->beside)
            vn_hop_replace(s.a->node, p->beside);
        (void)!vn_hop_offer(s.a->node, p);
        world_flow_run(&s.flow, 1 + i % 70, 1);
        assert_true(vn_world_status(s.b).tether_count <= 2);
    }
    world_flow_run(&s.flow, 8000, 10);
    const uint32_t since = s.flow.next;
    world_flow_run(&s.flow, 1000, 10);
    assert_int_equal(0, world_flow_gap(&s.flow, since));
    assert_int_equal(2, vn_mem_net_count(s.w.net));
    vn_world_done(&s.w);
}

/* Whatever else happens meanwhile: it comes back, and nothing of it stays. */
static void test_amid_failures(void **state)
{
    (void)state;
    struct scene s;
    setup(&s);
    for (unsigned i = 0; i < 120; i++) {
        const unsigned what = i * 7 % 12;
        wear(i % 2 ? s.a : s.b, i % 2 ? s.b : s.a);
        world_flow_run(&s.flow, 1 + i % 60, 1);
        if (what < 3)
            vn_world_cut(s.a, s.b, true);
        else if (what < 5)
            vn_mem_net_strand(s.w.net, what == 3);
        else if (what == 5)
            vn_mem_net_break(s.w.net, VN_TETHER_DOWN_SILENT);
        world_flow_run(&s.flow, 5 * (i % 13), 5);
        if (i % 4 == 3)
            vn_world_cut(s.a, s.b, false);
        world_flow_run(&s.flow, i % 4 == 3 ? 5000 : 0, 20);
        assert_true(vn_world_status(s.a).tether_count <= 2);
        assert_true(vn_world_status(s.b).tether_count <= 2);
    }
    vn_world_cut(s.a, s.b, false);
    assert_int_not_equal(vn_world_ping(s.a, s.b, false, 20000), UINT64_MAX);
    vn_world_run(&s.w, 60000);
    assert_int_equal(0, vn_mem_net_count(s.w.net));
    vn_world_done(&s.w);
}

int main(void)
{
    if (getenv("VN_TEST_LOG"))
        vn_log_setup(VN_LOG_DEBUG, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_direct),
        cmocka_unit_test(test_no_successor_at_first),
        cmocka_unit_test(test_without_descriptor),
        cmocka_unit_test(test_learned_relay),
        cmocka_unit_test(test_pinned_relay),
        cmocka_unit_test(test_a_relay_that_cries),
        cmocka_unit_test(test_a_relay_that_cries_and_refuses),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_successor_goes),
        cmocka_unit_test(test_lost_meanwhile),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_amid_failures),
    };
    if (getenv("VN_TEST_ONLY"))
        cmocka_set_test_filter(getenv("VN_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
