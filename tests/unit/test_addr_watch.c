/* In a network namespace of its own: needs root, else skipped. */
#include "base/addr_watch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/netlink.h"
#include "support/inner.h"
#include "support/test.h"

static struct vn_netlink *nl;
static uint32_t lo;

static int setup(void **state)
{
    (void)state;
    struct vn_link l;
    if (unshare(CLONE_NEWNET) < 0 || vn_netlink_open(&nl) != VN_OK ||
        vn_netlink_link_get(nl, "lo", &l) != VN_OK ||
        vn_netlink_link_up(nl, l.ifindex, true) != VN_OK)
        return -1;
    lo = l.ifindex;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    nl = vn_netlink_close(nl);
    return 0;
}

static void address(bool add, const char *text)
{
    const struct vn_ip ip = vn_inner_ip(text);
    assert_ok(vn_netlink_addr(nl, add, lo, &ip));
}

/* Within a second. */
static bool noticed(int watch)
{
    struct pollfd p = {.fd = watch, .events = POLLIN};
    return poll(&p, 1, 1000) == 1;
}

static bool quiet(int watch)
{
    struct pollfd p = {.fd = watch, .events = POLLIN};
    return poll(&p, 1, 0) == 0;
}

static void tells_of_each_change(void **state)
{
    (void)state;
    int watch = vn_addr_watch_open();
    assert_true(watch >= 0);
    vn_addr_watch_drain(watch); /* nothing there: does not block */
    assert_true(quiet(watch));
    static const char *const texts[] = {"10.9.8.7", "fd09::7"};
    for (size_t i = 0; i < VN_ARRAY_LEN(texts); i++) {
        for (unsigned add = 2; add-- > 0;) {
            address(add, texts[i]);
            assert_true(noticed(watch));
            vn_addr_watch_drain(watch);
            assert_true(quiet(watch));
        }
    }
    close(watch);
}

/* More than the socket holds: messages are lost, and that is read away as well. */
static void survives_a_storm(void **state)
{
    (void)state;
    int watch = vn_addr_watch_open();
    const int little = 1;
    assert_int_equal(0, setsockopt(watch, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little)));
    for (unsigned i = 0; i < 200; i++) {
        address(true, "10.9.8.7");
        address(false, "10.9.8.7");
    }
    assert_true(noticed(watch));
    vn_addr_watch_drain(watch);
    assert_true(quiet(watch));
    address(true, "10.9.8.7");
    assert_true(noticed(watch));
    close(watch);
}

static int bound(const char *text, int type)
{
    struct vn_ip ip = vn_inner_ip(text);
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(7000)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(7000)};
    memcpy(&six.sin6_addr, ip.b, 16);
    memcpy(&four.sin_addr, ip.b + 12, 4);
    bool v4 = vn_ip_is_v4(&ip);
    int fd = socket(v4 ? AF_INET : AF_INET6, type, 0);
    assert_true(fd >= 0);
    assert_int_equal(0, v4 ? bind(fd, (struct sockaddr *)&four, sizeof(four))
                           : bind(fd, (struct sockaddr *)&six, sizeof(six)));
    return fd;
}

static void knows_whose_address_is_gone(void **state)
{
    (void)state;
    static const char *const texts[] = {"10.9.8.7", "fd09::7"};
    for (size_t i = 0; i < VN_ARRAY_LEN(texts); i++) {
        address(true, texts[i]);
        int tcp = bound(texts[i], SOCK_STREAM), udp = bound(texts[i], SOCK_DGRAM);
        assert_false(vn_addr_watch_gone(tcp)); /* its port being taken does not matter */
        assert_false(vn_addr_watch_gone(udp));
        address(false, texts[i]);
        assert_true(vn_addr_watch_gone(tcp));
        assert_true(vn_addr_watch_gone(udp));
        address(true, texts[i]);
        assert_false(vn_addr_watch_gone(tcp)); /* it came back: the connection may go on */
        address(false, texts[i]);
        close(tcp);
        close(udp);
    }
}

static void what_has_no_address_is_not_gone(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    assert_false(vn_addr_watch_gone(pair[0]));
    close(pair[0]);
    close(pair[1]);
    assert_false(vn_addr_watch_gone(-1));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    if (unshare(CLONE_NEWNET) < 0) {
        printf("1..0 # SKIP needs root and network namespaces\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        T(tells_of_each_change),
        T(survives_a_storm),
        T(knows_whose_address_is_gone),
        T(what_has_no_address_is_not_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
