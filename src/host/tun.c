#include "host/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host/error.h"

#define DEVICE "/dev/net/tun"

struct vn_tun {
    int fd;
    char ifname[IFNAMSIZ];
    size_t size_max;
    struct vn_pktbuf *spare; /* allocated for a read that found nothing */
    struct vn_tun_port port;
};

static vn_status tun_write(void *self, struct vn_span packet)
{
    struct vn_tun *t = self;
    ssize_t n;
    do
        n = write(t->fd, packet.p, packet.n);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return VN_OK;
    /* ENOBUFS: the queue of the device is full; EIO: the link is down, for a moment or for good. */
    if (errno == EAGAIN || errno == ENOBUFS || errno == EIO)
        return VN_ERR_AGAIN;
    return errno == EINVAL ? VN_ERR_MALFORMED : VN_ERR_IO;
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

vn_status vn_tun_open(const char *ifname, size_t size_max, struct vn_tun **ret,
                      struct vn_host_error *ret_err)
{
    struct vn_tun *t = calloc(1, sizeof(*t));
    if (!t)
        return VN_ERR_NOMEM;
    t->size_max = size_max;
    t->port = (struct vn_tun_port){.self = t, .write = tun_write};
    t->fd = open(DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct ifreq req = {0};
    req.ifr_flags = IFF_TUN | IFF_NO_PI;
    snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", ifname);
    if (t->fd < 0 || ioctl(t->fd, TUNSETIFF, &req) < 0) {
        vn_status st = open_error(ifname, ret_err);
        if (t->fd >= 0)
            close(t->fd);
        free(t);
        return st;
    }
    snprintf(t->ifname, sizeof(t->ifname), "%s", req.ifr_name);
    *ret = t;
    return VN_OK;
}

struct vn_tun *vn_tun_close(struct vn_tun *t)
{
    if (!t)
        return NULL;
    close(t->fd);
    vn_pktbuf_free(t->spare);
    free(t);
    return NULL;
}

const char *vn_tun_ifname(const struct vn_tun *t)
{
    return t->ifname;
}

int vn_tun_fd(const struct vn_tun *t)
{
    return t->fd;
}

void vn_tun_set_size_max(struct vn_tun *t, size_t size_max)
{
    t->size_max = size_max;
    t->spare = vn_pktbuf_free(t->spare);
}

const struct vn_tun_port *vn_tun_get_port(const struct vn_tun *t)
{
    return &t->port;
}

vn_status vn_tun_read(struct vn_tun *t, struct vn_pktbuf **ret, size_t cap, size_t *ret_n)
{
    size_t n = 0;
    vn_status st = VN_OK;
    cap = VN_MIN(cap, (size_t)VN_HOST_TUN_BURST);
    while (n < cap) {
        if (!t->spare && (st = vn_pktbuf_new(t->size_max, &t->spare)) != VN_OK)
            break;
        ssize_t got = read(t->fd, t->spare->data, t->size_max);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN)
                st = VN_ERR_IO;
            break;
        }
        t->spare->len = (size_t)got;
        ret[n++] = VN_TAKE(t->spare);
    }
    *ret_n = n;
    return n ? VN_OK : st;
}
