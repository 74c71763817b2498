/* A relay with a thousand circuits dies: what its neighbours do and say then. */
#include "core/node_i.h"
#include "support/test.h"
#include "support/world_flow.h"
#include "support/world_way.h"

#define CIRCUITS 1000

struct scene {
    struct vn_world w;
    struct vn_world_node *a, *b, *c, *d;
    struct vn_world_node *first, *last; /* the crowd goes a, first, last, b */
    struct vn_circuit *crowd[CIRCUITS];
    struct world_flow flow; /* from a to b */
    /* failure reports of anybody */
    size_t reports, labels;
};

static bool see(void *arg, const struct vn_id *tether, enum vn_tether_class cls,
                struct vn_pktbuf *b)
{
    struct scene *s = arg;
    struct vn_circuit_msg m;
    (void)tether;
    if (vn_world_is_circuit_msg(cls, b, &m) && m.type == VN_CIRCUIT_FAILED) {
        s->reports++;
        s->labels += m.blob.n / 4;
    }
    return true;
}

/* a's stream to b goes through the last relay of the crowd, and the first one stands by. */
static void setup(struct scene *s)
{
    memset(s, 0, sizeof(*s));
    vn_world_init_net(
        &s->w, VN_SUITE_DEFAULT,
        &(struct vn_mem_net_config){.seed = 1, .delay_us = 1000, .arg = s, .filter = see});
    s->c = vn_world_add(&s->w, "carol", "home");
    s->d = vn_world_add(&s->w, "dave", "home");
    s->b = vn_world_add(&s->w, "bob", "home");
    s->a = vn_world_add(&s->w, "alice", "home");
    world_flow_init(&s->flow, s->a, s->b);
    vn_world_cut(s->a, s->b, true);
    for (int i = 0;
         i < 100 && !(vn_world_status(s->c).relay_count && vn_world_status(s->d).relay_count); i++)
        world_flow_run(&s->flow, 500, 20);
    world_flow_run(&s->flow, 1000, 20);
    s->last = world_relay(s->a, s->b);
    assert_non_null(s->last);
    s->first = s->last == s->c ? s->d : s->c;
}

static void open_crowd(struct scene *s)
{
    const struct vn_id nodes[] = {s->first->node->session.self, s->last->node->session.self,
                                  s->b->node->session.self};
    struct vn_id missing;
    /* All at once: they go one by one, and none is refused for that. */
    for (size_t i = 0; i < CIRCUITS; i++)
        assert_ok(vn_circuit_open_path(s->a->node, world_tx(s->a, s->b), &s->crowd[i], nodes, 3,
                                       &missing));
    const uint64_t took_ms = (CIRCUITS - VN_SETUP_PACE_BURST) * 1000 / VN_SETUP_PACE_RATE;
    world_flow_run(&s->flow, took_ms + 100, 20);
    assert_int_equal(0, vn_world_drops_of(s->first, VN_NDROP_RATE));
    assert_int_equal(0, vn_world_drops_of(s->last, VN_NDROP_RATE));
    for (size_t i = 0; i < CIRCUITS; i++)
        assert_int_equal(VN_CIRCUIT_UP, s->crowd[i]->state);
}

/* Of a's packets from that number on. */
static unsigned lost(const struct scene *s, uint32_t since)
{
    unsigned count = 0;
    for (uint32_t i = since; i < s->flow.next; i++)
        count += !s->flow.come[i];
    return count;
}

static void test_thousand_circuits(void **state)
{
    (void)state;
    struct scene s;
    setup(&s);
    open_crowd(&s);
    assert_true(vn_world_status(s.first).relay_count >= CIRCUITS);
    const uint64_t said =
        vn_mem_net_sent(s.w.net, vn_world_owner(s.first), VN_TETHER_CONTROL).count;
    const uint32_t from = s.flow.next;
    vn_world_kill(s.last);
    vn_mem_net_break_of(s.w.net, vn_world_owner(s.last), VN_TETHER_DOWN_SILENT);
    world_flow_run(&s.flow, 100, 10);
    /* One report names them all, and nobody says a word more because of each of them. */
    assert_int_equal(1, s.reports);
    assert_int_equal(CIRCUITS, s.labels);
    assert_in_range(
        vn_mem_net_sent(s.w.net, vn_world_owner(s.first), VN_TETHER_CONTROL).count - said, 1, 20);
    /* What is left: a's stream, on the relay that stood by. */
    world_flow_run(&s.flow, 1000, 10);
    assert_in_range(lost(&s, from), 0, 2);
    assert_int_equal(1, vn_world_status(s.first).relay_count);
    assert_int_equal(1, world_tx(s.a, s.b)->circuit_count);
    assert_int_equal(1, vn_world_status(s.a).handshakes_started);
    assert_int_equal(0, s.a->unreachables);
    vn_world_done(&s.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thousand_circuits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
