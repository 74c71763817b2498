/*
 * A data worker as the daemon has it: its thread, mailboxes, transport, sockets and TUN. Two
 * tethers of one worker are joined to each other, and what the kernel puts into the TUN comes out
 * again. For TSan above all: core thread, worker thread and pool work at the same time, and start
 * and stop at every moment. Needs root and /dev/net/tun, else skipped.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/commands.h"
#include "host/host.h"
#include "host/netlink.h"
#include "lib/worker_host.h"
#include "loop/loop.h"
#include "loop/pool.h"
#include "support/test.h"

#define SELF "10.66.0.1"
#define QUEUES 3
#define OTHER "10.66.0.2" /* ours too, as far as the worker knows; not the kernel's */

static struct vn_loop *loop;
static struct vn_worker_host *worker;
static struct vn_host *host;
static size_t workers;
static char state_dir[] = "/tmp/vn-test-host-XXXXXX";

static struct {
    unsigned up, down, stats, jobs;
    uint64_t opened;
    uint64_t least; /* frames that a worker has sealed, or opened */
} seen;

static struct vn_ip ip_of(const char *text)
{
    struct vn_ip ip;
    assert_ok(vn_ip_parse(text, &ip));
    return ip;
}

static struct vn_prefix range(void)
{
    struct vn_prefix p;
    assert_ok(vn_prefix_parse("10.66.0.0/16", &p));
    return p;
}

static void command(void *m)
{
    const struct vn_post *post = vn_worker_host_post(worker);
    assert_ok(post->send(post->self, m));
}

static void handle_command(unsigned type, uint32_t handle)
{
    struct vn_cmd_handle *m;
    assert_ok(vn_post_msg_new(type, sizeof(*m), &m));
    m->handle = handle;
    command(m);
}

/* ---- two tethers that signal to each other ---- */

static void set_params(struct vn_ice_params p[VN_HOP_PCS], uint32_t tether)
{
    for (int i = 0; i < VN_HOP_PCS; i++) {
        memset(p[i].ufrag, 'a' + 2 * i + (int)tether, VN_ICE_UFRAG_LEN);
        memset(p[i].pwd, 'k' + (int)tether, VN_ICE_PWD_LEN);
    }
}

static void open_tether(uint32_t tether)
{
    struct vn_cmd_tether_open *m;
    assert_ok(vn_post_msg_new(VN_CMD_TETHER_OPEN, sizeof(*m), &m));
    m->tether = tether;
    m->config = (struct vn_tether_config){.tether = {.b = {7}},
                                          .controlling = tether == 1,
                                          .dtls_client = tether == 2,
                                          .tie_breaker = tether};
    set_params(m->config.local, tether);
    command(m);
}

static void start_tether(uint32_t tether)
{
    struct vn_cmd_tether_start *m;
    assert_ok(vn_post_msg_new(VN_CMD_TETHER_START, sizeof(*m), &m));
    m->tether = tether;
    set_params(m->start.remote, 3 - tether);
    memset(m->start.psk, 42, sizeof(m->start.psk));
    command(m);
}

static void pass_on(const struct vn_ev_tether_candidate *e)
{
    struct vn_cmd_tether_candidate *m;
    assert_ok(vn_post_msg_new(VN_CMD_TETHER_CANDIDATE, sizeof(*m), &m));
    m->tether = 3 - e->tether;
    m->candidate = e->candidate;
    command(m);
}

static void take_counters(const struct vn_ev_stats *s)
{
    seen.opened = s->counters.frames_opened;
    seen.least = UINT64_MAX;
    for (size_t i = 0; i < s->worker_count; i++) {
        seen.least = VN_MIN(seen.least, s->workers[i].frames_opened);
        seen.least = VN_MIN(seen.least, s->workers[i].frames_sealed);
    }
}

static void on_event(void *arg, struct vn_post_msg *m)
{
    (void)arg;
    switch (m->type) {
    case VN_EV_TETHER_CANDIDATE:
        pass_on((struct vn_ev_tether_candidate *)m);
        break;
    case VN_EV_TETHER_UP:
        seen.up++;
        break;
    case VN_EV_TETHER_DOWN:
        seen.down++;
        break;
    case VN_EV_STATS:
        seen.stats++;
        take_counters((const struct vn_ev_stats *)m);
        break;
    default:
        break;
    }
    vn_post_msg_free(m);
}

/* ---- streams ---- */

static void local_addresses(void)
{
    struct vn_cmd_local *m;
    assert_ok(vn_post_msg_new(VN_CMD_LOCAL, sizeof(*m), &m));
    m->addrs[0] = ip_of(SELF);
    m->addrs[1] = ip_of(OTHER);
    m->addr_count = 2;
    m->ranges[0] = range();
    m->range_count = 1;
    m->mtu_bytes = VN_MTU_DEFAULT;
    m->idle_ms = 60000;
    command(m);
}

/* From tether 1 to tether 2; again, it is opened anew. */
static void open_stream(uint32_t handle)
{
    struct vn_cmd_tx_open *tx;
    struct vn_cmd_rx_open *rx;
    assert_ok(vn_post_msg_new(VN_CMD_RX_OPEN, sizeof(*rx), &rx));
    rx->rx = handle + 1;
    rx->tether = 2;
    rx->label = handle;
    rx->keyed = true;
    rx->hash_alg = VN_SHA256;
    rx->addrs[0] = ip_of(SELF);
    rx->addr_count = 1;
    memset(rx->ck.b, (int)handle, sizeof(rx->ck.b));
    command(rx);
    assert_ok(vn_post_msg_new(VN_CMD_TX_OPEN, sizeof(*tx), &tx));
    tx->tx = handle;
    tx->tether = 1;
    tx->label = handle;
    tx->keyed = true;
    tx->hash_alg = VN_SHA256;
    memset(tx->ck.b, (int)handle, sizeof(tx->ck.b));
    command(tx);
    struct vn_cmd_dest *dest;
    assert_ok(vn_post_msg_new(VN_CMD_DEST, sizeof(*dest), &dest));
    dest->ip = ip_of(OTHER);
    dest->verdict = VN_DEST_USE;
    dest->tx = handle;
    command(dest);
}

static void close_stream(uint32_t handle)
{
    handle_command(VN_CMD_TX_CLOSE, handle);
    handle_command(VN_CMD_RX_CLOSE, handle + 1);
}

/* ---- running ---- */

static void new_worker(void)
{
    const struct vn_worker_host_config cfg = {
        .core_loop = loop, .workers = workers, .ifname = "veilnet", .event = on_event};
    assert_ok(vn_worker_host_new(&cfg, &worker));
    local_addresses();
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        const uint64_t end = vn_clock_mono_us() + 20000000;                                        \
        while (!(condition)) {                                                                     \
            vn_loop_poll(loop);                                                                    \
            sched_yield();                                                                         \
            assert_true(vn_clock_mono_us() < end);                                                 \
        }                                                                                          \
    } while (0)

static void ask_stats(void)
{
    const unsigned before = seen.stats;
    handle_command(VN_CMD_STATS, 1);
    UNTIL(seen.stats > before);
}

static void job(void *arg)
{
    (void)arg;
    usleep(200);
}

static void job_done(void *arg, bool cancelled)
{
    (void)arg;
    (void)cancelled;
    seen.jobs++;
}

static int udp_socket(void)
{
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {inet_addr(OTHER)}};
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(0, connect(fd, (const struct sockaddr *)&to, sizeof(to)));
    return fd;
}

static void traffic_through(size_t count)
{
    workers = count;
    struct vn_pool *pool;
    const struct vn_prefix ranges[1] = {range()};
    memset(&seen, 0, sizeof(seen));
    assert_ok(vn_pool_new(loop, &pool));
    new_worker();
    assert_ok(vn_worker_host_attach(worker, host, ranges, 1));
    open_tether(1);
    open_tether(2);
    start_tether(1);
    start_tether(2);
    UNTIL(seen.up == 2);
    open_stream(21);
    /* New flows all the time: the kernel gives some to each queue. */
    int fd[16];
    for (size_t i = 0; i < VN_ARRAY_LEN(fd); i++)
        fd[i] = udp_socket();
    const uint8_t text[900] = {1};
    uint32_t stream = 21;
    /* Packets, questions, jobs and changes of the stream all the time. */
    for (unsigned i = 0; seen.opened < 300 || seen.least < 20; i++) {
        assert_true(i < 20000);
        int *flow = &fd[i % VN_ARRAY_LEN(fd)];
        (void)!send(*flow, text, sizeof(text), 0);
        if (i % 5 == 4) {
            close(*flow);
            *flow = udp_socket();
        }
        if (i % 16 == 0)
            assert_ok(vn_pool_submit(pool, job, job_done, NULL));
        if (i % 64 == 63) {
            close_stream(stream);
            stream += 2;
            open_stream(stream);
        }
        if (i % 8 == 0)
            ask_stats();
        vn_loop_poll(loop);
    }
    assert_int_equal(0, seen.down);
    for (size_t i = 0; i < VN_ARRAY_LEN(fd); i++)
        close(fd[i]);
    /* With all of it under way. */
    worker = vn_worker_host_free(worker);
    vn_pool_free(pool);
    assert_true(seen.jobs > 10);
}

static void traffic_through_a_worker(void **state)
{
    (void)state;
    traffic_through(1);
}

static void traffic_through_a_crew(void **state)
{
    (void)state;
    traffic_through(QUEUES);
}

static void stops_at_every_moment(void **state)
{
    (void)state;
    const struct vn_prefix ranges[1] = {range()};
    for (unsigned round = 0; round < 24; round++) {
        memset(&seen, 0, sizeof(seen));
        workers = 1 + round % QUEUES;
        new_worker();
        if (round % 2)
            assert_ok(vn_worker_host_attach(worker, host, ranges, 1));
        for (unsigned step = 0; step < round; step++) {
            if (step % 6 == 0)
                open_tether(1 + step % 12 / 6);
            if (step % 6 == 3)
                start_tether(1 + step % 12 / 6);
            handle_command(VN_CMD_STATS, step);
            if (step == round / 2)
                usleep(round * 100);
            if (step % 5 == 4)
                vn_loop_poll(loop);
        }
        worker = vn_worker_host_free(worker);
        vn_loop_poll(loop);
    }
}

/* ---- the machine ---- */

static int setup(void **state)
{
    (void)state;
    assert_int_equal(0, unshare(CLONE_NEWNET));
    /* Something for tethers to run over: packets to one's own address stay in the machine. */
    const struct vn_ip underlay = ip_of("192.0.2.1");
    struct vn_netlink *nl;
    struct vn_link lo;
    assert_ok(vn_netlink_open(&nl));
    assert_ok(vn_netlink_link_get(nl, "lo", &lo));
    assert_ok(vn_netlink_link_up(nl, lo.ifindex, true));
    assert_ok(vn_netlink_addr(nl, true, lo.ifindex, &underlay));
    vn_netlink_close(nl);
    assert_non_null(mkdtemp(state_dir));
    const struct vn_ip addrs[1] = {ip_of(SELF)};
    const struct vn_prefix prefixes[1] = {range()};
    const struct vn_host_config c = {.queues = QUEUES,
                                     .mtu_bytes = VN_MTU_DEFAULT,
                                     .addrs = addrs,
                                     .addr_count = 1,
                                     .prefixes = prefixes,
                                     .prefix_count = 1,
                                     .state_dir = state_dir};
    struct vn_host_error err = {0};
    if (vn_host_up(&c, &host, &err) != VN_OK)
        fail_msg("%s", err.what);
    assert_ok(vn_loop_new(&loop));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop = vn_loop_free(loop);
    host = vn_host_down(host);
    rmdir(state_dir);
    return 0;
}

int main(void)
{
    if (geteuid() != 0 || access("/dev/net/tun", F_OK) != 0) {
        puts("1..0 # SKIP needs root and /dev/net/tun");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traffic_through_a_worker),
        cmocka_unit_test(traffic_through_a_crew),
        cmocka_unit_test(stops_at_every_moment),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
