/* Several workers of one side: lanes, who opens, one answer for all, steps of keys. */
#include "core/packet.h"
#include "core/rx.h"
#include "core/tx.h"
#include "support/test.h"
#include "support/worker_rig.h"

static struct vn_rig rig;
static struct vn_rig_side *a, *b;

static const struct vn_inner v4 = {.src = "10.66.0.1", .dst = "10.66.0.2", .payload_len = 100};

/* Side 0 with three workers, side 1 with so many. */
static void begin(size_t workers_b)
{
    vn_rig_init_crews(&rig, &(struct vn_mem_net_config){.delay_us = 500},
                      (const size_t[]){3, workers_b, 1});
    a = &rig.side[0];
    b = &rig.side[1];
    vn_rig_stream(&rig);
}

static int teardown(void **state)
{
    (void)state;
    vn_rig_done(&rig);
    return 0;
}

static void send_each(size_t times)
{
    for (size_t i = 0; i < times; i++) {
        for (size_t lane = 0; lane < 3; lane++) {
            struct vn_inner p = v4;
            p.number = (uint32_t)(1000 * lane + i);
            vn_rig_packet_at(a, lane, &p);
        }
        vn_rig_run(&rig, 2000);
    }
}

static void frames_are_opened_by_their_owner(void **state)
{
    (void)state;
    /* lanes 0, 1, 2 at 1, 2 and 3 workers */
    static const uint64_t expected[][3] = {{15, 0, 0}, {10, 5, 0}, {5, 5, 5}};
    for (size_t workers = 1; workers <= 3; workers++) {
        begin(workers);
        send_each(5);
        assert_int_equal(15, b->written_count);
        uint32_t next[3] = {0};
        struct vn_pktbuf *p;
        while ((p = vn_pktqueue_pop(&b->written))) {
            const uint32_t number = vn_inner_number(vn_pktbuf_span(p));
            assert_int_equal(next[number / 1000]++, number % 1000); /* in the order of each lane */
            vn_pktbuf_free(p);
        }
        struct vn_ev_stats *sent = vn_rig_stats(a), *got = vn_rig_stats(b);
        assert_int_equal(3, sent->worker_count);
        assert_int_equal(workers, got->worker_count);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(5, sent->workers[i].frames_sealed);
            assert_int_equal(5, sent->workers[i].tun_rx_packets);
            assert_int_equal(expected[workers - 1][i], got->workers[i].frames_opened);
            assert_int_equal(expected[workers - 1][i], got->workers[i].tun_tx_packets);
        }
        assert_int_equal(15, sent->counters.frames_sealed);
        assert_int_equal(15, got->counters.frames_opened);
        assert_int_equal(1, sent->tx_count);
        assert_int_equal(15, sent->tx[0].packets);
        assert_int_equal(15, sent->tx[0].frames);
        assert_int_equal(15, got->rx[0].packets);
        assert_int_equal(15, got->rx[0].frames);
        vn_post_msg_free(&sent->msg);
        vn_post_msg_free(&got->msg);
        if (workers < 3)
            vn_rig_done(&rig);
    }
}

static void the_node_is_asked_once(void **state)
{
    (void)state;
    begin(1);
    static const char *const other = "10.66.0.3";
    struct vn_inner p = v4;
    p.dst = other;
    for (size_t lane = 3; lane-- > 0;) {
        vn_rig_packet_at(a, lane, &p);
        vn_rig_run(&rig, 1000);
    }
    assert_int_equal(1, vn_rig_events(a, VN_EV_DEST_WANTED));
    /* All of them hear the answer; who asks afterwards is answered without the node. */
    vn_rig_dest(a, other, VN_DEST_REJECT, 0, 50);
    assert_int_equal(3, a->written_count);
    vn_rig_packet_at(a, 2, &p);
    vn_rig_run(&rig, 1000);
    assert_int_equal(4, a->written_count);
    assert_int_equal(0, vn_rig_events(a, VN_EV_DEST_WANTED));
    vn_rig_dest(a, other, VN_DEST_USE, 11, 0);
    vn_rig_packet_at(a, 1, &p);
    vn_rig_run(&rig, 5000);
    assert_int_equal(0, vn_rig_events(a, VN_EV_DEST_WANTED));
    assert_int_equal(1, vn_rig_counters(b).drops[VN_DROP_INNER_DEST]); /* it went */
}

static void first_frame_and_idleness_are_those_of_all(void **state)
{
    (void)state;
    begin(3);
    vn_rig_clear(a);
    vn_rig_clear(b);
    for (size_t i = 0; i < 4; i++) {
        vn_rig_packet_at(a, 2, &v4);
        vn_rig_run(&rig, VN_RIG_IDLE_MS * 1000 / 2);
        assert_int_equal(i == 0, vn_rig_events(b, VN_EV_RX_FIRST));
    }
    /* Lane 2 alone kept the stream, and the egresser of the first worker. */
    struct vn_post_msg *m;
    while ((m = vn_rig_event(a))) {
        assert_true(m->type != VN_EV_TX_IDLE && m->type != VN_EV_DEST_IDLE);
        vn_post_msg_free(m);
    }
    vn_rig_run(&rig, 2 * VN_RIG_IDLE_MS * 1000);
    assert_int_equal(1, vn_rig_events(a, VN_EV_TX_IDLE));
}

static void a_stream_that_closes_closes_for_all(void **state)
{
    (void)state;
    begin(3);
    send_each(1);
    vn_rig_clear(a);
    vn_rig_handle(a, VN_CMD_TX_CLOSE, 11);
    vn_rig_handle(b, VN_CMD_RX_CLOSE, 12);
    for (size_t lane = 0; lane < 3; lane++)
        vn_rig_packet_at(a, lane, &v4);
    vn_rig_run(&rig, 1000);
    assert_int_equal(1, vn_rig_events(a, VN_EV_DEST_WANTED));
    vn_rig_tx_open(a, 13, 1, 23, 0);
    vn_rig_rx_open(b, 14, 1, 23, 0, 0);
    vn_rig_dest(a, "10.66.0.2", VN_DEST_USE, 13, 0);
    vn_rig_run(&rig, 5000);
    assert_int_equal(6, b->written_count);
}

/* A tether that takes nothing: what a hand has sealed ahead is little, the rest waits unsealed. */
static void few_frames_are_sealed_ahead(void **state)
{
    (void)state;
    begin(1);
    vn_rig_handle(a, VN_CMD_TETHER_CLOSE, 1);
    for (size_t i = 0; i < 100; i++) {
        vn_rig_packet_at(a, 1, &v4);
        vn_rig_run(&rig, 1000);
    }
    struct vn_ev_stats *s = vn_rig_stats(a);
    assert_int_equal(VN_HAND_FRAMES, s->workers[1].frames_sealed);
    vn_post_msg_free(&s->msg);
    /* And all of it goes when there is a way again. */
    vn_rig_clear(a);
    vn_rig_clear(b);
    vn_rig_handle(b, VN_CMD_TETHER_CLOSE, 1);
    vn_rig_connect(&rig, 0, 1, 2);
    vn_rig_tx_open(a, 11, 2, 22, 0);
    vn_rig_rx_open(b, 12, 2, 22, 0, 0);
    vn_rig_run(&rig, 10000);
    assert_int_equal(100, b->written_count);
}

/* What was under way of any lane goes again, and what is reported of any is kept no longer. */
static void a_lost_path_takes_nothing_along(void **state)
{
    (void)state;
    enum { EACH = 100 };
    for (int relayed = 0; relayed < 2; relayed++) {
        if (relayed)
            vn_rig_done(&rig);
        vn_rig_init_crews(&rig, &(struct vn_mem_net_config){.delay_us = 20000},
                          (const size_t[]){3, 2, 1});
        a = &rig.side[0];
        b = &rig.side[1];
        rig.relayed = relayed;
        vn_rig_stream(&rig);
        for (uint32_t i = 0; i < EACH; i++) {
            if (i == EACH / 2)
                vn_mem_net_break(rig.net, VN_TETHER_DOWN_SILENT);
            for (uint32_t lane = 0; lane < 3; lane++) {
                struct vn_inner p = v4;
                p.number = 3 * i + lane;
                vn_rig_packet_at(a, lane, &p);
            }
            vn_rig_run(&rig, 1000);
        }
        assert_true(b->written_count < 3 * EACH / 2);
        vn_rig_connect(&rig, 0, 1, 2);
        vn_rig_rx_open(b, 12, 2, 72, 0, 0);
        vn_rig_tx_open(a, 11, 2, 72, 0);
        vn_rig_run(&rig, 1000000);
        uint8_t seen[3 * EACH] = {0};
        for (const struct vn_pktbuf *p = b->written.head; p; p = p->next)
            seen[vn_inner_number(vn_pktbuf_span(p))]++;
        for (size_t i = 0; i < VN_ARRAY_LEN(seen); i++)
            assert_int_equal(1, seen[i]);
        assert_in_range(vn_rig_counters(a).frames_resent, 5, 3 * EACH / 2);
        vn_rig_run(&rig, VN_REPORT_LITTLE_US + 100000);
        assert_int_equal(0, a->worker->retained);
    }
}

/* ---- keys ---- */

/* Each lane is heard, whichever sends first after a step and however long it was silent. */
static void steps_are_made_together(void **state)
{
    (void)state;
    begin(2);
    send_each(1);
    for (size_t lane = 0; lane < 3; lane++) {
        /* 40 steps, 24 more than the look ahead */
        for (size_t i = 0; i < 40; i++) {
            vn_rig_packet_at(a, lane, &v4);
            vn_rig_run(&rig, VN_REKEY_STEP_MS * 1000 + 1000);
            vn_rig_dest(a, "10.66.0.2", VN_DEST_USE, 11, 0);
        }
    }
    send_each(1);
    assert_int_equal(3 + 120 + 3, b->written_count);
    struct vn_worker_counters c = vn_rig_counters(b);
    assert_int_equal(0, c.drops[VN_DROP_EPOCH_UNKNOWN]);
    assert_int_equal(0, c.drops[VN_DROP_TAG]);
}

/* Keys of before open for a minute: who did not step with the others would be heard no longer. */
static void lanes_step_while_they_send(void **state)
{
    (void)state;
    begin(2);
    for (size_t i = 0; i < 5 * VN_EPOCH_KEEP_MS / VN_RIG_IDLE_MS; i++) {
        send_each(1);
        vn_rig_run(&rig, VN_RIG_IDLE_MS * 1000 / 3);
    }
    const struct vn_worker_counters c = vn_rig_counters(b);
    assert_int_equal(c.frames_opened, b->written_count);
    assert_int_equal(0, c.drops[VN_DROP_EPOCH_UNKNOWN]);
    assert_int_equal(3 * (5 * VN_EPOCH_KEEP_MS / VN_RIG_IDLE_MS), b->written_count);
}

static uint32_t kem_due(void)
{
    struct vn_ev_epoch *ev = (struct vn_ev_epoch *)vn_rig_event_of(a, VN_EV_TX_KEM_DUE);
    assert_non_null(ev);
    const uint32_t epoch = ev->epoch;
    vn_post_msg_free(&ev->msg);
    return epoch;
}

static void announce(struct vn_rig_side *s, unsigned type, uint32_t handle, uint32_t epoch)
{
    struct vn_cmd_kem *m;
    assert_ok(vn_post_msg_new(type, sizeof(*m), &m));
    m->handle = handle;
    m->epoch = epoch;
    m->answered = true;
    memset(&m->step, 0x5a, sizeof(m->step));
    m->step.ss.n = m->step.digest.n = 32;
    vn_rig_command(s, m);
}

/* A KEM step that is taken when lane `lane` alone sends, and then all. */
static void kem_step(size_t lane)
{
    begin(3);
    send_each(1);
    vn_rig_clear(a);
    for (uint64_t ms = 0; ms <= VN_REKEY_KEM_MS; ms += VN_REKEY_STEP_MS) {
        vn_rig_packet_at(a, lane, &v4);
        vn_rig_run(&rig, VN_REKEY_STEP_MS * 1000);
        vn_rig_dest(a, "10.66.0.2", VN_DEST_USE, 11, 0);
    }
    const uint32_t epoch = kem_due();
    vn_rig_clear(b);
    announce(b, VN_CMD_RX_KEM, 12, epoch);
    assert_int_equal(1, vn_rig_events(b, VN_EV_RX_KEM));
    announce(a, VN_CMD_TX_KEM, 11, epoch);
    assert_int_equal(1, vn_rig_events(a, VN_EV_TX_KEM));
    const size_t before = b->written_count;
    vn_rig_packet_at(a, lane, &v4);
    vn_rig_run(&rig, 5000);
    assert_int_equal(1, vn_rig_events(b, VN_EV_RX_KEM_BEGUN));
    send_each(2);
    assert_int_equal(before + 7, b->written_count);
    assert_int_equal(0, vn_rig_events(b, VN_EV_RX_KEM_BEGUN));
    assert_int_equal(0, vn_rig_counters(b).drops[VN_DROP_TAG]);
}

static void a_kem_step_seen_by_the_first(void **state)
{
    (void)state;
    kem_step(0);
}

static void a_kem_step_seen_by_a_hand(void **state)
{
    (void)state;
    kem_step(2);
}

/* ---- hostile ---- */

static void a_hand_that_is_slow_does_not_fill_the_memory(void **state)
{
    (void)state;
    begin(2);
    b->count_only = true;
    struct vn_inner p = v4;
    p.payload_len = 8000;
    b->hands_rest = true; /* what they have not opened is on the way */
    for (size_t i = 0; i < 2000; i++) {
        vn_rig_packet_at(a, 1, &p);
        vn_rig_run(&rig, 1000);
    }
    b->hands_rest = false;
    vn_rig_run(&rig, 1000);
    const struct vn_worker_counters c = vn_rig_counters(b);
    assert_true(c.drops[VN_DROP_CREW_FULL] > 0);
    assert_int_equal(2000, b->written_count + c.drops[VN_DROP_CREW_FULL]);
    assert_true(b->written_count * 8000 <= VN_HAND_BYTES_MAX);
    assert_true((b->written_count + 2) * 9000 >= VN_HAND_BYTES_MAX);
    /* And it goes on. */
    const size_t before = b->written_count;
    vn_rig_packet_at(a, 1, &p);
    vn_rig_run(&rig, 5000);
    assert_int_equal(before + 1, b->written_count);
}

/* What it does not say for itself is not waited for, nor kept, for ever. */
static void a_hand_that_answers_nothing(void **state)
{
    (void)state;
    begin(1);
    vn_rig_clear(a);
    a->hands_rest = true;
    for (uint32_t i = 0; i < 20; i++)
        vn_rig_handle(a, VN_CMD_STATS, 100 + i);
    assert_int_equal(12, vn_rig_events(a, VN_EV_STATS));
    a->hands_rest = false;
    vn_rig_run(&rig, 1000);
    assert_int_equal(8, vn_rig_events(a, VN_EV_STATS));
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, teardown)
    const struct CMUnitTest tests[] = {
        T(frames_are_opened_by_their_owner),
        T(the_node_is_asked_once),
        T(first_frame_and_idleness_are_those_of_all),
        T(a_stream_that_closes_closes_for_all),
        T(few_frames_are_sealed_ahead),
        T(a_lost_path_takes_nothing_along),
        T(steps_are_made_together),
        T(lanes_step_while_they_send),
        T(a_kem_step_seen_by_the_first),
        T(a_kem_step_seen_by_a_hand),
        T(a_hand_that_is_slow_does_not_fill_the_memory),
        T(a_hand_that_answers_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
