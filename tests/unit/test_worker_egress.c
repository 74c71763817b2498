#include <malloc.h>

#include "core/packet.h"
#include "core/tx.h"
#include "support/test.h"
#include "support/worker_rig.h"

static struct vn_rig rig;
static struct vn_rig_side *a, *b;

static int setup(void **state)
{
    (void)state;
    vn_rig_init(&rig, &(struct vn_mem_net_config){.delay_us = 500});
    a = &rig.side[0];
    b = &rig.side[1];
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vn_rig_done(&rig);
    return 0;
}

static const struct vn_inner v4 = {.src = "10.66.0.1", .dst = "10.66.0.2", .payload_len = 100};

static void numbered(const char *dst, uint32_t number)
{
    struct vn_inner p = v4;
    p.dst = dst;
    p.number = number;
    vn_rig_packet(a, &p);
}

static void the_first_packet_asks_and_packets_wait_in_order(void **state)
{
    (void)state;
    vn_rig_connect(&rig, 0, 1, 1);
    for (uint32_t i = 0; i < 10; i++)
        numbered("10.66.0.2", i);
    vn_rig_run(&rig, 100000);
    struct vn_ev_dest *ev = (struct vn_ev_dest *)vn_rig_event_of(a, VN_EV_DEST_WANTED);
    assert_non_null(ev);
    struct vn_ip want = vn_inner_ip("10.66.0.2");
    assert_true(vn_ip_equal(&want, &ev->ip));
    vn_post_msg_free(&ev->msg);
    assert_int_equal(0, vn_rig_events(a, VN_EV_DEST_WANTED)); /* once */
    vn_rig_tx_open(a, 11, 1, 21, 0);
    vn_rig_rx_open(b, 12, 1, 21, 0, 0);
    vn_rig_dest(a, "10.66.0.2", VN_DEST_USE, 11, 0);
    vn_rig_run(&rig, 10000);
    for (uint32_t i = 0; i < 10; i++) {
        struct vn_pktbuf *p = vn_pktqueue_pop(&b->written);
        assert_non_null(p);
        assert_int_equal(i, vn_inner_number(vn_pktbuf_span(p)));
        vn_pktbuf_free(p);
    }
}

static void a_lost_question_is_asked_again(void **state)
{
    (void)state;
    a->post_full = true;
    numbered("10.66.0.2", 0);
    a->post_full = false;
    assert_int_equal(0, vn_rig_events(a, VN_EV_DEST_WANTED));
    numbered("10.66.0.2", 1);
    numbered("10.66.0.2", 2);
    assert_int_equal(1, vn_rig_events(a, VN_EV_DEST_WANTED));
}

static void a_million_packets_to_a_waiting_destination(void **state)
{
    (void)state;
    struct mallinfo2 before = mallinfo2();
    for (uint32_t i = 0; i < 1000000; i++)
        numbered("10.66.0.2", i);
    struct mallinfo2 after = mallinfo2();
    assert_true(after.uordblks < before.uordblks + 200000);
    assert_int_equal(1000000 - VN_EGRESS_WAIT_PACKETS,
                     vn_rig_counters(a).drops[VN_DROP_QUEUE_FULL]);
}

static void a_million_packets_to_a_stalled_stream(void **state)
{
    (void)state;
    vn_rig_stream(&rig);
    struct vn_id id = vn_rig_tether_id(1);
    vn_mem_net_stall(rig.net, &id, true);
    struct vn_inner p = v4;
    p.payload_len = 1400;
    for (uint32_t i = 0; i < 200000; i++) {
        vn_rig_packet(a, &p);
        if (i % 64 == 0)
            vn_rig_flush(a);
    }
    vn_rig_handle(a, VN_CMD_STATS, 1);
    struct vn_ev_stats *ev = (struct vn_ev_stats *)vn_rig_event_of(a, VN_EV_STATS);
    assert_true(ev->tx[0].queued_packets <= VN_EGRESS_QUEUE_PACKETS);
    assert_true(ev->counters.drops[VN_DROP_QUEUE_FULL] > 190000);
    vn_post_msg_free(&ev->msg);
    vn_mem_net_stall(rig.net, &id, false);
    b->count_only = true;
    vn_rig_run(&rig, 1000000);
    assert_true(b->written_count >= VN_EGRESS_QUEUE_PACKETS);
}

static void many_destinations_are_bounded(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < VN_EGRESSERS_MAX + 100; i++) {
        char dst[32];
        snprintf(dst, sizeof(dst), "10.66.%u.%u", 10 + i / 200, 1 + i % 200);
        numbered(dst, 0);
    }
    vn_rig_clear(a);
    vn_rig_handle(a, VN_CMD_STATS, 1);
    struct vn_ev_stats *ev = (struct vn_ev_stats *)vn_rig_event_of(a, VN_EV_STATS);
    assert_int_equal(VN_EGRESSERS_MAX, ev->egresser_count);
    assert_int_equal(100, ev->counters.drops[VN_DROP_QUEUE_FULL]);
    vn_post_msg_free(&ev->msg);
    vn_rig_run(&rig, 20000000); /* longer than any verdict may take */
    assert_int_equal(VN_EGRESSERS_MAX, vn_rig_events(a, VN_EV_DEST_IDLE));
    assert_int_equal(UINT64_MAX, vn_worker_next_deadline(a->worker));
}

static void a_slow_destination_delays_no_other(void **state)
{
    (void)state;
    vn_rig_stream(&rig);
    vn_rig_connect(&rig, 0, 2, 2);
    vn_rig_tx_open(a, 13, 2, 33, 0);
    vn_rig_rx_open(&rig.side[2], 14, 2, 33, 0, 0);
    vn_rig_dest(a, "10.66.0.3", VN_DEST_USE, 13, 0);
    struct vn_id slow = vn_rig_tether_id(1);
    vn_mem_net_stall(rig.net, &slow, true);
    for (uint32_t i = 0; i < 5000; i++) {
        numbered("10.66.0.2", i);
        if (i % 10 == 0)
            numbered("10.66.0.3", i / 10);
        if (i % 50 == 0)
            vn_rig_run(&rig, 1000);
    }
    vn_rig_run(&rig, 1000);
    assert_int_equal(500, rig.side[2].written_count);
    assert_int_equal(0, b->written_count);
}

static void streams_on_one_tether_take_turns(void **state)
{
    (void)state;
    vn_rig_done(&rig);
    vn_rig_init(&rig, &(struct vn_mem_net_config){.delay_us = 1000, .window_bytes = 65536});
    vn_rig_stream(&rig);
    vn_rig_tx_open(a, 13, 1, 33, 4);
    vn_rig_rx_open(b, 14, 1, 33, 4, 0);
    vn_rig_dest(a, "fd66::2", VN_DEST_USE, 13, 0);
    struct vn_inner one = v4, two = {.src = "fd66::1", .dst = "fd66::2"};
    one.payload_len = two.payload_len = 1300;
    for (int i = 0; i < 900; i++)
        vn_rig_packet(a, &one);
    for (int i = 0; i < 900; i++)
        vn_rig_packet(a, &two);
    vn_rig_run(&rig, 12500);
    size_t first = 0, second = 0;
    struct vn_pktbuf *p;
    while ((p = vn_pktqueue_pop(&b->written))) {
        *(p->data[0] >> 4 == 4 ? &first : &second) += 1;
        vn_pktbuf_free(p);
    }
    assert_true(first > 200 && second > 200);
    assert_true(first < 2 * second && second < 2 * first);
}

/* A random key gives each flow one of 128 turns: now and then a ping shares the download's. */
static void a_ping_does_not_wait_behind_a_download(void **state)
{
    (void)state;
    enum { FLOWS = 8, PROTO = 200 };
    vn_rig_done(&rig);
    vn_rig_init(&rig, &(struct vn_mem_net_config){.delay_us = 1000, .window_bytes = 65536});
    vn_rig_stream(&rig);
    struct vn_inner bulk = v4, ping = v4;
    bulk.payload_len = 1300;
    for (int i = 0; i < 900; i++)
        vn_rig_packet(a, &bulk);
    vn_rig_run(&rig, 3000);
    for (int i = 0; i < FLOWS; i++) {
        ping.proto = (uint8_t)(PROTO + i);
        vn_rig_packet(a, &ping);
    }
    vn_rig_run(&rig, 6000);
    size_t before = 0, early = 0;
    struct vn_pktbuf *p;
    while ((p = vn_pktqueue_pop(&b->written))) {
        if (p->data[9] == VN_IPPROTO_UDP)
            before++;
        else
            early += before < 400; /* of the 900 */
        vn_pktbuf_free(p);
    }
    /* That five share it happens once in 600 million runs. */
    assert_true(early >= FLOWS - 4);
}

/* Into one flush go n packets of 1,000 bytes and their headers; how many frames that makes. */
static uint64_t frames_at(uint64_t rate, uint32_t n)
{
    vn_rig_done(&rig);
    vn_rig_init(&rig, &(struct vn_mem_net_config){.delay_us = 1000, .rate = rate});
    vn_rig_stream(&rig);
    struct vn_inner p = v4;
    p.payload_len = 1000;
    for (uint32_t i = 0; i < n; i++) {
        p.number = i;
        vn_rig_packet(a, &p);
    }
    vn_rig_run(&rig, 10000);
    assert_int_equal(n, b->written_count);
    return vn_rig_counters(a).frames_sealed;
}

static void a_frame_lasts_a_millisecond(void **state)
{
    (void)state;
    assert_int_equal(1, frames_at(0, 20)); /* not known */
    assert_int_equal(1, frames_at(1000000000, 20));
    assert_int_equal(5, frames_at(5000000, 20));     /* four in 5,000 bytes */
    assert_int_equal(20, frames_at(5000, 20));       /* one at least */
    assert_int_equal(2, frames_at(1000000000, 100)); /* 64 KB at most */
}

static void rejection_is_told_by_icmp(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        numbered("10.66.0.9", i);
    assert_int_equal(1, vn_rig_events(a, VN_EV_DEST_WANTED));
    vn_rig_dest(a, "10.66.0.9", VN_DEST_REJECT, 0, 10000);
    assert_int_equal(3, a->written_count);
    numbered("10.66.0.9", 4);
    assert_int_equal(4, a->written_count);
    assert_int_equal(4, vn_rig_counters(a).drops[VN_DROP_REJECTED]);
    struct vn_pktbuf *p = vn_pktqueue_pop(&a->written);
    struct vn_packet icmp, quoted;
    assert_true(vn_packet_parse(vn_pktbuf_span(p), &icmp));
    assert_true(vn_packet_icmp_quoted(&icmp, vn_pktbuf_span(p), &quoted));
    struct vn_ip tried = vn_inner_ip("10.66.0.9");
    assert_true(vn_ip_equal(&tried, &quoted.dst));
    vn_pktbuf_free(p);
    assert_int_equal(0, vn_rig_events(a, VN_EV_DEST_WANTED));
    /* After its time the next packet asks again. */
    vn_rig_run(&rig, 10100000);
    numbered("10.66.0.9", 5);
    assert_int_equal(4, a->written_count);
    assert_int_equal(1, vn_rig_events(a, VN_EV_DEST_WANTED));
}

static void icmp_errors_are_bounded(void **state)
{
    (void)state;
    vn_rig_dest(a, "10.66.0.9", VN_DEST_REJECT, 0, 10000);
    a->count_only = true;
    for (uint32_t i = 0; i < 100000; i++)
        numbered("10.66.0.9", i);
    assert_true(a->written_count <= 300);
    assert_int_equal(100000, vn_rig_counters(a).drops[VN_DROP_REJECTED]);
}

static void wait_keeps_and_forget_drops(void **state)
{
    (void)state;
    vn_rig_stream(&rig);
    vn_rig_dest(a, "10.66.0.2", VN_DEST_WAIT, 0, 0);
    /* As many as while there is a stream: TCP inside had those under way. Then the oldest go. */
    for (uint32_t i = 0; i < VN_EGRESS_QUEUE_PACKETS + 6; i++)
        numbered("10.66.0.2", i);
    vn_rig_run(&rig, 10000);
    assert_int_equal(0, b->written_count);
    assert_int_equal(6, vn_rig_counters(a).drops[VN_DROP_QUEUE_FULL]);
    vn_rig_dest(a, "10.66.0.2", VN_DEST_USE, 11, 0);
    vn_rig_run(&rig, 10000);
    assert_int_equal(VN_EGRESS_QUEUE_PACKETS, b->written_count);
    assert_int_equal(6, vn_inner_number(vn_pktbuf_span(b->written.head)));
    vn_rig_dest(a, "10.66.0.2", VN_DEST_WAIT, 0, 0);
    numbered("10.66.0.2", 0);
    vn_rig_clear(a);
    vn_rig_dest(a, "10.66.0.2", VN_DEST_FORGET, 0, 0);
    assert_int_equal(1, vn_rig_counters(a).drops[VN_DROP_EGRESS_GONE]);
    numbered("10.66.0.2", 0);
    assert_int_equal(1, vn_rig_events(a, VN_EV_DEST_WANTED));
}

static void a_closed_stream_makes_what_waits_ask_again(void **state)
{
    (void)state;
    vn_rig_stream(&rig);
    vn_rig_handle(a, VN_CMD_TETHER_CLOSE, 1);
    numbered("10.66.0.2", 0);
    vn_rig_clear(a);
    vn_rig_handle(a, VN_CMD_TX_CLOSE, 11);
    /* One had a packet, the other had none. */
    struct vn_post_msg *m;
    size_t wanted = 0, idle = 0;
    while ((m = vn_rig_event(a))) {
        wanted += m->type == VN_EV_DEST_WANTED;
        idle += m->type == VN_EV_DEST_IDLE;
        vn_post_msg_free(m);
    }
    assert_int_equal(1, wanted);
    assert_int_equal(1, idle);
    vn_rig_connect(&rig, 0, 1, 2);
    vn_rig_tx_open(a, 15, 2, 35, 0);
    vn_rig_rx_open(b, 16, 2, 35, 0, 0);
    vn_rig_dest(a, "10.66.0.2", VN_DEST_USE, 15, 0);
    vn_rig_run(&rig, 10000);
    assert_int_equal(1, b->written_count);
    /* A verdict about a stream that is gone is as if it went just now. */
    vn_rig_clear(a);
    vn_rig_dest(a, "10.66.0.2", VN_DEST_USE, 77, 0);
    assert_int_equal(1, vn_rig_events(a, VN_EV_DEST_IDLE));
}

static void idle_is_told_once_and_ends(void **state)
{
    (void)state;
    vn_rig_stream(&rig);
    numbered("10.66.0.2", 0);
    vn_rig_clear(a);
    vn_rig_run(&rig, (VN_RIG_IDLE_MS - 100) * 1000);
    assert_int_equal(0, vn_rig_events(a, VN_EV_TX_IDLE));
    numbered("10.66.0.2", 0); /* still in use */
    vn_rig_run(&rig, (VN_RIG_IDLE_MS - 100) * 1000);
    assert_int_equal(0, vn_rig_events(a, VN_EV_TX_IDLE));
    vn_rig_run(&rig, 300000);
    struct vn_post_msg *m;
    size_t tx = 0, dest = 0;
    while ((m = vn_rig_event(a))) {
        tx += m->type == VN_EV_TX_IDLE;
        dest += m->type == VN_EV_DEST_IDLE;
        vn_post_msg_free(m);
    }
    assert_int_equal(1, tx);
    assert_int_equal(1, dest); /* the other destination went before */
    vn_rig_run(&rig, 20000000);
    assert_int_equal(0, vn_rig_events(a, VN_EV_TX_IDLE));
    assert_int_equal(UINT64_MAX, vn_worker_next_deadline(a->worker));
    /* It is used again: told again. */
    vn_rig_dest(a, "10.66.0.2", VN_DEST_USE, 11, 0);
    numbered("10.66.0.2", 0);
    vn_rig_run(&rig, VN_RIG_IDLE_MS * 1000 + 100000);
    assert_int_equal(1, vn_rig_events(a, VN_EV_TX_IDLE));
}

static void a_spent_key_is_replaced(void **state)
{
    (void)state;
    vn_rig_stream(&rig);
    struct vn_tx *tx = vn_map_get(a->worker->tx_by_handle, &(uint32_t){11});
    tx->keys.frames = VN_LANE_FRAMES_MAX - 1;
    for (uint32_t i = 0; i < 3; i++) {
        numbered("10.66.0.2", i);
        vn_rig_run(&rig, 10000);
    }
    assert_int_equal(1, tx->keys.epoch);
    tx->keys.bytes = VN_LANE_BYTES_MAX - VN_FRAME_MAX;
    numbered("10.66.0.2", 3);
    vn_rig_run(&rig, 10000);
    assert_int_equal(2, tx->keys.epoch);
    assert_int_equal(4, b->written_count);
}

static void what_is_no_packet_is_counted(void **state)
{
    (void)state;
    static const char junk[] = "\x45 not a packet";
    vn_worker_tun_input(a->worker, vn_inner_copy(VN_SPAN(junk, sizeof(junk))), rig.now_us);
    numbered("10.67.0.1", 0);
    struct vn_inner mcast = {.src = "fd66::1", .dst = "ff02::2", .payload_len = 10};
    vn_rig_packet(a, &mcast);
    struct vn_worker_counters c = vn_rig_counters(a);
    assert_int_equal(1, c.drops[VN_DROP_TUN_MALFORMED]);
    assert_int_equal(2, c.drops[VN_DROP_NO_ROUTE]);
    assert_int_equal(0, a->written_count);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_first_packet_asks_and_packets_wait_in_order),
        T(a_lost_question_is_asked_again),
        T(a_million_packets_to_a_waiting_destination),
        T(a_million_packets_to_a_stalled_stream),
        T(many_destinations_are_bounded),
        T(a_slow_destination_delays_no_other),
        T(streams_on_one_tether_take_turns),
        T(a_ping_does_not_wait_behind_a_download),
        T(a_frame_lasts_a_millisecond),
        T(rejection_is_told_by_icmp),
        T(icmp_errors_are_bounded),
        T(wait_keeps_and_forget_drops),
        T(a_closed_stream_makes_what_waits_ask_again),
        T(idle_is_told_once_and_ends),
        T(a_spent_key_is_replaced),
        T(what_is_no_packet_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
