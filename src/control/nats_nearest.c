#include "control/nats_nearest.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/host_port.h"

#define ADDRS_MAX 4 /* of one name */
#define SOCKETS_MAX (VN_NATS_URLS_MAX * ADDRS_MAX)
#define PORT_USUAL 4222

struct race {
    struct pollfd fds[SOCKETS_MAX];
    size_t urls[SOCKETS_MAX]; /* whose it is */
    size_t n;
};

static void begin(struct race *r, const struct addrinfo *ai, size_t url)
{
    const int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, ai->ai_addr, ai->ai_addrlen) != 0 && errno != EINPROGRESS) {
        close(fd);
        return;
    }
    r->fds[r->n] = (struct pollfd){.fd = fd, .events = POLLOUT};
    r->urls[r->n++] = url;
}

static void begin_all(struct race *r, const char *url, size_t index)
{
    char host[VN_HOST_MAX], port[8];
    uint16_t number = PORT_USUAL;
    const char *at = strstr(url, "://");
    if (vn_host_port_parse(at ? at + 3 : url, host, &number) != VN_OK)
        return;
    snprintf(port, sizeof(port), "%u", number);
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    if (getaddrinfo(host, port, &hints, &list) != 0)
        return;
    size_t n = 0;
    for (const struct addrinfo *ai = list; ai && n < ADDRS_MAX; ai = ai->ai_next, n++)
        begin(r, ai, index);
    freeaddrinfo(list);
}

/* Waits for the first that answers; those that fail are taken out. False: none did. */
static bool first(struct race *r, int timeout_ms, size_t *ret_url)
{
    const uint64_t until = vn_clock_boot_ms() + (uint64_t)timeout_ms;
    for (;;) {
        size_t left = 0;
        const uint64_t now = vn_clock_boot_ms();
        if (poll(r->fds, (nfds_t)r->n, now < until ? (int)(until - now) : 0) < 0)
            return false;
        for (size_t i = 0; i < r->n; i++) {
            int error = 0;
            socklen_t n = sizeof(error);
            left += r->fds[i].fd >= 0;
            if (r->fds[i].fd < 0 || !r->fds[i].revents)
                continue;
            if (getsockopt(r->fds[i].fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error == 0 &&
                !(r->fds[i].revents & (POLLERR | POLLHUP))) {
                *ret_url = r->urls[i];
                return true;
            }
            close(r->fds[i].fd);
            r->fds[i].fd = -1; /* poll passes over it */
            left--;
        }
        if (!left || vn_clock_boot_ms() >= until)
            return false;
    }
}

static void choose(struct nats_attempt *a, size_t url)
{
    pthread_mutex_lock(&a->shared->mu);
    a->url = url;
    pthread_mutex_unlock(&a->shared->mu);
}

bool vn_nats_nearest(struct nats_attempt *a)
{
    const struct nats_cred *c = a->cred;
    struct race r = {.n = 0};
    size_t left = 0, url = 0;
    bool found = false;
    for (size_t i = 0; i < c->url_count; i++) {
        if (a->tried & 1u << i)
            continue;
        url = i;
        left++;
    }
    if (left == 1) {
        choose(a, url);
        return true;
    }
    for (size_t i = 0; i < c->url_count && !found; i++) {
        if (a->tried & 1u << i)
            continue;
        choose(a, i); /* whose name cannot be looked up in time is left out the next time */
        begin_all(&r, c->urls[i], i);
        found = first(&r, 0, &url);
    }
    choose(a, c->url_count);
    found = found || first(&r, VN_NATS_NEAREST_MS, &url);
    for (size_t i = 0; i < r.n; i++)
        if (r.fds[i].fd >= 0)
            close(r.fds[i].fd);
    if (found)
        choose(a, url);
    return found;
}
