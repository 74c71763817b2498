#include "host/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>

struct vn_netlink {
    struct mnl_socket *sock;
    unsigned port;
    uint32_t seq;
    uint8_t buf[16384]; /* what the kernel sends per dump message at most is 8 KB on 4 KB pages */
};

struct request {
    _Alignas(8) uint8_t buf[1024];
    struct nlmsghdr *h;
};

static vn_status from_errno(int err)
{
    switch (err) {
    case 0:
        return VN_OK;
    case EEXIST:
        return VN_ERR_EXISTS;
    case ENOENT:
    case ESRCH:
    case ENODEV:
    case EADDRNOTAVAIL:
    case ENXIO:
        return VN_ERR_NOTFOUND;
    case EPERM:
        return VN_ERR_DENIED;
    case EACCES: /* addrconf: disable_ipv6 is set on that link */
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
        return VN_ERR_UNSUPPORTED;
    case ENOMEM:
        return VN_ERR_NOMEM;
    case EINVAL:
        return VN_ERR_ARG;
    default:
        errno = err;
        return VN_ERR_IO;
    }
}

vn_status vn_netlink_open(struct vn_netlink **ret)
{
    struct vn_netlink *nl = calloc(1, sizeof(*nl));
    if (!nl)
        return VN_ERR_NOMEM;
    nl->sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (!nl->sock || mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID) < 0) {
        int err = errno;
        vn_netlink_close(nl);
        return from_errno(err);
    }
    nl->port = mnl_socket_get_portid(nl->sock);
    *ret = nl;
    return VN_OK;
}

struct vn_netlink *vn_netlink_close(struct vn_netlink *nl)
{
    if (!nl)
        return NULL;
    if (nl->sock)
        mnl_socket_close(nl->sock);
    free(nl);
    return NULL;
}

static void *begin(struct vn_netlink *nl, struct request *r, uint16_t type, uint16_t flags,
                   size_t extra)
{
    memset(r->buf, 0, sizeof(r->buf));
    r->h = mnl_nlmsg_put_header(r->buf);
    r->h->nlmsg_type = type;
    r->h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    r->h->nlmsg_seq = ++nl->seq;
    return mnl_nlmsg_put_extra_header(r->h, extra);
}

/* Sends, and gives every message of the answer to fn until its end. */
static vn_status run(struct vn_netlink *nl, struct request *r, mnl_cb_t fn, void *arg)
{
    if (mnl_socket_sendto(nl->sock, r->h, r->h->nlmsg_len) < 0)
        return from_errno(errno);
    for (;;) {
        ssize_t n = mnl_socket_recvfrom(nl->sock, nl->buf, sizeof(nl->buf));
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return from_errno(errno);
        }
        int rc = mnl_cb_run(nl->buf, (size_t)n, nl->seq, nl->port, fn, arg);
        if (rc == MNL_CB_STOP)
            return VN_OK;
        if (rc < 0) {
            /* ESRCH and EPROTO here may also be libmnl's: an answer to an older request. */
            return from_errno(errno);
        }
    }
}

static vn_status acked(struct vn_netlink *nl, struct request *r)
{
    r->h->nlmsg_flags |= NLM_F_ACK;
    return run(nl, r, NULL, NULL);
}

/* ---- links ---- */

static int on_link_attr(const struct nlattr *a, void *arg)
{
    struct vn_link *l = arg;
    if (mnl_attr_get_type(a) == IFLA_MTU && mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
        l->mtu_bytes = mnl_attr_get_u32(a);
    if (mnl_attr_get_type(a) == IFLA_TXQLEN && mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
        l->txqueuelen = mnl_attr_get_u32(a);
    if (mnl_attr_get_type(a) == IFLA_GSO_MAX_SIZE && mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
        l->gso_max_bytes = mnl_attr_get_u32(a);
    return MNL_CB_OK;
}

static int on_link(const struct nlmsghdr *h, void *arg)
{
    struct vn_link *l = arg;
    const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
    l->ifindex = (uint32_t)m->ifi_index;
    l->up = m->ifi_flags & IFF_UP;
    return mnl_attr_parse(h, sizeof(*m), on_link_attr, l);
}

vn_status vn_netlink_link_get(struct vn_netlink *nl, const char *ifname, struct vn_link *ret)
{
    struct request r;
    struct ifinfomsg *m = begin(nl, &r, RTM_GETLINK, 0, sizeof(*m));
    m->ifi_family = AF_UNSPEC;
    mnl_attr_put_strz(r.h, IFLA_IFNAME, ifname);
    struct vn_link l = {0};
    r.h->nlmsg_flags |= NLM_F_ACK; /* so that the answer has an end */
    vn_status st = run(nl, &r, on_link, &l);
    if (st == VN_OK)
        *ret = l;
    return st;
}

vn_status vn_netlink_link_up(struct vn_netlink *nl, uint32_t ifindex, bool up)
{
    struct request r;
    struct ifinfomsg *m = begin(nl, &r, RTM_NEWLINK, 0, sizeof(*m));
    m->ifi_index = (int)ifindex;
    m->ifi_change = IFF_UP;
    m->ifi_flags = up ? IFF_UP : 0;
    return acked(nl, &r);
}

vn_status vn_netlink_link_set(struct vn_netlink *nl, uint32_t ifindex, uint32_t mtu_bytes,
                              uint32_t txqueuelen)
{
    struct request r;
    struct ifinfomsg *m = begin(nl, &r, RTM_NEWLINK, 0, sizeof(*m));
    m->ifi_index = (int)ifindex;
    mnl_attr_put_u32(r.h, IFLA_MTU, mtu_bytes);
    mnl_attr_put_u32(r.h, IFLA_TXQLEN, txqueuelen);
    return acked(nl, &r);
}

vn_status vn_netlink_link_gso(struct vn_netlink *nl, uint32_t ifindex, uint32_t max_bytes,
                              uint32_t max_segments)
{
    struct request r;
    struct ifinfomsg *m = begin(nl, &r, RTM_NEWLINK, 0, sizeof(*m));
    m->ifi_index = (int)ifindex;
    mnl_attr_put_u32(r.h, IFLA_GSO_MAX_SIZE, max_bytes);
    mnl_attr_put_u32(r.h, IFLA_GSO_MAX_SEGS, max_segments);
    return acked(nl, &r);
}

vn_status vn_netlink_no_autoconf(struct vn_netlink *nl, uint32_t ifindex)
{
    struct request r;
    struct ifinfomsg *m = begin(nl, &r, RTM_NEWLINK, 0, sizeof(*m));
    m->ifi_index = (int)ifindex;
    struct nlattr *spec = mnl_attr_nest_start(r.h, IFLA_AF_SPEC);
    struct nlattr *inet6 = mnl_attr_nest_start(r.h, AF_INET6);
    mnl_attr_put_u8(r.h, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    mnl_attr_nest_end(r.h, inet6);
    mnl_attr_nest_end(r.h, spec);
    return acked(nl, &r);
}

/* ---- addresses, routes, rules ---- */

static uint8_t family_of(const struct vn_ip *ip)
{
    return vn_ip_is_v4(ip) ? AF_INET : AF_INET6;
}

static void put_ip(struct nlmsghdr *h, uint16_t type, const struct vn_ip *ip)
{
    if (vn_ip_is_v4(ip))
        mnl_attr_put(h, type, 4, ip->b + 12);
    else
        mnl_attr_put(h, type, 16, ip->b);
}

vn_status vn_netlink_addr(struct vn_netlink *nl, bool add, uint32_t ifindex, const struct vn_ip *ip)
{
    struct request r;
    struct ifaddrmsg *m = begin(nl, &r, add ? RTM_NEWADDR : RTM_DELADDR,
                                add ? NLM_F_CREATE | NLM_F_EXCL : 0, sizeof(*m));
    m->ifa_family = family_of(ip);
    m->ifa_prefixlen = m->ifa_family == AF_INET ? 32 : 128;
    m->ifa_index = ifindex;
    m->ifa_scope = RT_SCOPE_UNIVERSE;
    put_ip(r.h, IFA_LOCAL, ip);
    put_ip(r.h, IFA_ADDRESS, ip);
    if (add)
        mnl_attr_put_u32(r.h, IFA_FLAGS,
                         m->ifa_family == AF_INET6 ? IFA_F_NODAD | IFA_F_NOPREFIXROUTE
                                                   : IFA_F_NOPREFIXROUTE);
    return acked(nl, &r);
}

vn_status vn_netlink_route(struct vn_netlink *nl, bool add, uint32_t ifindex, uint32_t table,
                           const struct vn_prefix *dst, const struct vn_ip *src)
{
    struct request r;
    struct rtmsg *m = begin(nl, &r, add ? RTM_NEWROUTE : RTM_DELROUTE,
                            add ? NLM_F_CREATE | NLM_F_EXCL : 0, sizeof(*m));
    m->rtm_family = family_of(&dst->ip);
    m->rtm_dst_len = m->rtm_family == AF_INET ? (uint8_t)(dst->bits - 96) : dst->bits;
    m->rtm_table = table < 256 ? (uint8_t)table : RT_TABLE_UNSPEC;
    m->rtm_protocol = RTPROT_STATIC;
    m->rtm_scope = m->rtm_family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    m->rtm_type = RTN_UNICAST;
    put_ip(r.h, RTA_DST, &dst->ip);
    mnl_attr_put_u32(r.h, RTA_TABLE, table);
    mnl_attr_put_u32(r.h, RTA_OIF, ifindex);
    if (add && src)
        put_ip(r.h, RTA_PREFSRC, src);
    return acked(nl, &r);
}

vn_status vn_netlink_rule_unmarked(struct vn_netlink *nl, bool add, bool ip6, uint32_t priority,
                                   uint32_t mark, uint32_t table)
{
    struct request r;
    struct fib_rule_hdr *m = begin(nl, &r, add ? RTM_NEWRULE : RTM_DELRULE,
                                   add ? NLM_F_CREATE | NLM_F_EXCL : 0, sizeof(*m));
    m->family = ip6 ? AF_INET6 : AF_INET;
    m->table = table < 256 ? (uint8_t)table : RT_TABLE_UNSPEC;
    m->action = FR_ACT_TO_TBL;
    m->flags = FIB_RULE_INVERT;
    mnl_attr_put_u32(r.h, FRA_PRIORITY, priority);
    mnl_attr_put_u32(r.h, FRA_FWMARK, mark);
    mnl_attr_put_u32(r.h, FRA_FWMASK, UINT32_MAX);
    mnl_attr_put_u32(r.h, FRA_TABLE, table);
    return acked(nl, &r);
}

/* ---- what is there ---- */

struct addrs_walk {
    void (*fn)(void *arg, const struct vn_if_addr *a);
    void *arg;
};

struct addr_found {
    size_t n;
    const uint8_t *p;
};

static int on_addr_attr(const struct nlattr *a, void *arg)
{
    struct addr_found *f = arg;
    uint16_t type = mnl_attr_get_type(a);
    /* On point-to-point links IFA_ADDRESS is the peer's, IFA_LOCAL ours. */
    if (mnl_attr_get_payload_len(a) == f->n &&
        (type == IFA_LOCAL || (type == IFA_ADDRESS && !f->p)))
        f->p = mnl_attr_get_payload(a);
    return MNL_CB_OK;
}

static int on_addr(const struct nlmsghdr *h, void *arg)
{
    struct addrs_walk *w = arg;
    const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
    if (m->ifa_family != AF_INET && m->ifa_family != AF_INET6)
        return MNL_CB_OK;
    struct addr_found f = {.n = m->ifa_family == AF_INET ? 4 : 16};
    int rc = mnl_attr_parse(h, sizeof(*m), on_addr_attr, &f);
    if (rc != MNL_CB_OK || !f.p)
        return rc;
    struct vn_if_addr out = {.ifindex = m->ifa_index};
    if (f.n == 4) {
        out.ip = vn_ip_from_v4(f.p);
        out.bits = (uint8_t)(96 + m->ifa_prefixlen);
    } else {
        memcpy(out.ip.b, f.p, 16);
        out.bits = m->ifa_prefixlen;
    }
    w->fn(w->arg, &out);
    return MNL_CB_OK;
}

vn_status vn_netlink_addrs(struct vn_netlink *nl, void (*fn)(void *arg, const struct vn_if_addr *a),
                           void *arg)
{
    struct request r;
    struct ifaddrmsg *m = begin(nl, &r, RTM_GETADDR, NLM_F_DUMP, sizeof(*m));
    m->ifa_family = AF_UNSPEC;
    struct addrs_walk w = {fn, arg};
    return run(nl, &r, on_addr, &w);
}
