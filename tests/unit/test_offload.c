#include "core/offload.h"

#include "support/guard.h"
#include "support/inner.h"
#include "support/test.h"
#include "support/worker_rig.h"

static struct vn_guard guard;

static int setup(void **state)
{
    (void)state;
    vn_guard_init(&guard, 70000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vn_guard_done(&guard);
    return 0;
}

/* A packet as the kernel leaves it: TCP or UDP, its checksum open, its payload position-dependent.
 */
static size_t super(bool ip6, bool tcp, size_t options, size_t payload, uint8_t *out)
{
    size_t head = tcp ? 20 + options : 8;
    size_t n =
        vn_inner_build(&(struct vn_inner){.src = ip6 ? "fd66::1" : "10.66.0.1",
                                          .dst = ip6 ? "fd66::2" : "10.66.0.2",
                                          .proto = tcp ? VN_IPPROTO_TCP : VN_IPPROTO_UDP + 100,
                                          .payload_len = head + payload},
                       out, 65536);
    size_t at = n - head - payload;
    uint8_t *l4 = out + at;
    memset(l4, 0, head);
    if (tcp) {
        l4[12] = (uint8_t)(head / 4 << 4);
        l4[13] = 0x80 | 0x10 | 0x08 | 0x01; /* CWR ACK PSH FIN */
        l4[4] = 0xff;                       /* the sequence number wraps inside */
        l4[5] = 0xff;
        l4[6] = 0xf0;
    } else {
        out[ip6 ? 6 : 9] = VN_IPPROTO_UDP;
        l4[4] = (uint8_t)((head + payload) >> 8);
        l4[5] = (uint8_t)(head + payload);
    }
    for (size_t i = 0; i < payload; i++)
        l4[head + i] = (uint8_t)(i * 7 + i / 251);
    if (!ip6) {
        out[10] = out[11] = 0;
        uint16_t sum = vn_checksum_fold(vn_checksum_add(0, out, 20));
        out[10] = (uint8_t)(sum >> 8);
        out[11] = (uint8_t)sum;
    }
    return n;
}

struct collected {
    size_t count, payload, gso, header_len, total;
    bool tcp, ip6;
    const uint8_t *original;
};

static void check_segment(void *arg, struct vn_span s)
{
    struct collected *c = arg;
    struct vn_packet p;
    assert_true(vn_packet_parse(vn_guard_copy(&guard, s), &p));
    const uint8_t *l4 = s.p + p.l4_offset;
    size_t payload = s.n - c->header_len;
    bool last = c->payload + payload == c->total;
    assert_true(payload == c->gso || (last && payload < c->gso && payload > 0));
    assert_memory_equal(c->original + c->header_len + c->payload, s.p + c->header_len, payload);
    assert_int_equal(
        0, vn_checksum_fold(vn_checksum_add(vn_checksum_pseudo(&p, p.proto, s.n - p.l4_offset), l4,
                                            s.n - p.l4_offset)));
    if (!c->ip6)
        assert_int_equal(0, vn_checksum_fold(vn_checksum_add(0, s.p, 20)));
    if (c->tcp) {
        uint32_t seq = (uint32_t)l4[4] << 24 | (uint32_t)l4[5] << 16 | (uint32_t)l4[6] << 8 | l4[7];
        assert_int_equal((uint32_t)(0xfffff000u + c->payload), seq);
        assert_int_equal(last ? 0x09 : 0, l4[13] & 0x09);
        assert_int_equal(c->count == 0 ? 0x80 : 0, l4[13] & 0x80);
        assert_int_equal(0x10, l4[13] & 0x10);
    } else {
        assert_int_equal(s.n - p.l4_offset, l4[4] << 8 | l4[5]);
    }
    c->payload += payload;
    c->count++;
}

static void segments_are_whole_packets(void **state)
{
    (void)state;
    static uint8_t b[65536];
    uint8_t scratch[9000];
    for (int round = 0; round < 400; round++) {
        bool ip6 = vn_test_below(2), tcp = vn_test_below(2);
        size_t options = 4 * vn_test_below(11);
        size_t payload = 2 + vn_test_below(60000);
        uint16_t gso = (uint16_t)(1 + vn_test_below(VN_MIN(payload - 1, (size_t)8800)));
        size_t n = super(ip6, tcp, options, payload, b);
        struct vn_packet p;
        assert_true(vn_packet_parse(VN_SPAN(b, n), &p));
        struct vn_tun_offload o;
        enum vn_packet_kind kind = !tcp ? VN_PKT_UDP_L4 : ip6 ? VN_PKT_TCP6 : VN_PKT_TCP4;
        assert_true(vn_offload_check_own(&p, VN_SPAN(b, n), kind, gso, p.l4_offset, &o));
        assert_int_equal(kind, o.kind);
        struct collected c = {.gso = gso,
                              .header_len = o.header_len,
                              .total = payload,
                              .tcp = tcp,
                              .ip6 = ip6,
                              .original = b};
        vn_offload_segment(&p, VN_SPAN(b, n), &o, scratch, check_segment, &c);
        assert_int_equal(payload, c.payload);
        assert_int_equal((payload + gso - 1) / gso, c.count);
    }
}

static void bounds_of_what_a_peer_may_say(void **state)
{
    (void)state;
    static uint8_t b[65536];
    struct vn_packet p;
    struct vn_tun_offload o;
    size_t n = super(false, true, 12, 29000, b);
    assert_true(vn_packet_parse(VN_SPAN(b, n), &p));
    struct vn_span s = VN_SPAN(b, n);
#define CHECK(kind, gso, l4) vn_offload_check(&p, s, kind, gso, l4, 1500, &o)
    assert_true(CHECK(VN_PKT_TCP4, 1448, 20));
    assert_int_equal(52, o.header_len);
    assert_int_equal(16, o.csum_offset);
    assert_true(o.ecn);
    assert_false(CHECK(VN_PKT_TCP4, 1449, 20)); /* over the MTU */
    assert_true(CHECK(VN_PKT_TCP4, 500, 20));
    assert_false(CHECK(VN_PKT_TCP4, 499, 20));
    assert_false(CHECK(VN_PKT_TCP4, 1, 20));
    assert_false(CHECK(VN_PKT_TCP4, 0, 20));
    assert_false(CHECK(VN_PKT_TCP4, 1448, 24));
    assert_false(CHECK(VN_PKT_TCP4, 1448, 0));
    assert_false(CHECK(VN_PKT_TCP6, 1448, 20));
    assert_false(CHECK(VN_PKT_UDP_L4, 1448, 20));
    assert_false(CHECK((enum vn_packet_kind)7, 1448, 20));
    assert_false(CHECK(VN_PKT_NONE, 0, 20));
    assert_true(CHECK(VN_PKT_CSUM, 0, 20));
    assert_false(CHECK(VN_PKT_CSUM, 1, 20));
    /* 64 segments and one more. */
    n = super(false, true, 0, 64 * 600, b);
    s = VN_SPAN(b, n);
    assert_true(vn_packet_parse(s, &p));
    assert_true(CHECK(VN_PKT_TCP4, 600, 20));
    n = super(false, true, 0, 64 * 600 + 1, b);
    s = VN_SPAN(b, n);
    assert_true(vn_packet_parse(s, &p));
    assert_false(CHECK(VN_PKT_TCP4, 600, 20));
    /* One segment is none. */
    n = super(false, true, 0, 600, b);
    s = VN_SPAN(b, n);
    assert_true(vn_packet_parse(s, &p));
    assert_true(CHECK(VN_PKT_TCP4, 600, 20));
    assert_int_equal(VN_PKT_CSUM, o.kind);
    assert_int_equal(0, o.gso_size);
    /* Header lengths that lie. */
    for (unsigned off = 0; off < 16; off++) {
        b[20 + 12] = (uint8_t)(off << 4);
        assert_int_equal(off >= 5, CHECK(VN_PKT_CSUM, 0, 20));
    }
    /* UDP: its own bounds, and its length must be the packet's. */
    n = super(true, false, 0, 6000, b);
    s = VN_SPAN(b, n);
    assert_true(vn_packet_parse(s, &p));
    assert_true(CHECK(VN_PKT_UDP_L4, 200, 40));
    assert_int_equal(48, o.header_len);
    assert_int_equal(6, o.csum_offset);
    assert_false(CHECK(VN_PKT_UDP_L4, 199, 40));
    assert_true(CHECK(VN_PKT_UDP_L4, 1452, 40));
    assert_false(CHECK(VN_PKT_UDP_L4, 1453, 40));
    b[40 + 5] ^= 1;
    assert_false(CHECK(VN_PKT_UDP_L4, 1400, 40));
    /* Fragments never. */
    n = super(false, true, 0, 6000, b);
    s = VN_SPAN(b, n);
    b[6] = 0x20;
    assert_true(vn_packet_parse(s, &p));
    assert_false(CHECK(VN_PKT_TCP4, 1400, 20));
    assert_false(CHECK(VN_PKT_CSUM, 0, 20));
#undef CHECK
}

static void add_length(void *arg, struct vn_span segment)
{
    *(size_t *)arg += segment.n;
}

static void any_header_is_judged_in_bounds(void **state)
{
    (void)state;
    static uint8_t b[3000];
    for (int i = 0; i < 200000; i++) {
        size_t n = 40 + vn_test_below(200);
        bool ip6 = vn_test_below(2);
        vn_test_fill(b, n);
        b[0] = ip6 ? 0x60 : 0x45;
        b[ip6 ? 4 : 2] = 0;
        b[ip6 ? 5 : 3] = (uint8_t)(ip6 ? n - 40 : n);
        if (!ip6)
            b[6] = b[7] = 0;
        b[ip6 ? 6 : 9] = vn_test_below(2) ? VN_IPPROTO_TCP : VN_IPPROTO_UDP;
        if (n > 255 && !ip6)
            continue;
        struct vn_packet p;
        struct vn_span s = vn_guard_copy(&guard, VN_SPAN(b, n));
        struct vn_tun_offload o;
        uint8_t scratch[9000];
        if (!vn_packet_parse(s, &p))
            continue;
        uint16_t gso = (uint16_t)vn_test_below(120);
        if (!vn_offload_check_own(&p, s, (enum vn_packet_kind)vn_test_below(5), gso, p.l4_offset,
                                  &o))
            continue;
        if (o.kind == VN_PKT_CSUM) {
            memcpy(scratch, s.p, s.n);
            vn_offload_finish(&p, scratch, s.n, &o);
        } else {
            size_t bytes = 0;
            vn_offload_segment(&p, s, &o, scratch, add_length, &bytes);
            assert_true(bytes >= s.n);
        }
    }
}

/* ---- through workers ---- */

static struct vn_rig rig;
static size_t offloaded;
static struct vn_tun_offload last;

static vn_status take_offload(void *self, const struct vn_span *parts, size_t count,
                              const struct vn_tun_offload *o)
{
    struct vn_rig_side *s = self;
    static uint8_t whole[VN_SUPER_PACKET_MAX];
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(parts[i].n <= sizeof(whole) - n);
        memcpy(whole + n, parts[i].p, parts[i].n);
        n += parts[i].n;
    }
    offloaded++;
    last = *o;
    vn_pktqueue_push(&s->written, vn_inner_copy(VN_SPAN(whole, n)));
    return VN_OK;
}

static struct vn_pktbuf *from_tun(bool ip6, bool tcp, size_t payload, uint16_t gso)
{
    static uint8_t b[65536];
    size_t n = super(ip6, tcp, 0, payload, b);
    struct vn_pktbuf *m = vn_inner_copy(VN_SPAN(b, n));
    m->kind = (uint8_t)(gso == 0 ? VN_PKT_CSUM
                        : !tcp   ? VN_PKT_UDP_L4
                        : ip6    ? VN_PKT_TCP6
                                 : VN_PKT_TCP4);
    m->gso_size = gso;
    m->l4_offset = ip6 ? 40 : 20;
    return m;
}

static void whole_super_packets_cross(void **state)
{
    (void)state;
    for (int device = 0; device < 2; device++) {
        vn_rig_init(&rig, &(struct vn_mem_net_config){.delay_us = 500});
        struct vn_rig_side *a = &rig.side[0], *b = &rig.side[1];
        if (device)
            b->tun.write_offload = take_offload, b->tun.cuts_udp = true;
        vn_rig_stream(&rig);
        for (int i = 0; i < 4; i++) {
            bool ip6 = i & 1, tcp = i & 2;
            offloaded = 0;
            vn_worker_tun_input(a->worker, from_tun(ip6, tcp, 60000, 1400), rig.now_us);
            vn_rig_run(&rig, 10000);
            if (device) {
                assert_int_equal(1, offloaded);
                assert_int_equal(1400, last.gso_size);
                assert_int_equal(ip6 ? 40 : 20, last.l4_offset);
                assert_int_equal((ip6 ? 40 : 20) + (tcp ? 20 : 8), last.header_len);
                struct vn_pktbuf *m = vn_pktqueue_pop(&b->written);
                assert_int_equal(60000 + last.header_len, m->len);
                vn_pktbuf_free(m);
            } else {
                assert_int_equal(43, b->written.count);
                vn_pktqueue_clear(&b->written);
            }
            /* An ordinary one with an open checksum. */
            vn_worker_tun_input(a->worker, from_tun(ip6, tcp, 1000, 0), rig.now_us);
            vn_rig_run(&rig, 10000);
            struct vn_pktbuf *m = vn_pktqueue_pop(&b->written);
            assert_non_null(m);
            if (device) {
                assert_int_equal(VN_PKT_CSUM, last.kind);
            } else {
                struct vn_packet p;
                assert_true(vn_packet_parse(vn_pktbuf_span(m), &p));
                size_t n = m->len - p.l4_offset;
                assert_int_equal(
                    0, vn_checksum_fold(vn_checksum_add(vn_checksum_pseudo(&p, p.proto, n),
                                                        m->data + p.l4_offset, n)));
            }
            vn_pktbuf_free(m);
        }
        assert_int_equal(8, vn_rig_counters(a).frames_sealed);
        vn_rig_done(&rig);
    }
}

static void small_segments_are_cut_before_they_leave(void **state)
{
    (void)state;
    vn_rig_init(&rig, &(struct vn_mem_net_config){.delay_us = 500});
    struct vn_rig_side *a = &rig.side[0], *b = &rig.side[1];
    vn_rig_stream(&rig);
    vn_worker_tun_input(a->worker, from_tun(false, true, 4000, 100), rig.now_us);
    vn_worker_tun_input(a->worker, from_tun(false, false, 4000, 100), rig.now_us);
    vn_worker_tun_input(a->worker, from_tun(false, true, 60000, 600), rig.now_us);
    vn_rig_run(&rig, 10000);
    assert_int_equal(40 + 40 + 100, b->written_count);
    assert_int_equal(0, vn_rig_counters(b).drops[VN_DROP_INNER_MALFORMED]);
    /* What the device says must fit the packet. */
    struct vn_pktbuf *m = from_tun(false, true, 4000, 1000);
    m->l4_offset = 24;
    vn_worker_tun_input(a->worker, m, rig.now_us);
    assert_int_equal(1, vn_rig_counters(a).drops[VN_DROP_TUN_MALFORMED]);
    vn_rig_done(&rig);
}

static void super_packets_may_wait_with_others(void **state)
{
    (void)state;
    vn_rig_init(&rig, &(struct vn_mem_net_config){.delay_us = 500});
    struct vn_rig_side *a = &rig.side[0], *b = &rig.side[1];
    vn_rig_stream(&rig);
    size_t expected = 0;
    for (int i = 0; i < 12; i++) { /* less than VN_EGRESS_QUEUE_BYTES */
        size_t payload = 1 + vn_test_below(40000);
        vn_worker_tun_input(a->worker, from_tun(i % 2, true, payload, 1400), rig.now_us);
        expected += (payload + 1399) / 1400;
    }
    vn_rig_run(&rig, 100000);
    assert_int_equal(expected, b->written_count);
    vn_rig_done(&rig);
}

/* Taking first segments off until one is left gives the segments of the whole. */
static void splitting_is_segmenting(void **state)
{
    (void)state;
    static uint8_t b[65536];
    for (int round = 0; round < 200; round++) {
        bool ip6 = vn_test_below(2), tcp = vn_test_below(2);
        size_t payload = 3 + vn_test_below(8800);
        size_t least = payload / 64 + 1;
        uint16_t gso = (uint16_t)(least + vn_test_below(payload - least));
        size_t n = super(ip6, tcp, 4, payload, b);
        struct vn_packet p;
        struct vn_pktbuf *rest, *first;
        assert_true(vn_packet_parse(VN_SPAN(b, n), &p));
        assert_int_equal(VN_OK, vn_pktbuf_new(n, &rest));
        memcpy(vn_pktbuf_put(rest, n), b, n);
        rest->kind = !tcp ? VN_PKT_UDP_L4 : ip6 ? VN_PKT_TCP6 : VN_PKT_TCP4;
        rest->gso_size = gso;
        rest->l4_offset = p.l4_offset;
        struct collected c = {.gso = gso,
                              .header_len = (size_t)(p.l4_offset + (tcp ? 24 : 8)),
                              .total = payload,
                              .tcp = tcp,
                              .ip6 = ip6,
                              .original = b};
        while (rest->kind != VN_PKT_CSUM) {
            assert_int_equal(VN_OK, vn_offload_split(rest, &first));
            assert_int_equal(VN_PKT_NONE, first->kind);
            check_segment(&c, vn_pktbuf_span(first));
            vn_pktbuf_free(first);
        }
        /* What is left is as the kernel leaves one: its checksum field holds the pseudo header. */
        struct vn_tun_offload o;
        assert_true(vn_packet_parse(vn_pktbuf_span(rest), &p));
        assert_true(vn_offload_check_own(&p, vn_pktbuf_span(rest), VN_PKT_CSUM, rest->gso_size,
                                         rest->l4_offset, &o));
        const uint8_t *field = rest->data + o.l4_offset + o.csum_offset;
        size_t l4_len = rest->len - o.l4_offset;
        assert_int_equal((uint16_t)~vn_checksum_fold(vn_checksum_pseudo(&p, p.proto, l4_len)),
                         field[0] << 8 | field[1]);
        vn_offload_finish(&p, rest->data, rest->len, &o);
        check_segment(&c, vn_pktbuf_span(rest));
        assert_int_equal(payload, c.payload);
        assert_int_equal(VN_ERR_UNSUPPORTED, vn_offload_split(rest, &first));
        vn_pktbuf_free(rest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_are_whole_packets),
        cmocka_unit_test(splitting_is_segmenting),
        cmocka_unit_test(bounds_of_what_a_peer_may_say),
        cmocka_unit_test(any_header_is_judged_in_bounds),
        cmocka_unit_test(whole_super_packets_cross),
        cmocka_unit_test(small_segments_are_cut_before_they_leave),
        cmocka_unit_test(super_packets_may_wait_with_others),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
