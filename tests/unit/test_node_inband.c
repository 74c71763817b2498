/* Master away: handshakes, offers and questions go over tethers, through one neighbour at most. */
#include <stdlib.h>

#include "core/node_i.h"
#include "support/node_world.h"
#include "support/test.h"
#include "wire/inband.h"

struct scene {
    struct vn_world w; /* first: see vn_world_teardown */
    struct vn_world_node *a, *b, *c, *d;
};

/* All have a tether to c, and none to each other. */
static int setup(void **state)
{
    struct scene *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    vn_world_init(&s->w, VN_SUITE_DEFAULT);
    s->c = vn_world_add(&s->w, "carol", "home");
    s->a = vn_world_add(&s->w, "alice", "home");
    s->b = vn_world_add(&s->w, "bob", "home");
    s->d = vn_world_add(&s->w, "dave", "home");
    assert_true(vn_world_ping(s->a, s->c, false, 5000) < 300);
    assert_true(vn_world_ping(s->b, s->c, false, 5000) < 300);
    assert_true(vn_world_ping(s->d, s->c, false, 5000) < 300);
    *state = s;
    return 0;
}

static void master(struct scene *s, bool up)
{
    vn_mem_broker_set_up(s->w.broker, up);
    vn_world_run(&s->w, 10);
}

static uint64_t passed(const struct scene *s)
{
    return vn_world_status(s->c).inband_passed;
}

static void test_through_a_common_neighbour(void **state)
{
    struct scene *s = *state;
    master(s, false);
    assert_int_equal(0, passed(s));
    size_t before = vn_mem_broker_counters(s->w.broker).published;
    assert_true(vn_world_ping(s->a, s->b, false, 5000) < 300);
    assert_true(vn_world_ping(s->b, s->a, true, 5000) < 300);
    assert_true(passed(s) > 0);
    assert_int_equal(before, vn_mem_broker_counters(s->w.broker).published);
    /* The tether that they made is their own: c carries nothing of what follows. */
    uint64_t mine = passed(s);
    for (int i = 0; i < 20; i++)
        assert_true(vn_world_ping(s->a, s->b, false, 1000) < 20);
    assert_int_equal(mine, passed(s));
    assert_int_equal(0, vn_world_counters(s->c).frames_relayed);
    assert_int_equal(0, s->a->unreachables);
}

/* There is no way between them at all: handshake and circuit go through c. */
static void test_and_a_circuit_through_it(void **state)
{
    struct scene *s = *state;
    vn_world_cut(s->a, s->b, true);
    master(s, false);
    assert_true(vn_world_ping(s->a, s->b, false, 10000) < 3500);
    assert_int_equal(1, vn_world_counters(s->c).frames_relayed);
    assert_int_equal(0, s->a->unreachables);
}

static void test_over_a_tether_that_is_there(void **state)
{
    struct scene *s = *state;
    assert_true(vn_world_ping(s->a, s->b, false, 5000) < 300);
    master(s, false);
    assert_int_equal(0, vn_world_status(s->a).stream_rx_count);
    assert_true(vn_world_ping(s->b, s->a, false, 5000) < 300);
    assert_int_equal(0, passed(s));
    assert_true(vn_world_status(s->a).inband_received > 0);
}

/* Its setting forbids it to carry others, so it does not carry their words either. */
static void test_needs_permission(void **state)
{
    struct scene *s = *state;
    s->c->node->cfg.no_relay = true;
    master(s, false);
    assert_int_equal(UINT64_MAX, vn_world_ping(s->a, s->b, false, 5000));
    assert_true(s->a->unreachables > 0);
    assert_int_equal(0, passed(s));
    assert_true(vn_world_status(s->c).drops[VN_NDROP_INBAND] > 0);
}

/* What is unused stays while Master is away, at both ends, since it may be all there is. */
static void test_tethers_stay(void **state)
{
    struct scene *s = *state;
    master(s, false);
    vn_world_run(&s->w, 3 * VN_WORLD_IDLE_MS + VN_KEEP_MS);
    assert_int_equal(0, vn_world_status(s->a).stream_tx_count);
    assert_int_equal(1, vn_world_status(s->a).tether_count);
    assert_int_equal(3, vn_world_status(s->c).tether_count);
    assert_true(vn_world_ping(s->a, s->b, false, 5000) < 300);
    master(s, true);
    vn_world_run(&s->w, 3 * VN_WORLD_IDLE_MS);
    assert_int_equal(0, vn_world_status(s->a).tether_count);
    assert_int_equal(0, vn_mem_net_count(s->w.net));
}

/* One node alone has lost Master: the others answer it the way it asks. */
static void lose_master(struct vn_world_node *n)
{
    const struct vn_control *c = vn_mem_client_port(n->client);
    c->disconnect(c->self);
    n->handler.state(n->handler.arg, VN_CONTROL_DOWN, "cut off");
}

static void test_one_alone(void **state)
{
    struct scene *s = *state;
    lose_master(s->a);
    vn_world_run(&s->w, 10);
    assert_true(vn_world_ping(s->a, s->b, false, 5000) < 300);
    /* It keeps its tethers, and its peers keep them for it. */
    vn_world_run(&s->w, 3 * VN_WORLD_IDLE_MS + VN_KEEP_MS);
    assert_int_equal(2, vn_world_status(s->a).tether_count);
    assert_int_equal(0, vn_world_status(s->d).tether_count);
}

static void test_master_is_used_when_it_is_there(void **state)
{
    struct scene *s = *state;
    assert_true(vn_world_ping(s->a, s->b, false, 5000) < 300);
    master(s, false);
    assert_true(vn_world_ping(s->a, s->d, false, 5000) < 300);
    uint64_t then = passed(s);
    assert_true(then > 0);
    master(s, true);
    assert_true(vn_world_ping(s->b, s->d, false, 5000) < 300);
    assert_int_equal(then, passed(s));
}

/* The neighbour that it all went through dies: another one is found. */
static void test_another_neighbour(void **state)
{
    struct scene *s = *state;
    assert_true(vn_world_ping(s->a, s->d, false, 5000) < 300);
    assert_true(vn_world_ping(s->b, s->d, false, 5000) < 300);
    master(s, false);
    vn_world_kill(s->c);
    vn_mem_net_break_of(s->w.net, vn_world_owner(s->c), VN_TETHER_DOWN_SILENT);
    vn_world_run(&s->w, 10);
    assert_true(vn_world_ping(s->a, s->b, false, 5000) < 300);
    assert_true(vn_world_status(s->d).inband_passed > 0);
}

/* The path between two dies, and one of them notices it first: its offer ends the other's tether,
 * whose stream goes through a relay as well. */
static void test_one_end_notices_first(void **state)
{
    struct scene *s = *state;
    assert_true(vn_world_ping(s->a, s->b, false, 5000) < 300);
    assert_true(vn_world_ping(s->b, s->a, false, 5000) < 300);
    master(s, false);
    vn_world_cut(s->a, s->b, true);
    vn_hop_event_down(s->a->node, vn_world_peer(s->a, s->b)->hop->handle, VN_TETHER_DOWN_SILENT);
    vn_world_run(&s->w, 500);
    assert_true(vn_world_ping(s->b, s->a, false, 10000) < 3000);
    assert_int_equal(1, vn_world_status(s->b).handshakes_started - 1); /* c's, and the same one */
    assert_int_equal(0, s->b->unreachables);
}

/* ---- hostile neighbours ---- */

/* As if `from` had sent it to `to` over the tether between them. */
static void inject(struct vn_world_node *to, const struct vn_world_node *from,
                   const struct vn_inband *m)
{
    struct vn_peer *p = vn_world_peer(to, from);
    uint8_t buf[512];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_inband_encode(&w, m);
    assert_true(vn_writer_ok(&w) && p && p->hop);
    vn_inband_input(to->node, p->hop, vn_writer_span(&w));
}

static void test_floods(void **state)
{
    struct scene *s = *state;
    master(s, false);
    struct vn_inband m = {.kind = VN_INBAND_SENT,
                          .subject = VN_SUBJ_IN,
                          .name = vn_world_id(s->b),
                          .message = VN_SPAN_LIT("\x01\x01\x05 noise")};
    for (int i = 0; i < 3000; i++)
        inject(s->c, s->a, &m);
    assert_int_equal(VN_INBAND_PASS_BURST, passed(s));
    assert_int_equal(3000 - VN_INBAND_PASS_BURST, vn_world_drops_of(s->c, VN_NDROP_RATE));
    m.kind = VN_INBAND_KEEP; /* what it brings is counted whatever it is for */
    inject(s->c, s->a, &m);
    assert_int_equal(3001 - VN_INBAND_PASS_BURST, vn_world_drops_of(s->c, VN_NDROP_RATE));
    /* Those whose neighbours do not flood are served by both, at once. */
    assert_true(vn_world_ping(s->d, s->b, false, 5000) < 300);
}

static void test_loops_and_strangers(void **state)
{
    struct scene *s = *state;
    master(s, false);
    struct vn_inband m = {.kind = VN_INBAND_SENT,
                          .subject = VN_SUBJ_IN,
                          .name = vn_world_id(s->a),
                          .message = VN_SPAN_LIT("\x01\x01\x05 noise")};
    inject(s->c, s->a, &m); /* to itself */
    assert_int_equal(1, vn_world_drops_of(s->c, VN_NDROP_LOOP));
    m.kind = VN_INBAND_PASSED;
    m.src = vn_world_id(s->d);
    m.name = vn_world_id(s->b);
    inject(s->c, s->a, &m); /* passed on twice */
    assert_int_equal(2, vn_world_drops_of(s->c, VN_NDROP_LOOP));
    m.name = vn_world_id(s->c);
    m.src = vn_world_id(s->c);
    inject(s->c, s->a, &m); /* our own */
    m.src = vn_world_id(s->a);
    inject(s->c, s->a, &m); /* its own */
    assert_int_equal(4, vn_world_drops_of(s->c, VN_NDROP_LOOP));
    m.kind = VN_INBAND_SENT;
    m.name = (struct vn_id){.b = {1}};
    inject(s->c, s->a, &m); /* to nobody */
    assert_int_equal(1, vn_world_drops_of(s->c, VN_NDROP_INBAND));
    m.subject = VN_SUBJ_OWN;
    inject(s->c, s->a, &m);
    assert_int_equal(0, passed(s));
    struct vn_peer *p = vn_peer_get(s->c->node, &(struct vn_id){.b = {1}});
    assert_null(p);
    uint8_t none = 0;
    vn_inband_input(s->c->node, vn_world_peer(s->c, s->a)->hop, VN_SPAN(&none, 1));
    assert_int_equal(1, vn_world_drops_of(s->c, VN_NDROP_MALFORMED));
}

/* c says that what it sends is d's. */
static void test_forged_senders(void **state)
{
    struct scene *s = *state;
    struct vn_id d = vn_world_id(s->d);
    uint8_t other[100] = {1, VN_SUITE_DEFAULT, VN_T_OFFER}; /* of nobody */
    struct vn_inband m = {.kind = VN_INBAND_PASSED,
                          .subject = VN_SUBJ_IN,
                          .name = vn_world_id(s->b),
                          .src = d,
                          .message = VN_SPAN_ARRAY(other)};
    for (int i = 0; i < VN_INBAND_BURST; i++)
        inject(s->b, s->c, &m);
    inject(s->b, s->c, &m);
    assert_int_equal(VN_INBAND_BURST, vn_world_drops_of(s->b, VN_NDROP_MALFORMED));
    assert_int_equal(1, vn_world_drops_of(s->b, VN_NDROP_RATE));
    /* It cost c its own share, and d nothing; nor did it change how d is answered. */
    vn_world_run(&s->w, 2000);
    const struct vn_source *source = vn_map_get(s->b->node->seen.sources, &d);
    assert_true(!source || source->envelopes.milli == 1000 * VN_ENVELOPE_SRC_BURST);
    assert_true(vn_world_ping(s->d, s->b, false, 5000) < 300);
    const struct vn_peer *p = vn_world_peer(s->b, s->d);
    assert_true(vn_id_is_zero(&p->via));
    /* Guardian's messages do not come this way. */
    uint64_t before =
        vn_world_drops_of(s->b, VN_NDROP_SUBJECT) + vn_world_drops_of(s->b, VN_NDROP_MALFORMED);
    other[2] = VN_T_UPDATE;
    inject(s->b, s->c, &m);
    other[2] = VN_T_KEYS_NOW;
    inject(s->b, s->c, &m);
    assert_int_equal(before + 2, vn_world_drops_of(s->b, VN_NDROP_SUBJECT) +
                                     vn_world_drops_of(s->b, VN_NDROP_MALFORMED));
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, vn_world_teardown)

int main(void)
{
    if (getenv("VN_TEST_LOG"))
        vn_log_setup(VN_LOG_DEBUG, 0);
    const struct CMUnitTest tests[] = {
        T(test_through_a_common_neighbour),
        T(test_and_a_circuit_through_it),
        T(test_over_a_tether_that_is_there),
        T(test_needs_permission),
        T(test_tethers_stay),
        T(test_one_alone),
        T(test_master_is_used_when_it_is_there),
        T(test_another_neighbour),
        T(test_one_end_notices_first),
        T(test_floods),
        T(test_loops_and_strangers),
        T(test_forged_senders),
    };
    if (getenv("VN_TEST_ONLY"))
        cmocka_set_test_filter(getenv("VN_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
