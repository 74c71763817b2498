/*
 * TCP and UDP of the kernel between two network namespaces: TUN, worker, memory tether, worker,
 * TUN. Needs root and /dev/net/tun, else skipped. VN_TUN_TCP_MB=<n> sends n megabytes instead
 * of 32.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/host.h"
#include "support/test.h"
#include "support/worker_rig.h"

static struct vn_rig rig;
static int ns[2];
static struct vn_host *host[2];
static char dirs[2][32] = {"/tmp/vn-test-tcp-XXXXXX", "/tmp/vn-test-tcp-XXXXXX"};

/* What is sent, again and again; read-only once the threads run. */
#define PATTERN (1u << 20)
static uint8_t pattern[PATTERN];

static void enter(size_t i)
{
    assert_int_equal(0, setns(ns[i], CLONE_NEWNET));
}

static void bring_up(size_t i)
{
    assert_int_equal(0, unshare(CLONE_NEWNET));
    ns[i] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    assert_true(ns[i] >= 0);
    assert_non_null(mkdtemp(dirs[i]));
    char v4[32], v6[32];
    snprintf(v4, sizeof(v4), "10.66.0.%zu", i + 1);
    snprintf(v6, sizeof(v6), "fd66::%zu", i + 1);
    struct vn_ip addrs[2] = {vn_inner_ip(v4), vn_inner_ip(v6)};
    struct vn_prefix prefixes[2];
    assert_ok(vn_prefix_parse("10.66.0.0/16", &prefixes[0]));
    assert_ok(vn_prefix_parse("fd66::/64", &prefixes[1]));
    struct vn_host_config c = {.mtu_bytes = VN_MTU_DEFAULT,
                               .addrs = addrs,
                               .addr_count = 2,
                               .prefixes = prefixes,
                               .prefix_count = 2,
                               .state_dir = dirs[i]};
    struct vn_host_error err = {0};
    if (vn_host_up(&c, &host[i], &err) != VN_OK)
        fail_msg("%s", err.what);
}

static int setup(void **state)
{
    (void)state;
    vn_test_fill(pattern, sizeof(pattern));
    bring_up(0);
    bring_up(1);
    vn_rig_init(&rig, &(struct vn_mem_net_config){.delay_us = 50, .window_bytes = 1u << 20});
    vn_rig_stream(&rig);
    vn_rig_tx_open(&rig.side[1], 31, 1, 41, 3);
    vn_rig_rx_open(&rig.side[0], 32, 1, 41, 3, 1);
    vn_rig_dest(&rig.side[1], "10.66.0.1", VN_DEST_USE, 31, 0);
    vn_rig_dest(&rig.side[1], "fd66::1", VN_DEST_USE, 31, 0);
    /* The worker has the rig's port; it leads to the TUN from now on. */
    rig.side[0].tun = *vn_host_tun_port(host[0], 0);
    rig.side[1].tun = *vn_host_tun_port(host[1], 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vn_rig_done(&rig);
    for (size_t i = 0; i < 2; i++) {
        enter(i);
        host[i] = vn_host_down(host[i]);
        close(ns[i]);
        rmdir(dirs[i]);
    }
    return 0;
}

/* ---- moving packets until told to stop ---- */

static void pump_once(void)
{
    struct pollfd p[2] = {{.fd = vn_host_tun_fd(host[0], 0), .events = POLLIN},
                          {.fd = vn_host_tun_fd(host[1], 0), .events = POLLIN}};
    uint64_t now = vn_clock_mono_us(), next = vn_mem_net_next(rig.net);
    uint64_t wait_us = next <= now ? 0 : VN_MIN(next - now, (uint64_t)10000);
    struct timespec ts = {.tv_nsec = (long)wait_us * 1000};
    ppoll(p, 2, &ts, NULL);
    now = vn_clock_mono_us();
    for (size_t i = 0; i < 2; i++) {
        if (!(p[i].revents & POLLIN))
            continue;
        struct vn_pktbuf *bufs[VN_HOST_TUN_BURST];
        size_t n;
        assert_ok(vn_host_tun_read(host[i], 0, bufs, VN_HOST_TUN_BURST, &n));
        for (size_t k = 0; k < n; k++)
            vn_worker_tun_input(rig.side[i].worker, bufs[k], now);
    }
    for (size_t i = 0; i < 2; i++) {
        vn_worker_set_now(rig.side[i].worker, now);
        vn_worker_flush(rig.side[i].worker, now);
    }
    vn_mem_net_run(rig.net, now);
    for (size_t i = 0; i < 2; i++)
        vn_worker_flush(rig.side[i].worker, now);
}

/* ---- TCP ---- */

struct transfer {
    int fd;
    size_t bytes;
    bool done; /* atomic */
    bool good;
};

static void *sender(void *arg)
{
    struct transfer *t = arg;
    size_t sent = 0;
    while (sent < t->bytes) {
        size_t at = sent % PATTERN, n = VN_MIN(PATTERN - at, t->bytes - sent);
        ssize_t k = send(t->fd, pattern + at, n, MSG_NOSIGNAL);
        if (k <= 0)
            return NULL;
        sent += (size_t)k;
    }
    shutdown(t->fd, SHUT_WR);
    t->good = true;
    return NULL;
}

static void *receiver(void *arg)
{
    struct transfer *t = arg;
    static uint8_t block[1 << 18];
    size_t got = 0;
    bool good = true;
    for (;;) {
        size_t at = got % PATTERN;
        ssize_t k = recv(t->fd, block, VN_MIN(sizeof(block), PATTERN - at), 0);
        if (k <= 0)
            break;
        good &= memcmp(block, pattern + at, (size_t)k) == 0;
        got += (size_t)k;
    }
    t->good = good && got == t->bytes;
    __atomic_store_n(&t->done, true, __ATOMIC_RELEASE);
    return NULL;
}

static socklen_t address(bool ip6, size_t side, uint16_t port, struct sockaddr_storage *ret)
{
    *ret = (struct sockaddr_storage){0};
    char text[32];
    if (ip6) {
        struct sockaddr_in6 *a = (struct sockaddr_in6 *)ret;
        snprintf(text, sizeof(text), "fd66::%zu", side + 1);
        a->sin6_family = AF_INET6;
        a->sin6_port = htons(port);
        inet_pton(AF_INET6, text, &a->sin6_addr);
        return sizeof(*a);
    }
    struct sockaddr_in *a = (struct sockaddr_in *)ret;
    snprintf(text, sizeof(text), "10.66.0.%zu", side + 1);
    a->sin_family = AF_INET;
    a->sin_port = htons(port);
    inet_pton(AF_INET, text, &a->sin_addr);
    return sizeof(*a);
}

static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_THREAD, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void tcp(bool ip6, size_t bytes)
{
    struct sockaddr_storage a;
    enter(1);
    int listener = socket(ip6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t n = address(ip6, 1, 7000, &a);
    int bound = -1;
    for (int i = 0; i < 100 && bound < 0; i++) {
        bound = bind(listener, (struct sockaddr *)&a, n);
        if (bound < 0)
            usleep(10000); /* an IPv6 address comes into force a little later */
    }
    assert_int_equal(0, bound);
    assert_int_equal(0, listen(listener, 1));
    enter(0);
    int client = socket(ip6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)!setsockopt(client, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
    (void)!connect(client, (struct sockaddr *)&a, n);
    int server = -1;
    for (int i = 0; i < 1000 && server < 0; i++) {
        pump_once();
        server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    }
    assert_true(server >= 0);
    fcntl(client, F_SETFL, 0);
    struct transfer out = {.fd = client, .bytes = bytes}, in = {.fd = server, .bytes = bytes};
    pthread_t threads[2];
    uint64_t began = vn_clock_mono_us();
    double cpu = cpu_s();
    struct vn_worker_counters before = vn_rig_counters(&rig.side[0]);
    assert_int_equal(0, pthread_create(&threads[0], NULL, sender, &out));
    assert_int_equal(0, pthread_create(&threads[1], NULL, receiver, &in));
    while (!__atomic_load_n(&in.done, __ATOMIC_ACQUIRE) && vn_clock_mono_us() - began < 60000000)
        pump_once();
    double seconds = (double)(vn_clock_mono_us() - began) / 1e6;
    cpu = cpu_s() - cpu;
    shutdown(client, SHUT_RDWR);
    shutdown(server, SHUT_RDWR);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    struct vn_worker_counters after = vn_rig_counters(&rig.side[0]);
    print_message(
        "# %s: %.2f Gbit/s, both workers %.2f CPU s/GB, %.0f bytes a packet, %.0f a frame\n",
        ip6 ? "IPv6" : "IPv4", (double)bytes * 8e-9 / seconds, cpu * 1e9 / (double)bytes,
        (double)(after.tun_rx_bytes - before.tun_rx_bytes) /
            (double)(after.tun_rx_packets - before.tun_rx_packets),
        (double)(after.tun_rx_bytes - before.tun_rx_bytes) /
            (double)(after.frames_sealed - before.frames_sealed));
    close(client);
    close(server);
    close(listener);
    assert_true(out.good);
    assert_true(in.good);
    struct vn_worker_counters c = vn_rig_counters(&rig.side[1]);
    assert_int_equal(0, c.drops[VN_DROP_INNER_MALFORMED]);
    assert_int_equal(0, c.drops[VN_DROP_TAG]);
    assert_int_equal(0, c.drops[VN_DROP_REPLAY]);
}

static size_t amount(void)
{
    const char *mb = getenv("VN_TUN_TCP_MB");
    return (size_t)(mb ? strtoul(mb, NULL, 10) : 32) << 20;
}

static void tcp_over_ipv4(void **state)
{
    (void)state;
    tcp(false, amount());
}

static void tcp_over_ipv6(void **state)
{
    (void)state;
    tcp(true, amount());
}

/* ---- UDP, with segments cut by the kernel or by us ---- */

static void udp(bool ip6, int gso, size_t payload)
{
    struct sockaddr_storage me, to;
    int family = ip6 ? AF_INET6 : AF_INET;
    enter(1);
    int in = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t n = address(ip6, 1, 7001, &to);
    assert_int_equal(0, bind(in, (struct sockaddr *)&to, n));
    enter(0);
    int out = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    n = address(ip6, 0, 7002, &me);
    assert_int_equal(0, bind(out, (struct sockaddr *)&me, n));
    if (gso && setsockopt(out, SOL_UDP, UDP_SEGMENT, &gso, sizeof(gso)) < 0)
        skip();
    static uint8_t data[65536], got[65536];
    for (size_t i = 0; i < payload; i++)
        data[i] = pattern[i];
    n = address(ip6, 1, 7001, &to);
    assert_int_equal(payload, sendto(out, data, payload, 0, (struct sockaddr *)&to, n));
    size_t total = 0;
    for (int i = 0; i < 300 && total < payload; i++) {
        pump_once();
        ssize_t k;
        while ((k = recv(in, got, sizeof(got), 0)) > 0) {
            if (gso)
                assert_int_equal(VN_MIN((size_t)gso, payload - total), k);
            assert_memory_equal(data + total, got, (size_t)k);
            total += (size_t)k;
        }
    }
    assert_int_equal(payload, total);
    close(in);
    close(out);
}

static void udp_of_all_sizes(void **state)
{
    (void)state;
    for (int ip6 = 0; ip6 < 2; ip6++) {
        udp(ip6, 0, 1);
        udp(ip6, 0, 1400);
        udp(ip6, 0, 9000);     /* fragments */
        udp(ip6, 1400, 50000); /* one super-packet */
        udp(ip6, 600, 36000);
        udp(ip6, 100, 6000); /* segments too small for the wire */
    }
}

int main(void)
{
    if (access("/dev/net/tun", R_OK | W_OK) < 0 || unshare(CLONE_NEWNET) < 0) {
        printf("1..0 # SKIP needs root, network namespaces and /dev/net/tun\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tcp_over_ipv4),
        cmocka_unit_test(tcp_over_ipv6),
        cmocka_unit_test(udp_of_all_sizes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
