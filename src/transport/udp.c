#include "transport/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "transport/limits.h"

/* Not in every libc's header yet. */
#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

bool vn_addr_from_sockaddr(const struct sockaddr *sa, struct vn_addr *ret)
{
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof(in));
        uint8_t v4[4];
        memcpy(v4, &in.sin_addr, 4);
        *ret = (struct vn_addr){.ip = vn_ip_from_v4(v4), .port = ntohs(in.sin_port)};
        return true;
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof(in6));
        *ret = (struct vn_addr){.port = ntohs(in6.sin6_port), .scope_id = in6.sin6_scope_id};
        memcpy(ret->ip.b, &in6.sin6_addr, 16);
        return true;
    }
    return false;
}

socklen_t vn_addr_to_sockaddr(const struct vn_addr *a, struct sockaddr_storage *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (vn_ip_is_v4(&a->ip)) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(a->port)};
        memcpy(&in.sin_addr, a->ip.b + 12, 4);
        memcpy(ret, &in, sizeof(in));
        return sizeof(in);
    }
    struct sockaddr_in6 in6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(a->port), .sin6_scope_id = a->scope_id};
    memcpy(&in6.sin6_addr, a->ip.b, 16);
    memcpy(ret, &in6, sizeof(in6));
    return sizeof(in6);
}

static void set_int(int fd, int level, int name, int value)
{
    /* What the system refuses here costs speed, not function. */
    (void)setsockopt(fd, level, name, &value, sizeof(value));
}

/* The forced form needs CAP_NET_ADMIN and passes the system's maximum. */
static void set_buffer(int fd, int forced, int plain)
{
    int size = VN_UDP_SOCKBUF_BYTES;
    if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof(size)) != 0)
        (void)setsockopt(fd, SOL_SOCKET, plain, &size, sizeof(size));
}

vn_status vn_udp_open(struct vn_addr *addr, uint32_t so_mark, int *ret_fd)
{
    bool v4 = vn_ip_is_v4(&addr->ip);
    int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return VN_ERR_IO;
    if (!v4)
        set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    /* Full-size datagrams must not be fragmented: the size probe asks whether they pass whole. */
    set_int(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER,
            v4 ? IP_PMTUDISC_PROBE : IPV6_PMTUDISC_PROBE);
    set_int(fd, SOL_UDP, UDP_GRO, 1);
    set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
    set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);

    struct sockaddr_storage ss;
    socklen_t n = vn_addr_to_sockaddr(addr, &ss);
    /* Without its mark a packet would be routed into the overlay it carries, so a refusal is final.
     */
    if ((so_mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &so_mark, sizeof(so_mark)) != 0) ||
        bind(fd, (struct sockaddr *)&ss, n) != 0 ||
        getsockname(fd, (struct sockaddr *)&ss, &n) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return VN_ERR_IO;
    }
    struct vn_addr bound;
    if (vn_addr_from_sockaddr((struct sockaddr *)&ss, &bound))
        addr->port = bound.port;
    *ret_fd = fd;
    return VN_OK;
}

vn_status vn_udp_connect(int fd, const struct vn_addr *peer)
{
    struct sockaddr_storage ss;
    socklen_t n = vn_addr_to_sockaddr(peer, &ss);
    return connect(fd, (struct sockaddr *)&ss, n) == 0 ? VN_OK : VN_ERR_IO;
}

vn_status vn_udp_source_of(const struct vn_addr *peer, uint32_t so_mark, struct vn_addr *ret)
{
    struct sockaddr_storage ss;
    socklen_t n = sizeof(ss);
    int fd = socket(vn_ip_is_v4(&peer->ip) ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return VN_ERR_IO;
    /* Connecting a UDP socket sends nothing; it looks the route up. */
    const bool found =
        (!so_mark || setsockopt(fd, SOL_SOCKET, SO_MARK, &so_mark, sizeof(so_mark)) == 0) &&
        vn_udp_connect(fd, peer) == VN_OK && getsockname(fd, (struct sockaddr *)&ss, &n) == 0 &&
        vn_addr_from_sockaddr((struct sockaddr *)&ss, ret);
    close(fd);
    return found ? VN_OK : VN_ERR_IO;
}

/* ---- receiving ---- */

struct vn_udp_rx {
    size_t asked; /* runs of the next read: many only while none is joined, so few pages are used */
    bool more;
    struct mmsghdr msgs[VN_UDP_READ_SINGLES];
    struct iovec iov[VN_UDP_READ_SINGLES];
    struct sockaddr_storage from[VN_UDP_READ_SINGLES];
    struct vn_udp_run runs[VN_UDP_READ_SINGLES];
    union {
        struct cmsghdr align;
        uint8_t b[CMSG_SPACE(sizeof(int))];
    } ctl[VN_UDP_READ_SINGLES];
    uint8_t buf[VN_UDP_READ_SINGLES][VN_UDP_READ_BYTES];
};

vn_status vn_udp_rx_new(struct vn_udp_rx **ret)
{
    /* Pages never read into stay untouched, and all go back at the end. */
    struct vn_udp_rx *rx = mmap(NULL, sizeof(*rx), PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (rx == MAP_FAILED)
        return VN_ERR_NOMEM;
    rx->asked = VN_UDP_READ_COUNT;
    *ret = rx;
    return VN_OK;
}

struct vn_udp_rx *vn_udp_rx_free(struct vn_udp_rx *rx)
{
    if (rx)
        munmap(rx, sizeof(*rx));
    return NULL;
}

bool vn_udp_more(const struct vn_udp_rx *rx)
{
    return rx->more;
}

static size_t gro_size(struct msghdr *m, size_t n)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO &&
            c->cmsg_len >= CMSG_LEN(sizeof(int))) {
            int seg;
            memcpy(&seg, CMSG_DATA(c), sizeof(seg));
            if (seg > 0)
                return (size_t)seg;
        }
    return n;
}

vn_status vn_udp_read(int fd, struct vn_udp_rx *rx, const struct vn_udp_run **ret,
                      size_t *ret_count, int *ret_errno)
{
    for (size_t i = 0; i < rx->asked; i++) {
        rx->iov[i] = (struct iovec){rx->buf[i], VN_UDP_READ_BYTES};
        rx->msgs[i].msg_hdr = (struct msghdr){.msg_name = &rx->from[i],
                                              .msg_namelen = sizeof(rx->from[i]),
                                              .msg_iov = &rx->iov[i],
                                              .msg_iovlen = 1,
                                              .msg_control = rx->ctl[i].b,
                                              .msg_controllen = sizeof(rx->ctl[i].b)};
    }
    int got = recvmmsg(fd, rx->msgs, (unsigned)rx->asked, MSG_DONTWAIT, NULL);
    if (got < 0) {
        *ret_errno = errno;
        return errno == EAGAIN || errno == EINTR ? VN_ERR_AGAIN : VN_ERR_IO;
    }
    size_t count = 0;
    bool joined = false;
    rx->more = (size_t)got == rx->asked;
    for (int i = 0; i < got; i++) {
        struct vn_udp_run run = {.p = rx->buf[i], .n = rx->msgs[i].msg_len};
        if (run.n == 0 || !vn_addr_from_sockaddr((struct sockaddr *)&rx->from[i], &run.from))
            continue;
        run.seg = gro_size(&rx->msgs[i].msg_hdr, run.n);
        joined |= run.seg < run.n;
        rx->runs[count++] = run;
    }
    if (joined)
        rx->asked = VN_UDP_READ_COUNT;
    else if (rx->more)
        rx->asked = VN_UDP_READ_SINGLES;
    *ret = rx->runs;
    *ret_count = count;
    return VN_OK;
}

/* ---- sending ---- */

struct vn_udp_tx {
    size_t first, count; /* datagrams [first, count) are unsent */
    size_t start, end;   /* their bytes */
    size_t lens[VN_UDP_TX_COUNT];
    uint8_t buf[VN_UDP_TX_BYTES];
};

vn_status vn_udp_tx_new(struct vn_udp_tx **ret)
{
    struct vn_udp_tx *tx = malloc(sizeof(*tx));
    if (!tx)
        return VN_ERR_NOMEM;
    tx->first = tx->count = tx->start = tx->end = 0;
    *ret = tx;
    return VN_OK;
}

struct vn_udp_tx *vn_udp_tx_free(struct vn_udp_tx *tx)
{
    free(tx);
    return NULL;
}

bool vn_udp_tx_empty(const struct vn_udp_tx *tx)
{
    return tx->first == tx->count;
}

size_t vn_udp_tx_clear(struct vn_udp_tx *tx)
{
    size_t n = tx->count - tx->first;
    tx->first = tx->count = tx->start = tx->end = 0;
    return n;
}

uint8_t *vn_udp_tx_room(struct vn_udp_tx *tx, size_t n)
{
    if (tx->count == VN_UDP_TX_COUNT || n > VN_UDP_TX_BYTES - tx->end)
        return NULL;
    return tx->buf + tx->end;
}

void vn_udp_tx_keep(struct vn_udp_tx *tx, size_t n)
{
    tx->lens[tx->count++] = n;
    tx->end += n;
}

/* How many datagrams from the first on go in one call: equal sizes, of which the last may be
 * shorter. */
static size_t gso_run(const struct vn_udp_tx *tx, size_t *ret_bytes)
{
    size_t seg = tx->lens[tx->first], bytes = seg, i = tx->first + 1;
    while (i < tx->count && i - tx->first < VN_UDP_GSO_SEGMENTS && tx->lens[i - 1] == seg &&
           tx->lens[i] <= seg && bytes + tx->lens[i] <= VN_UDP_GSO_BYTES)
        bytes += tx->lens[i++];
    *ret_bytes = bytes;
    return i - tx->first;
}

static ssize_t send_run(int fd, const uint8_t *p, size_t n, size_t seg, const struct vn_addr *to)
{
    struct sockaddr_storage ss;
    struct iovec iov = {(void *)(uintptr_t)p, n};
    union {
        struct cmsghdr align;
        uint8_t b[CMSG_SPACE(sizeof(uint16_t))];
    } ctl = {.b = {0}};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (to) {
        m.msg_namelen = vn_addr_to_sockaddr(to, &ss);
        m.msg_name = &ss;
    }
    if (seg < n) {
        m.msg_control = ctl.b;
        m.msg_controllen = sizeof(ctl.b);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_UDP;
        c->cmsg_type = UDP_SEGMENT;
        c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        uint16_t size = (uint16_t)seg;
        memcpy(CMSG_DATA(c), &size, sizeof(size));
    }
    return sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void advance(struct vn_udp_tx *tx, size_t count, size_t bytes)
{
    tx->first += count;
    tx->start += bytes;
    if (tx->first == tx->count)
        (void)vn_udp_tx_clear(tx);
}

vn_status vn_udp_flush(int fd, struct vn_udp_tx *tx, const struct vn_addr *to, size_t *ret_dropped,
                       int *ret_errno)
{
    bool one_by_one = false;
    *ret_dropped = 0;
    *ret_errno = 0;
    while (!vn_udp_tx_empty(tx)) {
        size_t bytes = tx->lens[tx->first];
        size_t count = one_by_one ? 1 : gso_run(tx, &bytes);
        ssize_t sent = send_run(fd, tx->buf + tx->start, bytes, tx->lens[tx->first], to);
        if (sent >= 0) {
            advance(tx, count, bytes);
            continue;
        }
        switch (errno) {
        case EAGAIN:
        case ENOBUFS:
            return VN_ERR_AGAIN;
        case EINTR:
            continue;
        case ECONNREFUSED: /* tells of an earlier datagram; this one was not tried */
            if (*ret_errno == 0) {
                *ret_errno = errno;
                continue;
            }
            *ret_dropped += vn_udp_tx_clear(tx);
            return VN_OK;
        case EIO: /* the device cannot checksum what it would have to cut */
        case EINVAL:
        case EOPNOTSUPP:
        case EMSGSIZE: /* one of them is too long for the path */
            if (count > 1) {
                one_by_one = true;
                continue;
            }
            advance(tx, 1, bytes);
            ++*ret_dropped;
            continue;
        default:
            *ret_errno = errno;
            *ret_dropped += vn_udp_tx_clear(tx);
            return VN_ERR_IO;
        }
    }
    return VN_OK;
}

vn_status vn_udp_send(int fd, struct vn_span datagram, const struct vn_addr *to, int *ret_errno)
{
    if (send_run(fd, datagram.p, datagram.n, datagram.n, to) >= 0)
        return VN_OK;
    *ret_errno = errno;
    return errno == EAGAIN || errno == ENOBUFS ? VN_ERR_AGAIN : VN_ERR_IO;
}
