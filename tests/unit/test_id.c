#include "base/id.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "support/test.h"

static void id_text_round_trip(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct vn_id id, again = {0};
        char text[VN_ID_TEXT];
        vn_test_fill(&id, sizeof(id));
        vn_id_format(&id, text);
        assert_int_equal(strlen(text), 22);
        assert_ok(vn_id_parse(VN_SPAN_STR(text), &again));
        assert_true(vn_id_equal(&id, &again));
    }
    assert_true(vn_id_is_zero(&(struct vn_id){0}));
    assert_false(vn_id_is_zero(&(struct vn_id){.b[15] = 1}));
}

static void id_text_is_strict(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "",
        "AAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAB",
        "AAAAAAAAAAAAAAAAAAAAA=",
        "AAAAAAAAAA+AAAAAAAAAAA",
        "AAAAAAAAAA AAAAAAAAAAA",
    };
    struct vn_id id = {.b[0] = 9};
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++)
        assert_status(VN_ERR_MALFORMED, vn_id_parse(VN_SPAN_STR(BAD[i]), &id));
    assert_int_equal(id.b[0], 9);
}

static void ip_text(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
        bool v4;
    } CASES[] = {
        {"10.1.2.3", "10.1.2.3", true},
        {"::ffff:10.1.2.3", "10.1.2.3", true},
        {"fd00::1", "fd00::1", false},
        {"FD00:0:0::1", "fd00::1", false},
        {"::", "::", false},
        {"0.0.0.0", "0.0.0.0", true},
        {"::10.1.2.3", "::10.1.2.3", false},
    };
    static const char *const BAD[] = {"",          "10.1.2",     "10.1.2.3.4", "10.1.2.256",
                                      "fd00::1::", "10.01.2.3x", " 10.1.2.3",  "fe80::1%eth0"};
    for (size_t i = 0; i < VN_ARRAY_LEN(CASES); i++) {
        struct vn_ip ip;
        char text[VN_IP_TEXT];
        assert_ok(vn_ip_parse(CASES[i].in, &ip));
        vn_ip_format(&ip, text);
        assert_string_equal(text, CASES[i].out);
        assert_int_equal(vn_ip_is_v4(&ip), CASES[i].v4);
    }
    struct vn_ip ip = {.b[3] = 5};
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++)
        assert_status(VN_ERR_MALFORMED, vn_ip_parse(BAD[i], &ip));
    assert_int_equal(ip.b[3], 5);
}

static void ip_of_a_socket(void **state)
{
    (void)state;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(9)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
    const struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct vn_ip ip, expected;
    inet_pton(AF_INET, "192.0.2.1", &in.sin_addr);
    inet_pton(AF_INET6, "2001:db8::1", &in6.sin6_addr);
    assert_true(vn_ip_from_sockaddr((struct sockaddr *)&in, &ip));
    assert_ok(vn_ip_parse("192.0.2.1", &expected));
    assert_true(vn_ip_equal(&ip, &expected));
    assert_true(vn_ip_from_sockaddr((struct sockaddr *)&in6, &ip));
    assert_ok(vn_ip_parse("2001:db8::1", &expected));
    assert_true(vn_ip_equal(&ip, &expected));
    assert_false(vn_ip_from_sockaddr((const struct sockaddr *)&un, &ip));
    assert_false(vn_ip_from_sockaddr(NULL, &ip));
    assert_true(vn_ip_equal(&ip, &expected));
}

static void prefix_text(void **state)
{
    (void)state;
    static const char *const GOOD[] = {"10.1.0.0/16", "0.0.0.0/0",   "10.1.2.3/32", "fd00::/64",
                                       "::/0",        "fd00::1/128", "10.128.0.0/9"};
    static const char *const BAD[] = {"10.1.0.0",    "10.1.0.0/33",  "10.1.0.1/16",  "fd00::/129",
                                      "fd00::1/64",  "10.0.0.0/",    "10.0.0.0/08",  "10.0.0.0/-1",
                                      "10.0.0.0/8 ", "10.0.0.0/8/8", "/8",           "10.128.0.0/8",
                                      "10.0.0.0/+8", "10.0.0.0/256", "10.0.0.0/1000"};
    for (size_t i = 0; i < VN_ARRAY_LEN(GOOD); i++) {
        struct vn_prefix p;
        char text[VN_PREFIX_TEXT];
        assert_ok(vn_prefix_parse(GOOD[i], &p));
        vn_prefix_format(&p, text);
        assert_string_equal(text, GOOD[i]);
    }
    struct vn_prefix p = {.bits = 77};
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++)
        assert_status(VN_ERR_MALFORMED, vn_prefix_parse(BAD[i], &p));
    assert_int_equal(p.bits, 77);
    assert_ok(vn_prefix_parse("10.1.0.0/16", &p));
    assert_int_equal(p.bits, 112);
    /* the longest text there is */
    struct vn_prefix longest = {.bits = 128};
    char text[VN_PREFIX_TEXT];
    memset(longest.ip.b, 0xff, 16);
    vn_prefix_format(&longest, text);
    assert_string_equal(text, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
}

static bool contains_bit_by_bit(const struct vn_prefix *p, const struct vn_ip *ip)
{
    for (unsigned bit = 0; bit < p->bits; bit++) {
        const uint8_t mask = (uint8_t)(0x80 >> bit % 8);
        if ((p->ip.b[bit / 8] & mask) != (ip->b[bit / 8] & mask))
            return false;
    }
    return true;
}

static void prefix_contains_agrees_with_a_naive_model(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct vn_prefix p;
        vn_test_fill(p.ip.b, 16);
        p.bits = (uint8_t)vn_test_below(129);
        struct vn_ip ip = p.ip;
        const size_t flip = vn_test_below(128);
        ip.b[flip / 8] ^= (uint8_t)(0x80 >> flip % 8);
        assert_true(vn_prefix_contains(&p, &p.ip));
        assert_int_equal(vn_prefix_contains(&p, &ip), contains_bit_by_bit(&p, &ip));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(id_text_round_trip),
        cmocka_unit_test(id_text_is_strict),
        cmocka_unit_test(ip_text),
        cmocka_unit_test(ip_of_a_socket),
        cmocka_unit_test(prefix_text),
        cmocka_unit_test(prefix_contains_agrees_with_a_naive_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
