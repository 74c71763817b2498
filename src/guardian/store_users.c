#include "guardian/store_sql.h"

/* ---- settings ---- */

vn_status vn_store_get(struct vn_store *s, const char *name, char **ret, size_t *ret_n)
{
    VN_QUERY q = vn_sql_prepare(s, "SELECT value FROM setting WHERE name = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_text(q, 1, name);
    vn_status st = vn_sql_row(s, q, name);
    if (st != VN_OK)
        return st;
    struct vn_span v = vn_sql_col_span(q, 0);
    char *copy = malloc(v.n + 1);
    if (!copy)
        return VN_ERR_NOMEM;
    if (v.n)
        memcpy(copy, v.p, v.n);
    copy[v.n] = 0;
    *ret = copy;
    if (ret_n)
        *ret_n = v.n;
    return VN_OK;
}

vn_status vn_store_put(struct vn_store *s, const char *name, struct vn_span value)
{
    VN_QUERY q = vn_sql_prepare(s, "INSERT INTO setting (name, value) VALUES (?, ?)"
                                   " ON CONFLICT (name) DO UPDATE SET value = excluded.value");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_text(q, 1, name);
    vn_sql_bind_blob(q, 2, value);
    return vn_sql_run(s, q, name, NULL);
}

/* ---- users ---- */

vn_status vn_store_user_add(struct vn_store *s, const struct vn_user_record *u)
{
    VN_QUERY q = vn_sql_prepare(
        s, "INSERT INTO user (id, name, password, role, created_at) VALUES (?, ?, ?, ?, ?)");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, &u->id);
    vn_sql_bind_text(q, 2, u->name);
    vn_sql_bind_text(q, 3, u->password);
    sqlite3_bind_int(q, 4, (int)u->role);
    vn_sql_bind_u64(q, 5, u->created_ms);
    return vn_sql_run(s, q, "user add", NULL);
}

static vn_status user_of(struct vn_store *s, sqlite3_stmt *q, struct vn_user_record *ret)
{
    vn_status st = vn_sql_row(s, q, "user");
    if (st != VN_OK)
        return st;
    struct vn_user_record u = {0};
    if (!vn_sql_col_id(q, 0, &u.id) || !vn_sql_col_text(q, 1, u.name, sizeof(u.name)) ||
        !vn_sql_col_text(q, 2, u.password, sizeof(u.password)))
        return vn_sql_corrupt("user");
    u.role = (enum vn_role)sqlite3_column_int(q, 3);
    u.created_ms = vn_sql_col_u64(q, 4);
    *ret = u;
    return VN_OK;
}

vn_status vn_store_user_by_name(struct vn_store *s, const char *name, struct vn_user_record *ret)
{
    VN_QUERY q =
        vn_sql_prepare(s, "SELECT id, name, password, role, created_at FROM user WHERE name = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_text(q, 1, name);
    return user_of(s, q, ret);
}

vn_status vn_store_user_get(struct vn_store *s, const struct vn_id *id, struct vn_user_record *ret)
{
    VN_QUERY q =
        vn_sql_prepare(s, "SELECT id, name, password, role, created_at FROM user WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, id);
    return user_of(s, q, ret);
}

/* ---- audit ---- */

vn_status vn_store_audit_add(struct vn_store *s, uint64_t at_ms, const struct vn_id *realm,
                             const char *actor, const char *action, const char *subject,
                             const char *detail)
{
    VN_QUERY q = vn_sql_prepare(
        s, "INSERT INTO audit (at, realm, actor, action, subject, detail) VALUES (?,?,?,?,?,?)");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_u64(q, 1, at_ms);
    if (realm)
        vn_sql_bind_id(q, 2, realm);
    vn_sql_bind_text(q, 3, actor);
    vn_sql_bind_text(q, 4, action);
    vn_sql_bind_text(q, 5, subject);
    vn_sql_bind_text(q, 6, detail);
    return vn_sql_run(s, q, "audit", NULL);
}
