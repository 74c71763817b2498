/* Frames that a stream sends again over another path, and the reports that say which. */
#include "core/retain.h"
#include "core/rx.h"
#include "core/tx.h"
#include "support/test.h"
#include "support/worker_rig.h"

#define PACKETS 300
#define MANY 4000
#define PAYLOAD 1200

static const uint8_t expedited = 46;

static void setup(struct vn_rig *r, const struct vn_mem_net_config *net, bool relayed)
{
    vn_rig_init(r, net);
    r->relayed = relayed;
    vn_rig_stream(r);
}

static const struct vn_retain *retained(const struct vn_rig *r)
{
    return &vn_rig_tx(&r->side[0], 11)->retain;
}

static void send(struct vn_rig *r, uint32_t number, uint8_t dscp)
{
    vn_rig_packet(&r->side[0], &(struct vn_inner){.src = "10.66.0.1",
                                                  .dst = "10.66.0.2",
                                                  .dscp = dscp,
                                                  .payload_len = PAYLOAD,
                                                  .number = number});
}

/* Over the tether between the two that has this number, as the node says after BOUND. */
static void move(struct vn_rig *r, uint32_t tether)
{
    vn_rig_connect(r, 0, 1, tether);
    vn_rig_rx_open(&r->side[1], 12, tether, 70 + tether, 0, 0);
    vn_rig_tx_open(&r->side[0], 11, tether, 70 + tether, 0);
}

static void nothing_is_kept_that_arrived(void **state)
{
    (void)state;
    for (int relayed = 0; relayed < 2; relayed++) {
        struct vn_rig r;
        setup(&r, &(struct vn_mem_net_config){.delay_us = 5000, .jitter_us = 5000}, relayed);
        size_t most = 0;
        for (uint32_t i = 0; i < PACKETS; i++) {
            send(&r, i, 0);
            vn_rig_run(&r, 1000);
            most = VN_MAX(most, r.side[0].worker->retained);
        }
        /* What is under way, and with relays what a report waits for. */
        if (relayed)
            assert_in_range(most, VN_REPORT_LITTLE_BYTES, 8 * VN_REPORT_LITTLE_BYTES);
        else
            assert_in_range(most, 5 * PAYLOAD, VN_REPORT_LITTLE_BYTES);
        assert_in_range(r.report_count, relayed ? 2 : 0, relayed ? 20 : 0);
        vn_rig_run(&r, VN_REPORT_LITTLE_US + 100000);
        assert_int_equal(0, r.side[0].worker->retained);
        assert_int_equal(0, vn_rig_counters(&r.side[0]).frames_resent);
        vn_rig_done(&r);
    }
}

/* The tether dies with what is on it; what it had delivered is not sent again. */
static void a_tether_that_dies_takes_nothing_along(void **state)
{
    (void)state;
    for (int relayed = 0; relayed < 2; relayed++) {
        struct vn_rig r;
        setup(&r, &(struct vn_mem_net_config){.delay_us = 20000}, relayed);
        for (uint32_t i = 0; i < PACKETS; i++) {
            if (i == PACKETS / 2)
                vn_mem_net_break(r.net, VN_TETHER_DOWN_SILENT);
            send(&r, i, 0);
            vn_rig_run(&r, 1000);
        }
        assert_true(r.side[1].written_count < PACKETS / 2);
        move(&r, 2);
        vn_rig_run(&r, 1000000);
        vn_rig_all_came_once(&r.side[1], PACKETS);
        assert_in_range(vn_rig_counters(&r.side[0]).frames_resent, 5, 40);
        assert_int_equal(0, vn_rig_counters(&r.side[1]).drops[VN_DROP_REPLAY]);
        vn_rig_done(&r);
    }
}

/* To a better path, with the former as it was: nothing is lost, and the window takes what comes
 * twice. */
static void a_move_without_need(void **state)
{
    (void)state;
    for (int relayed = 0; relayed < 2; relayed++) {
        struct vn_rig r;
        setup(&r, &(struct vn_mem_net_config){.delay_us = 20000}, relayed);
        r.lose_reports = true;
        for (uint32_t i = 0; i < PACKETS; i++) {
            send(&r, i, 0);
            vn_rig_run(&r, i == 0 ? 100000 : 100); /* credit begins with one frame */
        }
        move(&r, 2);
        vn_rig_run(&r, 1000000);
        vn_rig_all_came_once(&r.side[1], PACKETS);
        const uint64_t again = vn_rig_counters(&r.side[0]).frames_resent;
        assert_in_range(again, 10, PACKETS);
        assert_int_equal(again, vn_rig_counters(&r.side[1]).drops[VN_DROP_REPLAY]);
        /* The next report tells of those too. */
        r.lose_reports = false;
        send(&r, 0, 0);
        vn_rig_run(&r, VN_REPORT_LITTLE_US + 100000);
        assert_int_equal(0, retained(&r)->bytes);
        vn_rig_done(&r);
    }
}

/* Twice in a row, the second time before all has gone again. */
static void a_path_that_dies_at_once(void **state)
{
    (void)state;
    for (int relayed = 0; relayed < 2; relayed++) {
        struct vn_rig r;
        setup(&r, &(struct vn_mem_net_config){.delay_us = 20000, .window_bytes = 20000}, relayed);
        for (uint32_t i = 0; i < PACKETS; i++) {
            send(&r, i, 0);
            vn_rig_run(&r, 100);
        }
        vn_mem_net_break(r.net, VN_TETHER_DOWN_SILENT);
        vn_rig_run(&r, 1000);
        move(&r, 2);
        vn_rig_run(&r, 5000);
        vn_mem_net_break(r.net, VN_TETHER_DOWN_SILENT);
        vn_rig_run(&r, 1000);
        move(&r, 3);
        vn_rig_run(&r, 10000000);
        const uint64_t dropped = vn_rig_counters(&r.side[0]).drops[VN_DROP_CODEL];
        assert_int_equal(PACKETS, r.side[1].written_count + dropped);
        vn_rig_done(&r);
    }
}

/* A relay that takes frames and passes some of them on: one in `every` of tether 1 is lost. */
struct dropping {
    unsigned every, count, dropped;
};

static bool drop(void *arg, const struct vn_id *tether, enum vn_tether_class cls,
                 struct vn_pktbuf *b)
{
    struct dropping *d = arg;
    const struct vn_id first = vn_rig_tether_id(1);
    struct vn_reader r = vn_reader_of(vn_pktbuf_span(b));
    struct vn_hop_header hop;
    if (cls != VN_TETHER_BULK || !d->every || !vn_id_equal(tether, &first) ||
        !vn_hop_decode(&r, &hop) || hop.type != VN_HOP_FRAME || d->count++ % d->every)
        return true;
    d->dropped++;
    return false;
}

/* However long ago: as many as a report tells of go again by the next path. */
static void what_is_dropped_goes_again(void **state)
{
    (void)state;
    struct dropping d = {0};
    struct vn_rig r;
    setup(&r, &(struct vn_mem_net_config){.delay_us = 5000, .arg = &d, .filter = drop}, true);
    for (uint32_t i = 0; i < MANY; i++) {
        d.every = i > 0 ? 50 : 0;
        send(&r, i, 0);
        vn_rig_run(&r, i == 0 ? 100000 : 1000);
    }
    assert_in_range(d.dropped, MANY / 50, MANY / 50 + 1);
    vn_rig_run(&r, VN_REPORT_LITTLE_US + 100000);
    assert_int_equal(MANY - d.dropped, r.side[1].written_count);
    assert_in_range(retained(&r)->missed, d.dropped - 5, d.dropped); /* it is too soon for some */
    assert_int_equal(MANY - d.dropped, retained(&r)->arrived);
    move(&r, 2);
    vn_rig_run(&r, 1000000);
    vn_rig_all_came_once(&r.side[1], MANY);
    assert_int_equal(d.dropped, vn_rig_counters(&r.side[0]).frames_resent);
    vn_rig_done(&r);
}

/* What is farther back than reports tell is given up, and known not to have come. */
static void what_was_dropped_long_ago_is_missed(void **state)
{
    (void)state;
    struct dropping d = {0};
    struct vn_rig r;
    setup(&r, &(struct vn_mem_net_config){.delay_us = 1000, .arg = &d, .filter = drop}, true);
    r.side[1].count_only = true;
    for (uint32_t i = 0; i < VN_REPORT_SPAN + 2 * VN_REPORT_FRAMES; i++) {
        d.every = i == 100 ? 1 : 0;
        send(&r, i, 0);
        vn_rig_run(&r, i <= 100 ? 20000 : 100);
    }
    assert_int_equal(1, d.dropped);
    vn_rig_run(&r, VN_REPORT_LITTLE_US + 100000);
    assert_int_equal(1, retained(&r)->missed);
    assert_int_equal(0, r.side[0].worker->retained);
    vn_rig_done(&r);
}

/* A rush of real-time frames behind a bulk frame that came: its arrival is told before the numbers
 * leave it behind. */
static void a_rush_hides_no_arrival(void **state)
{
    (void)state;
    struct vn_rig r;
    setup(&r, &(struct vn_mem_net_config){.delay_us = 1000}, true);
    r.side[1].count_only = true;
    send(&r, 0, 0);
    for (uint32_t i = 0; i < VN_REPORT_SPAN + 1000; i++) {
        send(&r, i, expedited);
        vn_rig_run(&r, 100);
    }
    vn_rig_run(&r, VN_REPORT_LITTLE_US + 100000);
    assert_int_equal(0, retained(&r)->missed);
    assert_int_equal(1, retained(&r)->arrived);
    assert_int_equal(1, r.report_count);
    vn_rig_done(&r);
}

static void real_time_is_not_kept(void **state)
{
    (void)state;
    struct vn_rig r;
    setup(&r, &(struct vn_mem_net_config){.delay_us = 1000, .loss_permille = 300, .seed = 5}, true);
    for (uint32_t i = 0; i < 2 * VN_REPORT_SPAN; i++) {
        send(&r, i, expedited);
        vn_rig_run(&r, 100);
    }
    assert_int_equal(0, r.side[0].worker->retained);
    assert_int_equal(0, r.report_count);
    /* Its gaps do not keep bulk frames from being reported. */
    for (uint32_t i = 0; i < 200; i++) {
        send(&r, i, 0);
        send(&r, i, expedited);
        vn_rig_run(&r, 1000);
    }
    vn_rig_run(&r, VN_REPORT_LITTLE_US + 100000);
    assert_int_equal(0, r.side[0].worker->retained);
    vn_rig_done(&r);
}

/* Packets of a stream that sends little are reported together, and late; as are all where the
 * tether tells it. */
static void reports_are_few(void **state)
{
    (void)state;
    for (int relayed = 0; relayed < 2; relayed++) {
        struct vn_rig r;
        setup(&r, &(struct vn_mem_net_config){.delay_us = 1000}, relayed);
        for (uint32_t i = 0; i < 60; i++) { /* a packet a second for a minute */
            send(&r, i, 0);
            vn_rig_run(&r, 1000000);
        }
        assert_in_range(r.report_count, 60000000 / VN_REPORT_LITTLE_US / 2,
                        60000000 / VN_REPORT_LITTLE_US);
        r.report_count = 0;
        r.side[1].count_only = true;
        for (uint32_t i = 0; i < 6000; i++) {
            send(&r, i, 0);
            vn_rig_run(&r, 1000);
        }
        assert_in_range(r.report_count, relayed ? 12 : 1, relayed ? 100 : 3);
        vn_rig_done(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_kept_that_arrived),
        cmocka_unit_test(a_tether_that_dies_takes_nothing_along),
        cmocka_unit_test(a_move_without_need),
        cmocka_unit_test(a_path_that_dies_at_once),
        cmocka_unit_test(what_is_dropped_goes_again),
        cmocka_unit_test(what_was_dropped_long_ago_is_missed),
        cmocka_unit_test(a_rush_hides_no_arrival),
        cmocka_unit_test(real_time_is_not_kept),
        cmocka_unit_test(reports_are_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
