#include "wire/ice_server.h"

#include "support/test.h"

static void good_urls(void **state)
{
    (void)state;
    static const struct {
        const char *url, *host, *back;
        enum vn_ice_server_kind kind;
        uint16_t port;
        bool address;
    } GOOD[] = {
        {"stun:192.0.2.1", "192.0.2.1", "stun:192.0.2.1:3478", VN_ICE_SERVER_STUN, 3478, true},
        {"stun:s.example:5", "s.example", "stun:s.example:5", VN_ICE_SERVER_STUN, 5, false},
        {"turn:t", "t", "turn:t:3478?transport=udp", VN_ICE_SERVER_TURN_UDP, 3478, false},
        {"turn:t?transport=udp", "t", "turn:t:3478?transport=udp", VN_ICE_SERVER_TURN_UDP, 3478,
         false},
        {"turn:[2001:db8::5]:65535?transport=tcp", "2001:db8::5",
         "turn:[2001:db8::5]:65535?transport=tcp", VN_ICE_SERVER_TURN_TCP, 65535, true},
        {"turns:t-1.example:443?transport=tcp", "t-1.example",
         "turns:t-1.example:443?transport=tcp", VN_ICE_SERVER_TURN_TLS, 443, false},
        {"turns:[2001:db8::5]", "2001:db8::5", "turns:[2001:db8::5]:5349?transport=tcp",
         VN_ICE_SERVER_TURN_TLS, 5349, true},
    };
    static const struct vn_ip none;
    for (size_t i = 0; i < VN_ARRAY_LEN(GOOD); i++) {
        struct vn_ice_server s, again;
        char text[VN_ICE_URL_MAX];
        assert_ok(vn_ice_url_parse(GOOD[i].url, &s));
        assert_int_equal(s.kind, GOOD[i].kind);
        assert_int_equal(s.addr.port, GOOD[i].port);
        assert_string_equal(s.host, GOOD[i].host);
        assert_int_equal(!vn_ip_equal(&s.addr.ip, &none), GOOD[i].address);
        assert_int_equal(vn_ice_server_is_turn(&s), GOOD[i].kind != VN_ICE_SERVER_STUN);
        vn_ice_url_format(&s, text);
        assert_string_equal(text, GOOD[i].back);
        assert_ok(vn_ice_url_parse(text, &again));
        assert_memory_equal(&s, &again, sizeof(s));
    }
}

static void bad_urls(void **state)
{
    (void)state;
    static const char *const BAD[] = {"",
                                      ":",
                                      "stun",
                                      "stun:",
                                      "stun:?transport=udp",
                                      "http://h",
                                      "STUN:h",
                                      "stuns:h",
                                      "stun:h?transport=udp",
                                      "turn:h?transport=",
                                      "turn:h?transport=tls",
                                      "turn:h?x=tcp",
                                      "turns:h?transport=udp",
                                      "turn:h?transport=tcp&a=b",
                                      "turn:h:",
                                      "turn:h:0",
                                      "turn:h:65536",
                                      "turn:h:12a",
                                      "turn:h:-1",
                                      "turn:u@h",
                                      "turn:h/",
                                      "turn:a b",
                                      "turn:[::1",
                                      "turn:[::1]x",
                                      "turn:[192.0.2.1]",
                                      "turn:[h]",
                                      "turn:2001:db8::5",
                                      "turn:.h",
                                      "turn:-h",
                                      "turn:h\n"};
    struct vn_ice_server s;
    for (size_t i = 0; i < VN_ARRAY_LEN(BAD); i++)
        assert_status(VN_ERR_ARG, vn_ice_url_parse(BAD[i], &s));
    char longest[VN_ICE_HOST_MAX + 8] = "turn:";
    memset(longest + 5, 'a', VN_ICE_HOST_MAX - 1);
    assert_ok(vn_ice_url_parse(longest, &s));
    longest[5 + VN_ICE_HOST_MAX - 1] = 'a';
    assert_status(VN_ERR_ARG, vn_ice_url_parse(longest, &s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_urls),
        cmocka_unit_test(bad_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
