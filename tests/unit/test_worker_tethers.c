#include "core/worker_i.h"
#include "support/test.h"
#include "support/worker_rig.h"
#include "wire/frame.h"

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

static void send_control(struct vn_rig_side *s, uint32_t tether, uint8_t number)
{
    struct vn_cmd_tether_send *c;
    assert_ok(vn_post_msg_new(VN_CMD_TETHER_SEND, sizeof(*c), &c));
    c->tether = tether;
    assert_ok(vn_pktbuf_new(100, &c->buf));
    struct vn_writer w = vn_writer_of(c->buf->data, 100);
    vn_hop_encode(&w, &(struct vn_hop_header){.type = VN_HOP_CONTROL, .label = 5});
    vn_write_u8(&w, number);
    c->buf->len = w.len;
    vn_rig_command(s, c);
}

static size_t receive_control(struct vn_rig_side *s)
{
    size_t n = 0;
    struct vn_ev_tether_message *ev;
    while ((ev = (struct vn_ev_tether_message *)vn_rig_event_of(s, VN_EV_TETHER_MESSAGE))) {
        assert_int_equal(VN_HOP_HEADER_LEN + 1, ev->buf->len);
        assert_int_equal((uint8_t)n, ev->buf->data[VN_HOP_HEADER_LEN]);
        n++;
        vn_post_msg_free(&ev->msg);
    }
    return n;
}

static void control_messages_keep_their_order(void **state)
{
    (void)state;
    vn_rig_done(&rig);
    vn_rig_init(&rig, &(struct vn_mem_net_config){.seed = vn_test_random(),
                                                  .delay_us = 500,
                                                  .jitter_us = 5000,
                                                  .loss_permille = 100,
                                                  .window_bytes = 20});
    vn_rig_connect(&rig, 0, 1, 1);
    for (int i = 0; i < 200; i++)
        send_control(a, 1, (uint8_t)i);
    vn_rig_run(&rig, 10000000);
    assert_int_equal(200, receive_control(b));
}

static void control_messages_wait_for_the_tether(void **state)
{
    (void)state;
    vn_rig_connect(&rig, 0, 1, 1);
    send_control(a, 77, 9); /* unknown: ignored */
    struct vn_end *end = vn_worker_end(a->worker, 1);
    end->up = false;
    send_control(a, 1, 0);
    send_control(a, 1, 1);
    vn_rig_run(&rig, 10000);
    assert_int_equal(0, receive_control(b));
    /* The queue is bounded. */
    for (int i = 2; i < 1000; i++)
        send_control(a, 1, (uint8_t)i);
    assert_int_equal(256, end->control.count);
}

static void a_closed_tether_is_down_at_the_other_end(void **state)
{
    (void)state;
    vn_rig_stream(&rig);
    vn_rig_clear(b);
    vn_rig_handle(a, VN_CMD_TETHER_CLOSE, 1);
    vn_rig_handle(a, VN_CMD_TETHER_CLOSE, 1); /* of something gone: ignored */
    vn_rig_run(&rig, 100000);
    struct vn_ev_tether_down *ev =
        (struct vn_ev_tether_down *)vn_rig_event_of(b, VN_EV_TETHER_DOWN);
    assert_non_null(ev);
    assert_int_equal(1, ev->tether);
    assert_int_equal(VN_TETHER_DOWN_CLOSED, ev->why);
    vn_post_msg_free(&ev->msg);
    assert_int_equal(0, vn_mem_net_count(rig.net));
    assert_int_equal(0, vn_rig_events(a, VN_EV_TETHER_DOWN)); /* asked for, not told */
}

static void tethers_go_down_under_load(void **state)
{
    (void)state;
    for (uint32_t round = 1; round <= 20; round++) {
        vn_rig_connect(&rig, 0, 1, round);
        vn_rig_tx_open(a, 11, round, 21, 0);
        vn_rig_rx_open(b, 12, round, 21, 0, 0);
        vn_rig_dest(a, "10.66.0.2", VN_DEST_USE, 11, 0);
        for (int i = 0; i < 200; i++)
            vn_rig_packet(
                a, &(struct vn_inner){.src = "10.66.0.1", .dst = "10.66.0.2", .payload_len = 1000});
        vn_rig_flush(a);
        vn_mem_net_break(rig.net, VN_TETHER_DOWN_SILENT);
        vn_rig_run(&rig, 100000);
        assert_int_equal(1, vn_rig_events(a, VN_EV_TETHER_DOWN));
        assert_int_equal(1, vn_rig_events(b, VN_EV_TETHER_DOWN));
        assert_int_equal(0, vn_mem_net_count(rig.net));
        vn_pktqueue_clear(&b->written);
    }
}

static void an_open_that_fails_is_told(void **state)
{
    (void)state;
    /* start without a peer: never up, and closing is fine. */
    struct vn_cmd_tether_start *c;
    assert_ok(vn_post_msg_new(VN_CMD_TETHER_START, sizeof(*c), &c));
    c->tether = 5;
    vn_rig_command(a, c); /* unknown: ignored */
    assert_int_equal(0, vn_rig_events(a, VN_EV_TETHER_DOWN));
    vn_rig_connect(&rig, 0, 1, 1);
    assert_ok(vn_post_msg_new(VN_CMD_TETHER_START, sizeof(*c), &c));
    c->tether = 1;
    vn_rig_command(a, c); /* a second start is refused by the implementation */
    assert_int_equal(1, vn_rig_events(a, VN_EV_TETHER_DOWN));
}

static void commands_about_nothing_are_ignored(void **state)
{
    (void)state;
    static const unsigned types[] = {VN_CMD_TETHER_CLOSE, VN_CMD_TX_CLOSE, VN_CMD_RX_CLOSE};
    for (size_t i = 0; i < VN_ARRAY_LEN(types); i++)
        vn_rig_handle(a, types[i], 4711);
    vn_rig_dest(a, "10.66.0.2", VN_DEST_FORGET, 0, 0);
    vn_rig_dest(a, "10.66.0.2", VN_DEST_WAIT, 0, 0);
    vn_rig_tx_open(a, 11, 4711, 21, 0);
    vn_rig_rx_open(a, 12, 4711, 21, 0, 1);
    vn_rig_dest(a, "10.66.0.2", VN_DEST_USE, 11, 0);
    vn_rig_packet(a,
                  &(struct vn_inner){.src = "10.66.0.1", .dst = "10.66.0.2", .payload_len = 100});
    vn_rig_run(&rig, 1000);
    /* It waits; the stream gets a tether later. */
    vn_rig_connect(&rig, 0, 1, 1);
    vn_rig_rx_open(b, 12, 1, 21, 0, 0);
    vn_rig_tx_open(a, 11, 1, 21, 0);
    vn_rig_run(&rig, 10000);
    assert_int_equal(1, b->written_count);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(control_messages_keep_their_order),
        T(control_messages_wait_for_the_tether),
        T(a_closed_tether_is_down_at_the_other_end),
        T(tethers_go_down_under_load),
        T(an_open_that_fails_is_told),
        T(commands_about_nothing_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
