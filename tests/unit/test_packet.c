#include "core/packet.h"

#include "support/guard.h"
#include "support/inner.h"
#include "support/test.h"

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

static bool parse(struct vn_span s, struct vn_packet *ret)
{
    return vn_packet_parse(vn_guard_copy(&guard, s), ret);
}

static const struct vn_inner inners[] = {
    {.src = "10.66.0.1", .dst = "10.66.0.2", .payload_len = 20},
    {.src = "fd66::1", .dst = "fd66::2", .payload_len = 20},
};

static void fields_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        uint8_t b[128];
        struct vn_inner in = inners[i];
        in.dscp = 10;
        size_t n = vn_inner_build(&in, b, sizeof(b));
        struct vn_packet p;
        assert_true(parse(VN_SPAN(b, n), &p));
        struct vn_ip src = vn_inner_ip(in.src), dst = vn_inner_ip(in.dst);
        assert_true(vn_ip_equal(&src, &p.src));
        assert_true(vn_ip_equal(&dst, &p.dst));
        assert_int_equal(i == 1, p.ip6);
        assert_int_equal(VN_IPPROTO_UDP, p.proto);
        assert_int_equal(10, p.tos >> 2);
        assert_int_equal(i ? 40 : 20, p.l4_offset);
        assert_false(p.fragment || p.later_fragment);
        /* The sum over a packet with its checksum is zero. */
        assert_int_equal(
            0, vn_checksum_fold(vn_checksum_add(vn_checksum_pseudo(&p, p.proto, n - p.l4_offset),
                                                b + p.l4_offset, n - p.l4_offset)));
    }
}

static void a_packet_is_as_long_as_it_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        uint8_t b[128] = {0};
        size_t n = vn_inner_build(&inners[i], b, sizeof(b));
        struct vn_packet p;
        for (size_t k = 0; k < n; k++)
            assert_false(parse(VN_SPAN(b, k), &p));
        assert_false(parse(VN_SPAN(b, n + 1), &p));
        /* Quoted in an error it may be cut behind its headers. */
        for (size_t k = 0; k < n; k++)
            assert_int_equal(k >= (i ? 40u : 20u),
                             vn_packet_parse_quoted(vn_guard_copy(&guard, VN_SPAN(b, k)), &p));
    }
}

static void versions_and_header_lengths(void **state)
{
    (void)state;
    uint8_t b[128];
    size_t n = vn_inner_build(&inners[0], b, sizeof(b));
    struct vn_packet p;
    for (unsigned first = 0; first < 256; first++) {
        b[0] = (uint8_t)first;
        bool good = first >= 0x45 && first <= 0x4c; /* 48 bytes: a header of up to 12 words */
        assert_int_equal(good, parse(VN_SPAN(b, n), &p));
        if (good)
            assert_int_equal((first & 15) * 4, p.l4_offset);
    }
}

static void fragments_are_told(void **state)
{
    (void)state;
    uint8_t b[128];
    size_t n = vn_inner_build(&inners[0], b, sizeof(b));
    struct vn_packet p;
    b[6] = 0x20; /* more fragments, offset 0 */
    assert_true(parse(VN_SPAN(b, n), &p));
    assert_true(p.fragment);
    assert_false(p.later_fragment);
    b[6] = 0;
    b[7] = 5;
    assert_true(parse(VN_SPAN(b, n), &p));
    assert_true(p.fragment && p.later_fragment);
}

/* An IPv6 packet with these extension headers, each given as its bytes, then UDP. */
static size_t with_extensions(const uint8_t *kinds, const uint8_t *units, size_t count, uint8_t *b)
{
    size_t n = vn_inner_build(&inners[1], b, 128), at = 40, more = 0;
    for (size_t i = 0; i < count; i++)
        more += kinds[i] == 51 ? (units[i] + 2u) * 4 : kinds[i] == 44 ? 8 : (units[i] + 1u) * 8;
    memmove(b + 40 + more, b + 40, n - 40);
    memset(b + 40, 0, more);
    for (size_t i = 0; i < count; i++) {
        b[i ? at : 6] = kinds[i];
        if (i)
            at += kinds[i - 1] == 51   ? (units[i - 1] + 2u) * 4
                  : kinds[i - 1] == 44 ? 8
                                       : (units[i - 1] + 1u) * 8;
        b[at + 1] = units[i];
    }
    b[at] = VN_IPPROTO_UDP;
    n += more;
    b[4] = (uint8_t)((n - 40) >> 8);
    b[5] = (uint8_t)(n - 40);
    return n;
}

static void extension_headers_are_walked(void **state)
{
    (void)state;
    uint8_t b[4096];
    struct vn_packet p;
    static const uint8_t kinds[] = {0, 60, 43, 44, 51, 60, 135, 60, 60};
    static const uint8_t units[] = {0, 1, 2, 0, 4, 0, 0, 3, 0};
    size_t n = 0;
    for (size_t count = 0; count <= 9; count++) {
        n = with_extensions(kinds, units, count, b);
        if (count == 0)
            continue;
        assert_int_equal(count <= 8, parse(VN_SPAN(b, n), &p));
        if (count <= 8) {
            assert_int_equal(VN_IPPROTO_UDP, p.proto);
            assert_int_equal(n - 28, p.l4_offset);
        }
    }
    /* 256 bytes of them, and one unit more. */
    n = with_extensions((const uint8_t[]){60}, (const uint8_t[]){31}, 1, b);
    assert_true(parse(VN_SPAN(b, n), &p));
    n = with_extensions((const uint8_t[]){60}, (const uint8_t[]){32}, 1, b);
    assert_false(parse(VN_SPAN(b, n), &p));
    /* One that says it is longer than the packet. */
    n = with_extensions((const uint8_t[]){60}, (const uint8_t[]){0}, 1, b);
    b[41] = 30;
    assert_false(parse(VN_SPAN(b, n), &p));
}

static void ipv6_fragments(void **state)
{
    (void)state;
    uint8_t b[256];
    struct vn_packet p;
    size_t n = with_extensions((const uint8_t[]){44}, (const uint8_t[]){0}, 1, b);
    assert_true(parse(VN_SPAN(b, n), &p)); /* offset 0, no more: whole (RFC 6946) */
    assert_false(p.fragment);
    b[43] = 1;
    assert_true(parse(VN_SPAN(b, n), &p));
    assert_true(p.fragment);
    assert_false(p.later_fragment);
    b[43] = 8;
    assert_true(parse(VN_SPAN(b, n), &p));
    assert_true(p.fragment && p.later_fragment);
    /* Behind a later fragment's header there are no headers, whatever it says comes next. */
    b[40] = 60;
    assert_true(parse(VN_SPAN(b, n), &p));
    assert_int_equal(48, p.l4_offset);
}

static void ipv4_in_ipv6_clothes_is_refused(void **state)
{
    (void)state;
    uint8_t b[128];
    size_t n = vn_inner_build(&inners[1], b, sizeof(b));
    struct vn_packet p;
    struct vn_ip mapped = vn_inner_ip("10.66.0.1");
    memcpy(b + 8, mapped.b, 16);
    assert_false(parse(VN_SPAN(b, n), &p));
    n = vn_inner_build(&inners[1], b, sizeof(b));
    memcpy(b + 24, mapped.b, 16);
    assert_false(parse(VN_SPAN(b, n), &p));
}

static void classes(void **state)
{
    (void)state;
    for (unsigned dscp = 0; dscp < 64; dscp++) {
        struct vn_packet p = {.tos = (uint8_t)(dscp << 2 | 3)};
        bool rt = dscp == 46 || dscp == 44 || dscp == 40 || dscp == 34 || dscp == 36 || dscp == 38;
        assert_int_equal(rt ? VN_TETHER_REALTIME : VN_TETHER_BULK, vn_packet_class(&p));
    }
}

static void icmp_kinds(void **state)
{
    (void)state;
    static const char *const pairs[2][2] = {{"10.66.0.2", "10.66.0.1"}, {"fd66::2", "fd66::1"}};
    uint8_t quoted[128], b[256];
    for (size_t i = 0; i < 2; i++) {
        size_t qn = vn_inner_build(&inners[i], quoted, sizeof(quoted));
        for (unsigned type = 0; type < 256; type++) {
            size_t n = vn_inner_icmp(pairs[i][0], pairs[i][1], (uint8_t)type, 0,
                                     VN_SPAN(quoted, qn), b, sizeof(b));
            struct vn_packet p, q;
            struct vn_span s = vn_guard_copy(&guard, VN_SPAN(b, n));
            assert_true(vn_packet_parse(s, &p));
            enum vn_icmp_kind kind = vn_packet_icmp_kind(&p, s);
            bool error = i ? type < 128 : type == 3 || type == 4 || type == 11 || type == 12;
            bool link = i ? (type >= 130 && type <= 143) || (type >= 148 && type <= 153)
                          : type == 5 || type == 9 || type == 10;
            assert_int_equal(error ? VN_ICMP_ERROR : link ? VN_ICMP_LINK : VN_ICMP_OTHER, kind);
            if (!error)
                continue;
            assert_true(vn_packet_icmp_quoted(&p, s, &q));
            struct vn_ip src = vn_inner_ip(inners[i].src);
            assert_true(vn_ip_equal(&src, &q.src));
        }
        /* Cut short, it quotes nothing that can be judged. */
        for (size_t k = 0; k < qn; k++) {
            size_t n = vn_inner_icmp(pairs[i][0], pairs[i][1], i ? 1 : 3, 0, VN_SPAN(quoted, k), b,
                                     sizeof(b));
            struct vn_packet p, q;
            struct vn_span s = vn_guard_copy(&guard, VN_SPAN(b, n));
            assert_true(vn_packet_parse(s, &p));
            assert_int_equal(k >= (i ? 40u : 20u), vn_packet_icmp_quoted(&p, s, &q));
        }
    }
    struct vn_packet p;
    uint8_t udp[128];
    size_t n = vn_inner_build(&inners[0], udp, sizeof(udp));
    assert_true(parse(VN_SPAN(udp, n), &p));
    assert_int_equal(VN_ICMP_NONE, vn_packet_icmp_kind(&p, VN_SPAN(udp, n)));
}

static void an_icmp_packet_without_a_type(void **state)
{
    (void)state;
    uint8_t b[64];
    size_t n = vn_inner_build(
        &(struct vn_inner){.src = "10.66.0.1", .dst = "10.66.0.2", .proto = VN_IPPROTO_ICMP}, b,
        sizeof(b));
    assert_int_equal(20, n);
    struct vn_packet p;
    struct vn_span s = vn_guard_copy(&guard, VN_SPAN(b, n));
    assert_true(vn_packet_parse(s, &p));
    assert_int_equal(VN_ICMP_LINK, vn_packet_icmp_kind(&p, s));
}

static uint16_t slow_checksum(const uint8_t *p, size_t n)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

static void checksums_agree_with_a_slow_one(void **state)
{
    (void)state;
    static uint8_t b[70000];
    for (int i = 0; i < 200; i++) {
        size_t n = vn_test_below(i < 100 ? 64 : sizeof(b));
        vn_test_fill(b, n);
        if (i % 3 == 0)
            memset(b, 0xff, n);
        struct vn_span s = vn_guard_copy(&guard, VN_SPAN(b, n));
        assert_int_equal(slow_checksum(s.p, s.n), vn_checksum_fold(vn_checksum_add(0, s.p, s.n)));
    }
}

static void noise_is_parsed_without_harm(void **state)
{
    (void)state;
    uint8_t b[512];
    for (int i = 0; i < 200000; i++) {
        size_t n = 1 + vn_test_below(200);
        vn_test_fill(b, n);
        b[0] = (uint8_t)(vn_test_below(2) ? 0x60 : 0x45);
        if (b[0] == 0x45 && n > 4) {
            b[2] = 0;
            b[3] = (uint8_t)n;
        } else if (n >= 40) {
            b[4] = 0;
            b[5] = (uint8_t)(n - 40);
        }
        struct vn_packet p, q;
        struct vn_span s = vn_guard_copy(&guard, VN_SPAN(b, n));
        if (!vn_packet_parse(s, &p))
            continue;
        assert_true(p.l4_offset <= n);
        if (vn_packet_icmp_kind(&p, s) == VN_ICMP_ERROR)
            (void)!vn_packet_icmp_quoted(&p, s, &q);
    }
}

static uint32_t flow_of(const struct vn_inner *i, uint64_t key)
{
    uint8_t b[200];
    struct vn_packet p;
    size_t n = vn_inner_build(i, b, sizeof(b));
    assert_true(vn_packet_parse(VN_SPAN(b, n), &p));
    return vn_packet_flow(&p, VN_SPAN(b, n), key);
}

static void flows_are_told_apart(void **state)
{
    (void)state;
    struct vn_inner one = {.src = "10.66.0.1", .dst = "10.66.0.2", .payload_len = 8};
    struct vn_inner other = one;
    other.number = 77;
    other.dscp = 46;
    assert_int_equal(flow_of(&one, 1), flow_of(&other, 1));
    assert_int_not_equal(flow_of(&one, 1), flow_of(&one, 2));
    other.src = "10.66.0.3";
    assert_int_not_equal(flow_of(&one, 1), flow_of(&other, 1));
    /* Ports count, in whole packets only: a later fragment has none. */
    uint8_t a[64], b[64];
    struct vn_packet p;
    size_t n = vn_inner_build(&one, a, sizeof(a));
    memcpy(b, a, n);
    b[21] ^= 1;
    assert_true(vn_packet_parse(VN_SPAN(a, n), &p));
    assert_int_not_equal(vn_packet_flow(&p, VN_SPAN(a, n), 1),
                         vn_packet_flow(&p, VN_SPAN(b, n), 1));
    a[6] = b[6] = 0x20;
    assert_true(vn_packet_parse(VN_SPAN(a, n), &p));
    assert_int_equal(vn_packet_flow(&p, VN_SPAN(a, n), 1), vn_packet_flow(&p, VN_SPAN(b, n), 1));
}

static void congestion_is_marked_where_it_can_be(void **state)
{
    (void)state;
    for (unsigned tos = 0; tos < 256; tos++) {
        uint8_t b[200];
        struct vn_packet p;
        size_t n = vn_inner_build(
            &(struct vn_inner){.src = "10.66.0.1", .dst = "10.66.0.2", .payload_len = 30}, b,
            sizeof(b));
        b[1] = (uint8_t)tos;
        b[10] = b[11] = 0;
        uint16_t sum = vn_checksum_fold(vn_checksum_add(0, b, 20));
        b[10] = (uint8_t)(sum >> 8);
        b[11] = (uint8_t)sum;
        assert_int_equal((tos & 3) != 0, vn_packet_mark_ce(b, n));
        assert_int_equal(0, vn_checksum_fold(vn_checksum_add(0, b, 20)));
        assert_int_equal(tos & 3 ? tos | 3 : tos, b[1]);

        n = vn_inner_build(
            &(struct vn_inner){.src = "fd66::1", .dst = "fd66::2", .payload_len = 30}, b,
            sizeof(b));
        b[0] = (uint8_t)(0x60 | tos >> 4);
        b[1] = (uint8_t)(tos << 4);
        assert_int_equal((tos & 3) != 0, vn_packet_mark_ce(b, n));
        assert_true(vn_packet_parse(VN_SPAN(b, n), &p));
        assert_int_equal(tos & 3 ? tos | 3 : tos, p.tos);
    }
    uint8_t none[1] = {0x60};
    assert_false(vn_packet_mark_ce(none, 1));
    assert_false(vn_packet_mark_ce(none, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_found),
        cmocka_unit_test(a_packet_is_as_long_as_it_says),
        cmocka_unit_test(versions_and_header_lengths),
        cmocka_unit_test(fragments_are_told),
        cmocka_unit_test(extension_headers_are_walked),
        cmocka_unit_test(ipv6_fragments),
        cmocka_unit_test(ipv4_in_ipv6_clothes_is_refused),
        cmocka_unit_test(classes),
        cmocka_unit_test(flows_are_told_apart),
        cmocka_unit_test(congestion_is_marked_where_it_can_be),
        cmocka_unit_test(icmp_kinds),
        cmocka_unit_test(an_icmp_packet_without_a_type),
        cmocka_unit_test(checksums_agree_with_a_slow_one),
        cmocka_unit_test(noise_is_parsed_without_harm),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
