/* Bulk flows of a stream over several ways: each flow has one, and whatever happens to a way, all
 * packets come once. */
#include "core/rx.h"
#include "core/tx.h"
#include "support/test.h"
#include "support/worker_rig.h"

#define FLOWS 16
#define ROUNDS 60
#define PACKETS (FLOWS * ROUNDS)
#define PAUSE_US 100000 /* longer than any gap */

struct scene {
    struct vn_rig r;
    uint64_t frames[4]; /* bulk, by number of the tether */
};

static bool count(void *arg, const struct vn_id *tether, enum vn_tether_class cls,
                  struct vn_pktbuf *b)
{
    struct scene *s = arg;
    struct vn_reader r = vn_reader_of(vn_pktbuf_span(b));
    struct vn_hop_header hop;
    for (uint32_t i = 1; i <= 3; i++) {
        const struct vn_id id = vn_rig_tether_id(i);
        s->frames[i] += cls == VN_TETHER_BULK && vn_id_equal(tether, &id) &&
                        vn_hop_decode(&r, &hop) && hop.type == VN_HOP_FRAME;
    }
    return true;
}

/* Stream 11 over tether 1, and bound to a circuit of tether 2 and of 3 as well. */
static void setup(struct scene *s, bool relayed)
{
    *s = (struct scene){0};
    vn_rig_init(&s->r, &(struct vn_mem_net_config){.delay_us = 5000, .arg = s, .filter = count});
    s->r.relayed = relayed;
    vn_rig_stream(&s->r);
    for (uint32_t tether = 2; tether <= 3; tether++) {
        vn_rig_connect(&s->r, 0, 1, tether);
        vn_rig_rx_open(&s->r.side[1], 12, tether, 70 + tether, 0, 0);
    }
}

static const struct vn_tx *tx_of(const struct scene *s)
{
    return vn_rig_tx(&s->r.side[0], 11);
}

/* Over its own way and those of tethers 2 to 1 + sides. */
static void spread(struct scene *s, size_t sides, bool again)
{
    struct vn_cmd_tx_spread *c;
    assert_ok(vn_post_msg_new(VN_CMD_TX_SPREAD, sizeof(*c), &c));
    c->tx = 11;
    c->gap_us = 2000;
    c->again = again;
    c->ways[0].share = 1000;
    for (uint32_t i = 1; i <= sides; i++) {
        c->ways[i].tether = 1 + i;
        c->ways[i].label = 71 + i;
        c->ways[i].rev = s->r.relayed ? 1071 + i : 0;
        c->ways[i].share = 1000;
    }
    vn_rig_command(&s->r.side[0], c);
}

static void send(struct scene *s, uint32_t number)
{
    vn_rig_packet(&s->r.side[0], &(struct vn_inner){.src = "10.66.0.1",
                                                    .dst = "10.66.0.2",
                                                    .flow = (uint16_t)(number % FLOWS),
                                                    .payload_len = 1200,
                                                    .number = number});
}

/* A packet of each flow so many times, each time after so long. */
static void run(struct scene *s, uint32_t from, uint32_t rounds, uint64_t each_us)
{
    for (uint32_t i = 0; i < rounds * FLOWS; i++) {
        send(s, from + i);
        vn_rig_run(&s->r, each_us / FLOWS);
    }
}

static void assert_all_came_once(struct scene *s)
{
    vn_rig_run(&s->r, VN_REPORT_LITTLE_US + 2000000);
    vn_rig_all_came_once(&s->r.side[1], PACKETS);
    assert_int_equal(0, s->r.side[0].worker->retained);
}

static void flows_take_the_ways_in_turn(void **state)
{
    (void)state;
    for (int relayed = 0; relayed < 2; relayed++) {
        struct scene s;
        setup(&s, relayed);
        run(&s, 0, 1, PAUSE_US);
        assert_int_equal(FLOWS, s.frames[1]);
        spread(&s, 2, false);
        run(&s, FLOWS, ROUNDS - 1, PAUSE_US);
        for (size_t i = 1; i <= 3; i++) /* those that share a slot take turns as one */
            assert_in_range(s.frames[i], PACKETS / 4, PACKETS / 2);
        assert_all_came_once(&s);
        assert_int_equal(0, vn_rig_counters(&s.r.side[0]).frames_resent);
        vn_rig_done(&s.r);
    }
}

/* A flow that does not pause stays, and comes in its order. */
static void a_flow_has_one_way(void **state)
{
    (void)state;
    struct scene s;
    uint32_t last[FLOWS] = {0};
    setup(&s, true);
    spread(&s, 1, false);
    run(&s, 0, ROUNDS, 1600);
    assert_in_range(s.frames[1], 10, PACKETS);
    assert_in_range(s.frames[2], 10, PACKETS);
    assert_int_equal(0, s.frames[3]);
    assert_all_came_once(&s);
    for (const struct vn_pktbuf *b = s.r.side[1].written.head; b; b = b->next) {
        const uint32_t number = vn_inner_number(vn_pktbuf_span(b));
        assert_in_range(number, last[number % FLOWS], PACKETS);
        last[number % FLOWS] = number;
    }
    vn_rig_done(&s.r);
}

/* With what is on it, while the own way lives: that goes again there. */
static void a_way_dies(void **state)
{
    (void)state;
    for (int relayed = 0; relayed < 2; relayed++) {
        struct scene s;
        setup(&s, relayed);
        spread(&s, 2, false);
        run(&s, 0, ROUNDS / 2, 10000);
        vn_rig_cut(&s.r, 1, 0, 3);
        run(&s, PACKETS / 2, ROUNDS / 2, 10000);
        assert_all_came_once(&s);
        assert_in_range(vn_rig_counters(&s.r.side[0]).frames_resent, 1, 100);
        vn_rig_done(&s.r);
    }
}

/* The node knows that nothing more comes through: the same. */
static void a_way_is_given_up(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, true);
    spread(&s, 1, false);
    run(&s, 0, ROUNDS / 2, 10000);
    vn_rig_handle(&s.r.side[1], VN_CMD_TETHER_CLOSE, 2);
    run(&s, PACKETS / 2, ROUNDS / 4, 10000);
    spread(&s, 0, true);
    run(&s, PACKETS * 3 / 4, ROUNDS / 4, 10000);
    assert_all_came_once(&s);
    assert_true(vn_rig_counters(&s.r.side[0]).frames_resent > 0);
    vn_rig_done(&s.r);
}

/* Without need: what is under way comes, and what waits goes the own way. */
static void a_way_is_left(void **state)
{
    (void)state;
    for (int relayed = 0; relayed < 2; relayed++) {
        struct scene s;
        setup(&s, relayed);
        for (uint32_t i = 0; i < 10; i++) {
            spread(&s, i % 3, false);
            run(&s, i * PACKETS / 10, ROUNDS / 10, 5000);
        }
        assert_all_came_once(&s);
        assert_in_range(vn_rig_counters(&s.r.side[0]).frames_resent, 0, 9); /* tethers refused */
        assert_int_equal(0, vn_rig_counters(&s.r.side[1]).drops[VN_DROP_REPLAY]);
        vn_rig_done(&s.r);
    }
}

/* The stream moves to a circuit that carried a part of it, with the credit that it has there. */
static void the_stream_moves_there(void **state)
{
    (void)state;
    for (int relayed = 0; relayed < 2; relayed++) {
        struct scene s;
        setup(&s, relayed);
        spread(&s, 2, false);
        run(&s, 0, ROUNDS / 2, 10000);
        vn_rig_cut(&s.r, 1, 0, 1);
        run(&s, PACKETS / 2, ROUNDS / 4, 10000);
        vn_rig_tx_open(&s.r.side[0], 11, 2, 72, 0);
        run(&s, PACKETS * 3 / 4, ROUNDS / 4, 10000);
        assert_all_came_once(&s);
        assert_int_equal(0, vn_rig_counters(&s.r.side[1]).drops[VN_DROP_CREDIT]);
        assert_int_equal(0, tx_of(&s)->spread->stripe.shares.count);
        vn_rig_done(&s.r);
    }
}

/* It ends with frames on all ways; streams that were never spread have nothing of this. */
static void it_ends(void **state)
{
    (void)state;
    struct scene s;
    setup(&s, true);
    run(&s, 0, 1, 1000);
    assert_null(tx_of(&s)->spread);
    spread(&s, 2, false);
    run(&s, FLOWS, 4, 1000);
    vn_rig_handle(&s.r.side[0], VN_CMD_TX_CLOSE, 11);
    assert_int_equal(0, s.r.side[0].worker->retained);
    vn_rig_run(&s.r, 100000);
    vn_rig_done(&s.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flows_take_the_ways_in_turn),
        cmocka_unit_test(a_flow_has_one_way),
        cmocka_unit_test(a_way_dies),
        cmocka_unit_test(a_way_is_given_up),
        cmocka_unit_test(a_way_is_left),
        cmocka_unit_test(the_stream_moves_there),
        cmocka_unit_test(it_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
