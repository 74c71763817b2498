/* A relay with a thousand circuits dies: what its neighbours do and say then. */
#include "core/node_i.h"
#include "support/node_world.h"
#include "support/test.h"

#define CIRCUITS 1000
#define A_SECOND 40 /* below VN_SETUP_RATE */
#define EVERY_MS (1000 / A_SECOND)

struct scene {
    struct vn_world w;
    struct vn_world_node *a, *b, *c, *d;
    struct vn_world_node *first, *last; /* the crowd goes a, first, last, b */
    struct vn_circuit *crowd[CIRCUITS];
    uint32_t next; /* numbers of a's packets */
    uint32_t come; /* how many of them arrived */
    /* failure reports of anybody */
    size_t reports, labels;
};

static bool see(void *arg, const struct vn_id *tether, enum vn_tether_class cls,
                struct vn_pktbuf *b)
{
    struct scene *s = arg;
    struct vn_reader r = vn_reader_of(vn_pktbuf_span(b));
    struct vn_hop_header hop;
    struct vn_circuit_msg m;
    (void)tether;
    if (cls == VN_TETHER_CONTROL && vn_hop_decode(&r, &hop) && hop.type == VN_HOP_CIRCUIT &&
        vn_circuit_decode(vn_reader_rest(&r), &m) == VN_OK && m.type == VN_CIRCUIT_FAILED) {
        s->reports++;
        s->labels += m.blob.n / 4;
    }
    return true;
}

/* A packet from a to b every so often, for so long. */
static void stream(struct scene *s, uint64_t ms, uint64_t every_ms)
{
    struct vn_pktbuf *b;
    for (uint64_t at = 0; at < ms; at += every_ms) {
        vn_world_send(s->a, s->b, false, s->next++);
        vn_world_run(&s->w, every_ms);
        while ((b = vn_pktqueue_pop(&s->b->written))) {
            s->come++;
            vn_pktbuf_free(b);
        }
    }
}

static struct vn_stream *tx_of(const struct scene *s)
{
    return vn_peer_get(s->a->node, &s->b->node->session.self)->tx;
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
    vn_world_cut(s->a, s->b, true);
    for (int i = 0;
         i < 100 && !(vn_world_status(s->c).relay_count && vn_world_status(s->d).relay_count); i++)
        stream(s, 500, 20);
    stream(s, 1000, 20);
    const struct vn_stream *tx = tx_of(s);
    assert_non_null(tx->circuit->path);
    bool by_c = vn_id_equal(&tx->circuit->path->nodes[0], &s->c->node->session.self);
    s->last = by_c ? s->c : s->d;
    s->first = by_c ? s->d : s->c;
}

static void open_crowd(struct scene *s)
{
    const struct vn_id nodes[] = {s->first->node->session.self, s->last->node->session.self,
                                  s->b->node->session.self};
    struct vn_id missing;
    for (size_t i = 0; i < CIRCUITS; i++) {
        assert_ok(vn_circuit_open_path(s->a->node, tx_of(s), &s->crowd[i], nodes, 3, &missing));
        stream(s, EVERY_MS, EVERY_MS);
    }
    stream(s, 100, 20);
    for (size_t i = 0; i < CIRCUITS; i++)
        assert_int_equal(VN_CIRCUIT_UP, s->crowd[i]->state);
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
    const uint32_t from = s.next;
    s.come = 0;
    vn_world_kill(s.last);
    vn_mem_net_break_of(s.w.net, vn_world_owner(s.last), VN_TETHER_DOWN_SILENT);
    stream(&s, 100, 10);
    /* One report names them all, and nobody says a word more because of each of them. */
    assert_int_equal(1, s.reports);
    assert_int_equal(CIRCUITS, s.labels);
    assert_in_range(
        vn_mem_net_sent(s.w.net, vn_world_owner(s.first), VN_TETHER_CONTROL).count - said, 1, 20);
    /* What is left: a's stream, on the relay that stood by. */
    stream(&s, 1000, 10);
    assert_in_range(s.come, s.next - from - 2, s.next - from);
    assert_int_equal(1, vn_world_status(s.first).relay_count);
    assert_int_equal(1, tx_of(&s)->circuit_count);
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
