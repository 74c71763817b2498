/*
 * Links, addresses, routes and rules by rtnetlink (rtnetlink(7), RFC 3549). Blocking: the kernel
 * answers at once. A call that fails with VN_ERR_IO leaves the kernel's errno in errno.
 */
#pragma once

#include <stdbool.h>

#include "base/id.h"
#include "base/status.h"

struct vn_netlink;

VN_MUST_CHECK vn_status vn_netlink_open(struct vn_netlink **ret);
/** Returns NULL; NULL is fine. */
struct vn_netlink *vn_netlink_close(struct vn_netlink *nl);

struct vn_link {
    uint32_t ifindex;
    bool up;
    uint32_t mtu_bytes;
    uint32_t txqueuelen;
    uint32_t gso_max_bytes;
};
/** VN_ERR_NOTFOUND */
VN_MUST_CHECK vn_status vn_netlink_link_get(struct vn_netlink *nl, const char *ifname,
                                            struct vn_link *ret);
VN_MUST_CHECK vn_status vn_netlink_link_up(struct vn_netlink *nl, uint32_t ifindex, bool up);
VN_MUST_CHECK vn_status vn_netlink_link_set(struct vn_netlink *nl, uint32_t ifindex,
                                            uint32_t mtu_bytes, uint32_t txqueuelen);
/** Longest packets, and most segments of one, that are handed over before segmentation. */
VN_MUST_CHECK vn_status vn_netlink_link_gso(struct vn_netlink *nl, uint32_t ifindex,
                                            uint32_t max_bytes, uint32_t max_segments);
/** No link-local address and no router solicitations of the kernel's own making. */
VN_MUST_CHECK vn_status vn_netlink_no_autoconf(struct vn_netlink *nl, uint32_t ifindex);

/*
 * Adding what is there: VN_ERR_EXISTS; removing what is not, or from a link that is not:
 * VN_ERR_NOTFOUND. VN_ERR_DENIED without CAP_NET_ADMIN; VN_ERR_UNSUPPORTED when the kernel does not
 * have that family, or not on that link.
 */
/** A host address (/32, /128) without prefix route and without duplicate address detection. */
VN_MUST_CHECK vn_status vn_netlink_addr(struct vn_netlink *nl, bool add, uint32_t ifindex,
                                        const struct vn_ip *ip);
/** @param src  preferred source address; NULL: the kernel's choice */
VN_MUST_CHECK vn_status vn_netlink_route(struct vn_netlink *nl, bool add, uint32_t ifindex,
                                         uint32_t table, const struct vn_prefix *dst,
                                         const struct vn_ip *src);
/** "not fwmark MARK lookup TABLE" of one family, at a priority. */
VN_MUST_CHECK vn_status vn_netlink_rule_unmarked(struct vn_netlink *nl, bool add, bool ip6,
                                                 uint32_t priority, uint32_t mark, uint32_t table);

struct vn_if_addr {
    uint32_t ifindex;
    struct vn_ip ip;
    uint8_t bits; /* of the 128 */
};
/** Calls fn for every address of every interface in this network namespace. */
VN_MUST_CHECK vn_status vn_netlink_addrs(struct vn_netlink *nl,
                                         void (*fn)(void *arg, const struct vn_if_addr *a),
                                         void *arg);
