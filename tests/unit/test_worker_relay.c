/* Circuits through a data worker: labels, credit, turns, and that nothing waits for itself. */
#include "support/test.h"
#include "support/worker_rig.h"

#include "core/rx.h"
#include "core/worker_i.h"
#include "wire/circuit.h"
#include "wire/frame.h"

#define PACKETS 450
#define PAYLOAD 1400

struct route {
    size_t from, over, to;
};
static const struct route ROUTES[6] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                       {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

static uint32_t tether_of(size_t a, size_t b)
{
    return (uint32_t)(a + b); /* 0-1: 1, 0-2: 2, 1-2: 3 */
}

static uint32_t label(size_t route, uint32_t which)
{
    return (uint32_t)(100 + 10 * route) + which;
}

static void *cmd(unsigned type, size_t size)
{
    void *m;
    assert_ok(vn_post_msg_new(type, size, &m));
    return m;
}

/* Labels of a route: 1 and 2 forward on the first and second tether, 3 and 4 back. */
static void open_route(struct vn_rig *r, size_t i)
{
    const struct route *p = &ROUTES[i];
    char dst[32];
    struct vn_cmd_relay_open *o = cmd(VN_CMD_RELAY_OPEN, sizeof(*o));
    o->relay = label(i, 9);
    o->in.tether = tether_of(p->from, p->over);
    o->in.fwd = label(i, 1);
    o->in.rev = label(i, 3);
    o->out.tether = tether_of(p->over, p->to);
    o->out.fwd = label(i, 2);
    o->out.rev = label(i, 4);
    vn_rig_command(&r->side[p->over], o);

    struct vn_cmd_rx_open *rx = cmd(VN_CMD_RX_OPEN, sizeof(*rx));
    rx->rx = label(i, 8);
    rx->tether = tether_of(p->over, p->to);
    rx->label = label(i, 2);
    rx->rev = label(i, 4);
    rx->hash_alg = VN_SHA256;
    rx->keyed = true;
    snprintf(dst, sizeof(dst), "10.66.0.%zu", p->from + 1);
    rx->addrs[rx->addr_count++] = vn_inner_ip(dst);
    vn_rig_command(&r->side[p->to], rx);

    struct vn_cmd_tx_open *tx = cmd(VN_CMD_TX_OPEN, sizeof(*tx));
    tx->tx = label(i, 7);
    tx->tether = tether_of(p->from, p->over);
    tx->label = label(i, 1);
    tx->rev = label(i, 3);
    tx->hash_alg = VN_SHA256;
    tx->keyed = true;
    vn_rig_command(&r->side[p->from], tx);
    snprintf(dst, sizeof(dst), "10.66.0.%zu", p->to + 1);
    vn_rig_dest(&r->side[p->from], dst, VN_DEST_USE, label(i, 7), 0);
}

static void setup(struct vn_rig *r, const struct vn_mem_net_config *net, size_t routes)
{
    vn_rig_init(r, net);
    vn_rig_connect(r, 0, 1, 1);
    vn_rig_connect(r, 0, 2, 2);
    vn_rig_connect(r, 1, 2, 3);
    for (size_t i = 0; i < routes; i++)
        open_route(r, i);
}

static void send(struct vn_rig *r, size_t from, size_t to, size_t payload, uint32_t number)
{
    char src[32], dst[32];
    snprintf(src, sizeof(src), "10.66.0.%zu", from + 1);
    snprintf(dst, sizeof(dst), "10.66.0.%zu", to + 1);
    vn_rig_packet(
        &r->side[from],
        &(struct vn_inner){.src = src, .dst = dst, .payload_len = payload, .number = number});
}

/* Packets at `to` that `from` sent. */
static size_t arrived(struct vn_rig *r, size_t from, size_t to)
{
    size_t n = 0;
    char src[32];
    snprintf(src, sizeof(src), "10.66.0.%zu", from + 1);
    struct vn_ip ip = vn_inner_ip(src);
    for (const struct vn_pktbuf *b = r->side[to].written.head; b; b = b->next)
        n += memcmp(b->data + 12, ip.b + 12, 4) == 0;
    return n;
}

static void test_sealed_as_it_came(void **state)
{
    (void)state;
    struct vn_rig r;
    setup(&r, &(struct vn_mem_net_config){.delay_us = 1000}, 1);
    send(&r, 0, 2, 100, 5);
    vn_rig_run(&r, 10000);
    struct vn_pktbuf *b = vn_pktqueue_pop(&r.side[2].written);
    assert_non_null(b);
    assert_int_equal(5, vn_inner_number(vn_pktbuf_span(b)));
    vn_pktbuf_free(b);
    struct vn_worker_counters c = vn_rig_counters(&r.side[1]);
    assert_int_equal(1, c.frames_relayed);
    assert_int_equal(0, c.frames_opened + c.frames_sealed);
    vn_rig_done(&r);
}

/* Six circuits, each pair of nodes through the third, and every buffer full. */
static void test_crossing_circuits_never_lock(void **state)
{
    (void)state;
    struct vn_rig r;
    setup(&r, &(struct vn_mem_net_config){.delay_us = 2000, .window_bytes = 80000}, 6);
    for (uint32_t k = 0; k < PACKETS; k++) {
        for (size_t i = 0; i < VN_ARRAY_LEN(ROUTES); i++)
            send(&r, ROUTES[i].from, ROUTES[i].to, PAYLOAD, k);
    }
    vn_rig_run(&r, 10000000);
    uint64_t lost = 0, came = 0;
    for (size_t s = 0; s < 3; s++) {
        struct vn_worker_counters c = vn_rig_counters(&r.side[s]);
        for (size_t d = 0; d < VN_DROP_COUNT; d++)
            lost += d == VN_DROP_CODEL ? 0 : c.drops[d];
        came += c.tun_tx_packets + c.drops[VN_DROP_CODEL];
        assert_true(c.frames_relayed > 15);
        assert_true(r.side[s].worker->pool_used <= VN_RELAY_POOL_BYTES);
    }
    assert_int_equal(0, lost); /* but what the sender's own queue dropped */
    assert_int_equal(6 * PACKETS, came);
    vn_rig_done(&r);
}

/* A tether that stalls holds up the circuits over it and no others, and they go on behind it. */
static void test_one_that_stalls(void **state)
{
    (void)state;
    struct vn_rig r;
    setup(&r, &(struct vn_mem_net_config){.delay_us = 1000}, 6);
    const struct vn_id stalled = vn_rig_tether_id(1);
    vn_mem_net_stall(r.net, &stalled, true);
    for (uint32_t k = 0; k < PACKETS; k++) {
        send(&r, 2, 1, PAYLOAD, k); /* over 0: its second tether stalls */
        send(&r, 0, 1, PAYLOAD, k); /* over 2: it does not use that one */
        vn_rig_run(&r, 500);
    }
    vn_rig_run(&r, 300000);
    assert_int_equal(0, arrived(&r, 2, 1));
    assert_int_equal(PACKETS, arrived(&r, 0, 1));
    assert_true(vn_rig_counters(&r.side[0]).frames_relayed < PACKETS);
    vn_mem_net_stall(r.net, &stalled, false);
    vn_rig_run(&r, 3000000);
    assert_true(arrived(&r, 2, 1) > PACKETS / 10); /* CoDel at the source took some */
    struct vn_worker_counters c = vn_rig_counters(&r.side[2]);
    assert_int_equal(PACKETS,
                     arrived(&r, 2, 1) + c.drops[VN_DROP_CODEL] + c.drops[VN_DROP_QUEUE_FULL]);
    vn_rig_done(&r);
}

/* Bulk frames of a label, counted, or lost. */
struct watch {
    uint32_t label;
    bool loses;
    size_t frames;
    uint64_t bytes;
};

static bool see_label(void *arg, const struct vn_id *tether, enum vn_tether_class cls,
                      struct vn_pktbuf *b)
{
    struct watch *s = arg;
    struct vn_reader r = vn_reader_of(vn_pktbuf_span(b));
    struct vn_hop_header hop;
    (void)tether;
    if (cls != VN_TETHER_BULK || !vn_hop_decode(&r, &hop) || hop.label != s->label)
        return true;
    s->frames++;
    s->bytes += b->len;
    return !s->loses;
}

/* Packets from 0 to 2, so many at once, and so long between. */
static void pour(struct vn_rig *r, uint32_t count, uint32_t at_once, uint64_t pause_us)
{
    for (uint32_t k = 0; k < count; k++) {
        send(r, 0, 2, PAYLOAD, k);
        if (k % at_once == 0)
            vn_rig_run(r, pause_us);
    }
}

/* While its way on is blocked, a circuit gets no more than its credit into the relay. */
static void test_credit_bounds_what_waits(void **state)
{
    (void)state;
    struct vn_rig r;
    struct watch c = {.label = label(0, 1)};
    setup(&r, &(struct vn_mem_net_config){.delay_us = 1000, .arg = &c, .filter = see_label}, 1);
    pour(&r, 20, 1, 5000); /* the window opens */
    const struct vn_id stalled = vn_rig_tether_id(3);
    vn_mem_net_stall(r.net, &stalled, true);
    uint64_t before = c.bytes;
    pour(&r, 8000, 100, 1000);
    vn_rig_run(&r, 100000);
    /* One window on the tether that stalls, one in the relay. */
    uint64_t in = c.bytes - before;
    assert_true(in > VN_RELAY_WINDOW_MIN);
    assert_true(in < 2 * (VN_RELAY_WINDOW_MIN + VN_FRAME_MAX));
    assert_int_equal(0, vn_rig_counters(&r.side[1]).drops[VN_DROP_CREDIT]);
    vn_rig_done(&r);
}

static void move_source(struct vn_rig *r, uint32_t tether, uint32_t fwd, uint32_t rev)
{
    struct vn_cmd_tx_open *tx = cmd(VN_CMD_TX_OPEN, sizeof(*tx));
    tx->tx = label(0, 7);
    tx->tether = tether;
    tx->label = fwd;
    tx->rev = rev;
    vn_rig_command(&r->side[0], tx);
}

/* A neighbour that sends without credit loses what is beyond it. */
static void test_without_credit(void **state)
{
    (void)state;
    struct vn_rig r;
    setup(&r, &(struct vn_mem_net_config){.delay_us = 1000}, 1);
    const struct vn_id stalled = vn_rig_tether_id(3);
    vn_mem_net_stall(r.net, &stalled, true);
    move_source(&r, 1, label(0, 1), 0); /* as if the source's tether knew nothing of credit */
    pour(&r, 6000, 50, 1000);
    vn_rig_run(&r, 100000);
    assert_true(vn_rig_counters(&r.side[1]).drops[VN_DROP_CREDIT] > 0);
    vn_rig_done(&r);
}

#define LIFETIME_US 30000000

/* A packet each second: the stream is not idle. */
static void linger(struct vn_rig *r, unsigned seconds)
{
    while (seconds--) {
        send(r, 0, 2, PAYLOAD, 0);
        vn_rig_run(r, 1000000);
    }
}

/* Frames that the tether gives up, at the source or behind the relay, on the circuit in use or one
 * that was left meanwhile: their credit comes back, and the circuit goes on where it stood. */
static void test_credit_of_lost_frames_comes_back(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct vn_rig r;
        const bool behind = i == 1, left = i == 2;
        struct watch l = {.label = label(0, behind ? 2 : 1), .loses = true};
        setup(&r,
              &(struct vn_mem_net_config){
                  .delay_us = 1000, .arg = &l, .filter = see_label, .give_up_us = LIFETIME_US},
              1);
        pour(&r, PACKETS, 1, 1000);
        const size_t lost = l.frames;
        assert_true(lost > 0);
        l.loses = false;
        linger(&r, 20);
        assert_int_equal(0, arrived(&r, 0, 2)); /* all of the window is out */
        if (left) {                             /* straight to the end, where another label is */
            vn_rig_rx_open(&r.side[2], label(0, 8), 2, label(0, 5), 0, 0);
            move_source(&r, 2, label(0, 5), 0);
        }
        linger(&r, LIFETIME_US / 1000000);
        if (left)
            move_source(&r, 1, label(0, 1), label(0, 3));
        assert_int_equal(lost, vn_rig_counters(&r.side[behind]).frames_given_up);
        assert_true(arrived(&r, 0, 2) > 0);
        /* As much as at first, and not more. */
        const size_t before = arrived(&r, 0, 2);
        pour(&r, PACKETS, 1, 1000);
        vn_rig_run(&r, 1000000);
        assert_int_equal(before + PACKETS, arrived(&r, 0, 2));
        assert_int_equal(0, vn_rig_counters(&r.side[1]).drops[VN_DROP_CREDIT]);
        assert_int_equal(0, vn_rig_counters(&r.side[2]).drops[VN_DROP_CREDIT]);
        vn_rig_done(&r);
    }
}

static void inject(struct vn_rig *r, size_t at, uint32_t tether, enum vn_tether_class cls,
                   enum vn_hop_type type, uint32_t on)
{
    struct vn_end *end = vn_worker_end(r->side[at].worker, tether);
    struct vn_pktbuf *b;
    size_t taken = 0, n = VN_HOP_HEADER_LEN + VN_E2E_HEADER_LEN + 40;
    assert_ok(vn_pktbuf_new(n, &b));
    struct vn_writer w = vn_writer_of(vn_pktbuf_put(b, n), n);
    memset(w.buf, 0, n);
    vn_hop_encode(&w, &(struct vn_hop_header){.type = type, .label = on});
    assert_ok(end->worker->cfg.tether->send(end->port, cls, &b, 1, &taken));
    assert_int_equal(1, taken);
}

/* Labels belong to their tether and direction: a neighbour's guesses reach nothing. */
static void test_guessed_labels(void **state)
{
    (void)state;
    struct vn_rig r;
    setup(&r, &(struct vn_mem_net_config){.delay_us = 1000}, 1);
    inject(&r, 2, 3, VN_TETHER_BULK, VN_HOP_FRAME, label(0, 4));     /* frames towards the source */
    inject(&r, 2, 3, VN_TETHER_BULK, VN_HOP_FRAME, label(0, 1));     /* another tether's label */
    inject(&r, 2, 3, VN_TETHER_CONTROL, VN_HOP_CREDIT, label(0, 1)); /* malformed */
    inject(&r, 2, 3, VN_TETHER_CONTROL, VN_HOP_CONTROL, label(0, 1)); /* goes to the node */
    inject(&r, 0, 1, VN_TETHER_BULK, VN_HOP_FRAME, label(0, 3));
    vn_rig_run(&r, 10000);
    struct vn_worker_counters c = vn_rig_counters(&r.side[1]);
    assert_int_equal(0, c.frames_relayed);
    assert_int_equal(2, c.drops[VN_DROP_HOP_MALFORMED]);
    vn_rig_run(&r, 10000000); /* those held as early go */
    assert_int_equal(2, vn_rig_counters(&r.side[1]).drops[VN_DROP_LABEL_UNKNOWN]);
    vn_rig_done(&r);
}

static void test_ends(void **state)
{
    (void)state;
    struct vn_rig r;
    setup(&r, &(struct vn_mem_net_config){.delay_us = 1000}, 2);
    /* Idle is told once. */
    vn_rig_clear(&r.side[1]);
    vn_rig_run(&r, VN_RELAY_IDLE_MS * UINT64_C(1000) + 1000000);
    assert_int_equal(1, vn_rig_events(&r.side[1], VN_EV_RELAY_IDLE));
    /* A tether goes with frames inside; the rest is as the node says. */
    send(&r, 0, 2, 100, 1);
    vn_rig_handle(&r.side[1], VN_CMD_TETHER_CLOSE, 3);
    vn_rig_run(&r, 10000);
    assert_int_equal(0, vn_map_count(r.side[1].worker->forward_by_handle));
    assert_int_equal(0, r.side[1].worker->pool_used);
    vn_rig_handle(&r.side[2], VN_CMD_RELAY_CLOSE, label(1, 9));
    assert_int_equal(0, vn_map_count(r.side[2].worker->forward_by_handle));
    /* One that cannot be opened is given back. */
    vn_rig_clear(&r.side[1]);
    struct vn_cmd_relay_open *o = cmd(VN_CMD_RELAY_OPEN, sizeof(*o));
    o->relay = 5;
    o->in.tether = 1;
    o->out.tether = 3;
    vn_rig_command(&r.side[1], o);
    assert_int_equal(1, vn_rig_events(&r.side[1], VN_EV_RELAY_IDLE));
    vn_rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sealed_as_it_came),
        cmocka_unit_test(test_crossing_circuits_never_lock),
        cmocka_unit_test(test_one_that_stalls),
        cmocka_unit_test(test_credit_bounds_what_waits),
        cmocka_unit_test(test_without_credit),
        cmocka_unit_test(test_credit_of_lost_frames_comes_back),
        cmocka_unit_test(test_guessed_labels),
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
