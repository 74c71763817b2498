#include "transport/netif.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "base/ifname_list.h"
#include "transport/udp.h"

enum rank {
    RANK_GLOBAL,
    RANK_UNIQUE_LOCAL,
    RANK_TUNNEL,
    RANK_LINK_LOCAL,
    RANK_LOOPBACK,
    RANK_COUNT
};

static bool is_v4_any(const struct vn_ip *ip, uint8_t first)
{
    return vn_ip_is_v4(ip) && ip->b[12] == first;
}

bool vn_addr_is_loopback(const struct vn_addr *a)
{
    static const struct vn_ip one = {{[15] = 1}};
    return is_v4_any(&a->ip, 127) || vn_ip_equal(&a->ip, &one);
}

bool vn_addr_is_link_local(const struct vn_addr *a)
{
    const uint8_t *b = a->ip.b;
    if (vn_ip_is_v4(&a->ip))
        return b[12] == 169 && b[13] == 254;
    return b[0] == 0xfe && (b[1] & 0xc0) == 0x80;
}

static bool is_unicast(const struct vn_ip *ip)
{
    static const struct vn_ip zero;
    if (vn_ip_is_v4(ip))
        return ip->b[12] != 0 && ip->b[12] < 224;
    return ip->b[0] != 0xff && !vn_ip_equal(ip, &zero);
}

static bool is_excluded(const struct vn_netif_filter *f, const struct vn_ip *ip)
{
    for (size_t i = 0; i < f->exclude_count; i++)
        if (vn_prefix_contains(&f->exclude[i], ip))
            return true;
    return false;
}

bool vn_netif_usable(const struct vn_netif_filter *f, const struct vn_addr *a)
{
    return a->port != 0 && is_unicast(&a->ip) && !is_excluded(f, &a->ip);
}

static enum rank rank_of(const struct vn_addr *a)
{
    if (vn_addr_is_loopback(a))
        return RANK_LOOPBACK;
    if (vn_addr_is_link_local(a))
        return RANK_LINK_LOCAL;
    return !vn_ip_is_v4(&a->ip) && (a->ip.b[0] & 0xfe) == 0xfc ? RANK_UNIQUE_LOCAL : RANK_GLOBAL;
}

static bool is_wanted(const struct vn_netif_filter *f, const struct ifaddrs *i, struct vn_addr *ret)
{
    if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) || !(i->ifa_flags & (IFF_RUNNING | IFF_LOOPBACK)))
        return false;
    if (f->exclude_ifname && strcmp(i->ifa_name, f->exclude_ifname) == 0)
        return false;
    if (f->not_over && vn_ifnames_has(f->not_over, i->ifa_name))
        return false;
    if (!vn_addr_from_sockaddr(i->ifa_addr, ret))
        return false;
    return is_unicast(&ret->ip) && !is_excluded(f, &ret->ip);
}

/* The next address of this rank and family at or after *at; IPv4 and IPv6 take turns. */
static const struct vn_addr *next_of(const struct vn_addr *all, const enum rank *ranks,
                                     size_t count, enum rank rank, bool v4, size_t *at)
{
    for (; *at < count; ++*at)
        if (ranks[*at] == rank && vn_ip_is_v4(&all[*at].ip) == v4)
            return &all[(*at)++];
    return NULL;
}

vn_status vn_netif_list(const struct vn_netif_filter *f, struct vn_addr *ret, size_t cap,
                        size_t *ret_count)
{
    enum { ADDRS_MAX = 64 };
    struct vn_addr all[ADDRS_MAX];
    enum rank ranks[ADDRS_MAX];
    size_t count = 0, n = 0;
    struct ifaddrs *list;
    if (getifaddrs(&list) != 0)
        return VN_ERR_IO;
    for (const struct ifaddrs *i = list; i && count < ADDRS_MAX; i = i->ifa_next)
        if (is_wanted(f, i, &all[count])) {
            ranks[count] = rank_of(&all[count]);
            /* RFC 8445 section 5.1.2.2: addresses of a VPN come after the others. Whatever runs
             * through another tunnel pays for both. */
            if ((i->ifa_flags & IFF_POINTOPOINT) && ranks[count] < RANK_TUNNEL)
                ranks[count] = RANK_TUNNEL;
            count++;
        }
    freeifaddrs(list);

    for (enum rank rank = RANK_GLOBAL; rank < RANK_COUNT; rank++) {
        /* RFC 8445 section 5.1.1.1: loopback is no candidate; link-local addresses serve a bare
         * cable. */
        if ((rank == RANK_LINK_LOCAL || (rank == RANK_LOOPBACK && !f->loopback)) && n > 0)
            continue;
        size_t at4 = 0, at6 = 0;
        const struct vn_addr *a6, *a4;
        do {
            a6 = next_of(all, ranks, count, rank, false, &at6);
            a4 = next_of(all, ranks, count, rank, true, &at4);
            if (a6 && n < cap)
                ret[n++] = *a6;
            if (a4 && n < cap)
                ret[n++] = *a4;
        } while (a6 || a4);
    }
    *ret_count = n;
    return VN_OK;
}
