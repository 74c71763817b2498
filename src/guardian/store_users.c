#include "guardian/store_orgs.h"
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

const char *vn_role_name(enum vn_role role)
{
    static const char *const NAMES[] = {
        [VN_ROLE_MEMBER] = "member", [VN_ROLE_AUDITOR] = "auditor",     [VN_ROLE_ADMIN] = "admin",
        [VN_ROLE_OWNER] = "owner",   [VN_ROLE_SUPERUSER] = "superuser",
    };
    return NAMES[role];
}

vn_status vn_store_user_add(struct vn_store *s, const struct vn_user_record *u)
{
    VN_QUERY q = vn_sql_prepare(s, "INSERT INTO user (id, name, password, created_at, display_name,"
                                   " superuser, disabled, must_change) VALUES (?,?,?,?,?,?,?,?)");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, &u->id);
    vn_sql_bind_text(q, 2, u->name);
    vn_sql_bind_text(q, 3, u->password);
    vn_sql_bind_u64(q, 4, u->created_ms);
    vn_sql_bind_text(q, 5, u->display_name);
    vn_sql_bind_i64(q, 6, u->superuser);
    vn_sql_bind_i64(q, 7, u->disabled);
    vn_sql_bind_i64(q, 8, u->must_change);
    return vn_sql_run(s, q, "user add", NULL);
}

vn_status vn_store_user_set(struct vn_store *s, const struct vn_user_record *u)
{
    VN_QUERY q = vn_sql_prepare(s, "UPDATE user SET password = ?, display_name = ?, superuser = ?,"
                                   " disabled = ?, must_change = ? WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_text(q, 1, u->password);
    vn_sql_bind_text(q, 2, u->display_name);
    vn_sql_bind_i64(q, 3, u->superuser);
    vn_sql_bind_i64(q, 4, u->disabled);
    vn_sql_bind_i64(q, 5, u->must_change);
    vn_sql_bind_id(q, 6, &u->id);
    return vn_sql_change(s, q, "user set");
}

vn_status vn_store_user_delete(struct vn_store *s, const struct vn_id *id)
{
    static const struct vn_id BEGINNING = {{0}};
    struct vn_id node;
    vn_status st = vn_store_conflux_next(s, id, &BEGINNING, &node);
    if (st != VN_ERR_NOTFOUND)
        return st == VN_OK ? VN_ERR_STATE : st;
    return vn_sql_change_one(s, "DELETE FROM user WHERE id = ?", id, "user delete");
}

#define USER_COLUMNS                                                                               \
    "SELECT id, name, password, created_at, display_name, superuser, disabled, must_change"        \
    " FROM user "

static vn_status user_of(struct vn_store *s, struct vn_query *q, struct vn_user_record *ret)
{
    vn_status st = vn_sql_row(s, q, "user");
    if (st != VN_OK)
        return st;
    struct vn_user_record u = {
        .created_ms = vn_sql_col_u64(q, 3),
        .superuser = vn_sql_col_bool(q, 5),
        .disabled = vn_sql_col_bool(q, 6),
        .must_change = vn_sql_col_bool(q, 7),
    };
    if (!vn_sql_col_id(q, 0, &u.id) || !vn_sql_col_text(q, 1, u.name, sizeof(u.name)) ||
        !vn_sql_col_text(q, 2, u.password, sizeof(u.password)) ||
        !vn_sql_col_text(q, 4, u.display_name, sizeof(u.display_name)))
        return vn_sql_corrupt("user");
    *ret = u;
    return VN_OK;
}

vn_status vn_store_user_by_name(struct vn_store *s, const char *name, struct vn_user_record *ret)
{
    VN_QUERY q = vn_sql_prepare(s, USER_COLUMNS "WHERE name = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_text(q, 1, name);
    return user_of(s, q, ret);
}

vn_status vn_store_user_get(struct vn_store *s, const struct vn_id *id, struct vn_user_record *ret)
{
    VN_QUERY q = vn_sql_prepare(s, USER_COLUMNS "WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, id);
    return user_of(s, q, ret);
}

vn_status vn_store_user_list(struct vn_store *s, const struct vn_page *page,
                             bool (*fn)(void *arg, const struct vn_user_record *u), void *arg)
{
    VN_QUERY q = vn_sql_prepare(s, USER_COLUMNS
                                "WHERE (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_page(q, 1, page);
    vn_status st;
    struct vn_user_record u;
    while ((st = user_of(s, q, &u)) == VN_OK)
        if (!fn(arg, &u))
            return VN_OK;
    return st == VN_ERR_NOTFOUND ? VN_OK : st;
}

vn_status vn_store_superuser_count(struct vn_store *s, unsigned *ret)
{
    VN_QUERY q =
        vn_sql_prepare(s, "SELECT COUNT(*) FROM user WHERE superuser = 1 AND disabled = 0");
    if (!q)
        return VN_ERR_IO;
    vn_status st = vn_sql_row(s, q, "superusers");
    if (st == VN_OK)
        *ret = (unsigned)vn_sql_col_i64(q, 0);
    return st;
}

/* ---- sign-ins ---- */

vn_status vn_store_session_add(struct vn_store *s, const struct vn_user_session *u)
{
    VN_QUERY old = vn_sql_prepare(s, "DELETE FROM user_session WHERE expires_at <= ?");
    VN_QUERY q = vn_sql_prepare(s, "INSERT INTO user_session (id, user, hash, created_at, used_at,"
                                   " expires_at) VALUES (?,?,?,?,?,?)");
    if (!old || !q)
        return VN_ERR_IO;
    vn_sql_bind_u64(old, 1, u->created_ms);
    vn_sql_bind_id(q, 1, &u->id);
    vn_sql_bind_id(q, 2, &u->user);
    vn_sql_bind_blob(q, 3, VN_SPAN_ARRAY(u->hash));
    vn_sql_bind_u64(q, 4, u->created_ms);
    vn_sql_bind_u64(q, 5, u->used_ms);
    vn_sql_bind_u64(q, 6, u->expires_ms);
    vn_status st = vn_sql_run(s, old, "old sessions", NULL);
    return st == VN_OK ? vn_sql_run(s, q, "session add", NULL) : st;
}

vn_status vn_store_session_get(struct vn_store *s, const struct vn_id *id,
                               struct vn_user_session *ret)
{
    VN_QUERY q = vn_sql_prepare(s, "SELECT id, user, hash, created_at, used_at, expires_at"
                                   " FROM user_session WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, id);
    vn_status st = vn_sql_row(s, q, "session");
    if (st != VN_OK)
        return st;
    *ret = (struct vn_user_session){.created_ms = vn_sql_col_u64(q, 3),
                                    .used_ms = vn_sql_col_u64(q, 4),
                                    .expires_ms = vn_sql_col_u64(q, 5)};
    if (!vn_sql_col_id(q, 0, &ret->id) || !vn_sql_col_id(q, 1, &ret->user) ||
        !vn_sql_col_copy(q, 2, ret->hash, sizeof(ret->hash)))
        return vn_sql_corrupt("session");
    return VN_OK;
}

vn_status vn_store_session_refresh(struct vn_store *s, const struct vn_user_session *u)
{
    VN_QUERY q = vn_sql_prepare(
        s, "UPDATE user_session SET hash = ?, used_at = ?, expires_at = ? WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_blob(q, 1, VN_SPAN_ARRAY(u->hash));
    vn_sql_bind_u64(q, 2, u->used_ms);
    vn_sql_bind_u64(q, 3, u->expires_ms);
    vn_sql_bind_id(q, 4, &u->id);
    return vn_sql_run(s, q, "session refresh", NULL);
}

vn_status vn_store_session_delete(struct vn_store *s, const struct vn_id *id)
{
    VN_QUERY q = vn_sql_prepare(s, "DELETE FROM user_session WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, id);
    return vn_sql_run(s, q, "session delete", NULL);
}

vn_status vn_store_session_delete_all(struct vn_store *s, const struct vn_id *user,
                                      const struct vn_id *but)
{
    VN_QUERY q =
        vn_sql_prepare(s, "DELETE FROM user_session WHERE user = ?1 AND (?2 IS NULL OR id <> ?2)");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, user);
    if (but)
        vn_sql_bind_id(q, 2, but);
    return vn_sql_run(s, q, "sessions delete", NULL);
}
