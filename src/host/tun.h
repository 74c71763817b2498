/* A TUN interface of the kernel (Documentation/networking/tuntap.rst), non-persistent: it is gone
 * when its descriptor is closed, whatever ends the process. Packets come and go before segmentation
 * (virtio_net_hdr), which is most of the speed of a TUN. */
#pragma once

#include "host/host.h"

struct vn_tun;

/**
 * Creates the interface, down and without addresses, with so many queues (at most
 * VN_WORKERS_MAX), or fewer where the kernel has no more.
 */
VN_MUST_CHECK vn_status vn_tun_open(const char *ifname, size_t queues, struct vn_tun **ret,
                                    struct vn_host_error *ret_err);
/** Returns NULL; NULL is fine. The interface goes. */
struct vn_tun *vn_tun_close(struct vn_tun *t);
const char *vn_tun_ifname(const struct vn_tun *t);
size_t vn_tun_queues(const struct vn_tun *t);
/* As vn_host_tun_fd, vn_host_tun_port, vn_host_tun_read. */
int vn_tun_fd(const struct vn_tun *t, size_t queue);
const struct vn_tun_port *vn_tun_get_port(const struct vn_tun *t, size_t queue);
VN_MUST_CHECK vn_status vn_tun_read(struct vn_tun *t, size_t queue, struct vn_pktbuf **ret,
                                    size_t cap, size_t *ret_n);
