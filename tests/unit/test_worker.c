#include "support/worker_rig.h"

#include "core/packet.h"
#include "core/rx.h"
#include "core/tx.h"
#include "support/test.h"

static struct vn_rig rig;

static int setup(void **state)
{
    *state = &rig;
    vn_rig_init(&rig, &(struct vn_mem_net_config){.delay_us = 500});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vn_rig_done(&rig);
    return 0;
}

static const struct vn_inner v4 = {.src = "10.66.0.1", .dst = "10.66.0.2", .payload_len = 100};
static const struct vn_inner v6 = {.src = "fd66::1", .dst = "fd66::2", .payload_len = 100};

static void packets_cross_as_they_were(void **state)
{
    (void)state;
    vn_rig_stream(&rig);
    const struct vn_inner *both[] = {&v4, &v6};
    for (size_t i = 0; i < 2; i++) {
        struct vn_pktbuf *expected = vn_inner_new(both[i]);
        vn_rig_packet(&rig.side[0], both[i]);
        vn_rig_run(&rig, 10000);
        struct vn_pktbuf *got = vn_pktqueue_pop(&rig.side[1].written);
        assert_non_null(got);
        assert_span_equal(vn_pktbuf_span(expected), vn_pktbuf_span(got));
        vn_pktbuf_free(expected);
        vn_pktbuf_free(got);
    }
    struct vn_worker_counters a = vn_rig_counters(&rig.side[0]);
    struct vn_worker_counters b = vn_rig_counters(&rig.side[1]);
    assert_int_equal(2, a.tun_rx_packets);
    assert_int_equal(2, a.frames_sealed);
    assert_int_equal(2, b.frames_opened);
    assert_int_equal(2, b.tun_tx_packets);
    assert_int_equal(a.tun_rx_bytes, b.tun_tx_bytes);
}

static void both_directions_at_once(void **state)
{
    (void)state;
    vn_rig_stream(&rig);
    vn_rig_tx_open(&rig.side[1], 31, 1, 41, 3);
    vn_rig_rx_open(&rig.side[0], 32, 1, 41, 3, 1);
    vn_rig_dest(&rig.side[1], "10.66.0.1", VN_DEST_USE, 31, 0);
    const struct vn_inner back = {.src = "10.66.0.2", .dst = "10.66.0.1", .payload_len = 60};
    for (int i = 0; i < 100; i++) {
        vn_rig_packet(&rig.side[0], &v4);
        vn_rig_packet(&rig.side[1], &back);
        vn_rig_run(&rig, 100);
    }
    vn_rig_run(&rig, 10000);
    assert_int_equal(100, rig.side[0].written_count);
    assert_int_equal(100, rig.side[1].written_count);
}

static void what_waits_leaves_in_one_frame(void **state)
{
    (void)state;
    vn_rig_stream(&rig);
    for (uint32_t i = 0; i < 40; i++) {
        struct vn_inner p = v4;
        p.payload_len = 1400;
        p.number = i;
        vn_rig_packet(&rig.side[0], &p);
    }
    vn_rig_run(&rig, 10000);
    assert_int_equal(1, vn_rig_counters(&rig.side[0]).frames_sealed);
    for (uint32_t i = 0; i < 40; i++) {
        struct vn_pktbuf *b = vn_pktqueue_pop(&rig.side[1].written);
        assert_non_null(b);
        assert_int_equal(i, vn_inner_number(vn_pktbuf_span(b)));
        vn_pktbuf_free(b);
    }
}

static void frames_stay_within_their_limits(void **state)
{
    (void)state;
    vn_rig_stream(&rig);
    rig.side[1].count_only = true;
    /* 600 small ones: at most VN_FRAME_PACKETS_MAX in one. */
    for (int i = 0; i < 600; i++)
        vn_rig_packet(&rig.side[0], &v4);
    vn_rig_run(&rig, 10000);
    assert_int_equal(2, vn_rig_counters(&rig.side[0]).frames_sealed);
    assert_int_equal(600, rig.side[1].written_count);
    /* 60 large ones: at most VN_FRAME_MAX bytes in one. */
    struct vn_inner big = v4;
    big.payload_len = 8900;
    for (int i = 0; i < 60; i++)
        vn_rig_packet(&rig.side[0], &big);
    vn_rig_run(&rig, 10000);
    assert_int_equal(660, rig.side[1].written_count);
    assert_int_equal(2 + 60 / 7 + 1, vn_rig_counters(&rig.side[0]).frames_sealed);
}

static void first_frame_is_told_once(void **state)
{
    (void)state;
    vn_rig_stream(&rig);
    vn_rig_clear(&rig.side[1]);
    for (int i = 0; i < 5; i++) {
        vn_rig_packet(&rig.side[0], &v4);
        vn_rig_run(&rig, 5000);
    }
    assert_int_equal(1, vn_rig_events(&rig.side[1], VN_EV_RX_FIRST));
}

static void early_frames_wait_for_their_stream(void **state)
{
    (void)state;
    vn_rig_connect(&rig, 0, 1, 1);
    vn_rig_tx_open(&rig.side[0], 11, 1, 21, 0);
    vn_rig_dest(&rig.side[0], "10.66.0.2", VN_DEST_USE, 11, 0);
    for (uint32_t i = 0; i < VN_EARLY_FRAMES_MAX + 4; i++) {
        struct vn_inner p = v4;
        p.number = i;
        vn_rig_packet(&rig.side[0], &p);
        vn_rig_flush(&rig.side[0]);
    }
    vn_rig_run(&rig, 10000);
    assert_int_equal(0, rig.side[1].written_count);
    assert_int_equal(4, vn_rig_counters(&rig.side[1]).drops[VN_DROP_EARLY_FULL]);
    vn_rig_rx_open(&rig.side[1], 12, 1, 21, 0, 0);
    assert_int_equal(VN_EARLY_FRAMES_MAX, rig.side[1].written_count);
    for (uint32_t i = 0; i < VN_EARLY_FRAMES_MAX; i++) {
        struct vn_pktbuf *b = vn_pktqueue_pop(&rig.side[1].written);
        assert_int_equal(i, vn_inner_number(vn_pktbuf_span(b)));
        vn_pktbuf_free(b);
    }
}

static void early_frames_end(void **state)
{
    (void)state;
    vn_rig_connect(&rig, 0, 1, 1);
    vn_rig_tx_open(&rig.side[0], 11, 1, 21, 0);
    vn_rig_dest(&rig.side[0], "10.66.0.2", VN_DEST_USE, 11, 0);
    vn_rig_packet(&rig.side[0], &v4);
    vn_rig_run(&rig, VN_SETUP_WAIT_MS * 1000 + 100000);
    assert_int_equal(1, vn_rig_counters(&rig.side[1]).drops[VN_DROP_LABEL_UNKNOWN]);
    vn_rig_rx_open(&rig.side[1], 12, 1, 21, 0, 0);
    assert_int_equal(0, rig.side[1].written_count);
}

static void early_labels_are_bounded(void **state)
{
    (void)state;
    vn_rig_connect(&rig, 0, 1, 1);
    for (uint32_t i = 0; i < 100; i++) {
        vn_rig_tx_open(&rig.side[0], 100 + i, 1, 1000 + i, 0);
        vn_rig_dest(&rig.side[0], "10.66.0.2", VN_DEST_USE, 100 + i, 0);
        vn_rig_packet(&rig.side[0], &v4);
        vn_rig_flush(&rig.side[0]);
    }
    vn_rig_run(&rig, 10000);
    assert_int_equal(100 - 64, vn_rig_counters(&rig.side[1]).drops[VN_DROP_EARLY_FULL]);
}

static void a_stream_moves_to_another_circuit(void **state)
{
    (void)state;
    vn_rig_stream(&rig);
    vn_rig_packet(&rig.side[0], &v4);
    vn_rig_run(&rig, 10000);
    /* The old tether goes; packets wait; the same stream goes on over a new one. */
    vn_rig_handle(&rig.side[0], VN_CMD_TETHER_CLOSE, 1);
    vn_rig_run(&rig, 10000);
    vn_rig_packet(&rig.side[0], &v4);
    vn_rig_run(&rig, 10000);
    assert_int_equal(1, rig.side[1].written_count);
    vn_rig_connect(&rig, 0, 1, 2);
    vn_rig_rx_open(&rig.side[1], 12, 2, 77, 0, 0);
    vn_rig_tx_open(&rig.side[0], 11, 2, 77, 0);
    vn_rig_run(&rig, 10000);
    assert_int_equal(2, rig.side[1].written_count);
    assert_int_equal(0, vn_rig_counters(&rig.side[1]).drops[VN_DROP_REPLAY]);
}

/* A minute of traffic on a path that loses and reorders, and the stream moves in the middle of it.
 */
static void epochs_pass_unnoticed(void **state)
{
    (void)state;
    vn_rig_done(&rig);
    vn_rig_init(&rig, &(struct vn_mem_net_config){.seed = vn_test_random(),
                                                  .delay_us = 20000,
                                                  .jitter_us = 60000,
                                                  .loss_permille = 50});
    vn_rig_stream(&rig);
    rig.side[1].count_only = true;
    for (int i = 0; i < 6500; i++) {
        vn_rig_packet(&rig.side[0], &v4);
        vn_rig_run(&rig, 10000);
        if (i == 3000) {
            vn_rig_run(&rig, 1000000);
            vn_rig_connect(&rig, 0, 1, 2);
            vn_rig_rx_open(&rig.side[1], 12, 2, 77, 0, 0);
            vn_rig_tx_open(&rig.side[0], 11, 2, 77, 0);
        }
    }
    vn_rig_run(&rig, 1000000);
    assert_int_equal(6500, rig.side[1].written_count);
    struct vn_worker_counters c = vn_rig_counters(&rig.side[1]);
    for (size_t i = 0; i < VN_DROP_COUNT; i++)
        assert_int_equal(0, c.drops[i]);
    const struct vn_tx *tx = vn_rig_tx(&rig.side[0], 11);
    struct vn_rx *rx = vn_rig_rx(&rig.side[1], 12);
    assert_int_equal(6, tx->keys.epoch);
    assert_int_equal(6, vn_rx_keys_epoch(&rx->keys));
    assert_int_equal(6500, tx->keys.seq);
    assert_true(rx->keys.count > 5);
    /* Old keys go by themselves. */
    vn_rig_run(&rig, (VN_EPOCH_KEEP_MS + 1000) * UINT64_C(1000));
    assert_int_equal(1, rx->keys.count);
}

static void a_stream_is_not_opened_without_keys(void **state)
{
    (void)state;
    vn_rig_connect(&rig, 0, 1, 1);
    struct vn_cmd_tx_open *t;
    struct vn_cmd_rx_open *r;
    assert_ok(vn_post_msg_new(VN_CMD_TX_OPEN, sizeof(*t), &t));
    assert_ok(vn_post_msg_new(VN_CMD_RX_OPEN, sizeof(*r), &r));
    t->tx = r->rx = 11;
    t->tether = r->tether = 1;
    t->label = r->label = 21;
    vn_rig_command(&rig.side[0], t);
    vn_rig_command(&rig.side[0], r);
    assert_null(vn_rig_tx(&rig.side[0], 11));
    assert_null(vn_rig_rx(&rig.side[0], 11));
}

static void closed_streams_are_silent(void **state)
{
    (void)state;
    vn_rig_stream(&rig);
    vn_rig_handle(&rig.side[1], VN_CMD_RX_CLOSE, 12);
    vn_rig_packet(&rig.side[0], &v4);
    vn_rig_run(&rig, 5000000);
    assert_int_equal(0, rig.side[1].written_count);
    assert_int_equal(1, vn_rig_counters(&rig.side[1]).drops[VN_DROP_LABEL_UNKNOWN]);
    assert_int_equal(0, rig.side[0].written_count);
}

static void real_time_goes_first_and_by_its_own_channel(void **state)
{
    (void)state;
    vn_rig_done(&rig);
    vn_rig_init(&rig, &(struct vn_mem_net_config){.delay_us = 500, .window_bytes = 3000});
    vn_rig_stream(&rig);
    struct vn_inner bulk = v4, voice = v4;
    bulk.payload_len = 1400;
    bulk.number = 1;
    voice.dscp = 46;
    voice.number = 2;
    for (int i = 0; i < 100; i++)
        vn_rig_packet(&rig.side[0], &bulk);
    vn_rig_flush(&rig.side[0]); /* the bulk channel is full now */
    vn_rig_packet(&rig.side[0], &voice);
    vn_rig_run(&rig, 600);
    bool found = false;
    struct vn_pktbuf *b;
    while ((b = vn_pktqueue_pop(&rig.side[1].written))) {
        found |= vn_inner_number(vn_pktbuf_span(b)) == 2;
        vn_pktbuf_free(b);
    }
    assert_true(found);
    vn_rig_run(&rig, 1000000);
    assert_int_equal(101, rig.side[1].written_count);
}

static void back_pressure_bundles_more(void **state)
{
    (void)state;
    vn_rig_done(&rig);
    vn_rig_init(&rig, &(struct vn_mem_net_config){.delay_us = 5000, .window_bytes = 70000});
    vn_rig_stream(&rig);
    for (uint32_t i = 0; i < 400; i++) {
        struct vn_inner p = v4;
        p.payload_len = 1400;
        p.number = i;
        vn_rig_packet(&rig.side[0], &p);
        vn_rig_flush(&rig.side[0]);
    }
    vn_rig_run(&rig, 2000000);
    /* They wait for 80 ms at this window: CoDel takes a few, and nothing else does. */
    uint64_t taken = vn_rig_counters(&rig.side[0]).drops[VN_DROP_CODEL];
    assert_in_range(taken, 1, 20);
    assert_int_equal(400 - taken, rig.side[1].written_count);
    uint32_t next = 0;
    struct vn_pktbuf *b;
    while ((b = vn_pktqueue_pop(&rig.side[1].written))) {
        uint32_t number = vn_inner_number(vn_pktbuf_span(b));
        assert_true(number >= next);
        next = number + 1;
        vn_pktbuf_free(b);
    }
    assert_int_equal(400, next);
    /* The first few go alone, then the window is full and the rest waits and goes in bulk. */
    assert_true(vn_rig_counters(&rig.side[0]).frames_sealed < 100);
}

static void lossy_and_reordering_path_delivers_bulk_once(void **state)
{
    (void)state;
    vn_rig_done(&rig);
    vn_rig_init(&rig, &(struct vn_mem_net_config){.seed = vn_test_random(),
                                                  .delay_us = 2000,
                                                  .jitter_us = 6000,
                                                  .loss_permille = 50});
    vn_rig_stream(&rig);
    rig.side[1].count_only = true;
    for (int i = 0; i < 3000; i++) {
        vn_rig_packet(&rig.side[0], &v4);
        vn_rig_run(&rig, 50);
    }
    vn_rig_run(&rig, 1000000);
    assert_int_equal(3000, rig.side[1].written_count);
    assert_int_equal(0, vn_rig_counters(&rig.side[1]).drops[VN_DROP_REPLAY]);
}

static void a_full_tun_drops_and_counts(void **state)
{
    (void)state;
    vn_rig_stream(&rig);
    rig.side[1].tun_full = true;
    vn_rig_packet(&rig.side[0], &v4);
    vn_rig_run(&rig, 10000);
    assert_int_equal(1, vn_rig_counters(&rig.side[1]).drops[VN_DROP_TUN_FULL]);
}

static void stats_name_everything(void **state)
{
    (void)state;
    vn_rig_stream(&rig);
    vn_rig_packet(&rig.side[0], &v4);
    vn_rig_run(&rig, 10000);
    vn_rig_handle(&rig.side[0], VN_CMD_STATS, 5);
    struct vn_ev_stats *ev = (struct vn_ev_stats *)vn_rig_event_of(&rig.side[0], VN_EV_STATS);
    assert_int_equal(5, ev->request);
    assert_int_equal(1, ev->tx_count);
    assert_int_equal(0, ev->rx_count);
    assert_int_equal(1, ev->tether_count);
    assert_int_equal(2, ev->egresser_count);
    assert_int_equal(11, ev->tx[0].tx);
    assert_int_equal(1, ev->tx[0].packets);
    assert_int_equal(128, ev->tx[0].bytes);
    assert_int_equal(1, ev->tethers[0].stats.tx_msgs);
    vn_post_msg_free(&ev->msg);
    for (unsigned i = 0; i < VN_DROP_COUNT; i++)
        assert_string_not_equal("unknown", vn_worker_drop_name((enum vn_worker_drop)i));
    assert_string_equal("unknown", vn_worker_drop_name(VN_DROP_COUNT));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(packets_cross_as_they_were),
        T(both_directions_at_once),
        T(what_waits_leaves_in_one_frame),
        T(frames_stay_within_their_limits),
        T(first_frame_is_told_once),
        T(early_frames_wait_for_their_stream),
        T(early_frames_end),
        T(early_labels_are_bounded),
        T(a_stream_moves_to_another_circuit),
        T(epochs_pass_unnoticed),
        T(a_stream_is_not_opened_without_keys),
        T(closed_streams_are_silent),
        T(real_time_goes_first_and_by_its_own_channel),
        T(back_pressure_bundles_more),
        T(lossy_and_reordering_path_delivers_bulk_once),
        T(a_full_tun_drops_and_counts),
        T(stats_name_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
