#include "host/networks.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>

/* fe80::/10 and 169.254.0.0/16: every link has them, and they lead nowhere. */
static bool is_link_local(const struct vn_ip *ip)
{
    return vn_ip_is_v4(ip) ? ip->b[12] == 169 && ip->b[13] == 254
                           : ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}

static bool network_of(const struct ifaddrs *a, struct vn_prefix *ret)
{
    struct vn_ip mask;
    if (!vn_ip_from_sockaddr(a->ifa_addr, &ret->ip) ||
        !vn_ip_from_sockaddr(a->ifa_netmask, &mask) || is_link_local(&ret->ip))
        return false;
    bool v4 = vn_ip_is_v4(&ret->ip);
    ret->bits = 0;
    for (size_t i = 0; i < sizeof(ret->ip.b); i++) {
        uint8_t m = v4 && i < 12 ? 0xff : mask.b[i]; /* of the prefix that IPv4 is mapped into */
        ret->ip.b[i] &= m;
        ret->bits = (uint8_t)(ret->bits + __builtin_popcount(m));
    }
    return true;
}

static bool listed(const struct vn_local_network *list, size_t n, const char *interface,
                   const struct vn_prefix *net)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i].net.bits == net->bits && vn_ip_equal(&list[i].net.ip, &net->ip) &&
            strcmp(list[i].interface, interface) == 0)
            return true;
    }
    return false;
}

size_t vn_host_networks(const char *except, struct vn_local_network *ret, size_t cap)
{
    struct ifaddrs *all = NULL;
    size_t n = 0;
    if (getifaddrs(&all) != 0)
        return 0;
    for (const struct ifaddrs *a = all; a && n < cap; a = a->ifa_next) {
        struct vn_prefix net;
        if (!(a->ifa_flags & IFF_UP) || (a->ifa_flags & IFF_LOOPBACK) ||
            strcmp(a->ifa_name, except) == 0 || !network_of(a, &net) ||
            listed(ret, n, a->ifa_name, &net))
            continue;
        ret[n] = (struct vn_local_network){.net = net};
        snprintf(ret[n++].interface, sizeof(ret[0].interface), "%s", a->ifa_name);
    }
    freeifaddrs(all);
    return n;
}
