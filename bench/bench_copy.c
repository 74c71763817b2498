/*
 * A tunnel that only copies: packets of a TUN into datagrams and back, one by one, nothing sealed.
 * What its pings take, any program between a TUN and a socket takes on this machine.
 *
 *   bench_copy INTERFACE PORT PEER PEER_PORT     until it is killed
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int die(const char *what)
{
    fprintf(stderr, "bench_copy: %s: %s\n", what, strerror(errno));
    return EXIT_FAILURE;
}

static int open_tun(const char *name)
{
    struct ifreq req = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
    const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 && ioctl(fd, TUNSETIFF, &req) == 0 ? fd : -1;
}

/* What is there; a packet that cannot go on is lost, as on any path. */
static bool copy(int from, int to)
{
    uint8_t packet[65536];
    ssize_t n;
    while ((n = read(from, packet, sizeof(packet))) > 0)
        if (write(to, packet, (size_t)n) != n && errno == EBADFD)
            return false;
    return n >= 0 || errno == EAGAIN || errno == ECONNREFUSED || errno == EIO;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fputs("usage: bench_copy INTERFACE PORT PEER PEER_PORT\n", stderr);
        return 2;
    }
    const struct sockaddr_in here = {.sin_family = AF_INET,
                                     .sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10))};
    struct sockaddr_in peer = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)strtoul(argv[4], NULL, 10))};
    struct pollfd fds[2] = {{.fd = open_tun(argv[1]), .events = POLLIN}, {.events = POLLIN}};
    if (fds[0].fd < 0)
        return die("TUN");
    fds[1].fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fds[1].fd < 0 || inet_pton(AF_INET, argv[3], &peer.sin_addr) != 1 ||
        bind(fds[1].fd, (const struct sockaddr *)&here, sizeof(here)) != 0 ||
        connect(fds[1].fd, (const struct sockaddr *)&peer, sizeof(peer)) != 0)
        return die("socket");
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return die("poll");
        for (size_t i = 0; i < 2; i++)
            if (fds[i].revents && !copy(fds[i].fd, fds[1 - i].fd))
                return die(i == 0 ? "TUN" : "socket");
    }
}
