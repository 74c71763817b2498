#include "conflux/answer_text.h"

#include <stdio.h>

char *vn_arena_ip(struct vn_arena *a, const struct vn_ip *ip)
{
    char t[VN_IP_TEXT];
    vn_ip_format(ip, t);
    return vn_arena_text(a, t);
}

char *vn_arena_prefix(struct vn_arena *a, const struct vn_prefix *p)
{
    char t[VN_PREFIX_TEXT];
    vn_prefix_format(p, t);
    return vn_arena_text(a, t);
}

char *vn_arena_addr(struct vn_arena *a, const struct vn_addr *addr)
{
    char ip[VN_IP_TEXT], t[VN_IP_TEXT + 16];
    vn_ip_format(&addr->ip, ip);
    snprintf(t, sizeof(t), vn_ip_is_v4(&addr->ip) ? "%s:%u" : "[%s]:%u", ip, addr->port);
    return vn_arena_text(a, addr->port ? t : "");
}

char **vn_arena_ips(struct vn_arena *a, const struct vn_ip *addrs, size_t n)
{
    char **list = vn_arena_take(a, n * sizeof(*list));
    for (size_t i = 0; list && i < n; i++)
        list[i] = vn_arena_ip(a, &addrs[i]);
    return list;
}

char **vn_arena_ids(struct vn_arena *a, const struct vn_id *ids, size_t n)
{
    char **list = vn_arena_take(a, n * sizeof(*list));
    for (size_t i = 0; list && i < n; i++)
        list[i] = vn_arena_id(a, &ids[i]);
    return list;
}

char **vn_arena_taints(struct vn_arena *a, struct vn_node *node, size_t *ret_n)
{
    const char *taints[VN_TAINTS_MAX];
    const size_t n = vn_node_taints(node, taints);
    char **list = vn_arena_take(a, VN_TAINTS_MAX * sizeof(*list));
    *ret_n = list ? n : 0;
    for (size_t i = 0; i < *ret_n; i++)
        list[i] = vn_arena_text(a, taints[i]);
    return list;
}
