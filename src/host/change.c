#include "host/change.h"

#include <inttypes.h>
#include <net/if.h>

/*
 *   addr IFINDEX IFNAME IP
 *   route IFINDEX IFNAME TABLE PREFIX
 *   rule 4|6 PRIORITY MARK TABLE
 */

void vn_change_encode(const struct vn_change *c, char ret[VN_CHANGE_TEXT])
{
    char text[VN_PREFIX_TEXT];
    switch (c->kind) {
    case VN_CHANGE_ADDR:
        vn_ip_format(&c->prefix.ip, text);
        snprintf(ret, VN_CHANGE_TEXT, "addr %" PRIu32 " %s %s", c->ifindex, c->ifname, text);
        return;
    case VN_CHANGE_ROUTE:
        vn_prefix_format(&c->prefix, text);
        snprintf(ret, VN_CHANGE_TEXT, "route %" PRIu32 " %s %" PRIu32 " %s", c->ifindex, c->ifname,
                 c->table, text);
        return;
    case VN_CHANGE_RULE:
        snprintf(ret, VN_CHANGE_TEXT, "rule %c %" PRIu32 " %" PRIu32 " %" PRIu32,
                 c->ip6 ? '6' : '4', c->priority, c->mark, c->table);
        return;
    }
    ret[0] = 0;
}

/* The next word of *s, without the space after it; false at the end or when it does not fit. */
static bool word(struct vn_span *s, char *ret, size_t cap)
{
    size_t n = 0;
    while (n < s->n && s->p[n] != ' ')
        n++;
    if (n == 0 || n >= cap || memchr(s->p, 0, n))
        return false;
    memcpy(ret, s->p, n);
    ret[n] = 0;
    size_t skip = n < s->n ? n + 1 : n;
    *s = VN_SPAN(s->p + skip, s->n - skip);
    return true;
}

static bool number(struct vn_span *s, uint32_t *ret)
{
    char text[12];
    if (!word(s, text, sizeof(text)))
        return false;
    uint64_t v = 0;
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9')
            return false;
        v = v * 10 + (uint64_t)(*p - '0');
    }
    if (v > UINT32_MAX)
        return false;
    *ret = (uint32_t)v;
    return true;
}

static bool decode_fields(struct vn_span s, struct vn_change *c)
{
    char kind[8], text[VN_PREFIX_TEXT];
    if (!word(&s, kind, sizeof(kind)))
        return false;
    if (strcmp(kind, "addr") == 0) {
        c->kind = VN_CHANGE_ADDR;
        c->prefix.bits = 128;
        return number(&s, &c->ifindex) && word(&s, c->ifname, sizeof(c->ifname)) &&
               word(&s, text, sizeof(text)) && vn_ip_parse(text, &c->prefix.ip) == VN_OK;
    }
    if (strcmp(kind, "route") == 0) {
        c->kind = VN_CHANGE_ROUTE;
        return number(&s, &c->ifindex) && word(&s, c->ifname, sizeof(c->ifname)) &&
               number(&s, &c->table) && word(&s, text, sizeof(text)) &&
               vn_prefix_parse(text, &c->prefix) == VN_OK;
    }
    if (strcmp(kind, "rule") == 0) {
        c->kind = VN_CHANGE_RULE;
        if (!word(&s, text, sizeof(text)) || (strcmp(text, "4") != 0 && strcmp(text, "6") != 0))
            return false;
        c->ip6 = text[0] == '6';
        return number(&s, &c->priority) && number(&s, &c->mark) && number(&s, &c->table);
    }
    return false;
}

vn_status vn_change_decode(struct vn_span text, struct vn_change *ret)
{
    struct vn_change c = {0};
    if (!decode_fields(text, &c))
        return VN_ERR_MALFORMED;
    /* One spelling per change: nothing after it, no other way to write a number or address. */
    char again[VN_CHANGE_TEXT];
    vn_change_encode(&c, again);
    if (!vn_span_equal(text, VN_SPAN_STR(again)))
        return VN_ERR_MALFORMED;
    *ret = c;
    return VN_OK;
}

bool vn_change_equal(const struct vn_change *a, const struct vn_change *b)
{
    char ta[VN_CHANGE_TEXT], tb[VN_CHANGE_TEXT];
    vn_change_encode(a, ta);
    vn_change_encode(b, tb);
    return strcmp(ta, tb) == 0;
}

static vn_status apply(struct vn_netlink *nl, const struct vn_change *c, bool add)
{
    static const struct vn_ip none;
    switch (c->kind) {
    case VN_CHANGE_ADDR:
        return vn_netlink_addr(nl, add, c->ifindex, &c->prefix.ip);
    case VN_CHANGE_ROUTE:
        return vn_netlink_route(nl, add, c->ifindex, c->table, &c->prefix,
                                vn_ip_equal(&c->src, &none) ? NULL : &c->src);
    case VN_CHANGE_RULE:
        return vn_netlink_rule_unmarked(nl, add, c->ip6, c->priority, c->mark, c->table);
    }
    return VN_ERR_ARG;
}

vn_status vn_change_make(struct vn_netlink *nl, const struct vn_change *c)
{
    vn_status st = apply(nl, c, true);
    return st == VN_ERR_EXISTS ? VN_OK : st;
}

vn_status vn_change_undo(struct vn_netlink *nl, const struct vn_change *c)
{
    if (c->kind != VN_CHANGE_RULE) {
        /* Interface numbers are used again after a reboot, names after a crash. */
        char name[IF_NAMESIZE];
        if (!if_indextoname(c->ifindex, name) || strcmp(name, c->ifname) != 0)
            return VN_OK;
    }
    vn_status st = apply(nl, c, false);
    return st == VN_ERR_NOTFOUND || st == VN_ERR_UNSUPPORTED ? VN_OK : st;
}
