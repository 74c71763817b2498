/* What a neighbour may try at a relay: forged, replayed, looping and too many SETUPs. */
#include "core/node_i.h"
#include "support/node_world.h"
#include "support/test.h"

static const char *const via_c[] = {"carol", NULL};

struct tap {
    uint8_t blob[VN_SETUP_BLOB_MAX]; /* of the first SETUP seen */
    size_t n;
};

static bool see(void *arg, const struct vn_id *tether, enum vn_tether_class cls,
                struct vn_pktbuf *b)
{
    struct tap *t = arg;
    struct vn_circuit_msg m;
    (void)tether;
    if (t->n == 0 && vn_world_is_circuit_msg(cls, b, &m) && m.type == VN_CIRCUIT_SETUP &&
        m.blob.n) {
        memcpy(t->blob, m.blob.p, m.blob.n);
        t->n = m.blob.n;
    }
    return true;
}

struct scene {
    struct vn_world w; /* first: see vn_world_teardown */
    struct vn_world_node *a, *b, *c;
    struct tap tap;
    uint32_t request;
};

static int setup(void **state)
{
    struct scene *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    vn_world_init_net(
        &s->w, VN_SUITE_DEFAULT,
        &(struct vn_mem_net_config){.seed = 1, .delay_us = 1000, .arg = &s->tap, .filter = see});
    s->c = vn_world_add(&s->w, "carol", "relays");
    s->b = vn_world_add(&s->w, "bob", "home");
    s->a = vn_world_add_via(&s->w, "alice", "home,relays", via_c);
    assert_true(vn_world_ping(s->a, s->b, false, 5000) < 300);
    assert_true(s->tap.n > 0);
    s->request = 1u << 20;
    *state = s;
    return 0;
}

/* As if a had sent it to c. */
static void inject(struct scene *s, uint8_t hops, struct vn_span blob)
{
    struct vn_peer *p = vn_world_peer(s->c, s->a);
    uint8_t buf[VN_SETUP_BLOB_MAX + 64];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_circuit_encode(&w, &(struct vn_circuit_msg){.type = VN_CIRCUIT_SETUP,
                                                   .hops = hops,
                                                   .request = s->request++,
                                                   .reverse_label = 5,
                                                   .blob = blob});
    assert_true(vn_writer_ok(&w));
    vn_circuit_input(s->c->node, p->hop, vn_writer_span(&w));
}

/* A blob for c that goes on to these. */
static struct vn_span make(struct scene *s, const struct vn_id *next, uint64_t time_ms,
                           uint8_t *ret)
{
    struct vn_setup_keys keys[2];
    const struct vn_peer *c = vn_world_peer(s->a, s->c);
    struct vn_setup_hop hops[2] = {{c->id, VN_SPAN(c->eks, c->eks_len)},
                                   {*next, VN_SPAN(c->eks, c->eks_len)}};
    assert_ok(vn_setup_seal(s->c->node->suite, hops, 2, time_ms, 1, ret, keys));
    return VN_SPAN(ret, vn_setup_blob_len(s->c->node->suite));
}

static void test_replayed_and_forged(void **state)
{
    struct scene *s = *state;
    uint64_t accepted = vn_world_status(s->c).relays_accepted;
    inject(s, 9, VN_SPAN(s->tap.blob, s->tap.n));
    assert_int_equal(1, vn_world_drops_of(s->c, VN_NDROP_REPLAY));
    s->tap.blob[100] ^= 1;
    inject(s, 9, VN_SPAN(s->tap.blob, s->tap.n));
    assert_int_equal(1, vn_world_drops_of(s->c, VN_NDROP_SEAL));
    s->tap.blob[0] ^= 1; /* another key's */
    inject(s, 9, VN_SPAN(s->tap.blob, s->tap.n));
    assert_int_equal(2, vn_world_drops_of(s->c, VN_NDROP_SEAL));
    inject(s, 9, VN_SPAN(s->tap.blob, s->tap.n - 1));
    assert_int_equal(3, vn_world_drops_of(s->c, VN_NDROP_SEAL));
    uint8_t blob[VN_SETUP_BLOB_MAX];
    uint64_t now = vn_protocol_now(s->c->node);
    inject(s, 9, make(s, &s->b->node->session.self, now - VN_ENVELOPE_FRESH_MS - 1, blob));
    inject(s, 9, make(s, &s->b->node->session.self, now + VN_ENVELOPE_FRESH_MS + 1, blob));
    assert_int_equal(2, vn_world_drops_of(s->c, VN_NDROP_STALE));
    vn_world_run(&s->w, 1000);
    assert_int_equal(accepted, vn_world_status(s->c).relays_accepted);
    assert_int_equal(1, vn_world_status(s->c).relay_count);
    assert_true(vn_world_ping(s->a, s->b, false, 1000) < 20);
}

static void test_loops(void **state)
{
    struct scene *s = *state;
    uint8_t blob[VN_SETUP_BLOB_MAX];
    uint64_t now = vn_protocol_now(s->c->node);
    inject(s, 9, make(s, &s->c->node->session.self, now, blob)); /* to itself */
    inject(s, 9, make(s, &s->a->node->session.self, now, blob)); /* back */
    inject(s, 0, make(s, &s->b->node->session.self, now, blob)); /* its budget is used up */
    assert_int_equal(3, vn_world_drops_of(s->c, VN_NDROP_LOOP));
    assert_int_equal(1, vn_world_status(s->c).relay_count);
}

/* To a node that nobody knows, with nobody to tell its descriptor: it ends by itself. */
static void test_to_nowhere(void **state)
{
    struct scene *s = *state;
    uint8_t blob[VN_SETUP_BLOB_MAX];
    const struct vn_id nobody = {.b = {1, 2, 3}};
    inject(s, 9, make(s, &nobody, vn_protocol_now(s->c->node), blob));
    assert_int_equal(2, vn_world_status(s->c).relay_count);
    vn_world_run(&s->w, 4000);
    assert_int_equal(1, vn_world_status(s->c).relay_count);
}

static void test_floods(void **state)
{
    struct scene *s = *state;
    uint8_t blob[VN_SETUP_BLOB_MAX];
    const struct vn_id nobody = {.b = {1, 2, 3}};
    for (int i = 0; i < 3 * VN_SETUP_BURST; i++)
        inject(s, 9, make(s, &nobody, vn_protocol_now(s->c->node), blob));
    assert_true(vn_world_drops_of(s->c, VN_NDROP_RATE) >= 2 * VN_SETUP_BURST);
    assert_true(vn_world_status(s->c).relay_count <= VN_SETUP_BURST + 1);
    /* Failure reports and descriptors that nobody asked for reach nothing. */
    const struct vn_peer *p = vn_world_peer(s->c, s->a);
    uint8_t buf[600];
    uint64_t before = vn_world_drops_of(s->c, VN_NDROP_CIRCUIT);
    for (uint32_t i = 0; i < 1000; i++) {
        const uint8_t labels[8] = {0, 0, 1, (uint8_t)i, 0, 1, 0, (uint8_t)(i + 1)};
        struct vn_writer w = vn_writer_of(buf, sizeof(buf));
        struct vn_circuit_msg m = {.type = VN_CIRCUIT_FAILED, .blob = VN_SPAN_ARRAY(labels)};
        if (i % 2)
            m = (struct vn_circuit_msg){.type = i % 4 == 1 ? VN_CIRCUIT_DESC : VN_CIRCUIT_NEED_DESC,
                                        .request = i,
                                        .mark = VN_SPAN(blob, VN_SETUP_MARK_LEN),
                                        .blob = VN_SPAN(blob, 100)};
        vn_circuit_encode(&w, &m);
        vn_circuit_input(s->c->node, p->hop, vn_writer_span(&w));
    }
    assert_true(vn_world_drops_of(s->c, VN_NDROP_CIRCUIT) >= before + 500);
    assert_true(vn_world_ping(s->a, s->b, false, 1000) < 20);
    vn_world_run(&s->w, 4000);
    assert_int_equal(1, vn_world_status(s->c).relay_count);
}

/* A relay that names another circuit's end: BIND under the stream's key does not fit it. */
static void test_swapped_ends(void **state)
{
    struct scene *s = *state;
    struct vn_peer *p = vn_world_peer(s->b, s->c);
    struct vn_circuit *in = NULL;
    VN_LIST_EACH(it, &p->hop->circuits)
    {
        in = VN_LIST_ENTRY(it, struct vn_circuit, of_hop);
    }
    assert_non_null(in);
    assert_int_not_equal(in->bind, in->fwd);
    in->bind ^= 2; /* as if that had been accepted for another SETUP */
    uint64_t before = vn_world_status(s->b).drops[VN_NDROP_CIRCUIT];
    struct vn_stream *tx = vn_world_peer(s->a, s->b)->tx;
    vn_stream_set_state(tx, VN_TX_EXPECT_CIRCUIT);
    vn_tx_advance(s->a->node, tx);
    vn_world_run(&s->w, 100);
    assert_true(vn_world_status(s->b).drops[VN_NDROP_CIRCUIT] > before);
    assert_int_equal(VN_TX_EXPECT_BOUND, tx->state);
}

/* Circuits to b through c, without the pace that others keep to. */
static void crowd(struct scene *s, struct vn_world_node *n, size_t count, struct vn_circuit **ret)
{
    const struct vn_id nodes[] = {vn_world_id(s->c), vn_world_id(s->b)};
    struct vn_id missing;
    struct vn_hop *at_c = vn_world_peer(s->c, n)->hop;
    vn_bucket_init(&at_c->setups, VN_SETUP_BURST, at_c->node->now_ms);
    for (size_t i = 0; i < count; i++) {
        vn_world_peer(n, s->c)->hop->setups_out.pace = (struct vn_pace){0};
        ret[i] = NULL;
        assert_ok(
            vn_circuit_open_path(n->node, vn_world_peer(n, s->b)->tx, &ret[i], nodes, 2, &missing));
    }
}

static size_t count_up(struct vn_circuit *const *list, size_t count)
{
    size_t up = 0;
    for (size_t i = 0; i < count; i++)
        up += list[i]->state == VN_CIRCUIT_UP;
    return up;
}

/* Two neighbours set up as much as c lets them, to the same end: more than goes there at once. Who
 * comes now has his turn after one of each. */
static void test_who_floods_waits_alone(void **state)
{
    struct scene *s = *state;
    struct vn_circuit *of[2][VN_SETUP_BURST], *mine;
    struct vn_world_node *const crowds[] = {vn_world_add_via(&s->w, "heidi", "home,relays", via_c),
                                            vn_world_add_via(&s->w, "ivan", "home,relays", via_c)};
    for (size_t i = 0; i < 2; i++)
        assert_true(vn_world_ping(crowds[i], s->b, false, 5000) < 1000);
    for (size_t i = 0; i < 2; i++)
        crowd(s, crowds[i], VN_SETUP_BURST, of[i]);
    vn_world_run(&s->w, 200);
    const size_t before = count_up(of[0], VN_SETUP_BURST);
    assert_in_range(before + count_up(of[1], VN_SETUP_BURST), VN_SETUP_PACE_BURST,
                    VN_SETUP_PACE_BURST + VN_SETUP_PACE_RATE / 4);
    crowd(s, s->a, 1, &mine);
    vn_world_run(&s->w, 4 * 1000 / VN_SETUP_PACE_RATE);
    assert_int_equal(VN_CIRCUIT_UP, mine->state);
    /* Of the two neither is behind the other. */
    vn_world_run(&s->w, 1000);
    const size_t up[] = {count_up(of[0], VN_SETUP_BURST), count_up(of[1], VN_SETUP_BURST)};
    assert_in_range(up[1], VN_SETUP_PACE_RATE / 2 - 5, VN_SETUP_BURST - 1);
    vn_world_run(&s->w, 3000);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(VN_SETUP_BURST, count_up(of[i], VN_SETUP_BURST));
}

/* What can not go before its source gives it up is refused, or forgotten then. */
static void test_setups_that_wait_are_bounded(void **state)
{
    struct scene *s = *state;
    struct vn_circuit *unused[VN_SETUP_BURST], *mine;
    struct vn_world_node *heidi = vn_world_add_via(&s->w, "heidi", "home,relays", via_c);
    assert_true(vn_world_ping(heidi, s->b, false, 5000) < 1000);
    const struct vn_list *waiting = &vn_world_peer(s->c, s->b)->hop->setups_out.waiting;
    const size_t all = VN_SETUP_PACE_BURST + VN_SETUP_QUEUE_MAX + VN_SETUP_BURST;
    for (size_t sent = 0; sent < all; sent += VN_SETUP_BURST) {
        crowd(s, heidi, VN_SETUP_BURST, unused);
        vn_world_run(&s->w, 5);
    }
    size_t count = 0;
    VN_LIST_EACH(it, waiting)
    count++;
    assert_in_range(count, VN_SETUP_QUEUE_MAX - 1, VN_SETUP_QUEUE_MAX);
    assert_true(vn_world_drops_of(s->c, VN_NDROP_CIRCUIT) > 0);
    crowd(s, s->a, 1, &mine);
    vn_world_run(&s->w, 4 * 1000 / VN_SETUP_PACE_RATE);
    assert_int_equal(VN_CIRCUIT_UP, mine->state);
    for (uint64_t ms = 0; ms < VN_SETUP_SEALED_WAIT_MS; ms += 500) {
        assert_true(vn_world_ping(heidi, s->b, false, 1000) < 20); /* none ends for idleness */
        vn_world_run(&s->w, 500);
    }
    assert_true(vn_list_empty(waiting));
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, vn_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_replayed_and_forged),
        T(test_loops),
        T(test_to_nowhere),
        T(test_floods),
        T(test_swapped_ends),
        T(test_who_floods_waits_alone),
        T(test_setups_that_wait_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
