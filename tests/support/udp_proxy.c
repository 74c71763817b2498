#include "support/udp_proxy.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/test.h"
#include "wire/hop.h"

struct bucket {
    size_t bytes;
    uint64_t filled_us;
};

struct side {
    struct udp_proxy *proxy;
    struct side *other;
    int fd;
    struct vn_io_watch *watch;
    struct sockaddr_in end; /* who sent here last */
    bool known;
    uint8_t held[2048];
    size_t held_n;
    unsigned count;
    struct bucket *bucket;
};

struct udp_proxy {
    struct test_io *io;
    struct side sides[2 * VN_HOP_PCS];
    struct vn_addr addrs[2 * VN_HOP_PCS];
    struct bucket buckets[2]; /* one each way */
    struct udp_proxy_rule rule;
};

static bool fits(struct side *s, size_t n)
{
    enum { BUCKET_MAX = 32768 };
    size_t rate = s->proxy->rule.bytes_per_ms;
    uint64_t now = vn_clock_mono_us();
    if (!rate)
        return true;
    struct bucket *b = s->bucket;
    b->bytes = VN_MIN(b->bytes + (size_t)(now - b->filled_us) * rate / 1000, (size_t)BUCKET_MAX);
    b->filled_us = now;
    if (b->bytes < n)
        return false;
    b->bytes -= n;
    return true;
}

static void forward(struct side *to, const uint8_t *p, size_t n)
{
    if (to->known)
        (void)sendto(to->fd, p, n, MSG_DONTWAIT, (struct sockaddr *)&to->end, sizeof(to->end));
}

static void on_datagram(void *arg, unsigned events)
{
    struct side *s = arg;
    const struct udp_proxy_rule *r = &s->proxy->rule;
    (void)events;
    for (int i = 0; i < 256; i++) {
        uint8_t buf[2048];
        struct sockaddr_in from;
        socklen_t from_n = sizeof(from);
        ssize_t n =
            recvfrom(s->fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from, &from_n);
        if (n < 0)
            break;
        s->end = from;
        s->known = true;
        if (r->lose_all || (r->deaf >> (s - s->proxy->sides) / 2 & 1) || !fits(s, (size_t)n) ||
            (r->longest && (size_t)n > r->longest) ||
            (r->lose_per_mille && vn_test_below(1000) < r->lose_per_mille))
            continue;
        if (r->swap && !s->held_n && ++s->count % 16 == 0) {
            memcpy(s->held, buf, (size_t)n);
            s->held_n = (size_t)n;
            continue;
        }
        forward(s->other, buf, (size_t)n);
        if (s->held_n)
            forward(s->other, s->held, s->held_n);
        s->held_n = 0;
    }
}

struct udp_proxy *udp_proxy_new(struct test_io *io)
{
    struct udp_proxy *p = calloc(1, sizeof(*p));
    const struct vn_io *port = test_io_port(io);
    if (!p)
        abort();
    p->io = io;
    for (size_t i = 0; i < VN_ARRAY_LEN(p->sides); i++) {
        struct side *s = &p->sides[i];
        struct sockaddr_in here = {.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t n = sizeof(here);
        int size = 4 << 20;
        *s = (struct side){.proxy = p, .other = &p->sides[i ^ 1], .bucket = &p->buckets[i % 2]};
        s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        (void)setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
        if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&here, n) != 0 ||
            getsockname(s->fd, (struct sockaddr *)&here, &n) != 0 ||
            port->watch(port->self, s->fd, VN_IO_READ, on_datagram, s, &s->watch) != VN_OK)
            abort();
        p->addrs[i] = (struct vn_addr){.ip = vn_ip_from_v4((const uint8_t[]){127, 0, 0, 1}),
                                       .port = ntohs(here.sin_port)};
    }
    return p;
}

struct udp_proxy *udp_proxy_free(struct udp_proxy *p)
{
    for (size_t i = 0; p && i < VN_ARRAY_LEN(p->sides); i++) {
        test_io_port(p->io)->unwatch(p->sides[i].watch);
        close(p->sides[i].fd);
    }
    free(p);
    return NULL;
}

const struct vn_addr *udp_proxy_addrs(const struct udp_proxy *p)
{
    return p->addrs;
}

struct udp_proxy_rule *udp_proxy_rule(struct udp_proxy *p)
{
    return &p->rule;
}
