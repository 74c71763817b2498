#include "conflux/echo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/reader.h"
#include "base/writer.h"
#include "crypto/rng.h"

#define ECHO_LEN 64 /* header 8, cookie 8, filling */
#define ECHO_HEAD 8

static socklen_t address_of(const struct vn_ip *ip, struct sockaddr_storage *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (vn_ip_is_v4(ip)) {
        struct sockaddr_in *a = (struct sockaddr_in *)ret;
        a->sin_family = AF_INET;
        memcpy(&a->sin_addr, ip->b + 12, 4);
        return sizeof(*a);
    }
    struct sockaddr_in6 *a = (struct sockaddr_in6 *)ret;
    a->sin6_family = AF_INET6;
    memcpy(&a->sin6_addr, ip->b, 16);
    return sizeof(*a);
}

static bool set_up(struct vn_echo *e, const struct vn_ip *dst)
{
    const int on = 1;
    struct sockaddr_storage ss;
    const socklen_t n = address_of(dst, &ss);
    if (setsockopt(e->fd, e->v6 ? IPPROTO_IPV6 : IPPROTO_IP, e->v6 ? IPV6_RECVERR : IP_RECVERR, &on,
                   sizeof(on)) != 0)
        return false;
    if (e->v6 && e->raw) {
        struct icmp6_filter f;
        ICMP6_FILTER_SETBLOCKALL(&f);
        ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &f);
        if (setsockopt(e->fd, IPPROTO_ICMPV6, ICMP6_FILTER, &f, sizeof(f)) != 0)
            return false;
    }
    return connect(e->fd, (struct sockaddr *)&ss, n) == 0;
}

vn_status vn_echo_open(const struct vn_ip *dst, struct vn_echo *ret)
{
    struct vn_echo e = {.v6 = !vn_ip_is_v4(dst)};
    const int family = e.v6 ? AF_INET6 : AF_INET, proto = e.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
    e.fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, proto);
    if (e.fd < 0) {
        e.raw = true;
        e.fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, proto);
    }
    if (e.fd < 0)
        return errno == EPERM || errno == EACCES ? VN_ERR_DENIED : VN_ERR_IO;
    if (vn_rng_bytes(e.cookie, sizeof(e.cookie)) != VN_OK ||
        vn_rng_bytes(&e.ident, sizeof(e.ident)) != VN_OK || !set_up(&e, dst)) {
        const int saved = errno;
        close(e.fd);
        errno = saved;
        return VN_ERR_IO;
    }
    *ret = e;
    return VN_OK;
}

void vn_echo_close(struct vn_echo *e)
{
    close(e->fd);
}

/* RFC 1071; the kernel does it for ICMPv6 and for datagram sockets. */
static uint16_t checksum(const uint8_t *p, size_t n)
{
    uint32_t sum = 0;
    for (size_t i = 0; i + 1 < n; i += 2)
        sum += (uint32_t)(p[i] << 8 | p[i + 1]);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

vn_status vn_echo_send(struct vn_echo *e, uint16_t seq)
{
    uint8_t packet[ECHO_LEN] = {0};
    struct vn_writer w = vn_writer_of(packet, sizeof(packet));
    vn_write_u8(&w, e->v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO);
    vn_write_u8(&w, 0);
    vn_write_u16(&w, 0);
    vn_write_u16(&w, e->ident);
    vn_write_u16(&w, seq);
    vn_write_bytes(&w, e->cookie, sizeof(e->cookie));
    if (!e->v6) {
        const uint16_t sum = checksum(packet, sizeof(packet));
        packet[2] = (uint8_t)(sum >> 8);
        packet[3] = (uint8_t)sum;
    }
    return send(e->fd, packet, sizeof(packet), 0) == sizeof(packet) ? VN_OK : VN_ERR_IO;
}

static bool ours(const struct vn_echo *e, struct vn_span packet, uint16_t *ret_seq)
{
    struct vn_reader r = vn_reader_of(packet);
    if (e->raw && !e->v6) { /* a raw IPv4 socket shows the IP header */
        uint8_t first;
        struct vn_reader peek = r;
        if (!vn_read_u8(&peek, &first) || !vn_read_skip(&r, (size_t)(first & 15) * 4))
            return false;
    }
    uint8_t type, code;
    uint16_t sum, ident, seq;
    struct vn_span cookie;
    if (!vn_read_u8(&r, &type) || !vn_read_u8(&r, &code) || !vn_read_u16(&r, &sum) ||
        !vn_read_u16(&r, &ident) || !vn_read_u16(&r, &seq) ||
        !vn_read_span(&r, sizeof(e->cookie), &cookie))
        return false;
    if (type != (e->v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) ||
        memcmp(cookie.p, e->cookie, sizeof(e->cookie)) != 0)
        return false;
    *ret_seq = seq;
    return true;
}

vn_status vn_echo_receive(struct vn_echo *e, uint16_t *ret_seq)
{
    uint8_t packet[256];
    const ssize_t n = recv(e->fd, packet, sizeof(packet), 0);
    if (n >= 0)
        return ours(e, VN_SPAN(packet, (size_t)n), ret_seq) ? VN_OK : VN_ERR_AGAIN;
    if (errno == EAGAIN || errno == EINTR)
        return VN_ERR_AGAIN;
    /* Empty the queue of errors, or poll would report the same one for ever. */
    const int why = errno;
    struct msghdr m = {0};
    while (recvmsg(e->fd, &m, MSG_ERRQUEUE) >= 0)
        m = (struct msghdr){0};
    return why == EHOSTUNREACH || why == ENETUNREACH || why == ECONNREFUSED ? VN_ERR_NOTFOUND
                                                                            : VN_ERR_AGAIN;
}
