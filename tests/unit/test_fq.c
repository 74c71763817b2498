#include "core/fq.h"

#include "base/limits.h"
#include "core/offload.h"
#include "support/inner.h"
#include "support/test.h"

static const struct vn_codel_params params = {.target_us = 1000, .interval_us = 20000};
static struct vn_fq q;
static struct vn_fq_counters did;
static uint64_t now;

static int setup(void **state)
{
    (void)state;
    vn_fq_init(&q);
    did = (struct vn_fq_counters){0};
    now = 1000000;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vn_fq_clear(&q);
    assert_int_equal(0, q.count);
    assert_int_equal(0, q.bytes);
    return 0;
}

/* A packet of n bytes with a number, of a flow; ecn: the sender can be told. */
static void push_one(uint32_t flow, size_t n, uint32_t number, uint8_t ecn)
{
    struct vn_pktbuf *b = vn_inner_new(&(struct vn_inner){
        .src = "10.66.0.1", .dst = "10.66.0.2", .payload_len = n - 28, .number = number});
    b->data[1] |= ecn;
    assert_int_equal(n, b->len);
    assert_ok(vn_fq_push(&q, 0, flow, b, now));
}

static struct vn_pktbuf *pop(void)
{
    return vn_fq_pop(&q, 0, &params, VN_FRAME_MAX, now, &did);
}

/* The number of the next packet; UINT32_MAX: none. */
static uint32_t pop_number(void)
{
    struct vn_pktbuf *b = pop();
    uint32_t number = b ? vn_inner_number(vn_pktbuf_span(b)) : UINT32_MAX;
    vn_pktbuf_free(b);
    return number;
}

static void a_flow_keeps_its_order(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 300; i++)
        push_one(i % 3, 200 + i, i, 0);
    uint32_t last[3] = {0};
    for (int i = 0; i < 300; i++) {
        uint32_t number = pop_number();
        assert_true(number == number % 3 || number > last[number % 3]);
        last[number % 3] = number;
    }
    assert_int_equal(UINT32_MAX, pop_number());
    assert_int_equal(0, did.dropped + did.marked);
}

static void a_new_flow_goes_before_the_old(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 500; i++)
        push_one(1, 1400, i, 0);
    for (int i = 0; i < 60; i++)
        pop_number(); /* more than its turn */
    push_one(2, 100, 9999, 0);
    assert_int_equal(9999, pop_number());
    /* Found empty it is old: it cannot jump the queue with each packet. */
    assert_int_not_equal(9999, pop_number());
    push_one(2, 100, 9999, 0);
    assert_int_not_equal(9999, pop_number());
}

static void flows_share_by_bytes(void **state)
{
    (void)state;
    size_t got[2] = {0};
    for (uint32_t i = 0; i < 6000; i++)
        push_one(1, 100, 1, 0);
    for (uint32_t i = 0; i < 600; i++)
        push_one(2, 1400, 2, 0);
    for (int i = 0; i < 3000; i++) {
        uint32_t flow = pop_number();
        got[flow - 1] += flow == 1 ? 100 : 1400;
    }
    assert_true(got[0] < got[1] + 2 * VN_FRAME_MAX && got[1] < got[0] + 2 * VN_FRAME_MAX);
    assert_true(got[0] > 2 * VN_FRAME_MAX);
}

static void what_does_not_fit_stays_next(void **state)
{
    (void)state;
    push_one(1, 1000, 7, 0);
    push_one(1, 100, 8, 0);
    assert_null(vn_fq_pop(&q, 0, &params, 999, now, &did));
    assert_int_equal(2, q.count);
    assert_int_equal(7, pop_number());
    assert_int_equal(8, pop_number());
}

static void who_fills_the_queue_pays(void **state)
{
    (void)state;
    push_one(1, 1400, 1, 0);
    for (uint32_t i = 0; i < 10; i++)
        push_one(2, 1000, 100 + i, 0);
    for (uint32_t i = 0; i < 8; i++) {
        struct vn_pktbuf *b = vn_fq_pop_fattest(&q);
        assert_int_equal(100 + i, vn_inner_number(vn_pktbuf_span(b)));
        vn_pktbuf_free(b);
    }
    assert_int_equal(3, q.count);
}

/* Packets come every gap_us and leave every drain_us, for us; returns how long the last one waited.
 */
static uint64_t load(uint64_t gap_us, uint64_t drain_us, uint64_t us, uint8_t ecn)
{
    uint64_t end = now + us, in = now, out = now, waited = 0;
    while (now < end) {
        if (in <= out) {
            now = in;
            push_one(1, 1000, 0, ecn);
            in += gap_us;
        } else {
            now = out;
            struct vn_pktbuf *b = pop();
            if (b)
                waited = now - b->stamp_us;
            vn_pktbuf_free(b);
            out += drain_us;
        }
    }
    return waited;
}

static void a_burst_is_let_through(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 150; i++)
        push_one(1, 1000, i, 0);
    /* 15 ms of queue, but never for a whole interval. */
    for (int i = 0; i < 150; i++) {
        assert_int_equal(i, pop_number());
        now += 100;
    }
    assert_int_equal(0, did.dropped);
}

static void a_standing_queue_is_answered(void **state)
{
    (void)state;
    uint64_t waited = load(100, 105, 3000000, 0); /* 5 % too much, and deaf to drops */
    assert_true(did.dropped > 500);
    assert_int_equal(0, did.marked);
    assert_true(waited < 20000);
}

static void marks_go_before_drops(void **state)
{
    (void)state;
    (void)load(100, 105, 300000, 1);
    assert_int_equal(0, did.dropped);
    assert_true(did.marked > 5);
}

static void drops_come_faster_until_it_helps(void **state)
{
    (void)state;
    struct vn_codel c = {0};
    uint64_t at = 0, last = 0, gap = UINT32_MAX;
    unsigned hits = 0;
    for (; hits < 50; at += 10) {
        if (!vn_codel_hit(&c, &params, 5000, false, at))
            continue;
        if (hits == 0)
            assert_in_range(at, params.interval_us, params.interval_us + 10);
        if (hits >= 1) {
            assert_true(at - last <= gap + 10);
            gap = at - last;
        }
        last = at;
        hits++;
    }
    assert_in_range(gap, 20000 / 8, 20000 / 6); /* interval / sqrt(49) */
    assert_false(vn_codel_hit(&c, &params, 999, false, at));
    assert_false(vn_codel_hit(&c, &params, 5000, true, at + 100000)); /* the only one */
    assert_false(vn_codel_hit(&c, &params, 5000, false, at + 100010));
}

static void a_long_path_has_a_longer_interval(void **state)
{
    (void)state;
    struct vn_codel_params p = vn_codel_params_for(0);
    assert_int_equal(20000, p.interval_us);
    assert_int_equal(1000, p.target_us);
    p = vn_codel_params_for(300000);
    assert_int_equal(300000, p.interval_us);
    assert_int_equal(15000, p.target_us);
    assert_int_equal(1000000, vn_codel_params_for(UINT32_MAX).interval_us);
}

/* A TCP super-packet of ten segments, whose sender has ECN or not. */
static void push_super(uint8_t ecn)
{
    struct vn_pktbuf *b = vn_inner_new(&(struct vn_inner){.src = "10.66.0.1",
                                                          .dst = "10.66.0.2",
                                                          .proto = VN_IPPROTO_TCP,
                                                          .payload_len = 20 + 10 * 1000});
    memset(b->data + 20, 0, 20);
    b->data[32] = 5 << 4;
    b->data[1] |= ecn;
    b->kind = VN_PKT_TCP4;
    b->gso_size = 1000;
    b->l4_offset = 20;
    assert_ok(vn_fq_push(&q, 0, 1, b, now));
}

static void of_a_super_packet_the_first_segment_is_hit(void **state)
{
    (void)state;
    for (uint8_t ecn = 0; ecn < 2; ecn++) {
        did = (struct vn_fq_counters){0};
        size_t bytes = 0, marked = 0;
        for (int i = 0; i < 60; i++)
            push_super(ecn);
        for (struct vn_pktbuf *b; (b = pop()); now += 1000) {
            bytes += b->len - 40;
            if ((b->data[1] & 3) == 3) {
                assert_int_equal(1040, b->len);
                assert_int_equal(VN_PKT_NONE, b->kind);
                assert_int_equal(0, vn_checksum_fold(vn_checksum_add(0, b->data, 20)));
                marked++;
            }
            vn_pktbuf_free(b);
        }
        assert_int_equal(did.marked, marked);
        assert_true(did.marked + did.dropped > 2);
        assert_int_equal(ecn ? 0 : did.dropped, did.dropped);
        assert_int_equal(60 * 10000 - did.dropped * 1000, bytes);
    }
}

/* ---- several ways ---- */

static void push_by(size_t way, uint32_t flow, uint32_t number)
{
    struct vn_pktbuf *b = vn_inner_new(&(struct vn_inner){
        .src = "10.66.0.1", .dst = "10.66.0.2", .payload_len = 100, .number = number});
    assert_ok(vn_fq_push(&q, way, flow, b, now));
}

static uint32_t pop_by(size_t way)
{
    struct vn_pktbuf *b = vn_fq_pop(&q, way, &params, VN_FRAME_MAX, now, &did);
    const uint32_t number = b ? vn_inner_number(vn_pktbuf_span(b)) : UINT32_MAX;
    vn_pktbuf_free(b);
    return number;
}

static void each_way_has_its_flows(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 30; i++)
        push_by(i % 3, i % 3, i);
    assert_int_equal(3, q.flows);
    for (size_t way = 0; way < VN_FQ_WAYS; way++) {
        assert_int_equal(10, q.way[way].count);
        for (uint32_t i = 0; i < 10; i++)
            assert_int_equal(3 * i + way, pop_by(way));
        assert_int_equal(UINT32_MAX, pop_by(way));
        assert_int_equal(0, q.way[way].count);
    }
}

/* With all that waits of it, so in its order. */
static void a_flow_takes_another_way(void **state)
{
    (void)state;
    push_by(0, 7, 1);
    push_by(0, 7, 2);
    assert_true(vn_fq_waits(&q, 7) && !vn_fq_waits(&q, 8));
    push_by(2, 7, 3);
    assert_int_equal(UINT32_MAX, pop_by(0));
    for (uint32_t i = 1; i <= 3; i++)
        assert_int_equal(i, pop_by(2));
    assert_false(vn_fq_waits(&q, 7));
}

static void a_way_that_is_left_is_empty(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 20; i++)
        push_by(i % 2, i, i);
    vn_fq_leave(&q, 1);
    assert_int_equal(0, q.way[1].count);
    assert_int_equal(20, q.way[0].count);
    assert_int_equal(UINT32_MAX, pop_by(1));
    for (uint32_t i = 0; i < 20; i++)
        assert_int_not_equal(UINT32_MAX, pop_by(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_flow_keeps_its_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_flow_goes_before_the_old, setup, teardown),
        cmocka_unit_test_setup_teardown(flows_share_by_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_fit_stays_next, setup, teardown),
        cmocka_unit_test_setup_teardown(who_fills_the_queue_pays, setup, teardown),
        cmocka_unit_test_setup_teardown(a_burst_is_let_through, setup, teardown),
        cmocka_unit_test_setup_teardown(a_standing_queue_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(marks_go_before_drops, setup, teardown),
        cmocka_unit_test(drops_come_faster_until_it_helps),
        cmocka_unit_test(a_long_path_has_a_longer_interval),
        cmocka_unit_test_setup_teardown(of_a_super_packet_the_first_segment_is_hit, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(each_way_has_its_flows, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flow_takes_another_way, setup, teardown),
        cmocka_unit_test_setup_teardown(a_way_that_is_left_is_empty, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
