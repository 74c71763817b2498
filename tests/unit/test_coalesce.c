/* Datagrams that come together are written together, and the device makes of them what came. */
#include "core/coalesce.h"

#include "core/offload.h"
#include "support/inner.h"
#include "support/test.h"
#include "support/worker_rig.h"

static struct vn_rig rig;
static size_t writes;
static struct vn_pktqueue sent;

static void count_cut(void *arg, struct vn_span segment)
{
    vn_pktqueue_push(arg, vn_inner_copy(segment));
}

/* A device that cuts, as the kernel does. */
static vn_status take_offload(void *self, const struct vn_span *parts, size_t count,
                              const struct vn_tun_offload *o)
{
    static uint8_t whole[VN_SUPER_PACKET_MAX], scratch[VN_MTU_MAX];
    struct vn_rig_side *s = self;
    struct vn_packet p;
    size_t n = 0;
    if (s->tun_full)
        return VN_ERR_AGAIN;
    assert_in_range(count, 1, VN_TUN_PARTS_MAX);
    for (size_t i = 0; i < count; i++) {
        assert_true(parts[i].n <= sizeof(whole) - n);
        memcpy(whole + n, parts[i].p, parts[i].n);
        n += parts[i].n;
    }
    const struct vn_span bytes = VN_SPAN(whole, n);
    struct vn_tun_offload own;
    writes++;
    assert_true(vn_packet_parse(bytes, &p));
    assert_true(vn_offload_check_own(&p, bytes, o->kind, o->gso_size, o->l4_offset, &own));
    assert_int_equal(own.kind, o->kind);
    assert_int_equal(own.csum_offset, o->csum_offset);
    assert_int_equal(own.header_len, o->header_len);
    assert_int_equal(own.gso_size, o->gso_size);
    if (o->kind == VN_PKT_CSUM) {
        vn_offload_finish(&p, whole, n, o);
        vn_pktqueue_push(&s->written, vn_inner_copy(bytes));
    } else {
        assert_int_equal(VN_PKT_UDP_L4, o->kind);
        vn_offload_segment(&p, bytes, o, scratch, count_cut, &s->written);
    }
    return VN_OK;
}

static void begin(bool cuts_udp)
{
    vn_rig_init(&rig, &(struct vn_mem_net_config){.delay_us = 500});
    rig.side[1].tun.write_offload = take_offload;
    rig.side[1].tun.cuts_udp = cuts_udp;
    vn_rig_stream(&rig);
    writes = 0;
}

static void end(void)
{
    vn_pktqueue_clear(&sent);
    vn_rig_done(&rig);
}

/* From the TUN, its checksum open, as a kernel with offloads leaves it. */
static struct vn_pktbuf *send_one(struct vn_inner in, void (*change)(uint8_t *))
{
    in.src = in.src ? in.src : "10.66.0.1";
    in.dst = in.dst ? in.dst : "10.66.0.2";
    struct vn_pktbuf *b = vn_inner_new(&in);
    b->kind = VN_PKT_CSUM;
    b->l4_offset = strchr(in.src, ':') ? 40 : 20;
    if (change)
        change(b->data);
    struct vn_pktbuf *copy = vn_inner_copy(vn_pktbuf_span(b));
    vn_pktqueue_push(&sent, copy);
    vn_worker_tun_input(rig.side[0].worker, b, rig.now_us);
    return copy;
}

/* But for an identification that means nothing, and the checksum over it. */
static void assert_same(struct vn_pktbuf *a, struct vn_pktbuf *b)
{
    assert_int_equal(a->len, b->len);
    if (a->data[0] >> 4 == 4)
        for (size_t i = 4; i < 12; i += i == 5 ? 5 : 1)
            a->data[i] = b->data[i] = 0;
    const size_t csum = (a->data[0] >> 4 == 4 ? 20 : 40) + 6;
    if (a->len >= csum + 2 && a->data[a->data[0] >> 4 == 4 ? 9 : 6] == VN_IPPROTO_UDP)
        memset(a->data + csum, 0, 2), memset(b->data + csum, 0, 2);
    assert_memory_equal(a->data, b->data, a->len);
}

static void assert_all_came(void)
{
    struct vn_pktbuf *a, *b;
    while ((a = vn_pktqueue_pop(&sent))) {
        b = vn_pktqueue_pop(&rig.side[1].written);
        assert_non_null(b);
        assert_same(a, b);
        vn_pktbuf_free(a);
        vn_pktbuf_free(b);
    }
    assert_int_equal(0, rig.side[1].written.count);
}

static void runs_are_one_write(void **state)
{
    (void)state;
    for (int ip6 = 0; ip6 < 2; ip6++) {
        begin(true);
        for (uint32_t i = 0; i < 50; i++)
            send_one((struct vn_inner){.src = ip6 ? "fd66::1" : NULL,
                                       .dst = ip6 ? "fd66::2" : NULL,
                                       .payload_len = 100,
                                       .number = i},
                     NULL);
        vn_rig_run(&rig, 10000);
        assert_int_equal(1, writes);
        assert_int_equal(50, vn_rig_counters(&rig.side[1]).tun_tx_packets);
        assert_int_equal(50 * (ip6 ? 148 : 128), vn_rig_counters(&rig.side[1]).tun_tx_bytes);
        assert_all_came();
        end();
    }
}

static void other_port(uint8_t *b)
{
    b[20]++;
}

static void other_ttl(uint8_t *b)
{
    b[8]--;
}

static void may_be_fragmented(uint8_t *b)
{
    b[6] = 0;
}

static void (*const changes[])(uint8_t *) = {other_port, other_ttl, may_be_fragmented};

static void odd_one(uint8_t *b)
{
    changes[vn_test_below(3)](b);
}

static void what_differs_stays_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        begin(true);
        send_one((struct vn_inner){.payload_len = 100, .number = 1}, NULL);
        send_one((struct vn_inner){.payload_len = 100, .number = 2}, changes[i]);
        send_one((struct vn_inner){.payload_len = 100, .number = 3}, NULL);
        vn_rig_run(&rig, 10000);
        /* Another port is another flow, and its turn comes when the first flow's is over, but for
         * the keys under which both are of one queue. */
        assert_in_range(writes, i == 0 ? 2 : 3, 3);
        assert_int_equal(3, rig.side[1].written.count);
        end();
    }
    begin(true);
    send_one((struct vn_inner){.payload_len = 100}, NULL);
    send_one((struct vn_inner){.payload_len = 99}, NULL); /* may end a run, not continue it */
    send_one((struct vn_inner){.payload_len = 99}, NULL);
    send_one((struct vn_inner){.payload_len = 100}, NULL);
    vn_rig_run(&rig, 10000);
    assert_int_equal(3, writes);
    assert_all_came();
    end();
}

static bool is_one_flow(const struct vn_pktbuf *a, const struct vn_pktbuf *b)
{
    return a->data[20] == b->data[20];
}

/* Any mixture arrives whole, each flow in its order, whatever is joined. */
static void any_mixture_arrives(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        begin(true);
        struct vn_pktbuf *came[100], *a;
        const size_t n = 1 + vn_test_below(100);
        size_t length = vn_test_below(1400);
        for (uint32_t i = 0; i < n; i++) {
            if (vn_test_below(4) == 0)
                length = vn_test_below(1400);
            send_one((struct vn_inner){.payload_len = length, .number = i},
                     vn_test_below(8) == 0 ? odd_one : NULL);
        }
        vn_rig_run(&rig, 20000);
        assert_int_equal(n, rig.side[1].written.count);
        assert_int_equal(n, vn_rig_counters(&rig.side[1]).tun_tx_packets);
        assert_true(writes <= n);
        for (size_t i = 0; i < n; i++)
            came[i] = vn_pktqueue_pop(&rig.side[1].written);
        while ((a = vn_pktqueue_pop(&sent))) {
            size_t i = 0;
            while (i < n && (!came[i] || !is_one_flow(a, came[i])))
                i++;
            assert_true(i < n);
            assert_same(a, came[i]);
            vn_pktbuf_free(came[i]);
            vn_pktbuf_free(a);
            came[i] = NULL;
        }
        end();
    }
}

static void a_full_device_is_counted(void **state)
{
    (void)state;
    begin(true);
    rig.side[1].tun_full = true;
    for (uint32_t i = 0; i < 50; i++)
        send_one((struct vn_inner){.payload_len = 100, .number = i}, NULL);
    vn_rig_run(&rig, 10000);
    assert_int_equal(50, vn_rig_counters(&rig.side[1]).drops[VN_DROP_TUN_FULL]);
    assert_int_equal(0, vn_rig_counters(&rig.side[1]).tun_tx_packets);
    end();
}

/* Before Linux 6.2: one by one, and what comes as a super-packet is cut before. */
static void a_device_that_cannot_cut_gets_whole_packets(void **state)
{
    (void)state;
    begin(false);
    for (uint32_t i = 0; i < 10; i++)
        send_one((struct vn_inner){.payload_len = 300, .number = i}, NULL);
    vn_rig_run(&rig, 10000);
    assert_int_equal(10, writes);
    assert_all_came();
    struct vn_pktbuf *b = vn_inner_new(
        &(struct vn_inner){.src = "10.66.0.1", .dst = "10.66.0.2", .payload_len = 3000});
    b->kind = VN_PKT_UDP_L4;
    b->gso_size = 1000;
    b->l4_offset = 20;
    vn_worker_tun_input(rig.side[0].worker, b, rig.now_us);
    vn_rig_run(&rig, 10000);
    assert_int_equal(10, writes);
    assert_int_equal(3, rig.side[1].written.count);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_are_one_write),
        cmocka_unit_test(what_differs_stays_apart),
        cmocka_unit_test(any_mixture_arrives),
        cmocka_unit_test(a_full_device_is_counted),
        cmocka_unit_test(a_device_that_cannot_cut_gets_whole_packets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
