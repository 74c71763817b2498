#include "guardian/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

void vn_host_format(const char *host, char ret[VN_HOST_MAX + 2])
{
    snprintf(ret, VN_HOST_MAX + 2, strchr(host, ':') ? "[%s]" : "%s", host);
}

/* Connecting a datagram socket sends nothing, but makes the kernel choose route and source address.
 */
static bool source_towards(const struct sockaddr *to, socklen_t n, struct vn_ip *ret)
{
    int fd = socket(to->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    struct sockaddr_storage own;
    socklen_t own_n = sizeof(own);
    bool ok = connect(fd, to, n) == 0 && getsockname(fd, (struct sockaddr *)&own, &own_n) == 0 &&
              vn_ip_from_sockaddr((struct sockaddr *)&own, ret);
    close(fd);
    return ok;
}

static bool first_interface(int family, struct vn_ip *ret)
{
    struct ifaddrs *list;
    if (getifaddrs(&list))
        return false;
    bool found = false;
    for (struct ifaddrs *i = list; i && !found; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != family || (i->ifa_flags & IFF_LOOPBACK) ||
            !(i->ifa_flags & IFF_UP) || !vn_ip_from_sockaddr(i->ifa_addr, ret))
            continue;
        found = family == AF_INET || !(ret->b[0] == 0xfe && (ret->b[1] & 0xc0) == 0x80);
    }
    freeifaddrs(list);
    return found;
}

vn_status vn_own_address(struct vn_ip *ret)
{
    /* Documentation addresses (RFC 5737, RFC 3849): routed by the default route and nothing else.
     */
    struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(9)};
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
    inet_pton(AF_INET, "192.0.2.1", &to4.sin_addr);
    inet_pton(AF_INET6, "2001:db8::1", &to6.sin6_addr);
    if (source_towards((struct sockaddr *)&to4, sizeof(to4), ret) ||
        source_towards((struct sockaddr *)&to6, sizeof(to6), ret) ||
        first_interface(AF_INET, ret) || first_interface(AF_INET6, ret))
        return VN_OK;
    return VN_ERR_NOTFOUND;
}

static bool in_any(const struct vn_ip *ip, const char *const *prefixes)
{
    for (; *prefixes; prefixes++) {
        struct vn_prefix p;
        if (vn_prefix_parse(*prefixes, &p) == VN_OK && vn_prefix_contains(&p, ip))
            return true;
    }
    return false;
}

bool vn_ip_is_private(const struct vn_ip *ip)
{
    static const char *const PRIVATE[] = {
        "10.0.0.0/8",  "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16",
        "127.0.0.0/8", "fc00::/7",      "fe80::/10",      "::1/128",       NULL};
    return in_any(ip, PRIVATE);
}

bool vn_ip_is_loopback(const struct vn_ip *ip)
{
    static const char *const LOOPBACK[] = {"127.0.0.0/8", "::1/128", NULL};
    return in_any(ip, LOOPBACK);
}

bool vn_ip_is_host(const struct vn_ip *ip)
{
    static const char *const NOBODY[] = {"0.0.0.0/8", "224.0.0.0/3", "::/128",
                                         "ff00::/8",  "fe80::/10",   NULL};
    return !in_any(ip, NOBODY);
}

vn_status vn_machine_parse(const char *text, char ret_host[VN_HOST_MAX], uint16_t *ret_port)
{
    struct vn_ip ip;
    if (vn_host_port_parse(text, ret_host, ret_port) != VN_OK || *ret_port == 0 ||
        strchr(ret_host, '*'))
        return VN_ERR_ARG;
    if (vn_ip_parse(ret_host, &ip) == VN_OK ? !vn_ip_is_host(&ip) : strchr(ret_host, ':') != NULL)
        return VN_ERR_ARG;
    return VN_OK;
}

bool vn_prefix_fits_realm(const struct vn_prefix *p)
{
    static const char *const BLOCKS[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                                         "100.64.0.0/10", NULL};
    for (const char *const *b = BLOCKS; *b; b++) {
        struct vn_prefix block;
        if (vn_prefix_parse(*b, &block) == VN_OK && p->bits >= block.bits &&
            vn_prefix_contains(&block, &p->ip))
            return true;
    }
    return false;
}

bool vn_have_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    struct sockaddr_in6 any = {.sin6_family = AF_INET6};
    bool ok = bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0;
    close(fd);
    return ok;
}

vn_status vn_port_check(const char *addr, uint16_t *port)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(*port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(*port)};
    bool all = strcmp(addr, "*") == 0;
    bool v6 = all ? vn_have_ipv6() : strchr(addr, ':') != NULL;
    if (!all && inet_pton(v6 ? AF_INET6 : AF_INET, addr,
                          v6 ? (void *)&in6.sin6_addr : (void *)&in4.sin_addr) != 1)
        return VN_ERR_ARG;
    int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return VN_ERR_IO;
    int on = 1, off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (v6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, all ? &off : &on, sizeof(on));
    struct sockaddr *sa = v6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in4;
    socklen_t n = v6 ? sizeof(in6) : sizeof(in4);
    vn_status st = VN_OK;
    if (bind(fd, sa, n) || listen(fd, 1))
        st = errno == EADDRINUSE ? VN_ERR_EXISTS : VN_ERR_IO;
    else if (!*port && getsockname(fd, sa, &n) == 0)
        *port = ntohs(v6 ? in6.sin6_port : in4.sin_port);
    int saved = errno;
    close(fd);
    errno = saved;
    return st;
}
