/*
 * Small datagrams as fast as the system takes them, numbered, so that the receiver can tell that
 * what came is what was sent.
 *
 *   bench_datagrams send ADDRESS PORT BYTES SECONDS     prints how many were sent
 *   bench_datagrams receive PORT BYTES                  "ready", and after SIGTERM: came bad
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, BYTES_MAX = 1400, QUEUE_BYTES = 8 << 20 };

static uint8_t buffers[BATCH][BYTES_MAX + 1];
static struct iovec parts[BATCH];
static struct mmsghdr messages[BATCH];
static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static int die(const char *what)
{
    fprintf(stderr, "bench_datagrams: %s: %s\n", what, strerror(errno));
    return EXIT_FAILURE;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void prepare(size_t bytes)
{
    for (size_t i = 0; i < BATCH; i++) {
        memset(buffers[i], 0x5a, bytes);
        parts[i] = (struct iovec){buffers[i], bytes};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
}

static int send_all(const struct sockaddr_in *to, size_t bytes, double seconds)
{
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0)
        return die("connect");
    prepare(bytes);
    uint64_t number = 0;
    const double end = now_s() + seconds;
    while (now_s() < end) {
        for (size_t i = 0; i < BATCH; i++) {
            const uint64_t n = number + i;
            memcpy(buffers[i], &n, sizeof(n));
        }
        const int n = sendmmsg(fd, messages, BATCH, 0);
        if (n > 0)
            number += (uint64_t)n;
        else if (errno != ENOBUFS && errno != EAGAIN && errno != ECONNREFUSED)
            return die("sendmmsg");
    }
    close(fd);
    printf("%llu\n", (unsigned long long)number);
    return EXIT_SUCCESS;
}

static bool is_good(size_t i, size_t bytes)
{
    if (messages[i].msg_len != bytes)
        return false;
    for (size_t k = sizeof(uint64_t); k < bytes; k++)
        if (buffers[i][k] != 0x5a)
            return false;
    return true;
}

static int receive_all(uint16_t port, size_t bytes)
{
    const struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port)};
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int queue = QUEUE_BYTES;
    const struct timeval wait = {.tv_usec = 100000};
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &queue, sizeof(queue)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) != 0 ||
        bind(fd, (const struct sockaddr *)&here, sizeof(here)) != 0)
        return die("bind");
    puts("ready");
    fflush(stdout);
    prepare(bytes + 1); /* a longer one shows */
    unsigned long long came = 0, bad = 0;
    while (!stopped) {
        const int n = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
        for (int i = 0; i < n; i++) {
            came++;
            bad += !is_good((size_t)i, bytes);
        }
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return die("recvmmsg");
    }
    close(fd);
    printf("%llu %llu\n", came, bad);
    return EXIT_SUCCESS;
}

static bool is_number(const char *s, unsigned long max, unsigned long *ret)
{
    char *end;
    errno = 0;
    *ret = strtoul(s, &end, 10);
    return errno == 0 && *s && !*end && *ret > 0 && *ret <= max;
}

int main(int argc, char **argv)
{
    unsigned long port, bytes, seconds;
    struct sockaddr_in to = {.sin_family = AF_INET};
    signal(SIGTERM, stop);
    if (argc == 4 && strcmp(argv[1], "receive") == 0 && is_number(argv[2], UINT16_MAX, &port) &&
        is_number(argv[3], BYTES_MAX, &bytes) && bytes >= sizeof(uint64_t))
        return receive_all((uint16_t)port, bytes);
    if (argc == 6 && strcmp(argv[1], "send") == 0 &&
        inet_pton(AF_INET, argv[2], &to.sin_addr) == 1 && is_number(argv[3], UINT16_MAX, &port) &&
        is_number(argv[4], BYTES_MAX, &bytes) && bytes >= sizeof(uint64_t) &&
        is_number(argv[5], 3600, &seconds)) {
        to.sin_port = htons((uint16_t)port);
        return send_all(&to, bytes, (double)seconds);
    }
    fputs("usage: bench_datagrams send ADDRESS PORT BYTES SECONDS | receive PORT BYTES\n", stderr);
    return 2;
}
