/* Two paths of a stream at once: real-time frames go by both while the one in use loses some. */
#include "core/node_i.h"
#include "support/node_world.h"
#include "support/test.h"
#include "support/world_way.h"

#define DSCP_EF 46
#define NUMBERS 40000

struct scene {
    struct vn_world w;
    struct vn_world_node *a, *b, *c, *d;
    uint32_t next;
    uint8_t come[NUMBERS]; /* how often */
    struct {               /* tethers that lose some real-time frames */
        struct vn_id tether;
        unsigned every, count; /* one in so many; 0: none */
    } losses[2];
};

static bool swallow(void *arg, const struct vn_id *tether, enum vn_tether_class cls,
                    struct vn_pktbuf *b)
{
    struct scene *s = arg;
    (void)b;
    for (size_t i = 0; cls == VN_TETHER_REALTIME && i < VN_ARRAY_LEN(s->losses); i++)
        if (s->losses[i].every && vn_id_equal(tether, &s->losses[i].tether))
            return ++s->losses[i].count % s->losses[i].every != 0;
    return true;
}

static void setup(struct scene *s, uint64_t rate)
{
    memset(s, 0, sizeof(*s));
    vn_world_init_net(&s->w, VN_SUITE_DEFAULT,
                      &(struct vn_mem_net_config){.seed = 1,
                                                  .delay_us = 10000,
                                                  .retransmit_us = 55000,
                                                  .rate = rate,
                                                  .arg = s,
                                                  .filter = swallow});
    s->c = vn_world_add(&s->w, "carol", "home");
    s->d = vn_world_add(&s->w, "dave", "home");
    s->b = vn_world_add(&s->w, "bob", "home");
    s->a = vn_world_add(&s->w, "alice", "home");
    s->a->dscp = DSCP_EF;
    s->next = 1;
}

static void drain(struct scene *s)
{
    struct vn_pktbuf *b;
    while ((b = vn_pktqueue_pop(&s->b->written))) {
        const uint32_t number = vn_inner_number(vn_pktbuf_span(b));
        assert_in_range(number, 1, NUMBERS - 1);
        s->come[number]++;
        vn_pktbuf_free(b);
    }
}

/* `burst` packets from a to b every so often, for so long. */
static void stream(struct scene *s, uint64_t ms, uint64_t every_ms, unsigned burst)
{
    for (uint64_t at = 0; at < ms; at += every_ms) {
        for (unsigned i = 0; i < burst; i++)
            vn_world_send(s->a, s->b, false, s->next++);
        vn_world_run(&s->w, every_ms);
        drain(s);
    }
}

/* Of those since `from`, when all that comes has come; none comes twice. */
static unsigned lost_since(struct scene *s, uint32_t from)
{
    unsigned lost = 0;
    vn_world_run(&s->w, 500);
    drain(s);
    for (uint32_t i = from; i < s->next; i++) {
        assert_in_range(s->come[i], 0, 1);
        lost += s->come[i] == 0;
    }
    return lost;
}

/* The ways to b that carry copies; which relay is the last of them. */
static size_t asides(const struct scene *s, struct vn_id *ret_relay)
{
    struct vn_node_way ways[VN_NODE_WAYS_MAX];
    const struct vn_id b = vn_world_status(s->b).node;
    const size_t count = vn_node_ways(s->a->node, &b, ways, VN_ARRAY_LEN(ways));
    size_t found = 0;
    *ret_relay = (struct vn_id){0};
    for (size_t i = 0; i < count; i++) {
        assert_false(ways[i].copies && strcmp(ways[i].why, "in_use") == 0);
        found += ways[i].copies;
        if (ways[i].copies)
            *ret_relay = ways[i].relay;
    }
    return found;
}

/* Traffic until there are so many. */
static void send_until_aside(struct scene *s, size_t count)
{
    struct vn_id relay;
    for (int i = 0; i < 300 && asides(s, &relay) != count; i++)
        stream(s, 200, 10, 1);
    assert_int_equal(count, asides(s, &relay));
}

static void send_until_bound(struct scene *s, size_t count)
{
    const struct vn_id b = vn_world_status(s->b).node;
    stream(s, 1000, 20, 1);
    for (int i = 0; i < 300; i++) {
        const struct vn_stream *tx = vn_peer_get(s->a->node, &b)->tx;
        size_t bound = 0;
        assert_non_null(tx);
        VN_LIST_EACH(it, &tx->circuits)
        bound += VN_LIST_ENTRY(it, struct vn_circuit, of_stream)->bound;
        if (bound == count)
            return;
        stream(s, 200, 20, 1);
    }
    fail_msg("no standbys");
}

/* Every path of a's loses a twentieth: by two of them a four-hundredth is lost, and nothing comes
 * twice. Where nothing is lost, or nothing is any more, there are no copies. */
static void test_loss_is_made_up_for(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, 0);
    send_until_bound(&s, 3);
    stream(&s, 2000, 10, 1);
    assert_int_equal(0, vn_world_counters(s.a).frames_copied);
    vn_mem_net_lossy(s.w.net, vn_world_owner(s.a), 50);
    send_until_aside(&s, 1);
    const uint32_t from = s.next;
    const uint64_t replays = vn_world_counters(s.b).drops[VN_DROP_REPLAY];
    stream(&s, 40000, 10, 1);
    assert_in_range(lost_since(&s, from), 0, 39); /* of 4,000; by one path 200 */
    assert_in_range(vn_world_counters(s.b).drops[VN_DROP_REPLAY] - replays, 3000, 4000);
    /* Other classes are not copied: what tethers lose of them they send again. */
    s.a->dscp = 0;
    const uint64_t copied = vn_world_counters(s.a).frames_copied;
    stream(&s, 2000, 10, 1);
    assert_int_equal(copied, vn_world_counters(s.a).frames_copied);
    vn_mem_net_lossy(s.w.net, vn_world_owner(s.a), 0);
    s.a->dscp = DSCP_EF;
    send_until_aside(&s, 0);
    vn_world_done(&s.w);
}

/* One in so many that these two pass on to b is lost. */
static void lose(struct scene *s, unsigned c_every, unsigned d_every)
{
    s->losses[0].tether = vn_world_peer(s->c, s->b)->hop->tether;
    s->losses[0].every = c_every;
    s->losses[1].tether = vn_world_peer(s->d, s->b)->hop->tether;
    s->losses[1].every = d_every;
}

/* About a twentieth is lost between each relay and b, and nothing before: only b knows. The copies
 * go on for as long as that is so, though by both ways nearly all comes, and no longer. */
static void test_loss_behind_the_relay(void **state)
{
    (void)state;
    struct scene s;
    struct vn_id relay;
    setup(&s, 0);
    vn_world_cut(s.a, s.b, true);
    send_until_bound(&s, 2);
    stream(&s, 5000, 10, 1);
    assert_int_equal(0, vn_world_counters(s.a).frames_copied);
    lose(&s, 19, 23);
    send_until_aside(&s, 1);
    const uint32_t from = s.next;
    for (int i = 0; i < 10; i++) {
        stream(&s, 4000, 10, 1);
        assert_int_equal(1, asides(&s, &relay));
    }
    assert_in_range(lost_since(&s, from), 0, 39); /* of 4,000; by one path 170 and more */
    lose(&s, 0, 0);
    send_until_aside(&s, 0);
    vn_world_done(&s.w);
}

/* The same where the path is new to such frames: what came is told of soon, twice, and the second
 * word shows what did not. */
static void test_copies_begin_soon(void **state)
{
    (void)state;
    struct scene s;
    struct vn_id relay;
    setup(&s, 0);
    vn_world_cut(s.a, s.b, true);
    s.a->dscp = 0;
    send_until_bound(&s, 2);
    lose(&s, 19, 23);
    s.a->dscp = DSCP_EF;
    stream(&s, 4 * VN_TALLY_EARLY_US / 1000 + 300, 10, 5);
    assert_int_equal(1, asides(&s, &relay));
    vn_world_done(&s.w);
}

/* A relay that answers, passes bulk on and keeps real-time frames to itself is left as one that
 * keeps all. */
static void test_relay_keeps_real_time(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, 0);
    vn_world_cut(s.a, s.b, true);
    send_until_bound(&s, 2);
    stream(&s, 4000, 20, 1); /* b has told of some */
    struct vn_world_node *first = world_relay(s.a, s.b);
    assert_non_null(first);
    lose(&s, first == s.c, first == s.d);
    stream(&s, VN_OVERDUE_MS - 500, 20, 1);
    assert_ptr_equal(first, world_relay(s.a, s.b));
    stream(&s, 4500, 20, 1); /* word was on its way */
    assert_ptr_not_equal(first, world_relay(s.a, s.b));
    assert_true(s.losses[0].count + s.losses[1].count > 300);
    assert_int_equal(1, s.a->node->routes.failovers);
    const uint32_t from = s.next;
    stream(&s, 500, 20, 1);
    assert_int_equal(0, lost_since(&s, from));
    assert_int_equal(1, vn_world_status(s.a).handshakes_started);
    vn_world_done(&s.w);
}

/* A quarter of what the second path lets through is what copies may take of it. */
static void test_copies_are_bounded(void **state)
{
    (void)state;
    const uint64_t rate = 100000;
    struct scene s;
    setup(&s, rate);
    send_until_bound(&s, 3);
    vn_mem_net_lossy(s.w.net, vn_world_owner(s.a), 50);
    send_until_aside(&s, 1);
    const struct vn_worker_counters before = vn_world_counters(s.a);
    stream(&s, 4000, 5, 5);
    const struct vn_worker_counters after = vn_world_counters(s.a);
    const uint64_t sent = after.frames_sealed - before.frames_sealed;
    const uint64_t copied = after.frames_copied - before.frames_copied;
    assert_int_equal(4000, sent);
    /* A frame of one such packet has 92 bytes and its headers. */
    assert_in_range(copied * 92, rate / VN_COPIES_SHARE, rate / VN_COPIES_SHARE * 5);
    vn_world_done(&s.w);
}

/* The relay of the second path goes: the stream stays as it is. */
static void test_second_path_ends(void **state)
{
    (void)state;
    struct scene s;
    struct vn_id relay;
    setup(&s, 0);
    vn_world_cut(s.a, s.b, true); /* one relay carries the stream, another the copies */
    send_until_bound(&s, 2);
    vn_mem_net_lossy(s.w.net, vn_world_owner(s.a), 50);
    send_until_aside(&s, 1);
    vn_mem_net_lossy(s.w.net, vn_world_owner(s.a), 0);
    const uint32_t from = s.next;
    const uint64_t moves = s.a->node->routes.moves;
    const struct vn_id c = vn_world_status(s.c).node;
    assert_int_equal(1, asides(&s, &relay));
    vn_node_stop(vn_id_equal(&relay, &c) ? s.c->node : s.d->node, s.w.now_us / 1000);
    stream(&s, 1000, 10, 1);
    assert_int_equal(0, asides(&s, &relay));
    assert_int_equal(0, lost_since(&s, from));
    assert_int_equal(moves, s.a->node->routes.moves);
    assert_int_equal(1, vn_world_status(s.a).handshakes_started);
    vn_world_done(&s.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss_is_made_up_for), cmocka_unit_test(test_loss_behind_the_relay),
        cmocka_unit_test(test_copies_begin_soon),   cmocka_unit_test(test_relay_keeps_real_time),
        cmocka_unit_test(test_copies_are_bounded),  cmocka_unit_test(test_second_path_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
