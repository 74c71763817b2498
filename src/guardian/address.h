/* Underlay addresses: what to tell other machines, and whether a port is free. */
#pragma once

#include <stdbool.h>

#include "base/host_port.h"
#include "base/id.h"
#include "base/status.h"

/** host in brackets when it is an IPv6 address. */
void vn_host_format(const char *host, char ret[VN_HOST_MAX + 2]);
/**
 * The address that other machines most likely reach: of the interface with the default route, else
 * of the first interface that is no loopback. VN_ERR_NOTFOUND.
 */
VN_MUST_CHECK vn_status vn_own_address(struct vn_ip *ret);
/** Not reachable from the internet: RFC 1918, 100.64/10, loopback, link-local, ULA. */
bool vn_ip_is_private(const struct vn_ip *ip);
bool vn_ip_is_loopback(const struct vn_ip *ip);
/** As vn_host_port_parse, and the host is a name, or an address that one machine may have; the port
 * is not 0. VN_ERR_ARG. */
VN_MUST_CHECK vn_status vn_machine_parse(const char *text, char ret_host[VN_HOST_MAX],
                                         uint16_t *ret_port);
/** An address that one machine may have: not unspecified, multicast or of one link only. */
bool vn_ip_is_host(const struct vn_ip *ip);
/** One of the private IPv4 blocks contains all of it, so it may be a realm's range. */
bool vn_prefix_fits_realm(const struct vn_prefix *p);
/** Tries to bind TCP addr:port ("*" for all). *port 0 finds a free one. VN_ERR_EXISTS: in use;
 * VN_ERR_IO: errno. */
VN_MUST_CHECK vn_status vn_port_check(const char *addr, uint16_t *port);
/** True when the kernel speaks IPv6. */
bool vn_have_ipv6(void);
