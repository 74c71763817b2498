#include "host/tun.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/limits.h"
#include "host/error.h"

#define DEVICE "/dev/net/tun"

/* A packet that is longer keeps the buffer it was read into; a shorter one moves to its own size,
 * so that what waits in queues takes about as much memory as it has bytes. */
#define COPY_MAX 16384

struct queue {
    int fd;
    struct vn_pktbuf *spare; /* for the next read: room for what our kernel makes */
    struct vn_tun_port port;
};

struct vn_tun {
    char ifname[IFNAMSIZ];
    struct queue queues[VN_WORKERS_MAX];
    size_t count;
};

/* Reads nothing of q but what never changes: two threads may share one. */
static vn_status write_all(const struct queue *q, const struct virtio_net_hdr *h,
                           const struct vn_span *parts, size_t count)
{
    struct iovec iov[1 + VN_TUN_PARTS_MAX] = {{(void *)h, sizeof(*h)}};
    assert(count <= VN_TUN_PARTS_MAX);
    for (size_t i = 0; i < count; i++)
        iov[1 + i] = (struct iovec){(void *)parts[i].p, parts[i].n};
    ssize_t n;
    do
        n = writev(q->fd, iov, (int)(1 + count));
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return VN_OK;
    /* ENOBUFS: the queue of the device is full; EIO: the link is down, for a moment or for good. */
    if (errno == EAGAIN || errno == ENOBUFS || errno == EIO)
        return VN_ERR_AGAIN;
    return errno == EINVAL ? VN_ERR_MALFORMED : VN_ERR_IO;
}

static vn_status tun_write(void *self, struct vn_span packet)
{
    static const struct virtio_net_hdr none;
    return write_all(self, &none, &packet, 1);
}

static vn_status tun_write_offload(void *self, const struct vn_span *parts, size_t count,
                                   const struct vn_tun_offload *o)
{
    static const uint8_t gso_types[] = {[VN_PKT_CSUM] = VIRTIO_NET_HDR_GSO_NONE,
                                        [VN_PKT_TCP4] = VIRTIO_NET_HDR_GSO_TCPV4,
                                        [VN_PKT_TCP6] = VIRTIO_NET_HDR_GSO_TCPV6,
                                        [VN_PKT_UDP_L4] = VIRTIO_NET_HDR_GSO_UDP_L4};
    struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                               .gso_type = gso_types[o->kind],
                               .hdr_len = o->header_len,
                               .gso_size = o->gso_size,
                               .csum_start = o->l4_offset,
                               .csum_offset = o->csum_offset};
    if (o->ecn && o->gso_size)
        h.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
    return write_all(self, &h, parts, count);
}

static vn_status open_error(const char *ifname, struct vn_host_error *ret_err)
{
    int err = errno;
    switch (err) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
        return vn_host_fail(ret_err, VN_HOST_NO_TUN_DEVICE, err,
                            DEVICE " is missing: load the module with 'modprobe tun', or give the "
                                   "container the device (docker run --device " DEVICE ")");
    case EPERM:
    case EACCES:
        return vn_host_fail(ret_err, VN_HOST_NO_PRIVILEGE, err,
                            "no right to make a network interface: run as root, or with "
                            "CAP_NET_ADMIN (docker run --cap-add NET_ADMIN)");
    case EBUSY:
    case EINVAL:
        return vn_host_fail(ret_err, VN_HOST_NAME_TAKEN, err,
                            "the interface name '%s' is taken: choose another with --interface",
                            ifname);
    default:
        return vn_host_fail(ret_err, VN_HOST_KERNEL, err, "cannot make the interface '%s': %s",
                            ifname, strerror(err));
    }
}

/* Large TCP and UDP packets in one piece, checksums left open. What the kernel does not know is
 * done without, the newest first. */
static int set_offloads(int fd, bool *ret_cuts_udp)
{
    static const unsigned tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    int header = sizeof(struct virtio_net_hdr);
    if (ioctl(fd, TUNSETVNETHDRSZ, &header) < 0)
        return -1;
    *ret_cuts_udp = ioctl(fd, TUNSETOFFLOAD, tso | TUN_F_USO4 | TUN_F_USO6) == 0;
    if (*ret_cuts_udp)
        return 0;
    return ioctl(fd, TUNSETOFFLOAD, tso);
}

/* The next queue, of the interface t->ifname, which the first one makes. errno says why not. */
static bool add_queue(struct vn_tun *t, unsigned more_flags)
{
    struct queue *q = &t->queues[t->count];
    q->port =
        (struct vn_tun_port){.self = q, .write = tun_write, .write_offload = tun_write_offload};
    q->fd = open(DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct ifreq req = {0};
    req.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | more_flags);
    memcpy(req.ifr_name, t->ifname, sizeof(req.ifr_name));
    if (q->fd < 0)
        return false;
    if (ioctl(q->fd, TUNSETIFF, &req) < 0 || set_offloads(q->fd, &q->port.cuts_udp) < 0) {
        const int err = errno;
        close(q->fd);
        errno = err;
        return false;
    }
    memcpy(t->ifname, req.ifr_name, sizeof(t->ifname));
    t->count++;
    return true;
}

vn_status vn_tun_open(const char *ifname, size_t queues, struct vn_tun **ret,
                      struct vn_host_error *ret_err)
{
    if (queues == 0 || queues > VN_WORKERS_MAX)
        return VN_ERR_ARG;
    struct vn_tun *t = calloc(1, sizeof(*t));
    if (!t)
        return VN_ERR_NOMEM;
    snprintf(t->ifname, sizeof(t->ifname), "%s", ifname);
    /* Else the first one might become a queue of another program's interface of that name. */
    if (queues > 1 && add_queue(t, IFF_MULTI_QUEUE | IFF_TUN_EXCL))
        while (t->count < queues && add_queue(t, IFF_MULTI_QUEUE))
            ;
    if (t->count == 0 && !add_queue(t, 0)) {
        vn_status st = open_error(ifname, ret_err);
        free(t);
        return st;
    }
    *ret = t;
    return VN_OK;
}

struct vn_tun *vn_tun_close(struct vn_tun *t)
{
    if (!t)
        return NULL;
    for (size_t i = 0; i < t->count; i++) {
        close(t->queues[i].fd);
        vn_pktbuf_free(t->queues[i].spare);
    }
    free(t);
    return NULL;
}

const char *vn_tun_ifname(const struct vn_tun *t)
{
    return t->ifname;
}

size_t vn_tun_queues(const struct vn_tun *t)
{
    return t->count;
}

int vn_tun_fd(const struct vn_tun *t, size_t queue)
{
    return queue < t->count ? t->queues[queue].fd : -1;
}

const struct vn_tun_port *vn_tun_get_port(const struct vn_tun *t, size_t queue)
{
    return &t->queues[queue < t->count ? queue : 0].port;
}

/* The checksum of a protocol that the wire has no kind for (DCCP, UDP-Lite). */
static bool finish_checksum(struct vn_pktbuf *b, size_t start, size_t offset)
{
    if (start > b->len || b->len - start < offset + 2)
        return false;
    uint64_t sum = 0;
    for (size_t i = start; i < b->len; i++)
        sum += (i - start) % 2 ? b->data[i] : (uint64_t)b->data[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    uint8_t *at = b->data + start + offset;
    at[0] = (uint8_t)(~sum >> 8);
    at[1] = (uint8_t)~sum;
    return true;
}

/* From the kernel's words to ours. False: what was not asked for. */
static bool describe(struct vn_pktbuf *b, const struct virtio_net_hdr *h)
{
    b->kind = VN_PKT_NONE;
    b->gso_size = 0;
    b->l4_offset = h->csum_start;
    switch (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_NONE:
        if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
            return true;
        if (h->csum_offset != 16 && h->csum_offset != 6)
            return finish_checksum(b, h->csum_start, h->csum_offset);
        b->kind = VN_PKT_CSUM;
        return true;
    case VIRTIO_NET_HDR_GSO_TCPV4:
        b->kind = VN_PKT_TCP4;
        break;
    case VIRTIO_NET_HDR_GSO_TCPV6:
        b->kind = VN_PKT_TCP6;
        break;
    case VIRTIO_NET_HDR_GSO_UDP_L4:
        b->kind = VN_PKT_UDP_L4;
        break;
    default:
        return false;
    }
    b->gso_size = h->gso_size;
    return h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
}

/* Of a packet that does not fit into `spare` the rest is elsewhere. False: no memory. */
static bool append(struct queue *q, struct vn_span rest)
{
    struct vn_pktbuf *b;
    if (vn_pktbuf_new(q->spare->len + rest.n, &b) != VN_OK)
        return false;
    memcpy(vn_pktbuf_put(b, q->spare->len), q->spare->data, q->spare->len);
    memcpy(vn_pktbuf_put(b, rest.n), rest.p, rest.n);
    vn_pktbuf_free(q->spare);
    q->spare = b;
    return true;
}

/* Hands the packet in `spare` over, or a copy of its own size. NULL without memory. */
static struct vn_pktbuf *take(struct queue *q)
{
    if (q->spare->len > COPY_MAX)
        return VN_TAKE(q->spare);
    struct vn_pktbuf *b;
    if (vn_pktbuf_new(q->spare->len, &b) != VN_OK)
        return NULL;
    memcpy(vn_pktbuf_put(b, q->spare->len), q->spare->data, q->spare->len);
    b->kind = q->spare->kind;
    b->gso_size = q->spare->gso_size;
    b->l4_offset = q->spare->l4_offset;
    return b;
}

vn_status vn_tun_read(struct vn_tun *t, size_t queue, struct vn_pktbuf **ret, size_t cap,
                      size_t *ret_n)
{
    assert(queue < t->count);
    struct queue *q = &t->queues[queue];
    uint8_t rest[VN_SUPER_PACKET_MAX - VN_SUPER_PACKET_OURS];
    size_t n = 0, bytes = 0;
    vn_status st = VN_OK;
    cap = VN_MIN(cap, (size_t)VN_HOST_TUN_BURST);
    while (n < cap && bytes < VN_HOST_TUN_BYTES) {
        if (!q->spare && (st = vn_pktbuf_new(VN_SUPER_PACKET_OURS, &q->spare)) != VN_OK)
            break;
        struct virtio_net_hdr h;
        struct iovec iov[] = {
            {&h, sizeof(h)}, {q->spare->data, VN_SUPER_PACKET_OURS}, {rest, sizeof(rest)}};
        ssize_t got = readv(q->fd, iov, VN_ARRAY_LEN(iov));
        if (got < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN)
                st = VN_ERR_IO;
            break;
        }
        if ((size_t)got <= sizeof(h))
            continue;
        const size_t len = (size_t)got - sizeof(h);
        q->spare->len = VN_MIN(len, (size_t)VN_SUPER_PACKET_OURS);
        if (len > VN_SUPER_PACKET_OURS && !append(q, VN_SPAN(rest, len - VN_SUPER_PACKET_OURS)))
            continue;
        bytes += len;
        struct vn_pktbuf *b = describe(q->spare, &h) ? take(q) : NULL;
        if (b)
            ret[n++] = b;
    }
    *ret_n = n;
    return n ? VN_OK : st;
}
