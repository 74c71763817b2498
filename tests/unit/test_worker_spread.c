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
    size_t workers;     /* of the source; each flow comes from the queue of one */
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
static void setup(struct scene *s, bool relayed, size_t workers)
{
    *s = (struct scene){.workers = workers};
    vn_rig_init_crews(&s->r,
                      &(struct vn_mem_net_config){
                          .delay_us = 5000, .window_bytes = 65536, .arg = s, .filter = count},
                      (const size_t[]){workers, 1 + workers / 2, 1});
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
    vn_rig_packet_at(&s->r.side[0], number % FLOWS % s->workers,
                     &(struct vn_inner){.src = "10.66.0.1",
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

/* What follows is run with one worker and with three, without relays and with them. */
static void with_each(void (*fn)(struct scene *s))
{
    for (size_t workers = 1; workers <= 3; workers += 2) {
        for (int relayed = 0; relayed < 2; relayed++) {
            struct scene s;
            setup(&s, relayed, workers);
            fn(&s);
            vn_rig_done(&s.r);
        }
    }
}

static void turns(struct scene *s)
{
    run(s, 0, 1, PAUSE_US);
    assert_int_equal(FLOWS, s->frames[1]);
    spread(s, 2, false);
    run(s, FLOWS, ROUNDS - 1, PAUSE_US);
    for (size_t i = 1; i <= 3; i++) /* those that share a slot take turns as one */
        assert_in_range(s->frames[i], PACKETS / 4, PACKETS / 2);
    assert_all_came_once(s);
    assert_int_equal(0, vn_rig_counters(&s->r.side[0]).frames_resent);
}

static void flows_take_the_ways_in_turn(void **state)
{
    (void)state;
    with_each(turns);
}

/* A flow that does not pause stays, and comes in its order. */
static void order(struct scene *s)
{
    uint32_t last[FLOWS] = {0};
    spread(s, 1, false);
    run(s, 0, ROUNDS, 1600);
    assert_in_range(s->frames[1], 10, PACKETS);
    assert_in_range(s->frames[2], 10, PACKETS);
    assert_int_equal(0, s->frames[3]);
    assert_all_came_once(s);
    for (const struct vn_pktbuf *b = s->r.side[1].written.head; b; b = b->next) {
        const uint32_t number = vn_inner_number(vn_pktbuf_span(b));
        assert_in_range(number, last[number % FLOWS], PACKETS);
        last[number % FLOWS] = number;
    }
}

static void a_flow_has_one_way(void **state)
{
    (void)state;
    with_each(order);
}

/* With what is on it, while the own way lives: that goes again there. */
static void way_dies(struct scene *s)
{
    spread(s, 2, false);
    run(s, 0, ROUNDS / 2, 10000);
    vn_rig_cut(&s->r, 1, 0, 3);
    run(s, PACKETS / 2, ROUNDS / 2, 10000);
    assert_all_came_once(s);
    assert_in_range(vn_rig_counters(&s->r.side[0]).frames_resent, 1, 100);
}

static void a_way_dies(void **state)
{
    (void)state;
    with_each(way_dies);
}

/* The node knows that nothing more comes through: the same. */
static void way_given_up(struct scene *s)
{
    spread(s, 1, false);
    run(s, 0, ROUNDS / 2, 10000);
    vn_rig_handle(&s->r.side[1], VN_CMD_TETHER_CLOSE, 2);
    run(s, PACKETS / 2, ROUNDS / 4, 10000);
    spread(s, 0, true);
    run(s, PACKETS * 3 / 4, ROUNDS / 4, 10000);
    assert_all_came_once(s);
    assert_true(vn_rig_counters(&s->r.side[0]).frames_resent > 0);
}

static void a_way_is_given_up(void **state)
{
    (void)state;
    with_each(way_given_up);
}

/* Its flows wait, and none of the others. */
static void way_stands_still(struct scene *s)
{
    const struct vn_id id = vn_rig_tether_id(2);
    uint32_t came[FLOWS] = {0}, whole = 0;
    spread(s, 1, false);
    run(s, 0, 4, 1600);
    vn_mem_net_stall(s->r.net, &id, true);
    run(s, 4 * FLOWS, ROUNDS - 4, 1600);
    vn_rig_run(&s->r, 20000);
    for (const struct vn_pktbuf *b = s->r.side[1].written.head; b; b = b->next)
        came[vn_inner_number(vn_pktbuf_span(b)) % FLOWS]++;
    for (size_t i = 0; i < FLOWS; i++)
        whole += came[i] == ROUNDS;
    assert_in_range(whole, FLOWS / 4, FLOWS * 3 / 4);
    vn_mem_net_stall(s->r.net, &id, false);
    vn_rig_run(&s->r, VN_REPORT_LITTLE_US + 2000000);
    const struct vn_worker_counters c = vn_rig_counters(&s->r.side[0]);
    assert_int_equal(PACKETS, s->r.side[1].written_count + c.drops[VN_DROP_CODEL] +
                                  c.drops[VN_DROP_QUEUE_FULL]);
    assert_int_equal(0, s->r.side[0].worker->retained);
}

static void a_way_that_stands_still(void **state)
{
    (void)state;
    with_each(way_stands_still);
}

/* When it is left, what waits for it goes the own way, and it can be taken again. */
static void way_left_full(struct scene *s)
{
    const struct vn_id id = vn_rig_tether_id(2);
    spread(s, 1, false);
    run(s, 0, 12, 1600);
    vn_mem_net_stall(s->r.net, &id, true);
    run(s, 12 * FLOWS, 20, 1600);
    spread(s, 0, false);
    vn_rig_run(&s->r, 50000);
    /* All but what the tether has, and a frame at each of its ends. */
    assert_in_range(s->r.side[1].written_count, 32 * FLOWS - 65536 / 1200 - 2, 32 * FLOWS);
    vn_mem_net_stall(s->r.net, &id, false);
    vn_rig_run(&s->r, PAUSE_US);
    const uint64_t before = s->frames[2];
    spread(s, 1, false);
    run(s, 32 * FLOWS, ROUNDS - 32, 5000);
    assert_in_range(s->frames[2] - before, FLOWS, PACKETS);
    assert_all_came_once(s);
}

static void a_full_way_is_left(void **state)
{
    (void)state;
    with_each(way_left_full);
}

/* What the node hears of them now; 0: nothing, for nothing was sent. */
static uint32_t flows_told(struct scene *s)
{
    struct vn_cmd_watch *c;
    assert_ok(vn_post_msg_new(VN_CMD_TX_WATCH, sizeof(*c), &c));
    c->tx = 11;
    vn_rig_command(&s->r.side[0], c);
    vn_rig_run(&s->r, 1000);
    struct vn_ev_sent *ev = (struct vn_ev_sent *)vn_rig_event_of(&s->r.side[0], VN_EV_TX_SENT);
    const uint32_t flows = ev && ev->waits ? ev->flows : 0;
    vn_post_msg_free(ev ? &ev->msg : NULL);
    return flows;
}

/* It hears of those that wait, whichever worker reads them. */
static void flows_of_all_workers_are_told(void **state)
{
    (void)state;
    struct scene s;
    uint32_t most = 0;
    setup(&s, false, 3);
    const struct vn_id id = vn_rig_tether_id(1);
    vn_mem_net_stall(s.r.net, &id, true);
    for (uint32_t i = 0; i < 20 * FLOWS; i++) {
        if (i % FLOWS % 3 != 0) /* of hands alone: ten */
            send(&s, i);
        vn_rig_run(&s.r, 100);
    }
    vn_mem_net_stall(s.r.net, &id, false);
    for (size_t i = 0; i < 20; i++)
        most = VN_MAX(most, flows_told(&s));
    assert_in_range(most, 3, 10);
    vn_rig_run(&s.r, 1000000);
    assert_int_equal(0, flows_told(&s));
    vn_rig_done(&s.r);
}

/* A hand hears that there is one way, and its flows take along what waited. */
static void an_empty_way_keeps_none_waiting(void **state)
{
    (void)state;
    struct scene s;
    const uint32_t handle = 11;
    setup(&s, false, 2);
    spread(&s, 1, false);
    run(&s, 0, 2, PAUSE_US);
    struct vn_worker *hand = s.r.side[0].hand[0].worker;
    struct vn_tx *tx = vn_map_get(hand->tx_by_handle, &handle);
    for (uint32_t i = 1; i < 2 * FLOWS; i += 2) {
        if (i == FLOWS + 1)
            vn_spread_follow(tx, &(struct vn_crew_shares){.tx = handle});
        send(&s, i);
    }
    assert_false(vn_list_empty(&tx->ready[vn_outlet(VN_TETHER_BULK, 1)]));
    tx->way_in_turn = 1;
    const uint64_t before = vn_worker_counters(hand)->frames_sealed;
    vn_worker_flush(hand, s.r.now_us);
    assert_true(vn_worker_counters(hand)->frames_sealed > before);
    assert_int_equal(0, vn_tx_queued(tx));
    vn_rig_run(&s.r, 100000);
    vn_rig_done(&s.r);
}

/* Without need: what is under way comes, and what waits goes the own way. */
static void way_left(struct scene *s)
{
    for (uint32_t i = 0; i < 10; i++) {
        spread(s, i % 3, false);
        run(s, i * PACKETS / 10, ROUNDS / 10, 5000);
    }
    assert_all_came_once(s);
    assert_in_range(vn_rig_counters(&s->r.side[0]).frames_resent, 0, 9); /* tethers refused */
    assert_int_equal(0, vn_rig_counters(&s->r.side[1]).drops[VN_DROP_REPLAY]);
}

static void a_way_is_left(void **state)
{
    (void)state;
    with_each(way_left);
}

/* The stream moves to a circuit that carried a part of it, with the credit that it has there. */
static void moves_there(struct scene *s)
{
    spread(s, 2, false);
    run(s, 0, ROUNDS / 2, 10000);
    vn_rig_cut(&s->r, 1, 0, 1);
    run(s, PACKETS / 2, ROUNDS / 4, 10000);
    vn_rig_tx_open(&s->r.side[0], 11, 2, 72, 0);
    run(s, PACKETS * 3 / 4, ROUNDS / 4, 10000);
    assert_all_came_once(s);
    assert_int_equal(0, vn_rig_counters(&s->r.side[1]).drops[VN_DROP_CREDIT]);
    assert_int_equal(0, tx_of(s)->spread->stripe.shares.count);
}

static void the_stream_moves_there(void **state)
{
    (void)state;
    with_each(moves_there);
}

/* It ends with frames on all ways; streams that were never spread have nothing of this. */
static void ends(struct scene *s)
{
    run(s, 0, 1, 1000);
    assert_null(tx_of(s)->spread);
    spread(s, 2, false);
    run(s, FLOWS, 4, 1000);
    vn_rig_handle(&s->r.side[0], VN_CMD_TX_CLOSE, 11);
    assert_int_equal(0, s->r.side[0].worker->retained);
    vn_rig_run(&s->r, 100000);
}

static void it_ends(void **state)
{
    (void)state;
    with_each(ends);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flows_take_the_ways_in_turn),
        cmocka_unit_test(a_flow_has_one_way),
        cmocka_unit_test(a_way_dies),
        cmocka_unit_test(a_way_is_given_up),
        cmocka_unit_test(a_way_that_stands_still),
        cmocka_unit_test(a_full_way_is_left),
        cmocka_unit_test(flows_of_all_workers_are_told),
        cmocka_unit_test(an_empty_way_keeps_none_waiting),
        cmocka_unit_test(a_way_is_left),
        cmocka_unit_test(the_stream_moves_there),
        cmocka_unit_test(it_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
