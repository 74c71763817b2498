/* In a network namespace of its own: needs root and /dev/net/tun, else skipped. */
#include "transport/netif.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/ifname_list.h"
#include "host/netlink.h"
#include "support/inner.h"
#include "support/test.h"

static struct vn_netlink *nl;
static int devices[8];
static size_t device_count;

/* An interface that runs, with these addresses: TUN is point-to-point, TAP is an Ethernet. */
static void device(const char *name, bool is_tap, const char *const *addrs)
{
    struct ifreq r = {0};
    snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
    r.ifr_flags = (short)(IFF_NO_PI | (is_tap ? IFF_TAP : IFF_TUN));
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(0, ioctl(fd, TUNSETIFF, &r));
    devices[device_count++] = fd;
    struct vn_link l;
    assert_ok(vn_netlink_link_get(nl, name, &l));
    assert_ok(vn_netlink_no_autoconf(nl, l.ifindex));
    assert_ok(vn_netlink_link_up(nl, l.ifindex, true));
    for (; addrs && *addrs; addrs++) {
        const struct vn_ip ip = vn_inner_ip(*addrs);
        assert_ok(vn_netlink_addr(nl, true, l.ifindex, &ip));
    }
}

static int setup(void **state)
{
    (void)state;
    struct vn_link lo;
    device_count = 0;
    if (unshare(CLONE_NEWNET) < 0 || vn_netlink_open(&nl) != VN_OK ||
        vn_netlink_link_get(nl, "lo", &lo) != VN_OK ||
        vn_netlink_link_up(nl, lo.ifindex, true) != VN_OK)
        return -1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    while (device_count)
        close(devices[--device_count]);
    nl = vn_netlink_close(nl);
    return 0;
}

static void assert_listed(const struct vn_netif_filter *f, const char *const *want, size_t cap)
{
    struct vn_addr got[16];
    size_t n, wanted = 0;
    while (want[wanted])
        wanted++;
    assert_ok(vn_netif_list(f, got, cap, &n));
    for (size_t i = 0; i < n && i < wanted; i++) {
        const struct vn_ip ip = vn_inner_ip(want[i]);
        assert_memory_equal(&ip, &got[i].ip, sizeof(ip));
        assert_int_equal(0, got[i].port);
    }
    assert_int_equal(wanted, n);
}

#define ADDRS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define ASSERT_LISTED(f, ...) assert_listed((f), ADDRS(__VA_ARGS__), 16)

static const struct vn_netif_filter none = {0};

static void tunnels_come_last(void **state)
{
    (void)state;
    /* The kernel lists them in this order. */
    device("other-vpn", false, ADDRS("10.5.0.1", "2001:db8:5::1"));
    device("ethernet", true, ADDRS("10.6.0.1", "2001:db8:6::1", "fd06::1"));
    ASSERT_LISTED(&none, "2001:db8:6::1", "10.6.0.1", "fd06::1", "2001:db8:5::1", "10.5.0.1");
    /* What does not fit is what comes last. */
    assert_listed(&none, ADDRS("2001:db8:6::1", "10.6.0.1", "fd06::1"), 3);
}

static void a_tunnel_alone_is_used(void **state)
{
    (void)state;
    device("other-vpn", false, ADDRS("10.5.0.1"));
    ASSERT_LISTED(&none, "10.5.0.1");
}

static void link_local_and_loopback_where_nothing_else_is(void **state)
{
    (void)state;
    const struct vn_netif_filter with_lo = {.loopback = true};
    ASSERT_LISTED(&none, "::1", "127.0.0.1");
    device("ethernet", true, ADDRS("169.254.3.4"));
    ASSERT_LISTED(&none, "169.254.3.4");
    device("more", true, ADDRS("10.6.0.1"));
    ASSERT_LISTED(&none, "10.6.0.1");
    ASSERT_LISTED(&with_lo, "10.6.0.1", "::1", "127.0.0.1");
}

static void own_interface_and_ranges_are_left_out(void **state)
{
    (void)state;
    struct vn_prefix own;
    assert_ok(vn_prefix_parse("10.77.0.0/16", &own));
    const struct vn_netif_filter f = {
        .exclude_ifname = "veilnet", .exclude = &own, .exclude_count = 1};
    device("veilnet", false, ADDRS("10.9.9.9"));
    device("ethernet", true, ADDRS("10.77.1.1", "10.6.0.1"));
    ASSERT_LISTED(&f, "10.6.0.1");
    const struct vn_addr in = {.ip = vn_inner_ip("10.77.1.1"), .port = 1},
                         no_port = {.ip = vn_inner_ip("10.6.0.1")},
                         many = {.ip = vn_inner_ip("224.0.0.1"), .port = 1},
                         good = {.ip = vn_inner_ip("10.6.0.1"), .port = 1};
    assert_false(vn_netif_usable(&f, &in));
    assert_false(vn_netif_usable(&f, &no_port));
    assert_false(vn_netif_usable(&f, &many));
    assert_true(vn_netif_usable(&f, &good));
}

static void interfaces_that_are_not_to_be_used_are_left_out(void **state)
{
    (void)state;
    const struct vn_netif_filter f = {.exclude_ifname = "veilnet", .not_over = "wg0,docker*"},
                                 all = {.not_over = "*"};
    device("wg0", false, ADDRS("10.5.0.1"));
    device("wg01", false, ADDRS("10.5.1.1"));
    device("docker0", true, ADDRS("172.17.0.1"));
    device("ethernet", true, ADDRS("10.6.0.1"));
    device("veilnet", false, ADDRS("10.9.9.9"));
    ASSERT_LISTED(&f, "10.6.0.1", "10.5.1.1");
    assert_listed(&all, ADDRS(NULL), 16);
}

static void lists_of_interfaces(void **state)
{
    (void)state;
    static const char *const good[] = {"", "wg0", "wg0,docker*", "fifteen-letters", "[ab]?"};
    static const char *const bad[] = {",",   "wg0,", ",wg0", "a,,b", "sixteen-letters-",
                                      "a b", "a/b",  "a:1"};
    char longest[VN_IFNAMES_TEXT + 1];
    for (size_t i = 0; i < VN_ARRAY_LEN(good); i++)
        assert_true(vn_ifnames_valid(good[i]));
    for (size_t i = 0; i < VN_ARRAY_LEN(bad); i++)
        assert_false(vn_ifnames_valid(bad[i]));
    for (size_t i = 0; i < VN_IFNAMES_TEXT; i++)
        longest[i] = i % 2 ? ',' : 'a';
    longest[VN_IFNAMES_TEXT - 1] = 0;
    assert_true(vn_ifnames_valid(longest));
    memcpy(longest + VN_IFNAMES_TEXT - 1, "a", 2);
    assert_false(vn_ifnames_valid(longest));
    assert_false(vn_ifnames_has("", "wg0"));
    assert_false(vn_ifnames_has("wg", "wg0"));
    assert_true(vn_ifnames_has("eth*,wg?", "wg0"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    if (access("/dev/net/tun", R_OK | W_OK) < 0 || unshare(CLONE_NEWNET) < 0) {
        printf("1..0 # SKIP needs root, network namespaces and /dev/net/tun\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        T(tunnels_come_last),
        T(a_tunnel_alone_is_used),
        T(link_local_and_loopback_where_nothing_else_is),
        T(own_interface_and_ranges_are_left_out),
        T(interfaces_that_are_not_to_be_used_are_left_out),
        T(lists_of_interfaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
