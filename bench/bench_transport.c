/*
 * Tether to tether over the loopback device: two processes, one message size, one class. Every
 * message carries its number; numbers are summed and XORed, one message in eight is compared whole.
 * Prints JSON lines.
 *
 *   bench_transport [--size BYTES] [--seconds S] [--rounds N] [--class bulk|realtime|control]
 *                   [--peer-netns FILE]     the receiver runs in that network namespace
 *                   [--setups N]            instead of messages: N tethers, which are then idle
 */
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/reader.h"
#include "base/writer.h"
#include "support/test_io.h"
#include "transport/transport.h"

enum {
    COMPARE_EVERY = 8,
    BATCH = 16,
    ROUNDS_MAX = 32,
    SETUPS_MAX = 200,
};
static const double IDLE_BYTES_MAX = 65536; /* of a peer connection; more is an error */

struct options {
    size_t size;
    double seconds;
    int rounds, setups;
    enum vn_tether_class cls;
    const char *peer_netns;
};

struct hello {
    struct vn_ice_params params[VN_HOP_PCS];
    struct vn_candidate candidates[VN_TETHER_CANDIDATES_MAX];
    size_t count;
};

struct result {
    uint64_t msgs, bytes, sum, xor, setup_us;
    double seconds, cpu, setup_cpu;
    size_t heap_before, heap_up, heap_most; /* bytes in use: without a tether, with, at most */
    bool right;
    struct vn_transport_counters counters;
};

struct end {
    const struct options *opt;
    bool sends;
    int signal;
    struct test_io *io;
    struct vn_transport *transport;
    const struct vn_tether_port *port;
    struct vn_tether *tether;
    struct hello hello;
    bool gathered, up, down, stop;
    uint64_t started_us, first_us, last_us, end_us, next, looked_us;
    struct result r;
    uint8_t *pattern;
};

static void die(const char *what)
{
    fprintf(stderr, "bench_transport: %s\n", what);
    exit(1);
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t heap_bytes(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

static void look_at_heap(struct end *e)
{
    enum { EVERY_US = 5000 };
    uint64_t now = vn_clock_mono_us();
    if (now < e->looked_us + EVERY_US)
        return;
    e->looked_us = now;
    e->r.heap_most = VN_MAX(e->r.heap_most, heap_bytes());
}

static void on_candidate(void *arg, const struct vn_candidate *c)
{
    struct end *e = arg;
    if (e->hello.count < VN_TETHER_CANDIDATES_MAX)
        e->hello.candidates[e->hello.count++] = *c;
}

static void on_gathered(void *arg)
{
    ((struct end *)arg)->gathered = true;
}

static void on_up(void *arg)
{
    struct end *e = arg;
    e->up = true;
    e->r.setup_us = vn_clock_mono_us() - e->started_us;
}

static void on_move(void *arg)
{
    (void)arg; /* addresses stay as they are here */
}

static void on_down(void *arg, enum vn_tether_down why)
{
    struct end *e = arg;
    e->down = true;
    if (why != VN_TETHER_DOWN_CLOSED)
        die("tether went down");
}

static void send_some(struct end *e)
{
    look_at_heap(e);
    while (!e->stop) {
        struct vn_pktbuf *bufs[BATCH];
        size_t taken = 0;
        for (size_t i = 0; i < BATCH; i++) {
            if (vn_pktbuf_new(e->opt->size, &bufs[i]) != VN_OK)
                die("out of memory");
            uint8_t *p = vn_pktbuf_put(bufs[i], e->opt->size);
            memcpy(p, e->pattern, e->opt->size);
            struct vn_writer w = vn_writer_of(p, 8);
            vn_write_u64(&w, e->next + i);
        }
        if (e->port->send(e->tether, e->opt->cls, bufs, BATCH, &taken) != VN_OK)
            taken = 0;
        for (size_t i = 0; i < taken; i++) {
            e->r.sum += e->next;
            e->r.xor ^= e->next++;
        }
        e->r.msgs += taken;
        for (size_t i = taken; i < BATCH; i++)
            (void)vn_pktbuf_free(bufs[i]);
        if (taken < BATCH)
            break;
    }
}

static void on_writable(void *arg, enum vn_tether_class cls)
{
    (void)cls;
    send_some(arg);
}

static void on_messages(void *arg, enum vn_tether_class cls, struct vn_pktbuf **bufs, size_t n)
{
    struct end *e = arg;
    e->last_us = vn_clock_mono_us();
    look_at_heap(e);
    if (!e->first_us)
        e->first_us = e->last_us;
    for (size_t i = 0; i < n; i++) {
        struct vn_reader r = vn_reader_of(vn_pktbuf_span(bufs[i]));
        uint64_t number;
        if (cls != e->opt->cls || bufs[i]->len != e->opt->size || !vn_read_u64(&r, &number) ||
            (number % COMPARE_EVERY == 0 && memcmp(r.cur, e->pattern + 8, r.left) != 0))
            e->r.right = false;
        else {
            e->r.sum += number;
            e->r.xor ^= number;
        }
        e->r.msgs++;
        e->r.bytes += bufs[i]->len;
        (void)vn_pktbuf_free(bufs[i]);
    }
}

static void open_end(struct end *e)
{
    const struct vn_transport_config tc = {
        .io = test_io_port(e->io), .random = test_random(), .allow_loopback = !e->opt->peer_netns};
    const struct vn_tether_handler h = {.arg = e,
                                        .candidate = on_candidate,
                                        .gathered = on_gathered,
                                        .up = on_up,
                                        .down = on_down,
                                        .stranded = on_move,
                                        .worn = on_move,
                                        .restarted = on_move,
                                        .messages = on_messages,
                                        .writable = on_writable};
    struct vn_tether_config cfg = {
        .controlling = e->sends, .dtls_client = !e->sends, .tie_breaker = e->sends};
    for (size_t i = 0; i < VN_HOP_PCS; i++) {
        memset(cfg.local[i].ufrag, e->sends ? 'a' : 'b', VN_ICE_UFRAG_LEN);
        memset(cfg.local[i].pwd, e->sends ? 'c' : 'd', VN_ICE_PWD_LEN);
    }
    memcpy(e->hello.params, cfg.local, sizeof(cfg.local));
    e->started_us = vn_clock_mono_us();
    if (!e->transport && vn_transport_new(&tc, &e->transport) != VN_OK)
        die("no transport");
    e->port = vn_transport_port(e->transport);
    if (e->port->open(e->port->self, &cfg, &h, &e->tether) != VN_OK)
        die("no tether");
}

static bool is_gathered(void *arg)
{
    return ((struct end *)arg)->gathered;
}
static bool is_up(void *arg)
{
    return ((struct end *)arg)->up;
}
static bool is_down(void *arg)
{
    return ((struct end *)arg)->down;
}
static bool is_over(void *arg)
{
    struct end *e = arg;
    struct vn_tether_stats s;
    if (vn_clock_mono_us() < e->end_us)
        return false;
    e->stop = true;
    e->port->stats(e->tether, &s);
    return s.queued_bytes == 0;
}

static void xfer(int fd, void *p, size_t n, bool out)
{
    ssize_t k = out ? send(fd, p, n, MSG_NOSIGNAL) : recv(fd, p, n, MSG_WAITALL);
    if (k != (ssize_t)n)
        die("the other process is gone");
}

/* From nothing to a tether that is up. */
static void connect_end(struct end *e)
{
    struct hello peer;
    double cpu = cpu_seconds();
    open_end(e);
    if (!test_io_until(e->io, is_gathered, e))
        die("no candidates");
    xfer(e->signal, &e->hello, sizeof(e->hello), true);
    xfer(e->signal, &peer, sizeof(peer), false);
    struct vn_tether_start start;
    memcpy(start.remote, peer.params, sizeof(start.remote));
    memset(&start.psk, 7, sizeof(start.psk));
    for (size_t i = 0; i < peer.count; i++)
        e->port->add_remote_candidate(e->tether, &peer.candidates[i]);
    if (e->port->start(e->tether, &start) != VN_OK || !test_io_until(e->io, is_up, e))
        die("tether does not come up");
    e->r.setup_cpu = cpu_seconds() - cpu;
}

/* The first makes what all share; the others are counted. */
static void run_setups(struct end *e)
{
    struct end *all = calloc((size_t)e->opt->setups + 1, sizeof(*all));
    double cpu = 0;
    if (!all)
        die("out of memory");
    e->io = test_io_new();
    for (int i = 0; i <= e->opt->setups; i++) {
        all[i] = *e;
        connect_end(&all[i]);
        e->transport = all[i].transport;
        cpu += i > 0 ? all[i].r.setup_cpu : 0;
        if (i > 0)
            continue;
        test_io_for(e->io, 100);
        e->r.heap_before = heap_bytes();
    }
    test_io_for(e->io, 100);
    e->r.heap_up = heap_bytes();
    e->r.setup_cpu = cpu / e->opt->setups;
    /* Until both have looked. */
    char done = 1;
    xfer(e->signal, &done, 1, true);
    xfer(e->signal, &done, 1, false);
    for (int i = 0; i <= e->opt->setups; i++)
        all[i].port->close(all[i].tether);
    e->transport = vn_transport_free(e->transport);
    e->io = test_io_free(e->io);
    free(all);
}

static void run_end(struct end *e)
{
    e->io = test_io_new();
    e->r.right = true;
    e->pattern = malloc(e->opt->size);
    if (!e->pattern)
        die("out of memory");
    for (size_t i = 0; i < e->opt->size; i++)
        e->pattern[i] = (uint8_t)(i * 31 + i / 251);
    e->r.heap_before = heap_bytes();
    connect_end(e);
    double cpu = cpu_seconds();
    uint64_t began = vn_clock_mono_us();
    if (e->sends) {
        e->end_us = began + (uint64_t)(e->opt->seconds * 1e6);
        send_some(e);
        if (!test_io_within(e->io, (int)(e->opt->seconds * 1000) + 10000, is_over, e))
            die("what was sent is not acknowledged");
    } else {
        /* The sender closes when all is acknowledged. */
        if (!test_io_within(e->io, (int)(e->opt->seconds * 1000) + 15000, is_down, e))
            die("the sender does not end");
        e->r.seconds = (double)(e->last_us - e->first_us) / 1e6;
    }
    e->r.cpu = cpu_seconds() - cpu;
    vn_transport_counters(e->transport, &e->r.counters);
    e->port->close(e->tether);
    e->transport = vn_transport_free(e->transport);
    e->io = test_io_free(e->io);
    free(e->pattern);
}

static struct result run_round(const struct options *opt, struct result *sender)
{
    int signal[2], back[2];
    struct result r;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, signal) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, back) != 0)
        die("socketpair");
    fflush(stdout);
    pid_t child = fork();
    if (child < 0)
        die("fork");
    struct end e = {.opt = opt, .sends = child != 0, .signal = signal[child != 0]};
    close(signal[child == 0]);
    if (child == 0 && opt->peer_netns) {
        int fd = open(opt->peer_netns, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
            die("cannot enter the namespace");
        close(fd);
    }
    if (opt->setups)
        run_setups(&e);
    else
        run_end(&e);
    if (child == 0) {
        xfer(back[0], &e.r, sizeof(e.r), true);
        _exit(0);
    }
    xfer(back[1], &r, sizeof(r), false);
    close(signal[1]);
    close(back[0]);
    close(back[1]);
    waitpid(child, NULL, 0);
    *sender = e.r;
    return r;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const char *metric, const struct options *opt, double *v, const char *unit)
{
    size_t n = (size_t)opt->rounds;
    qsort(v, n, sizeof(*v), by_value);
    printf(
        "{\"metric\":\"%s\",\"value\":%.4g,\"unit\":\"%s\",\"rounds\":%zu,\"spread\":[%.4g,%.4g],"
        "\"message_bytes\":%zu}\n",
        metric, v[n / 2], unit, n, v[0], v[n - 1], opt->size);
}

static int setups(struct options *opt)
{
    double cpu_ms[ROUNDS_MAX], bytes[ROUNDS_MAX];
    opt->rounds = VN_MIN(opt->rounds, (int)ROUNDS_MAX);
    for (int i = 0; i < opt->rounds; i++) {
        struct result a, b = run_round(opt, &a);
        if (a.heap_up <= a.heap_before || b.heap_up <= b.heap_before)
            die("tethers that take no memory");
        cpu_ms[i] = 1e3 * VN_MAX(a.setup_cpu, b.setup_cpu);
        bytes[i] = (double)VN_MAX(a.heap_up - a.heap_before, b.heap_up - b.heap_before) /
                   (opt->setups * VN_HOP_PCS);
        if (bytes[i] > IDLE_BYTES_MAX)
            die("an idle peer connection takes more than 64 KB");
    }
    print("setup_cpu_ms", opt, cpu_ms, "ms");
    print("idle_bytes_per_connection", opt, bytes, "B");
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {{"size", required_argument, NULL, 's'},
                                          {"seconds", required_argument, NULL, 't'},
                                          {"rounds", required_argument, NULL, 'r'},
                                          {"class", required_argument, NULL, 'c'},
                                          {"peer-netns", required_argument, NULL, 'n'},
                                          {"setups", required_argument, NULL, 'u'},
                                          {0}};
    struct options opt = {.size = 65536, .seconds = 2, .rounds = 3, .cls = VN_TETHER_BULK};
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (c) {
        case 's':
            opt.size = strtoul(optarg, NULL, 10);
            break;
        case 't':
            opt.seconds = strtod(optarg, NULL);
            break;
        case 'r':
            opt.rounds = (int)strtol(optarg, NULL, 10);
            break;
        case 'c':
            opt.cls = optarg[0] == 'r'   ? VN_TETHER_REALTIME
                      : optarg[0] == 'c' ? VN_TETHER_CONTROL
                                         : VN_TETHER_BULK;
            break;
        case 'u':
            opt.setups = (int)strtol(optarg, NULL, 10);
            break;
        case 'n':
            opt.peer_netns = optarg;
            break;
        default:
            return 2;
        }
    }
    if (opt.size < 8 || opt.size > VN_TETHER_MSG_MAX || opt.rounds < 1 || opt.rounds > ROUNDS_MAX ||
        opt.seconds <= 0 || opt.setups < 0 || opt.setups > SETUPS_MAX)
        die("argument out of range");
    vn_log_setup(VN_LOG_WARN, 0);
    if (opt.setups)
        return setups(&opt);
    double bulk_bytes[ROUNDS_MAX], rate[ROUNDS_MAX], tx_cpu[ROUNDS_MAX], rx_cpu[ROUNDS_MAX],
        setup[ROUNDS_MAX], joined[ROUNDS_MAX];
    for (int i = 0; i < opt.rounds; i++) {
        struct result sent;
        struct result got = run_round(&opt, &sent);
        bool lossy = opt.cls == VN_TETHER_REALTIME;
        if (!got.right || got.msgs == 0 ||
            (!lossy && (got.msgs != sent.msgs || got.sum != sent.sum || got.xor != sent.xor)))
            die("what arrived is not what was sent");
        double gb = (double)got.bytes / 1e9;
        rate[i] = gb * 8 / got.seconds;
        tx_cpu[i] = sent.cpu / gb;
        rx_cpu[i] = got.cpu / gb;
        joined[i] = (double)got.counters.rx_datagrams / (double)VN_MAX(got.counters.rx_reads, 1u);
        bulk_bytes[i] =
            (double)VN_MAX(sent.heap_most - sent.heap_before, got.heap_most - got.heap_before);
        setup[i] = (double)VN_MAX(sent.setup_us, got.setup_us) / 1e3;
    }
    print("one_way", &opt, rate, "Gbit/s");
    print("sender_cpu_per_gb", &opt, tx_cpu, "s/GB");
    print("receiver_cpu_per_gb", &opt, rx_cpu, "s/GB");
    print("datagrams_per_read", &opt, joined, "datagrams");
    print("setup", &opt, setup, "ms");
    if (opt.cls == VN_TETHER_BULK)
        print("bulk_bytes_per_peer", &opt, bulk_bytes, "B");
    return 0;
}
