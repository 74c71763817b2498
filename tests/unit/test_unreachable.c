#include "core/unreachable.h"

#include "support/inner.h"
#include "support/test.h"

static size_t build(struct vn_span s, uint8_t *out)
{
    struct vn_packet p;
    assert_true(vn_packet_parse(s, &p));
    return vn_unreachable_build(&p, s, out);
}

static void it_quotes_what_was_sent(void **state)
{
    (void)state;
    static const struct vn_inner inners[] = {
        {.src = "10.66.0.1", .dst = "10.66.0.9", .payload_len = 1400},
        {.src = "fd66::1", .dst = "fd66::9", .payload_len = 1400},
        {.src = "10.66.0.1", .dst = "10.66.0.9", .payload_len = 10},
        {.src = "fd66::1", .dst = "fd66::9", .payload_len = 10},
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(inners); i++) {
        uint8_t b[1600], out[VN_UNREACHABLE_MAX];
        size_t n = vn_inner_build(&inners[i], b, sizeof(b));
        size_t m = build(VN_SPAN(b, n), out);
        assert_true(m > 0 && m <= (i % 2 ? 1280u : 576u));
        struct vn_packet p, q;
        assert_true(vn_packet_parse(VN_SPAN(out, m), &p));
        assert_int_equal(VN_ICMP_ERROR, vn_packet_icmp_kind(&p, VN_SPAN(out, m)));
        struct vn_ip src = vn_inner_ip(inners[i].src), dst = vn_inner_ip(inners[i].dst);
        assert_true(vn_ip_equal(&src, &p.dst));
        assert_true(vn_ip_equal(&dst, &p.src));
        assert_true(vn_packet_icmp_quoted(&p, VN_SPAN(out, m), &q));
        assert_true(vn_ip_equal(&src, &q.src));
        assert_true(vn_ip_equal(&dst, &q.dst));
        size_t quote = m - p.l4_offset - 8;
        assert_memory_equal(b, out + p.l4_offset + 8, quote);
        uint64_t pseudo = p.ip6 ? vn_checksum_pseudo(&p, VN_IPPROTO_ICMPV6, m - 40) : 0;
        assert_int_equal(
            0, vn_checksum_fold(vn_checksum_add(pseudo, out + p.l4_offset, m - p.l4_offset)));
        if (!p.ip6)
            assert_int_equal(0, vn_checksum_fold(vn_checksum_add(0, out, 20)));
    }
}

static void some_packets_get_no_answer(void **state)
{
    (void)state;
    uint8_t b[256], q[128], out[VN_UNREACHABLE_MAX];
    size_t qn = vn_inner_build(
        &(struct vn_inner){.src = "10.66.0.9", .dst = "10.66.0.1", .payload_len = 10}, q,
        sizeof(q));
    size_t n = vn_inner_icmp("10.66.0.1", "10.66.0.9", 3, 1, VN_SPAN(q, qn), b, sizeof(b));
    assert_int_equal(0, build(VN_SPAN(b, n), out));
    n = vn_inner_icmp("10.66.0.1", "10.66.0.9", 8, 0, VN_SPAN(q, 8), b, sizeof(b));
    assert_true(build(VN_SPAN(b, n), out) > 0);
    n = vn_inner_icmp("fd66::1", "fd66::9", 1, 0, VN_SPAN(q, qn), b, sizeof(b));
    assert_int_equal(0, build(VN_SPAN(b, n), out));
    n = vn_inner_icmp("fd66::1", "fd66::9", 135, 0, VN_SPAN(q, 8), b, sizeof(b));
    assert_int_equal(0, build(VN_SPAN(b, n), out));
    static const struct vn_inner odd[] = {
        {.src = "10.66.0.1", .dst = "224.0.0.1", .payload_len = 10},
        {.src = "0.0.0.0", .dst = "10.66.0.9", .payload_len = 10},
        {.src = "255.255.255.255", .dst = "10.66.0.9", .payload_len = 10},
        {.src = "fd66::1", .dst = "ff02::1", .payload_len = 10},
        {.src = "::", .dst = "fd66::9", .payload_len = 10},
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(odd); i++) {
        n = vn_inner_build(&odd[i], b, sizeof(b));
        assert_int_equal(0, build(VN_SPAN(b, n), out));
    }
    n = vn_inner_build(
        &(struct vn_inner){.src = "10.66.0.1", .dst = "10.66.0.9", .payload_len = 10}, b,
        sizeof(b));
    b[7] = 9; /* a later fragment */
    assert_int_equal(0, build(VN_SPAN(b, n), out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_quotes_what_was_sent),
        cmocka_unit_test(some_packets_get_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
