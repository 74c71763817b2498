/**
 * Link emulator: joins two network interfaces and does to the packets between them what a worse
 * link would do. It exists because the kernels we test on have no netem.
 *
 *     linkem --a [NS:]IFNAME --b [NS:]IFNAME [--seed N] [FIGURE VALUE]...
 *
 * A figure counts for both directions, or for one as --ab-FIGURE or --ba-FIGURE:
 *     --delay-ms --jitter-ms --rate-mbit --queue-ms --loss --dup --reorder --reorder-ms --mtu
 * (--loss, --dup and --reorder in percent). Further figures may follow on standard input, one line
 * as on the command line, and hold from then on. The counters are printed as JSON on SIGUSR1 and at
 * the end. "ready" on standard output says that packets flow.
 *
 * The interfaces are veth ends whose other ends are the machines. They need no address.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "support/linkem_link.h"

#define BATCH 64
#define FRAME_MAX (65536 + 256)
#define SOCKET_BUFFER_BYTES (64 << 20)
#define NS_PER_S 1000000000u

struct end {
    const char *name; /* as given */
    int fd;
};

struct emulator {
    struct end end[2];
    struct linkem_link link[2]; /* link[i] carries from end[i] to the other */
};

/* Receive buffers, shared by both directions. */
static uint8_t frames[BATCH][FRAME_MAX];

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    fputs("linkem: ", stderr);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void enter_netns(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
        die("%s: %s", path, strerror(errno));
    close(fd);
}

/* The interface is ours alone: the kernel's own IPv6 must not speak on it. */
static void silence(const char *ifname)
{
    char path[128];
    snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", ifname);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, "1", 1) != 1)
        fprintf(stderr, "linkem: %s: %s\n", path, strerror(errno));
    close(fd);
}

static void set_option(int fd, int level, int option, int value, const char *what)
{
    if (setsockopt(fd, level, option, &value, sizeof(value)) != 0)
        die("%s: %s", what, strerror(errno));
}

static void open_end(struct end *e)
{
    const char *ifname = e->name;
    const char *colon = strchr(e->name, ':');
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (colon) {
        char path[256];
        snprintf(path, sizeof(path), "/run/netns/%.*s", (int)(colon - e->name), e->name);
        enter_netns(path);
        ifname = colon + 1;
    }
    /* Protocol 0: nothing arrives before the options are set. */
    e->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (e->fd < 0)
        die("packet socket: %s (needs root)", strerror(errno));
    struct ifreq ifr = {0};
    if (strlen(ifname) >= sizeof(ifr.ifr_name))
        die("%s: name too long", ifname);
    memcpy(ifr.ifr_name, ifname, strlen(ifname));
    if (ioctl(e->fd, SIOCGIFINDEX, &ifr) != 0)
        die("%s: %s", e->name, strerror(errno));
    int ifindex = ifr.ifr_ifindex;
    silence(ifname);
    if (ioctl(e->fd, SIOCGIFFLAGS, &ifr) == 0) {
        ifr.ifr_flags |= IFF_UP;
        if (ioctl(e->fd, SIOCSIFFLAGS, &ifr) != 0)
            die("%s: %s", e->name, strerror(errno));
    }
    set_option(e->fd, SOL_PACKET, PACKET_VNET_HDR, 1, "PACKET_VNET_HDR");
    set_option(e->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING");
    set_option(e->fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1, "PACKET_QDISC_BYPASS");
    set_option(e->fd, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER_BYTES, "SO_RCVBUFFORCE");
    set_option(e->fd, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER_BYTES, "SO_SNDBUFFORCE");
    struct sockaddr_ll addr = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = ifindex,
    };
    if (bind(e->fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
        die("%s: %s", e->name, strerror(errno));
    if (colon && setns(home, CLONE_NEWNET) != 0)
        die("own namespace: %s", strerror(errno));
    close(home);
}

/* --- figures ------------------------------------------------------------------------------- */

static double number(const char *name, const char *text, double max)
{
    char *end = NULL;
    double v = text ? strtod(text, &end) : -1;
    if (!text || end == text || *end != '\0' || !(v >= 0 && v <= max))
        die("--%s wants a number from 0 to %g, not '%s'", name, max, text ? text : "");
    return v;
}

static bool set_figure(struct linkem_figures *g, const char *name, const char *text)
{
    if (!strcmp(name, "delay-ms"))
        g->delay_ns = (uint64_t)(number(name, text, 1e5) * 1e6);
    else if (!strcmp(name, "jitter-ms"))
        g->jitter_ns = (uint64_t)(number(name, text, 1e5) * 1e6);
    else if (!strcmp(name, "rate-mbit"))
        g->rate_bit_s = (uint64_t)(number(name, text, 1e6) * 1e6);
    else if (!strcmp(name, "queue-ms"))
        g->queue_ns = (uint64_t)(number(name, text, 1e5) * 1e6);
    else if (!strcmp(name, "reorder-ms"))
        g->reorder_ns = (uint64_t)(number(name, text, 1e5) * 1e6);
    else if (!strcmp(name, "loss"))
        g->loss = (uint64_t)(number(name, text, 100) / 100 * 4294967296.0);
    else if (!strcmp(name, "dup"))
        g->dup = (uint64_t)(number(name, text, 100) / 100 * 4294967296.0);
    else if (!strcmp(name, "reorder"))
        g->reorder = (uint64_t)(number(name, text, 100) / 100 * 4294967296.0);
    else if (!strcmp(name, "mtu"))
        g->mtu = (size_t)number(name, text, 65535);
    else
        return false;
    return true;
}

static void set_option_text(struct emulator *em, const char *option, const char *value)
{
    const char *name = option + 2;
    bool ab = true;
    bool ba = true;
    if (strncmp(option, "--", 2) != 0)
        die("what is '%s'?", option);
    if (!strncmp(name, "ab-", 3) || !strncmp(name, "ba-", 3)) {
        ab = name[0] == 'a';
        ba = !ab;
        name += 3;
    }
    if ((ab && !set_figure(&em->link[0].figures, name, value)) ||
        (ba && !set_figure(&em->link[1].figures, name, value)))
        die("no option '%s'", option);
}

/* Returns false when standard input has ended. */
static bool read_figures(struct emulator *em)
{
    char line[512];
    if (!fgets(line, sizeof(line), stdin))
        return false;
    char *save = NULL;
    for (char *option = strtok_r(line, " \n", &save); option; option = strtok_r(NULL, " \n", &save))
        set_option_text(em, option, strtok_r(NULL, " \n", &save));
    puts("changed");
    fflush(stdout);
    return true;
}

/* --- packets ------------------------------------------------------------------------------- */

static void receive(struct emulator *em, size_t from)
{
    struct mmsghdr msgs[BATCH];
    struct virtio_net_hdr vnet[BATCH];
    struct iovec iov[BATCH][2];
    for (size_t i = 0; i < BATCH; i++) {
        iov[i][0] = (struct iovec){&vnet[i], sizeof(vnet[i])};
        iov[i][1] = (struct iovec){frames[i], sizeof(frames[i])};
        msgs[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = iov[i], .msg_iovlen = 2}};
    }
    int n = recvmmsg(em->end[from].fd, msgs, BATCH, MSG_DONTWAIT, NULL);
    uint64_t now = now_ns();
    for (int i = 0; i < n; i++) {
        if (msgs[i].msg_len < sizeof(vnet[i]) + LINKEM_ETH_LEN ||
            (msgs[i].msg_hdr.msg_flags & MSG_TRUNC)) {
            em->link[from].counters.dropped_other++;
            continue;
        }
        const struct linkem_frame f = {
            .vnet = vnet[i],
            .data = frames[i],
            .len = msgs[i].msg_len - sizeof(vnet[i]),
        };
        linkem_link_input(&em->link[from], &f, now);
    }
}

/* Sends what is due, at most one batch, so that the two directions take turns. */
static bool transmit(struct emulator *em, size_t from)
{
    struct linkem_packet *packets[BATCH];
    struct mmsghdr msgs[BATCH];
    struct iovec iov[BATCH][2];
    unsigned n = 0;
    uint64_t now = now_ns();
    while (n < BATCH && (packets[n] = linkem_link_output(&em->link[from], now))) {
        struct linkem_packet *p = packets[n];
        iov[n][0] = (struct iovec){&p->vnet, sizeof(p->vnet)};
        iov[n][1] = (struct iovec){p->data, p->len};
        msgs[n] = (struct mmsghdr){.msg_hdr = {.msg_iov = iov[n], .msg_iovlen = 2}};
        n++;
    }
    unsigned sent = 0;
    while (sent < n) {
        int r = sendmmsg(em->end[!from].fd, msgs + sent, n - sent, MSG_DONTWAIT);
        if (r > 0) {
            sent += (unsigned)r;
            continue;
        }
        /* The other end is down, or the frame does not fit it: a link loses such packets. */
        struct linkem_counters *c = &em->link[from].counters;
        c->delivered -= packets[sent]->wire_packets;
        c->delivered_bytes -= packets[sent]->wire_bytes;
        c->dropped_other += packets[sent]->wire_packets;
        sent++;
    }
    for (unsigned i = 0; i < n; i++)
        free(packets[i]);
    return n == BATCH;
}

static void print_counters(const struct emulator *em, uint64_t seed)
{
    printf("{\"seed\":%" PRIu64, seed);
    for (size_t i = 0; i < 2; i++) {
        const struct linkem_counters *c = &em->link[i].counters;
        printf(",\"%s\":{\"received\":%" PRIu64 ",\"delivered\":%" PRIu64
               ",\"delivered_bytes\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"duplicated\":%" PRIu64
               ",\"reordered\":%" PRIu64 ",\"dropped_queue\":%" PRIu64 ",\"dropped_mtu\":%" PRIu64
               ",\"dropped_other\":%" PRIu64 "}",
               i == 0 ? "ab" : "ba", c->received, c->delivered, c->delivered_bytes, c->lost,
               c->duplicated, c->reordered, c->dropped_queue, c->dropped_mtu, c->dropped_other);
    }
    printf("}\n");
    fflush(stdout);
}

static void run(struct emulator *em, int signals, uint64_t seed)
{
    struct pollfd fds[4] = {
        {.fd = em->end[0].fd, .events = POLLIN},
        {.fd = em->end[1].fd, .events = POLLIN},
        {.fd = signals, .events = POLLIN},
        {.fd = STDIN_FILENO, .events = POLLIN},
    };
    for (;;) {
        uint64_t due = linkem_link_due(&em->link[0]);
        if (linkem_link_due(&em->link[1]) < due)
            due = linkem_link_due(&em->link[1]);
        uint64_t now = now_ns();
        uint64_t wait = due <= now ? 0 : due == UINT64_MAX ? NS_PER_S : due - now;
        const struct timespec timeout = {
            .tv_sec = (time_t)(wait / NS_PER_S),
            .tv_nsec = (long)(wait % NS_PER_S),
        };
        if (ppoll(fds, 4, &timeout, NULL) < 0 && errno != EINTR)
            die("poll: %s", strerror(errno));
        for (size_t i = 0; i < 2; i++) {
            if (fds[i].revents & (POLLIN | POLLERR))
                receive(em, i);
        }
        /* Bounded, or sending could keep us from receiving. */
        bool more = true;
        for (int turn = 0; turn < 4 && more; turn++) {
            more = transmit(em, 0);
            more = transmit(em, 1) || more;
        }
        struct signalfd_siginfo si;
        if ((fds[2].revents & POLLIN) && read(signals, &si, sizeof(si)) == sizeof(si)) {
            print_counters(em, seed);
            if (si.ssi_signo != SIGUSR1)
                return;
        }
        if ((fds[3].revents & (POLLIN | POLLHUP | POLLERR)) && !read_figures(em))
            fds[3].fd = -1;
    }
}

int main(int argc, char **argv)
{
    static struct emulator em;
    uint64_t seed = now_ns();
    for (size_t i = 0; i < 2; i++) {
        em.link[i].figures.queue_ns = 50000000;
        em.link[i].figures.reorder_ns = 2000000;
    }
    for (int i = 1; i < argc; i += 2) {
        const char *value = argv[i + 1];
        if (!strcmp(argv[i], "--help")) {
            puts("usage: linkem --a [NS:]IFNAME --b [NS:]IFNAME [--seed N] [FIGURE VALUE]...\n"
                 "figures: --delay-ms --jitter-ms --rate-mbit --queue-ms --loss --dup --reorder\n"
                 "         --reorder-ms --mtu; --ab-... or --ba-... for one direction");
            return 0;
        }
        if (!strcmp(argv[i], "--a"))
            em.end[0].name = value;
        else if (!strcmp(argv[i], "--b"))
            em.end[1].name = value;
        else if (!strcmp(argv[i], "--seed"))
            seed = (uint64_t)number("seed", value, 1e15);
        else
            set_option_text(&em, argv[i], value);
    }
    if (!em.end[0].name || !em.end[1].name)
        die("--a and --b name the two interfaces");
    for (size_t i = 0; i < 2; i++) {
        const struct linkem_figures figures = em.link[i].figures;
        linkem_link_init(&em.link[i], seed + i);
        em.link[i].figures = figures;
        open_end(&em.end[i]);
    }
    /* Late wake-ups are errors of the figures: ask for exact timers and to be run at once. */
    prctl(PR_SET_TIMERSLACK, 1);
    setpriority(PRIO_PROCESS, 0, -10);
    /* A line typed ahead must not sit in a buffer that poll cannot see. */
    setvbuf(stdin, NULL, _IONBF, 0);

    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGUSR1);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    int signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        die("signalfd: %s", strerror(errno));
    puts("ready");
    fflush(stdout);
    run(&em, signals, seed);
    for (size_t i = 0; i < 2; i++)
        linkem_link_done(&em.link[i]);
    return 0;
}
