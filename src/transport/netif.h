/* Which addresses of this machine are host candidates. */
#pragma once

#include <stdbool.h>

#include "base/id.h"
#include "base/status.h"

struct vn_netif_filter {
    const char *exclude_ifname; /* the overlay's own TUN; NULL: none */
    const char *not_over;       /* nor of these (base/ifname_list.h) */
    const struct vn_prefix *exclude;
    size_t exclude_count;
    bool loopback; /* loopback addresses too, not only when there is no other (tests) */
};

/**
 * Addresses of interfaces that are up, in order of preference: global IPv6 and IPv4 in turn (RFC
 * 8421 section 4), then unique local IPv6, then those of tunnels (point-to-point interfaces);
 * link-local ones (with scope_id) and loopback ones only where nothing else exists. Ports are 0.
 * VN_ERR_IO if the system does not tell.
 */
VN_MUST_CHECK vn_status vn_netif_list(const struct vn_netif_filter *f, struct vn_addr *ret,
                                      size_t cap, size_t *ret_count);

/** Whether packets to this address may be sent at all: unicast, a port, outside the excluded
 * prefixes. */
bool vn_netif_usable(const struct vn_netif_filter *f, const struct vn_addr *a);
bool vn_addr_is_loopback(const struct vn_addr *a);
bool vn_addr_is_link_local(const struct vn_addr *a);
