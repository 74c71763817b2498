/* A TUN interface of the kernel (Documentation/networking/tuntap.rst), non-persistent: it is gone
 * when its descriptor is closed, whatever ends the process. */
#pragma once

#include "host/host.h"

struct vn_tun;

/**
 * Creates the interface, down and without addresses.
 * @param size_max  longest packet to be read
 */
VN_MUST_CHECK vn_status vn_tun_open(const char *ifname, size_t size_max, struct vn_tun **ret,
                                    struct vn_host_error *ret_err);
/** Returns NULL; NULL is fine. The interface goes. */
struct vn_tun *vn_tun_close(struct vn_tun *t);
const char *vn_tun_ifname(const struct vn_tun *t);
int vn_tun_fd(const struct vn_tun *t);
/** The MTU changed. */
void vn_tun_set_size_max(struct vn_tun *t, size_t size_max);
const struct vn_tun_port *vn_tun_get_port(const struct vn_tun *t);
/** As vn_host_tun_read. */
VN_MUST_CHECK vn_status vn_tun_read(struct vn_tun *t, struct vn_pktbuf **ret, size_t cap,
                                    size_t *ret_n);
