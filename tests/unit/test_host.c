/* In network namespaces of its own: needs root and /dev/net/tun, else skipped. */
#include "host/host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "host/journal.h"
#include "host/netlink.h"
#include "host/tun.h"
#include "host/underlay.h"
#include "support/inner.h"
#include "support/test.h"

static char dir[] = "/tmp/vn-test-host-XXXXXX";
static char path[sizeof(dir) + 32];
static struct vn_ip addrs[2];
static struct vn_prefix prefixes[2];
static struct vn_netlink *nl;

static struct vn_host_config config(void)
{
    return (struct vn_host_config){.mtu_bytes = VN_MTU_DEFAULT,
                                   .addrs = addrs,
                                   .addr_count = 2,
                                   .prefixes = prefixes,
                                   .prefix_count = 2,
                                   .state_dir = dir};
}

static int group_setup(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/%s", dir, VN_JOURNAL_FILE);
    addrs[0] = vn_inner_ip("10.66.0.1");
    addrs[1] = vn_inner_ip("fd66::1");
    return vn_prefix_parse("10.66.0.0/16", &prefixes[0]) == VN_OK &&
                   vn_prefix_parse("fd66::/64", &prefixes[1]) == VN_OK
               ? 0
               : -1;
}

static int group_teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

/* Each test in a fresh network namespace. */
static int setup(void **state)
{
    (void)state;
    if (unshare(CLONE_NEWNET) < 0 || vn_netlink_open(&nl) != VN_OK)
        return -1;
    struct vn_link lo;
    if (vn_netlink_link_get(nl, "lo", &lo) != VN_OK ||
        vn_netlink_link_up(nl, lo.ifindex, true) != VN_OK)
        return -1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    nl = vn_netlink_close(nl);
    unlink(path);
    return 0;
}

static struct vn_host *up(const struct vn_host_config *c)
{
    struct vn_host *h = NULL;
    struct vn_host_error err = {0};
    vn_status st = vn_host_up(c, &h, &err);
    if (st != VN_OK)
        fail_msg("%s: %s", vn_status_name(st), err.what);
    return h;
}

static uint32_t ifindex_of(const char *name)
{
    struct vn_link l;
    return vn_netlink_link_get(nl, name, &l) == VN_OK ? l.ifindex : 0;
}

struct addr_count {
    uint32_t ifindex;
    const struct vn_ip *ip; /* NULL: any */
    size_t n;
};

static void count_addr(void *arg, const struct vn_if_addr *a)
{
    struct addr_count *c = arg;
    c->n += a->ifindex == c->ifindex && (!c->ip || vn_ip_equal(c->ip, &a->ip));
}

static size_t addr_count(uint32_t ifindex, const struct vn_ip *ip)
{
    struct addr_count c = {.ifindex = ifindex, .ip = ip};
    assert_ok(vn_netlink_addrs(nl, count_addr, &c));
    return c.n;
}

/* Rules stay when an interface goes; taking one away proves that it was there. */
static bool had_rule(bool ip6, uint32_t ifindex)
{
    vn_status st = vn_netlink_rule_unmarked(nl, false, ip6, VN_UNDERLAY_PRIORITY, VN_HOST_MARK,
                                            vn_underlay_table(ifindex));
    if (st != VN_OK)
        assert_status(VN_ERR_NOTFOUND, st);
    return st == VN_OK;
}

struct sockaddr_any {
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    };
    socklen_t len;
};

static struct sockaddr_any to_sockaddr(const char *text, uint16_t port)
{
    struct sockaddr_any a = {0};
    if (inet_pton(AF_INET, text, &a.in.sin_addr) == 1) {
        a.in.sin_family = AF_INET;
        a.in.sin_port = htons(port);
        a.len = sizeof(a.in);
    } else {
        assert_int_equal(1, inet_pton(AF_INET6, text, &a.in6.sin6_addr));
        a.in6.sin6_family = AF_INET6;
        a.in6.sin6_port = htons(port);
        a.len = sizeof(a.in6);
    }
    return a;
}

/* A new IPv6 address is in force when a kernel thread has run, which no call waits for. */
static int udp_send_once(const char *dst, uint32_t mark)
{
    struct sockaddr_any to = to_sockaddr(dst, 5000);
    int fd = socket(to.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (mark)
        assert_ok(vn_host_mark_socket(fd, mark));
    ssize_t n = sendto(fd, "hello", 5, 0, &to.sa, to.len);
    int err = n == 5 ? 0 : errno;
    close(fd);
    return err;
}

static int udp_send(const char *dst, uint32_t mark)
{
    int err = udp_send_once(dst, mark);
    for (int i = 0; i < 100 && err == EADDRNOTAVAIL; i++) {
        usleep(10000);
        err = udp_send_once(dst, mark);
    }
    return err;
}

/* The packets on the TUN for dst; others (multicast of the kernel's own) are thrown away. */
static size_t tun_packets(struct vn_host *h, const char *dst, struct vn_ip *ret_src)
{
    struct vn_ip want = vn_inner_ip(dst);
    size_t found = 0;
    for (;;) {
        struct pollfd p = {.fd = vn_host_tun_fd(h, 0), .events = POLLIN};
        if (poll(&p, 1, 100) <= 0)
            return found;
        struct vn_pktbuf *bufs[VN_HOST_TUN_BURST];
        size_t n;
        assert_ok(vn_host_tun_read(h, 0, bufs, VN_HOST_TUN_BURST, &n));
        for (size_t i = 0; i < n; i++) {
            const uint8_t *b = bufs[i]->data;
            bool v4 = b[0] >> 4 == 4;
            struct vn_ip got, src;
            if (v4) {
                src = vn_ip_from_v4(b + 12);
                got = vn_ip_from_v4(b + 16);
            } else {
                memcpy(src.b, b + 8, 16);
                memcpy(got.b, b + 24, 16);
            }
            if (vn_ip_equal(&got, &want)) {
                found++;
                if (ret_src)
                    *ret_src = src;
            }
            vn_pktbuf_free(bufs[i]);
        }
    }
}

static void up_configures_and_down_undoes(void **state)
{
    (void)state;
    struct vn_host_config c = config();
    struct vn_host *h = up(&c);
    assert_string_equal(VN_HOST_IFNAME, vn_host_ifname(h));
    struct vn_link l;
    assert_ok(vn_netlink_link_get(nl, vn_host_ifname(h), &l));
    assert_true(l.up);
    assert_int_equal(VN_MTU_DEFAULT, l.mtu_bytes);
    assert_int_equal(256, l.txqueuelen);
    assert_int_equal(VN_SUPER_PACKET_OURS, l.gso_max_bytes);
    assert_int_equal(1, addr_count(l.ifindex, &addrs[0]));
    assert_int_equal(1, addr_count(l.ifindex, &addrs[1]));
    assert_int_equal(2, addr_count(l.ifindex, NULL)); /* no link-local one */
    assert_int_equal(0, access(path, F_OK));
    vn_host_down(h);
    assert_int_equal(0, ifindex_of(VN_HOST_IFNAME));
    assert_int_equal(-1, access(path, F_OK));
    assert_false(had_rule(false, l.ifindex));
    assert_false(had_rule(true, l.ifindex));
    vn_host_down(NULL);
}

static void the_realm_leads_into_the_tun(void **state)
{
    (void)state;
    struct vn_host_config c = config();
    struct vn_host *h = up(&c);
    struct vn_ip src;
    assert_int_equal(0, udp_send("10.66.3.9", 0));
    assert_int_equal(1, tun_packets(h, "10.66.3.9", &src));
    assert_true(vn_ip_equal(&addrs[0], &src));
    assert_int_equal(0, udp_send("fd66::9", 0));
    assert_int_equal(1, tun_packets(h, "fd66::9", &src));
    assert_true(vn_ip_equal(&addrs[1], &src));
    assert_int_equal(ENETUNREACH, udp_send("10.67.0.1", 0));
    vn_host_down(h);
}

static void marked_sockets_never_enter_it(void **state)
{
    (void)state;
    struct vn_host_config c = config();
    struct vn_host *h = up(&c);
    assert_int_equal(ENETUNREACH, udp_send("10.66.3.9", vn_host_mark(h)));
    assert_int_equal(ENETUNREACH, udp_send("fd66::9", vn_host_mark(h)));
    assert_int_equal(0, tun_packets(h, "10.66.3.9", NULL));
    vn_host_down(h);
}

static void packets_written_arrive(void **state)
{
    (void)state;
    struct vn_host_config c = config();
    struct vn_host *h = up(&c);
    static const char *const pairs[][2] = {{"10.66.0.2", "10.66.0.1"}, {"fd66::2", "fd66::1"}};
    for (size_t i = 0; i < 2; i++) {
        struct sockaddr_any me = to_sockaddr(pairs[i][1], 5000);
        int fd = socket(me.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_equal(0, bind(fd, &me.sa, me.len));
        uint8_t packet[200];
        size_t n = vn_inner_build(
            &(struct vn_inner){
                .src = pairs[i][0], .dst = pairs[i][1], .payload_len = 50, .number = 0x01020304},
            packet, sizeof(packet));
        const struct vn_tun_port *tun = vn_host_tun_port(h, 0);
        /* A new IPv6 address is in force when a kernel thread has run: until then, again. */
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = 0;
        for (int k = 0; k < 100 && ready == 0; k++) {
            assert_ok(tun->write(tun->self, VN_SPAN(packet, n)));
            ready = poll(&p, 1, 20);
        }
        assert_int_equal(1, ready);
        uint8_t got[100];
        assert_int_equal(50, recv(fd, got, sizeof(got), 0));
        assert_int_equal(3, got[2]);
        close(fd);
        /* Nonsense is refused, not fatal. */
        assert_status(VN_ERR_MALFORMED, tun->write(tun->self, VN_SPAN_LIT("\x10 no packet")));
    }
    vn_host_down(h);
}

/* ---- queues ---- */

static size_t packets_of(struct vn_host *h, size_t queue)
{
    struct vn_pktbuf *bufs[VN_HOST_TUN_BURST];
    size_t n, all = 0;
    do {
        assert_ok(vn_host_tun_read(h, queue, bufs, VN_HOST_TUN_BURST, &n));
        for (size_t i = 0; i < n; i++)
            vn_pktbuf_free(bufs[i]);
        all += n;
    } while (n == VN_HOST_TUN_BURST);
    return all;
}

static void flows_are_spread_over_queues(void **state)
{
    (void)state;
    struct vn_host_config c = config();
    c.queues = 3;
    struct vn_host *h = up(&c);
    assert_int_equal(3, vn_host_tun_queues(h));
    assert_int_equal(-1, vn_host_tun_fd(h, 3));
    assert_ptr_equal(vn_host_tun_port(h, 0), vn_host_tun_port(h, 3));
    assert_ptr_not_equal(vn_host_tun_port(h, 0), vn_host_tun_port(h, 2));
    /* Each packet is a flow of its own; the kernel chooses by a key that nobody knows. */
    size_t seen[3] = {0};
    for (int i = 0; i < 2000 && !(seen[0] && seen[1] && seen[2]); i++) {
        assert_int_equal(0, udp_send("10.66.3.9", 0));
        for (size_t q = 0; q < 3; q++)
            seen[q] += packets_of(h, q);
    }
    assert_true(seen[0] && seen[1] && seen[2]);
    vn_host_down(h);
}

static void nobody_becomes_a_queue_of_another(void **state)
{
    (void)state;
    struct vn_host_error err = {0};
    struct vn_tun *first, *second;
    assert_ok(vn_tun_open("veilnet", 2, &first, &err));
    assert_int_equal(2, vn_tun_queues(first));
    for (size_t queues = 1; queues <= 2; queues++) {
        assert_status(VN_ERR_EXISTS, vn_tun_open("veilnet", queues, &second, &err));
        assert_int_equal(VN_HOST_NAME_TAKEN, err.cause);
    }
    vn_tun_close(first);
    assert_ok(vn_tun_open("veilnet", 2, &second, &err));
    vn_tun_close(second);
}

static void fewer_queues_will_do(void **state)
{
    (void)state;
    struct vn_host_error err = {0};
    struct vn_tun *t;
    struct rlimit was, few;
    assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &was));
    const int next = dup(0);
    assert_true(next >= 0);
    close(next);
    few = was;
    few.rlim_cur = (rlim_t)next + 2;
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &few));
    const vn_status st = vn_tun_open("veilnet", 4, &t, &err);
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &was));
    assert_ok(st);
    assert_in_range(vn_tun_queues(t), 1, 2); /* there may be a gap before `next` */
    vn_tun_close(t);
}

static void a_burst_is_bounded(void **state)
{
    (void)state;
    struct vn_host_config c = config();
    struct vn_host *h = up(&c);
    for (int i = 0; i < 20; i++)
        assert_int_equal(0, udp_send("10.66.3.9", 0));
    struct vn_pktbuf *bufs[2 * VN_HOST_TUN_BURST];
    size_t n;
    assert_ok(vn_host_tun_read(h, 0, bufs, 10, &n));
    assert_int_equal(10, n);
    for (size_t i = 0; i < n; i++)
        vn_pktbuf_free(bufs[i]);
    assert_true(tun_packets(h, "10.66.3.9", NULL) >= 8);
    assert_ok(vn_host_tun_read(h, 0, bufs, 10, &n));
    assert_int_equal(0, n);
    vn_host_down(h);
}

/* Of large packets fewer come at once. */
static void a_burst_has_few_bytes(void **state)
{
    (void)state;
    enum { COUNT = 20, PAYLOAD = 8000 };
    static uint8_t payload[PAYLOAD];
    struct vn_host_config c = config();
    c.mtu_bytes = 9000;
    struct vn_host *h = up(&c);
    assert_int_equal(0, udp_send("10.66.3.9", 0)); /* once it is in force */
    struct sockaddr_any to = to_sockaddr("10.66.3.9", 5000);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(PAYLOAD, sendto(fd, payload, PAYLOAD, 0, &to.sa, to.len));
    close(fd);
    struct vn_pktbuf *bufs[VN_HOST_TUN_BURST];
    size_t n, bytes = 0;
    assert_ok(vn_host_tun_read(h, 0, bufs, VN_HOST_TUN_BURST, &n));
    for (size_t i = 0; i < n; i++) {
        assert_true(bytes < VN_HOST_TUN_BYTES);
        bytes += bufs[i]->len;
        vn_pktbuf_free(bufs[i]);
    }
    assert_true(bytes >= VN_HOST_TUN_BYTES);
    assert_true(n <= COUNT);
    assert_true(tun_packets(h, "10.66.3.9", NULL) > 0);
    vn_host_down(h);
}

/* The interface's limit is ours, but anyone may raise it. */
static void a_longer_packet_comes_whole(void **state)
{
    (void)state;
    enum { HEADERS = 28, PAYLOAD = 64000 };
    const int segment = 1000;
    static uint8_t payload[PAYLOAD];
    vn_test_fill(payload, sizeof(payload));
    struct vn_host_config c = config();
    struct vn_host *h = up(&c);
    assert_int_equal(0, udp_send("10.66.3.9", 0)); /* once it is in force */
    assert_ok(vn_netlink_link_gso(nl, ifindex_of(VN_HOST_IFNAME), 65536, 64));
    assert_int_equal(1, tun_packets(h, "10.66.3.9", NULL));
    struct sockaddr_any to = to_sockaddr("10.66.3.9", 5000);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const bool cuts = setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)) == 0;
    if (cuts && vn_host_tun_port(h, 0)->cuts_udp) {
        assert_int_equal(PAYLOAD, sendto(fd, payload, PAYLOAD, 0, &to.sa, to.len));
        struct vn_pktbuf *b;
        size_t n;
        assert_ok(vn_host_tun_read(h, 0, &b, 1, &n));
        assert_int_equal(1, n);
        assert_int_equal(HEADERS + PAYLOAD, b->len);
        assert_memory_equal(payload, b->data + HEADERS, PAYLOAD);
        assert_int_equal(segment, b->gso_size);
        vn_pktbuf_free(b);
    }
    close(fd);
    vn_host_down(h);
}

static void update_moves_to_other_addresses(void **state)
{
    (void)state;
    struct vn_host_config c = config();
    struct vn_host *h = up(&c);
    uint32_t ifindex = ifindex_of(VN_HOST_IFNAME);
    struct vn_ip other[2] = {vn_inner_ip("10.77.0.5"), addrs[1]};
    struct vn_prefix range[2] = {prefixes[0], prefixes[1]};
    assert_ok(vn_prefix_parse("10.77.0.0/16", &range[0]));
    c.addrs = other;
    c.prefixes = range;
    c.mtu_bytes = 9000;
    struct vn_host_error err;
    assert_ok(vn_host_update(h, &c, &err));
    assert_int_equal(0, addr_count(ifindex, &addrs[0]));
    assert_int_equal(1, addr_count(ifindex, &other[0]));
    assert_int_equal(1, addr_count(ifindex, &other[1]));
    struct vn_ip src;
    assert_int_equal(0, udp_send("10.77.1.1", 0));
    assert_int_equal(1, tun_packets(h, "10.77.1.1", &src));
    assert_true(vn_ip_equal(&other[0], &src));
    assert_int_equal(ENETUNREACH, udp_send("10.66.3.9", 0));
    assert_int_equal(0, udp_send("fd66::9", 0));
    assert_int_equal(1, tun_packets(h, "fd66::9", NULL));
    vn_host_down(h);
    assert_false(had_rule(false, ifindex));
}

static void two_nodes_share_a_machine(void **state)
{
    (void)state;
    struct vn_host_config c = config();
    struct vn_host *h = up(&c);
    char dir2[] = "/tmp/vn-test-host-XXXXXX";
    assert_non_null(mkdtemp(dir2));
    struct vn_ip other = vn_inner_ip("10.77.0.1");
    struct vn_prefix range;
    assert_ok(vn_prefix_parse("10.77.0.0/16", &range));
    struct vn_host_config c2 = {.ifname = "veil2",
                                .mtu_bytes = 1400,
                                .addrs = &other,
                                .addr_count = 1,
                                .prefixes = &range,
                                .prefix_count = 1,
                                .state_dir = dir2};
    struct vn_host *h2 = up(&c2);
    assert_int_equal(0, udp_send("10.66.3.9", 0));
    assert_int_equal(1, tun_packets(h, "10.66.3.9", NULL));
    assert_int_equal(0, udp_send("10.77.3.9", 0));
    assert_int_equal(1, tun_packets(h2, "10.77.3.9", NULL));
    assert_int_equal(ENETUNREACH, udp_send("10.77.3.9", vn_host_mark(h)));
    vn_host_down(h2);
    assert_int_equal(0, udp_send("10.66.3.9", 0));
    vn_host_down(h);
    rmdir(dir2);
}

/* ---- crashes ---- */

/* A child brings everything up and dies by SIGKILL. */
static uint32_t crash(void)
{
    int pipefd[2];
    assert_int_equal(0, pipe(pipefd));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct vn_host_config c = config();
        struct vn_host *h;
        if (vn_host_up(&c, &h, NULL) != VN_OK)
            _exit(1);
        uint32_t ifindex = ifindex_of(VN_HOST_IFNAME);
        if (write(pipefd[1], &ifindex, sizeof(ifindex)) != sizeof(ifindex))
            _exit(1);
        for (;;)
            pause();
    }
    uint32_t ifindex = 0;
    close(pipefd[1]);
    assert_int_equal(sizeof(ifindex), read(pipefd[0], &ifindex, sizeof(ifindex)));
    close(pipefd[0]);
    /* While it lives, nobody undoes what it did. */
    struct vn_host_error err = {0};
    assert_status(VN_ERR_STATE, vn_host_recover(dir, NULL, &err));
    assert_int_equal(VN_HOST_IN_USE, err.cause);
    kill(child, SIGKILL);
    int status;
    assert_int_equal(child, waitpid(child, &status, 0));
    /* The interface goes a moment after the process. */
    for (int i = 0; i < 2000 && ifindex_of(VN_HOST_IFNAME); i++)
        usleep(1000);
    assert_int_equal(0, ifindex_of(VN_HOST_IFNAME));
    return ifindex;
}

static void recover_undoes_after_a_crash(void **state)
{
    (void)state;
    uint32_t ifindex = crash();
    size_t undone = 0;
    assert_ok(vn_host_recover(dir, &undone, NULL));
    assert_int_equal(6, undone);
    assert_false(had_rule(false, ifindex));
    assert_false(had_rule(true, ifindex));
    assert_int_equal(-1, access(path, F_OK));
    assert_ok(vn_host_recover(dir, &undone, NULL));
    assert_int_equal(0, undone);
}

static void up_recovers_first(void **state)
{
    (void)state;
    uint32_t old = crash();
    struct vn_host_config c = config();
    struct vn_host *h = up(&c);
    uint32_t now = ifindex_of(VN_HOST_IFNAME);
    assert_int_not_equal(old, now);
    assert_false(had_rule(false, old));
    assert_false(had_rule(true, old));
    assert_int_equal(0, udp_send("10.66.3.9", 0));
    assert_int_equal(1, tun_packets(h, "10.66.3.9", NULL));
    vn_host_down(h);
}

static void items_already_gone_are_fine(void **state)
{
    (void)state;
    uint32_t ifindex = crash();
    assert_true(had_rule(false, ifindex));
    assert_true(had_rule(true, ifindex));
    size_t undone = 0;
    assert_ok(vn_host_recover(dir, &undone, NULL));
    assert_int_equal(-1, access(path, F_OK));
}

static void a_cut_journal_undoes_what_it_says(void **state)
{
    (void)state;
    uint32_t ifindex = crash();
    struct stat st;
    assert_int_equal(0, stat(path, &st));
    /* The last line, the IPv6 rule, is torn. */
    assert_int_equal(0, truncate(path, st.st_size - 5));
    assert_ok(vn_host_recover(dir, NULL, NULL));
    assert_false(had_rule(false, ifindex));
    assert_true(had_rule(true, ifindex));
}

static void other_interfaces_are_left_alone(void **state)
{
    (void)state;
    /* A journal that speaks of an interface number which is another interface's now. */
    struct vn_link lo;
    assert_ok(vn_netlink_link_get(nl, "lo", &lo));
    assert_ok(vn_netlink_addr(nl, true, lo.ifindex, &addrs[0]));
    struct vn_journal *j;
    assert_ok(vn_journal_open(dir, &j, NULL));
    struct vn_change c = {.kind = VN_CHANGE_ADDR,
                          .ifindex = lo.ifindex,
                          .ifname = VN_HOST_IFNAME,
                          .prefix = {.ip = addrs[0], .bits = 128}};
    assert_ok(vn_journal_add(j, &c, 1));
    vn_journal_close(j);
    assert_ok(vn_host_recover(dir, NULL, NULL));
    assert_int_equal(1, addr_count(lo.ifindex, &addrs[0]));
}

/* ---- what stands in the way ---- */

static void refused(const struct vn_host_config *c, enum vn_host_cause cause, vn_status st)
{
    struct vn_host *h = NULL;
    struct vn_host_error err = {0};
    assert_status(st, vn_host_up(c, &h, &err));
    assert_int_equal(cause, err.cause);
    assert_true(strlen(err.what) > 10);
    assert_null(h);
}

static void a_taken_address_is_named(void **state)
{
    (void)state;
    struct vn_link lo;
    assert_ok(vn_netlink_link_get(nl, "lo", &lo));
    assert_ok(vn_netlink_addr(nl, true, lo.ifindex, &addrs[1]));
    struct vn_host_config c = config();
    refused(&c, VN_HOST_ADDRESS_TAKEN, VN_ERR_EXISTS);
    assert_int_equal(0, ifindex_of(VN_HOST_IFNAME));
    assert_int_equal(-1, access(path, F_OK));
}

static void a_taken_name_is_named(void **state)
{
    (void)state;
    struct vn_host_config c = config();
    c.ifname = "lo";
    refused(&c, VN_HOST_NAME_TAKEN, VN_ERR_EXISTS);
    c.ifname = NULL;
    struct vn_host *h = up(&c);
    char dir2[] = "/tmp/vn-test-host-XXXXXX";
    assert_non_null(mkdtemp(dir2));
    struct vn_host_config c2 = config();
    c2.state_dir = dir2;
    refused(&c2, VN_HOST_NAME_TAKEN, VN_ERR_EXISTS);
    c2.ifname = "veil2";
    c2.state_dir = dir;
    refused(&c2, VN_HOST_IN_USE, VN_ERR_STATE);
    vn_host_down(h);
    rmdir(dir2);
}

static void bad_configurations(void **state)
{
    (void)state;
    static const char *const names[] = {"", "a/b", "a b", "0123456789abcdef", "..", "a%d"};
    for (size_t i = 0; i < VN_ARRAY_LEN(names); i++) {
        struct vn_host_config c = config();
        c.ifname = names[i];
        refused(&c, VN_HOST_BAD_CONFIG, VN_ERR_ARG);
    }
    struct vn_host_config c = config();
    c.mtu_bytes = VN_MTU_MIN - 1;
    refused(&c, VN_HOST_BAD_CONFIG, VN_ERR_ARG);
    c = config();
    c.state_dir = "/nonexistent";
    refused(&c, VN_HOST_STATE_DIR, VN_ERR_IO);
}

/* Runs fn in a child and fails here if it fails there. */
static void in_child(void (*fn)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        fn();
        _exit(0);
    }
    int status;
    assert_int_equal(child, waitpid(child, &status, 0));
    assert_true(WIFEXITED(status));
    assert_int_equal(0, WEXITSTATUS(status));
}

static void check_child(const struct vn_host_config *c, enum vn_host_cause cause, vn_status st)
{
    struct vn_host *h = NULL;
    struct vn_host_error err = {0};
    if (vn_host_up(c, &h, &err) != st || err.cause != cause || strlen(err.what) < 10) {
        fprintf(stderr, "# cause %d, errno %d: %s\n", (int)err.cause, err.err, err.what);
        _exit(1);
    }
}

static void without_privilege(void)
{
    char own[] = "/tmp/vn-test-host-XXXXXX";
    if (!mkdtemp(own) || chown(own, 65534, 65534) < 0 || setgid(65534) < 0 || setuid(65534) < 0)
        _exit(2);
    struct vn_host_config c = config();
    c.state_dir = own;
    check_child(&c, VN_HOST_NO_PRIVILEGE, VN_ERR_DENIED);
    rmdir(own);
}

static void without_device(void)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", "/dev/net", "tmpfs", 0, NULL) < 0)
        _exit(2);
    struct vn_host_config c = config();
    check_child(&c, VN_HOST_NO_TUN_DEVICE, VN_ERR_UNSUPPORTED);
}

static void missing_privilege_and_device_are_told_apart(void **state)
{
    (void)state;
    in_child(without_privilege);
    in_child(without_device);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    if (access("/dev/net/tun", R_OK | W_OK) < 0 || unshare(CLONE_NEWNET) < 0) {
        printf("1..0 # SKIP needs root, network namespaces and /dev/net/tun\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        T(up_configures_and_down_undoes),
        T(the_realm_leads_into_the_tun),
        T(marked_sockets_never_enter_it),
        T(packets_written_arrive),
        T(a_burst_is_bounded),
        T(a_burst_has_few_bytes),
        T(a_longer_packet_comes_whole),
        T(flows_are_spread_over_queues),
        T(nobody_becomes_a_queue_of_another),
        T(fewer_queues_will_do),
        T(update_moves_to_other_addresses),
        T(two_nodes_share_a_machine),
        T(recover_undoes_after_a_crash),
        T(up_recovers_first),
        T(items_already_gone_are_fine),
        T(a_cut_journal_undoes_what_it_says),
        T(other_interfaces_are_left_alone),
        T(a_taken_address_is_named),
        T(a_taken_name_is_named),
        T(bad_configurations),
        T(missing_privilege_and_device_are_told_apart),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
