/* Every allocation of a worker fails once: what it was for is lost or told, nothing else. */
#include <stdlib.h>

#include "support/oom.h"
#include "support/test.h"
#include "support/worker_rig.h"

static struct vn_rig rig;
static struct vn_rig_side *a, *b;

static vn_status no_random(void *self, void *ret, size_t n)
{
    (void)self;
    memset(ret, 0, n);
    return VN_OK;
}

static void creation(void **state)
{
    (void)state;
    vn_rig_init(&rig, &(struct vn_mem_net_config){.delay_us = 500});
    struct vn_random random = {.fill = no_random};
    for (size_t n = 1;; n++) {
        struct vn_worker *w = NULL;
        struct vn_worker_config cfg = {.tether = vn_mem_net_port(rig.net),
                                       .tun = &rig.side[0].tun,
                                       .to_node = &rig.side[0].post,
                                       .random = &random};
        vn_oom_arm(n);
        vn_status st = vn_worker_new(&cfg, 1, &w);
        bool failed = vn_oom_disarm();
        assert_status(failed ? VN_ERR_NOMEM : VN_OK, st);
        vn_worker_free(w);
        if (!failed)
            break;
    }
    vn_rig_done(&rig);
}

#define PACKETS 20

static const struct vn_inner packet = {.src = "10.66.0.1", .dst = "10.66.0.2", .payload_len = 100};

/* Runs step with its n-th allocation failing; afterwards the same stream must carry packets, of
 * each of so many workers. */
static void torture_crews(void (*prepare)(void), void (*step)(void), size_t workers)
{
    for (size_t n = 1;; n++) {
        vn_rig_init_crews(&rig, &(struct vn_mem_net_config){.delay_us = 500},
                          (const size_t[VN_RIG_SIDES]){workers, workers, 1});
        a = &rig.side[0];
        b = &rig.side[1];
        vn_rig_stream(&rig);
        a->count_only = b->count_only = true;
        prepare();
        vn_oom_arm(n);
        step();
        bool failed = vn_oom_disarm();
        vn_rig_run(&rig, 100000);
        /* Whatever was lost can be done again. */
        vn_rig_tx_open(a, 11, 1, 21, 0);
        vn_rig_rx_open(b, 12, 1, 21, 0, 0);
        vn_rig_dest(a, "10.66.0.2", VN_DEST_USE, 11, 0);
        vn_rig_run(&rig, 100000); /* what did not arrive goes again */
        /* What waits in a hand whose question was lost goes with the next packet. */
        for (size_t i = 1; i < workers; i++)
            vn_rig_packet_at(a, i, &packet);
        vn_rig_run(&rig, 100000);
        size_t before = b->written_count;
        for (size_t i = 0; i < workers; i++)
            vn_rig_packet_at(a, i, &packet);
        vn_rig_run(&rig, 100000);
        assert_int_equal(before + workers, b->written_count);
        vn_rig_done(&rig);
        if (!failed)
            break;
    }
}

static void torture(void (*prepare)(void), void (*step)(void))
{
    torture_crews(prepare, step, 1);
}

static struct vn_pktbuf *packets[PACKETS];
static struct vn_cmd_tx_open *tx_open;
static struct vn_cmd_rx_open *rx_open;

static void prepare_packets(void)
{
    for (size_t i = 0; i < PACKETS; i++)
        packets[i] = vn_inner_new(&(struct vn_inner){
            .src = "10.66.0.1", .dst = i % 2 ? "10.66.0.2" : "10.66.0.7", .payload_len = 1000});
}

static void step_packets(void)
{
    for (size_t i = 0; i < PACKETS; i++)
        vn_worker_tun_input(a->worker, packets[i], rig.now_us);
    vn_worker_flush(a->worker, rig.now_us);
}

static void packets_in(void **state)
{
    (void)state;
    torture(prepare_packets, step_packets);
}

static void prepare_streams(void)
{
    assert_ok(vn_post_msg_new(VN_CMD_TX_OPEN, sizeof(*tx_open), &tx_open));
    tx_open->tx = 55;
    tx_open->tether = 1;
    tx_open->label = 77;
    tx_open->hash_alg = VN_SHA256;
    assert_ok(vn_post_msg_new(VN_CMD_RX_OPEN, sizeof(*rx_open), &rx_open));
    rx_open->rx = 56;
    rx_open->tether = 1;
    rx_open->label = 77;
    rx_open->hash_alg = VN_SHA256;
}

static void step_streams(void)
{
    vn_worker_command(a->worker, &tx_open->msg, rig.now_us);
    vn_worker_command(b->worker, &rx_open->msg, rig.now_us);
}

static void streams_open(void **state)
{
    (void)state;
    torture(prepare_streams, step_streams);
}

static void prepare_frames(void)
{
    /* In flight, for a new lane and a label nobody knows yet. */
    vn_rig_packet(a,
                  &(struct vn_inner){.src = "10.66.0.1", .dst = "10.66.0.2", .payload_len = 100});
    vn_rig_tx_open(a, 13, 1, 99, 0);
    vn_rig_dest(a, "10.66.0.5", VN_DEST_USE, 13, 0);
    vn_rig_packet(a,
                  &(struct vn_inner){.src = "10.66.0.1", .dst = "10.66.0.5", .payload_len = 100});
    vn_rig_flush(a);
    b->tun_full = true; /* so that the rig itself allocates nothing */
}

static void step_frames(void)
{
    vn_rig_run(&rig, 1000);
    b->tun_full = false;
}

static void frames_in(void **state)
{
    (void)state;
    torture(prepare_frames, step_frames);
}

/* ---- a crew ---- */

static void step_crew_packets(void)
{
    for (size_t i = 0; i < PACKETS; i++)
        vn_worker_tun_input(a->hand[0].worker, packets[i], rig.now_us);
    vn_rig_run(&rig, 1000);
    b->tun_full = false;
}

static void prepare_crew_packets(void)
{
    prepare_packets();
    b->tun_full = true;
}

static void packets_of_a_hand(void **state)
{
    (void)state;
    torture_crews(prepare_crew_packets, step_crew_packets, 2);
}

static void prepare_crew_streams(void)
{
    prepare_streams();
    tx_open->keyed = rx_open->keyed = true;
}

static void streams_of_a_crew_open(void **state)
{
    (void)state;
    torture_crews(prepare_crew_streams, step_streams, 2);
}

static struct vn_cmd_handle *stats;

static void prepare_stats(void)
{
    assert_ok(vn_post_msg_new(VN_CMD_STATS, sizeof(*stats), &stats));
}

static void step_stats(void)
{
    vn_rig_command(a, stats);
}

static void counters_of_a_crew(void **state)
{
    (void)state;
    torture_crews(prepare_stats, step_stats, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creation),           cmocka_unit_test(packets_in),
        cmocka_unit_test(streams_open),       cmocka_unit_test(frames_in),
        cmocka_unit_test(packets_of_a_hand),  cmocka_unit_test(streams_of_a_crew_open),
        cmocka_unit_test(counters_of_a_crew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
