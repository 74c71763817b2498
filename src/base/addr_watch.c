#include "base/addr_watch.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

int vn_addr_watch_open(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    const struct sockaddr_nl groups = {
        .nl_family = AF_NETLINK,
        .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_LINK,
    };
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&groups, sizeof(groups)) == 0)
        return fd;
    vn_log(VN_LOG_DEBUG, "addr_watch_failed", VN_KV_ERRNO(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

void vn_addr_watch_drain(int watch)
{
    char ignored[4096];
    /* ENOBUFS: messages were lost, which says the same as a message. */
    while (recv(watch, ignored, sizeof(ignored), MSG_TRUNC) > 0 || errno == ENOBUFS)
        errno = 0;
}

static bool same_address(const struct sockaddr *a, const struct sockaddr_storage *b)
{
    if (a->sa_family != b->ss_family)
        return false;
    if (a->sa_family == AF_INET)
        return memcmp(&((const struct sockaddr_in *)(const void *)a)->sin_addr,
                      &((const struct sockaddr_in *)b)->sin_addr, sizeof(struct in_addr)) == 0;
    return memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
                  &((const struct sockaddr_in6 *)b)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

/* An address stays where it is when its interface is switched off, or has lost its cable. */
static bool interface_is_down(const struct sockaddr_storage *a)
{
    struct ifaddrs *list;
    bool found = false, running = false;
    if (getifaddrs(&list) != 0)
        return false;
    for (const struct ifaddrs *i = list; i; i = i->ifa_next)
        if (i->ifa_addr && same_address(i->ifa_addr, a)) {
            found = true;
            running |= (i->ifa_flags & IFF_UP) && (i->ifa_flags & IFF_RUNNING);
        }
    freeifaddrs(list);
    return found && !running;
}

bool vn_addr_watch_gone(int fd)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof(a);
    if (getsockname(fd, (struct sockaddr *)&a, &n) != 0)
        return false;
    if (a.ss_family == AF_INET)
        ((struct sockaddr_in *)&a)->sin_port = 0;
    else if (a.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&a)->sin6_port = 0;
    else
        return false;
    /* The kernel binds to addresses of this machine only. */
    int probe = socket(a.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool gone =
        probe >= 0 && bind(probe, (const struct sockaddr *)&a, n) != 0 && errno == EADDRNOTAVAIL;
    if (probe >= 0)
        close(probe);
    return gone || interface_is_down(&a);
}
