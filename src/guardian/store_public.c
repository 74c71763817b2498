#include "guardian/store_sql.h"

vn_status vn_store_public_set(struct vn_store *s, const struct vn_id *conflux,
                              const struct vn_addr *addr)
{
    VN_QUERY q = vn_sql_prepare(s, "INSERT INTO public_node (conflux, ip, port) VALUES (?,?,?)");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, conflux);
    vn_sql_bind_blob(q, 2, VN_SPAN_ARRAY(addr->ip.b));
    vn_sql_bind_i64(q, 3, addr->port);
    return vn_sql_run(s, q, "public node", NULL);
}

vn_status vn_store_public_has(struct vn_store *s, const struct vn_id *conflux, bool *ret)
{
    VN_QUERY q = vn_sql_prepare(s, "SELECT 1 FROM public_node WHERE conflux = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, conflux);
    vn_status st = vn_sql_row(s, q, "public node");
    if (st != VN_OK && st != VN_ERR_NOTFOUND)
        return st;
    *ret = st == VN_OK;
    return VN_OK;
}

vn_status vn_store_public_list(struct vn_store *s, const struct vn_conflux_record *asker,
                               struct vn_addr *ret, size_t cap, size_t *ret_count)
{
    VN_QUERY q = vn_sql_prepare(
        /* CROSS: from the few public nodes, not through all of the realm's */
        s, "SELECT p.ip, p.port FROM public_node p CROSS JOIN conflux c ON c.id = p.conflux"
           " WHERE c.realm = ? AND c.id <> ? AND c.node IS NOT NULL"
           " ORDER BY c.last_login_at DESC, c.id LIMIT ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, &asker->realm);
    vn_sql_bind_id(q, 2, &asker->id);
    vn_sql_bind_u64(q, 3, cap);
    size_t n = 0;
    vn_status st;
    while ((st = vn_sql_row(s, q, "public nodes")) == VN_OK && n < cap) {
        const int64_t port = vn_sql_col_i64(q, 1);
        if (!vn_sql_col_copy(q, 0, ret[n].ip.b, sizeof(ret[n].ip.b)) || port < 1 ||
            port > UINT16_MAX)
            return vn_sql_corrupt("public node");
        ret[n].port = (uint16_t)port;
        ret[n++].scope_id = 0;
    }
    *ret_count = n;
    return st == VN_ERR_NOTFOUND || st == VN_OK ? VN_OK : st;
}
