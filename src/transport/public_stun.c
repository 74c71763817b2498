#include "transport/public_stun.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "transport/udp.h"

enum { FAMILIES = 2, PORTS = 2 };

struct port {
    struct vn_public_stun *of;
    struct port *other; /* same family; NULL: is not open */
    int fd;             /* -1: not open */
    struct vn_io_watch *watch;
};

struct vn_public_stun {
    const struct vn_io *io;
    struct vn_stun_server server;
    struct vn_public_stun_counters counters;
    struct port ports[FAMILIES][PORTS]; /* [0]: IPv4 */
};

/* Of IPv4 or IPv6: to which of this machine's addresses a datagram came, and the answer leaves. */
union local {
    struct in_pktinfo v4;
    struct in6_pktinfo v6;
};
union control {
    struct cmsghdr align;
    uint8_t b[CMSG_SPACE(sizeof(union local))];
};

static bool local_of(struct msghdr *h, bool v4, union local *ret)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        if (v4 && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            memcpy(&ret->v4, CMSG_DATA(c), sizeof(ret->v4));
            ret->v4.ipi_ifindex = 0; /* the way back is the routes' affair */
            return true;
        }
        if (!v4 && c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            memcpy(&ret->v6, CMSG_DATA(c), sizeof(ret->v6));
            if (!IN6_IS_ADDR_LINKLOCAL(&ret->v6.ipi6_addr))
                ret->v6.ipi6_ifindex = 0;
            return true;
        }
    }
    return false;
}

static bool send_from(int fd, bool v4, const union local *local, const struct sockaddr_storage *to,
                      socklen_t to_n, struct vn_span answer)
{
    struct sockaddr_storage name = *to;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)answer.p, .iov_len = answer.n};
    union control control = {.b = {0}};
    const size_t n = v4 ? sizeof(local->v4) : sizeof(local->v6);
    struct msghdr h = {.msg_name = &name,
                       .msg_namelen = to_n,
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.b,
                       .msg_controllen = CMSG_SPACE(n)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    c->cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
    c->cmsg_type = v4 ? IP_PKTINFO : IPV6_PKTINFO;
    c->cmsg_len = CMSG_LEN(n);
    memcpy(CMSG_DATA(c), local, n);
    return sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)answer.n;
}

/* False: there was nothing. */
static bool serve_one(struct port *p, bool v4, uint64_t now_us)
{
    struct vn_public_stun *s = p->of;
    uint8_t question[VN_STUN_QUESTION_MAX + 1], room[VN_STUN_ANSWER_MAX];
    struct sockaddr_storage from_sa;
    union control control;
    struct iovec iov = {.iov_base = question, .iov_len = sizeof(question)};
    struct msghdr h = {.msg_name = &from_sa,
                       .msg_namelen = sizeof(from_sa),
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.b,
                       .msg_controllen = sizeof(control.b)};
    const ssize_t n = recvmsg(p->fd, &h, MSG_DONTWAIT);
    if (n < 0)
        return errno != EAGAIN &&
               errno != EWOULDBLOCK; /* an error of an earlier send is read off */
    union local local;
    struct vn_addr from;
    struct vn_span out;
    bool other;
    if (!vn_addr_from_sockaddr((struct sockaddr *)&from_sa, &from) || !local_of(&h, v4, &local)) {
        s->counters.stranger++;
        return true;
    }
    switch (vn_stun_server_input(&s->server, &from, VN_SPAN(question, (size_t)n), now_us, room,
                                 &out, &other)) {
    case VN_STUN_ANSWER: {
        const struct port *by = other ? p->other : p;
        const bool sent = by && send_from(by->fd, v4, &local, &from_sa, h.msg_namelen, out);
        s->counters.answered += sent;
        s->counters.failed += !sent;
        break;
    }
    case VN_STUN_STRANGER:
        s->counters.stranger++;
        break;
    case VN_STUN_RATE:
        s->counters.rate++;
        break;
    }
    return true;
}

static void on_readable(void *arg, unsigned events)
{
    struct port *p = arg;
    struct vn_public_stun *s = p->of;
    const bool v4 = p < s->ports[1];
    const uint64_t now_us = s->io->now_us(s->io->self);
    (void)events;
    for (unsigned i = 0; i < VN_STUN_SERVER_BATCH && serve_one(p, v4, now_us); i++)
        ;
}

/* A system without IPv6 has no such socket: that is no failure. */
static vn_status open_port(struct vn_public_stun *s, bool v4, uint16_t number, uint32_t so_mark,
                           struct port *p)
{
    const int on = 1;
    const int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno == EAFNOSUPPORT ? VN_OK : VN_ERR_IO;
    struct sockaddr_storage ss;
    struct vn_addr any = {.port = number};
    if (v4)
        any.ip = vn_ip_from_v4((const uint8_t[4]){0, 0, 0, 0});
    const socklen_t len = vn_addr_to_sockaddr(&any, &ss);
    const int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
    vn_status st = VN_ERR_IO;
    if ((so_mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &so_mark, sizeof(so_mark)) != 0) ||
        (!v4 && setsockopt(fd, level, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
        setsockopt(fd, level, v4 ? IP_PKTINFO : IPV6_RECVPKTINFO, &on, sizeof(on)) != 0)
        goto fail;
    if (bind(fd, (struct sockaddr *)&ss, len) != 0) {
        /* EADDRNOTAVAIL: IPv6 is switched off. */
        st = errno == EADDRINUSE ? VN_ERR_EXISTS : errno == EADDRNOTAVAIL ? VN_OK : VN_ERR_IO;
        goto fail;
    }
    st = s->io->watch(s->io->self, fd, VN_IO_READ, on_readable, p, &p->watch);
    if (st != VN_OK)
        goto fail;
    p->fd = fd;
    return VN_OK;
fail:
    close(fd);
    return st;
}

vn_status vn_public_stun_new(const struct vn_io *io, const struct vn_random *random,
                             uint32_t so_mark, uint16_t port, struct vn_public_stun **ret)
{
    struct vn_public_stun *s = calloc(1, sizeof(*s));
    if (!s)
        return VN_ERR_NOMEM;
    s->io = io;
    for (size_t f = 0; f < FAMILIES; f++)
        for (size_t i = 0; i < PORTS; i++)
            s->ports[f][i] = (struct port){.of = s, .fd = -1};
    vn_status st = vn_stun_server_init(&s->server, random, io->now_us(io->self));
    for (size_t f = 0; f < FAMILIES && st == VN_OK; f++) {
        st = open_port(s, f == 0, port, so_mark, &s->ports[f][0]);
        if (st == VN_OK && s->ports[f][0].fd >= 0 && port < UINT16_MAX &&
            open_port(s, f == 0, (uint16_t)(port + 1), so_mark, &s->ports[f][1]) != VN_OK)
            vn_log(VN_LOG_WARN, "stun_second_port_taken", VN_KV_U64("port", port + 1u));
        if (s->ports[f][1].fd >= 0) {
            s->ports[f][0].other = &s->ports[f][1];
            s->ports[f][1].other = &s->ports[f][0];
        }
    }
    if (st != VN_OK) {
        (void)vn_public_stun_free(s);
        return st;
    }
    *ret = s;
    return VN_OK;
}

struct vn_public_stun *vn_public_stun_free(struct vn_public_stun *s)
{
    if (!s)
        return NULL;
    for (size_t f = 0; f < FAMILIES; f++)
        for (size_t i = 0; i < PORTS; i++)
            if (s->ports[f][i].fd >= 0) {
                s->io->unwatch(s->ports[f][i].watch);
                close(s->ports[f][i].fd);
            }
    vn_stun_server_wipe(&s->server);
    free(s);
    return NULL;
}

void vn_public_stun_set_keys(struct vn_public_stun *s, const struct vn_stun_keys *keys)
{
    s->server.keys = *keys;
}

const struct vn_public_stun_counters *vn_public_stun_counters(const struct vn_public_stun *s)
{
    return &s->counters;
}
