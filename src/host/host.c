#include "host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "host/error.h"
#include "host/journal.h"
#include "host/netlink.h"
#include "host/tun.h"
#include "host/underlay.h"

/*
 * Packets. The TUN is always drained, and a long queue here would hide load from the egresser; but
 * at 32 a flow of 40,000 datagrams a second lost 9 % between two turns of the worker, at 256 none.
 */
#define TXQUEUELEN 256

struct plan {
    struct vn_change changes[VN_JOURNAL_CHANGES_MAX / 4];
    size_t count;
};

struct vn_host {
    struct vn_netlink *nl;
    struct vn_journal *journal;
    struct vn_tun *tun;
    uint32_t ifindex;
    uint32_t mark;
    bool ip6; /* the kernel has IPv6, also on this interface */
    struct plan now;
};

/* ---- undoing ---- */

static size_t undo_all(struct vn_netlink *nl, struct vn_journal *j)
{
    const struct vn_change *changes;
    size_t n = vn_journal_changes(j, &changes), undone = 0;
    bool complete = true;
    for (size_t i = n; i-- > 0;) {
        vn_status st = vn_change_undo(nl, &changes[i]);
        if (st == VN_OK) {
            undone++;
            continue;
        }
        complete = false;
        char text[VN_CHANGE_TEXT];
        vn_change_encode(&changes[i], text);
        vn_log(VN_LOG_WARN, "host_undo_failed", VN_KV_STR("change", text), VN_KV_STATUS(st));
    }
    /* What could not be undone (no privilege, most likely) stays written down for the next try. */
    if (complete) {
        vn_status st = vn_journal_clear(j);
        if (st != VN_OK)
            vn_log(VN_LOG_WARN, "host_journal_stays", VN_KV_STATUS(st));
    }
    return undone;
}

static vn_status open_netlink(struct vn_netlink **ret, struct vn_host_error *ret_err)
{
    vn_status st = vn_netlink_open(ret);
    if (st != VN_OK && st != VN_ERR_NOMEM)
        return vn_host_fail(ret_err, VN_HOST_KERNEL, errno, "cannot open netlink: %s",
                            strerror(errno));
    return st;
}

static size_t recover(struct vn_netlink *nl, struct vn_journal *j)
{
    const struct vn_change *changes;
    size_t left = vn_journal_changes(j, &changes);
    size_t damaged = vn_journal_damaged(j);
    if (left == 0 && damaged == 0)
        return 0;
    size_t undone = undo_all(nl, j);
    vn_log(VN_LOG_INFO, "host_recovered", VN_KV_U64("changes", left), VN_KV_U64("undone", undone),
           VN_KV_U64("damaged", damaged));
    return undone;
}

vn_status vn_host_recover(const char *state_dir, size_t *ret_undone, struct vn_host_error *ret_err)
{
    if (ret_undone)
        *ret_undone = 0;
    char path[4096];
    if (snprintf(path, sizeof(path), "%s/%s", state_dir, VN_JOURNAL_FILE) >= (int)sizeof(path))
        return vn_host_fail(ret_err, VN_HOST_BAD_CONFIG, 0, "the state folder's name is too long");
    if (access(path, F_OK) < 0 && errno == ENOENT)
        return VN_OK;
    struct vn_journal *j;
    vn_status st = vn_journal_open(state_dir, &j, ret_err);
    if (st != VN_OK)
        return st;
    struct vn_netlink *nl;
    st = open_netlink(&nl, ret_err);
    if (st == VN_OK) {
        size_t undone = recover(nl, j);
        if (ret_undone)
            *ret_undone = undone;
        const struct vn_change *left;
        if (vn_journal_changes(j, &left) > 0)
            st = vn_host_fail(ret_err, VN_HOST_NO_PRIVILEGE, EPERM,
                              "changes of an earlier run cannot be undone: run as root, or with "
                              "CAP_NET_ADMIN");
        else
            (void)!unlink(path); /* an empty one that open has just made */
        vn_netlink_close(nl);
    }
    vn_journal_close(j);
    return st;
}

/* ---- making ---- */

static vn_status check_config(const struct vn_host_config *c, struct vn_host_error *ret_err)
{
    const char *name = c->ifname ? c->ifname : VN_HOST_IFNAME;
    size_t n = strlen(name);
    if (n == 0 || n > VN_HOST_IFNAME_MAX || strpbrk(name, "/ %\t\n:") || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0)
        return vn_host_fail(ret_err, VN_HOST_BAD_CONFIG, 0,
                            "'%.32s' cannot be the name of an interface", name);
    if (c->mtu_bytes < VN_MTU_MIN || c->mtu_bytes > VN_MTU_MAX)
        return vn_host_fail(ret_err, VN_HOST_BAD_CONFIG, 0, "the MTU %u is not between %d and %d",
                            c->mtu_bytes, VN_MTU_MIN, VN_MTU_MAX);
    if (!c->state_dir ||
        c->addr_count + c->prefix_count + 2 > VN_ARRAY_LEN(((struct plan *)0)->changes))
        return vn_host_fail(ret_err, VN_HOST_BAD_CONFIG, 0,
                            "no state folder, or too many addresses");
    return VN_OK;
}

static const struct vn_ip *source_for(const struct vn_host_config *c, const struct vn_prefix *p)
{
    for (size_t i = 0; i < c->addr_count; i++)
        if (vn_prefix_contains(p, &c->addrs[i]))
            return &c->addrs[i];
    for (size_t i = 0; i < c->addr_count; i++)
        if (vn_ip_is_v4(&c->addrs[i]) == vn_ip_is_v4(&p->ip))
            return &c->addrs[i];
    return NULL;
}

static void plan_changes(const struct vn_host *h, const struct vn_host_config *c, struct plan *ret)
{
    ret->count = 0;
    for (size_t i = 0; i < c->addr_count; i++) {
        struct vn_change e = {.kind = VN_CHANGE_ADDR,
                              .ifindex = h->ifindex,
                              .prefix = {.ip = c->addrs[i], .bits = 128}};
        snprintf(e.ifname, sizeof(e.ifname), "%s", vn_tun_ifname(h->tun));
        if (h->ip6 || vn_ip_is_v4(&c->addrs[i]))
            ret->changes[ret->count++] = e;
    }
    for (size_t i = 0; i < c->prefix_count; i++) {
        struct vn_change e = {.kind = VN_CHANGE_ROUTE,
                              .ifindex = h->ifindex,
                              .prefix = c->prefixes[i],
                              .table = vn_underlay_table(h->ifindex)};
        snprintf(e.ifname, sizeof(e.ifname), "%s", vn_tun_ifname(h->tun));
        const struct vn_ip *src = source_for(c, &c->prefixes[i]);
        if (src)
            e.src = *src;
        if (h->ip6 || vn_ip_is_v4(&c->prefixes[i].ip))
            ret->changes[ret->count++] = e;
    }
    ret->changes[ret->count++] = vn_underlay_rule(false, h->mark, h->ifindex);
    if (h->ip6)
        ret->changes[ret->count++] = vn_underlay_rule(true, h->mark, h->ifindex);
}

static bool planned(const struct plan *p, const struct vn_change *c)
{
    for (size_t i = 0; i < p->count; i++)
        if (vn_change_equal(&p->changes[i], c) && vn_ip_equal(&p->changes[i].src, &c->src))
            return true;
    return false;
}

static vn_status change_error(const struct vn_change *c, vn_status st,
                              struct vn_host_error *ret_err)
{
    if (st == VN_ERR_NOMEM)
        return st;
    char text[VN_CHANGE_TEXT];
    vn_change_encode(c, text);
    if (st == VN_ERR_DENIED)
        return vn_host_fail(ret_err, VN_HOST_NO_PRIVILEGE, EPERM,
                            "no right to change the network (%s): run as root, or with "
                            "CAP_NET_ADMIN",
                            text);
    return vn_host_fail(ret_err, VN_HOST_KERNEL, errno, "the kernel refused '%s': %s", text,
                        vn_status_name(st));
}

struct taken {
    const struct vn_host *h;
    const struct vn_host_config *cfg;
    const struct vn_ip *found;
    uint32_t ifindex;
};

static void look_for_taken(void *arg, const struct vn_if_addr *a)
{
    struct taken *t = arg;
    if (a->ifindex == t->h->ifindex)
        return;
    for (size_t i = 0; i < t->cfg->addr_count; i++)
        if (vn_ip_equal(&t->cfg->addrs[i], &a->ip)) {
            t->found = &t->cfg->addrs[i];
            t->ifindex = a->ifindex;
        }
}

static vn_status check_addresses_free(struct vn_host *h, const struct vn_host_config *c,
                                      struct vn_host_error *ret_err)
{
    struct taken t = {.h = h, .cfg = c};
    vn_status st = vn_netlink_addrs(h->nl, look_for_taken, &t);
    if (st != VN_OK || !t.found)
        return st;
    char text[VN_IP_TEXT];
    vn_ip_format(t.found, text);
    return vn_host_fail(ret_err, VN_HOST_ADDRESS_TAKEN, 0,
                        "this machine has %s already, on interface number %u", text, t.ifindex);
}

/* Makes what `next` has and the host has not, then undoes what it has and next has not. */
static vn_status move_to(struct vn_host *h, const struct vn_host_config *c,
                         struct vn_host_error *ret_err)
{
    struct plan *next = calloc(1, sizeof(*next));
    if (!next)
        return VN_ERR_NOMEM;
    plan_changes(h, c, next);
    vn_status st = check_addresses_free(h, c, ret_err);
    if (st == VN_OK) {
        st = vn_journal_add(h->journal, next->changes, next->count);
        if (st == VN_ERR_IO || st == VN_ERR_LIMIT)
            st = vn_host_fail(ret_err, VN_HOST_STATE_DIR, errno,
                              "cannot write the host journal in %s (%s): free some space "
                              "there, or make it writable",
                              c->state_dir, strerror(errno));
    }
    /* Addresses go before new routes: a route with the same prefix may differ in its source only.
     */
    for (size_t i = h->now.count; st == VN_OK && i-- > 0;)
        if (!planned(next, &h->now.changes[i]) &&
            (st = vn_change_undo(h->nl, &h->now.changes[i])) != VN_OK)
            st = change_error(&h->now.changes[i], st, ret_err);
    for (size_t i = 0; st == VN_OK && i < next->count; i++)
        if (!planned(&h->now, &next->changes[i]) &&
            (st = vn_change_make(h->nl, &next->changes[i])) != VN_OK)
            st = change_error(&next->changes[i], st, ret_err);
    if (st == VN_OK)
        h->now = *next;
    free(next);
    return st;
}

/* IPv6 may be missing in the kernel or off by default: then this node is an IPv4 one. */
static bool enable_ip6(const char *ifname)
{
    char path[96];
    snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", ifname);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        /* Read-only in containers; the usual value is what is wanted. */
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return false;
    }
    char c = '1';
    bool on = pread(fd, &c, 1, 0) == 1 && c == '0';
    if (!on)
        on = write(fd, "0", 1) == 1;
    close(fd);
    return on;
}

static vn_status set_link(struct vn_host *h, uint16_t mtu_bytes, struct vn_host_error *ret_err)
{
    vn_status st = vn_netlink_link_set(h->nl, h->ifindex, mtu_bytes, TXQUEUELEN);
    if (st == VN_OK)
        st = vn_netlink_link_gso(h->nl, h->ifindex, VN_SUPER_PACKET_OURS, VN_GSO_SEGMENTS_MAX);
    if (st == VN_OK && h->ip6)
        st = vn_netlink_no_autoconf(h->nl, h->ifindex);
    if (st == VN_OK)
        st = vn_netlink_link_up(h->nl, h->ifindex, true);
    if (st == VN_ERR_DENIED)
        return vn_host_fail(ret_err, VN_HOST_NO_PRIVILEGE, EPERM,
                            "no right to configure the interface: run as root, or with "
                            "CAP_NET_ADMIN");
    if (st != VN_OK && st != VN_ERR_NOMEM)
        return vn_host_fail(ret_err, VN_HOST_KERNEL, errno, "cannot configure the interface: %s",
                            vn_status_name(st));
    return st;
}

vn_status vn_host_up(const struct vn_host_config *cfg, struct vn_host **ret,
                     struct vn_host_error *ret_err)
{
    vn_status st = check_config(cfg, ret_err);
    if (st != VN_OK)
        return st;
    struct vn_host *h = calloc(1, sizeof(*h));
    if (!h)
        return VN_ERR_NOMEM;
    h->mark = cfg->mark ? cfg->mark : VN_HOST_MARK;
    st = vn_journal_open(cfg->state_dir, &h->journal, ret_err);
    if (st == VN_OK)
        st = open_netlink(&h->nl, ret_err);
    if (st == VN_OK) {
        recover(h->nl, h->journal);
        st = vn_tun_open(cfg->ifname ? cfg->ifname : VN_HOST_IFNAME, VN_MAX(cfg->queues, 1u),
                         &h->tun, ret_err);
    }
    struct vn_link link;
    if (st == VN_OK) {
        st = vn_netlink_link_get(h->nl, vn_tun_ifname(h->tun), &link);
        if (st != VN_OK && st != VN_ERR_NOMEM)
            st = vn_host_fail(ret_err, VN_HOST_KERNEL, errno, "the new interface is not there");
    }
    if (st == VN_OK) {
        h->ifindex = link.ifindex;
        h->ip6 = enable_ip6(vn_tun_ifname(h->tun));
        if (!h->ip6)
            vn_log(VN_LOG_WARN, "ipv6_unavailable", VN_KV_STR("interface", vn_tun_ifname(h->tun)));
        st = set_link(h, cfg->mtu_bytes, ret_err);
    }
    if (st == VN_OK)
        st = move_to(h, cfg, ret_err);
    if (st != VN_OK) {
        vn_host_down(h);
        return st;
    }
    vn_log(VN_LOG_INFO, "host_up", VN_KV_STR("interface", vn_tun_ifname(h->tun)),
           VN_KV_U64("mtu", cfg->mtu_bytes), VN_KV_U64("queues", vn_tun_queues(h->tun)),
           VN_KV_U64("changes", h->now.count));
    *ret = h;
    return VN_OK;
}

vn_status vn_host_update(struct vn_host *h, const struct vn_host_config *cfg,
                         struct vn_host_error *ret_err)
{
    vn_status st = check_config(cfg, ret_err);
    if (st == VN_OK)
        st = set_link(h, cfg->mtu_bytes, ret_err);
    if (st == VN_OK)
        st = move_to(h, cfg, ret_err);
    return st;
}

struct vn_host *vn_host_down(struct vn_host *h)
{
    if (!h)
        return NULL;
    if (h->nl && h->journal) {
        size_t undone = undo_all(h->nl, h->journal);
        if (h->tun)
            vn_log(VN_LOG_INFO, "host_down", VN_KV_STR("interface", vn_tun_ifname(h->tun)),
                   VN_KV_U64("undone", undone));
    }
    vn_tun_close(h->tun);
    vn_netlink_close(h->nl);
    vn_journal_close(h->journal);
    free(h);
    return NULL;
}

const char *vn_host_ifname(const struct vn_host *h)
{
    return vn_tun_ifname(h->tun);
}

uint32_t vn_host_mark(const struct vn_host *h)
{
    return h->mark;
}

vn_status vn_host_mark_socket(int fd, uint32_t mark)
{
    return vn_underlay_mark_socket(fd, mark);
}

size_t vn_host_tun_queues(const struct vn_host *h)
{
    return vn_tun_queues(h->tun);
}

int vn_host_tun_fd(const struct vn_host *h, size_t queue)
{
    return vn_tun_fd(h->tun, queue);
}

const struct vn_tun_port *vn_host_tun_port(const struct vn_host *h, size_t queue)
{
    return vn_tun_get_port(h->tun, queue);
}

vn_status vn_host_tun_read(struct vn_host *h, size_t queue, struct vn_pktbuf **ret, size_t cap,
                           size_t *ret_n)
{
    return vn_tun_read(h->tun, queue, ret, cap, ret_n);
}
