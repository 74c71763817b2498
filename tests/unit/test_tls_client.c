/* The client end of TLS against a server of another implementation of the socket, on the loopback
 * device. */
#include "crypto/tls_client.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "crypto/x509.h"
#include "support/test.h"
#include "support/tls_server.h"

static char *key, *cert;
static uint8_t pin[32];
static char ca_path[] = "/tmp/vn-tls-client-XXXXXX";

static int setup(void **state)
{
    const char *hosts[] = {"turn.example", "127.0.0.1"};
    const uint64_t now_ms = (uint64_t)time(NULL) * 1000;
    (void)state;
    assert_ok(vn_tls_key_new(&key));
    assert_ok(vn_tls_self_signed(key, hosts, 2, now_ms - 1000, now_ms + 3600000, &cert));
    assert_ok(vn_tls_key_pin(key, pin));
    const int fd = mkstemp(ca_path);
    assert_true(fd >= 0 && write(fd, cert, strlen(cert)) == (ssize_t)strlen(cert));
    close(fd);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(ca_path);
    vn_secret_strp(&key);
    vn_secret_strp(&cert);
    return 0;
}

static struct tls_answer say_hello(void *arg, const struct tls_request *rq)
{
    (void)arg, (void)rq;
    return (struct tls_answer){.code = 200, .body = "hello", .close = true};
}

struct talk {
    enum vn_tls_client_state state;
    char why[128], answer[1024];
    bool was_open;
};

/* One GET, byte by byte if slow; until the server closes or the handshake fails. */
static struct talk talk(const char *host, const uint8_t *expected, bool tls12, bool slow)
{
    struct talk t = {.was_open = false};
    struct tls_server *s = tls_server_new(key, cert, tls12, say_hello, NULL);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)strtoul(strrchr(tls_server_url(s), ':') + 1, NULL, 10));
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    const struct vn_tls_client_config cfg = {.host = host, .pin = expected};
    struct vn_tls_client *c;
    assert_ok(vn_tls_client_new(&cfg, &c));
    assert_status(VN_ERR_STATE, vn_tls_client_write(c, VN_SPAN_LIT("too early")));
    size_t len = 0;
    while (vn_tls_client_state(c) <= VN_TLS_CLIENT_OPEN) {
        uint8_t bytes[4096];
        size_t n;
        while ((n = vn_tls_client_output(c, bytes, sizeof(bytes))) > 0)
            assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
        const ssize_t got = recv(fd, bytes, slow ? 1 : sizeof(bytes), 0);
        if (got <= 0)
            break;
        assert_ok(vn_tls_client_feed(c, VN_SPAN(bytes, (size_t)got)));
        if (!t.was_open && vn_tls_client_state(c) == VN_TLS_CLIENT_OPEN) {
            t.was_open = true;
            assert_ok(vn_tls_client_write(c, VN_SPAN_LIT("GET / HTTP/1.1\r\nHost: x\r\n\r\n")));
        }
        while (len < sizeof(t.answer) - 1 &&
               (n = vn_tls_client_read(c, (uint8_t *)t.answer + len, sizeof(t.answer) - 1 - len)))
            len += n;
    }
    t.state = vn_tls_client_state(c);
    snprintf(t.why, sizeof(t.why), "%s", vn_tls_client_why(c));
    c = vn_tls_client_free(c);
    close(fd);
    s = tls_server_free(s);
    return t;
}

static void the_pinned_key_is_enough(void **state)
{
    (void)state;
    for (int tls12 = 0; tls12 < 2; tls12++)
        for (int slow = 0; slow < 2; slow++) {
            const struct talk t = talk("nobody.knows", pin, tls12, slow);
            assert_true(t.was_open);
            assert_non_null(strstr(t.answer, "hello"));
        }
}

static void another_key_is_not(void **state)
{
    (void)state;
    uint8_t wrong[32];
    memcpy(wrong, pin, sizeof(wrong));
    wrong[31] ^= 1;
    const struct talk t = talk("turn.example", wrong, false, false);
    assert_false(t.was_open);
    assert_int_equal(t.state, VN_TLS_CLIENT_FAILED);
    assert_non_null(strstr(t.why, "pinned"));
}

static void without_a_pin_the_authorities_decide(void **state)
{
    (void)state;
    struct talk t = talk("turn.example", NULL, false, false);
    assert_int_equal(t.state, VN_TLS_CLIENT_FAILED);
    assert_non_null(strstr(t.why, "self-signed"));
    setenv("SSL_CERT_FILE", ca_path, 1);
    t = talk("turn.example", NULL, false, false);
    assert_true(t.was_open);
    t = talk("127.0.0.1", NULL, false, false);
    assert_true(t.was_open);
    static const char *const others[] = {"other.example", "127.0.0.2", "example"};
    for (size_t i = 0; i < VN_ARRAY_LEN(others); i++) {
        t = talk(others[i], NULL, false, false);
        assert_false(t.was_open);
        assert_int_equal(t.state, VN_TLS_CLIENT_FAILED);
        assert_non_null(strstr(t.why, "mismatch"));
    }
    unsetenv("SSL_CERT_FILE");
}

static void garbage_ends_it(void **state)
{
    (void)state;
    const struct vn_tls_client_config cfg = {.host = "turn.example", .pin = pin};
    struct vn_tls_client *c;
    uint8_t b[64];
    assert_ok(vn_tls_client_new(&cfg, &c));
    assert_ok(vn_tls_client_feed(c, VN_SPAN_LIT("HTTP/1.1 400 Bad Request\r\n\r\n")));
    assert_int_equal(vn_tls_client_state(c), VN_TLS_CLIENT_FAILED);
    assert_int_equal(vn_tls_client_read(c, b, sizeof(b)), 0);
    assert_ok(vn_tls_client_feed(c, VN_SPAN_LIT("more")));
    c = vn_tls_client_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pinned_key_is_enough),
        cmocka_unit_test(another_key_is_not),
        cmocka_unit_test(without_a_pin_the_authorities_decide),
        cmocka_unit_test(garbage_ends_it),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
