#include "guardian/store_sql.h"

/* ---- registration tokens ---- */

vn_status vn_store_token_add(struct vn_store *s, const struct vn_token_record *t)
{
    VN_QUERY q = vn_sql_prepare(
        s,
        "INSERT INTO registration_token (id, realm, owner, hash, created_at, expires_at, uses_left,"
        " taints, allowed_taints, ephemeral, needs_jwt, approval, rights, portal)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    if (!q)
        return VN_ERR_IO;
    char taints[VN_TAINTS_TEXT], allowed[VN_TAINTS_TEXT];
    vn_taints_format(&t->taints, taints);
    vn_allowed_format(&t->allowed, allowed);
    vn_sql_bind_id(q, 1, &t->id);
    vn_sql_bind_id(q, 2, &t->realm);
    vn_sql_bind_id(q, 3, &t->owner);
    vn_sql_bind_blob(q, 4, VN_SPAN_ARRAY(t->hash));
    vn_sql_bind_u64(q, 5, t->created_ms);
    vn_sql_bind_u64(q, 6, t->expires_ms);
    if (t->uses_left >= 0)
        vn_sql_bind_i64(q, 7, t->uses_left);
    vn_sql_bind_text(q, 8, taints);
    vn_sql_bind_text(q, 9, allowed);
    vn_sql_bind_i64(q, 10, t->ephemeral);
    vn_sql_bind_i64(q, 11, t->needs_jwt);
    vn_sql_bind_i64(q, 12, t->approval);
    vn_sql_bind_rights(q, 13, &t->rights);
    return vn_sql_run(s, q, "token add", NULL);
}

#define TOKEN_COLUMNS                                                                              \
    "SELECT id, realm, owner, hash, created_at, expires_at, uses_left, taints, allowed_taints, "   \
    "revoked, ephemeral, needs_jwt, approval, rights, portal"                                      \
    " FROM registration_token "

static vn_status token_of(struct vn_query *q, struct vn_token_record *t)
{
    char taints[VN_TAINTS_TEXT], allowed[VN_TAINTS_TEXT];
    *t = (struct vn_token_record){
        .created_ms = vn_sql_col_u64(q, 4),
        .expires_ms = vn_sql_col_u64(q, 5),
        .uses_left = vn_sql_col_null(q, 6) ? -1 : vn_sql_col_i64(q, 6),
        .revoked = vn_sql_col_bool(q, 9),
        .ephemeral = vn_sql_col_bool(q, 10),
        .needs_jwt = vn_sql_col_bool(q, 11),
        .approval = vn_sql_col_bool(q, 12),
    };
    if (!vn_sql_col_id(q, 0, &t->id) || !vn_sql_col_id(q, 1, &t->realm) ||
        !vn_sql_col_id(q, 2, &t->owner) || !vn_sql_col_copy(q, 3, t->hash, sizeof(t->hash)) ||
        !vn_sql_col_text(q, 7, taints, sizeof(taints)) ||
        !vn_sql_col_text(q, 8, allowed, sizeof(allowed)) ||
        vn_taints_parse(taints, &t->taints) != VN_OK ||
        vn_allowed_parse(allowed, &t->allowed) != VN_OK || !vn_sql_col_rights(q, 13, &t->rights))
        return vn_sql_corrupt("registration token");
    return VN_OK;
}

vn_status vn_store_token_get(struct vn_store *s, const struct vn_id *id,
                             struct vn_token_record *ret)
{
    VN_QUERY q = vn_sql_prepare(s, TOKEN_COLUMNS "WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, id);
    vn_status st = vn_sql_row(s, q, "token");
    return st == VN_OK ? token_of(q, ret) : st;
}

vn_status vn_store_token_list(struct vn_store *s, const struct vn_id *realm,
                              const struct vn_page *page,
                              bool (*fn)(void *arg, const struct vn_token_record *t), void *arg)
{
    VN_QUERY q = vn_sql_prepare(s, TOKEN_COLUMNS "WHERE realm = ? AND (created_at, id) > (?, ?)"
                                                 " ORDER BY created_at, id LIMIT ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, realm);
    vn_sql_bind_page(q, 2, page);
    struct vn_token_record t;
    return VN_SQL_EACH(s, q, "token list", &t, token_of, fn, arg);
}

vn_status vn_store_token_revoke(struct vn_store *s, const struct vn_id *id)
{
    return vn_sql_change_one(s, "UPDATE registration_token SET revoked = 1 WHERE id = ?", id,
                             "token revoke");
}

vn_status vn_store_token_use(struct vn_store *s, const struct vn_id *id, uint64_t now_ms)
{
    VN_QUERY q =
        vn_sql_prepare(s, "UPDATE registration_token SET uses_left = uses_left - 1"
                          " WHERE id = ? AND revoked = 0 AND expires_at > ? AND (uses_left IS NULL "
                          "OR uses_left > 0)");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, id);
    vn_sql_bind_u64(q, 2, now_ms);
    int changes;
    vn_status st = vn_sql_run(s, q, "token use", &changes);
    if (st != VN_OK || changes)
        return st;
    struct vn_token_record t;
    st = vn_store_token_get(s, id, &t);
    if (st != VN_OK)
        return st;
    return t.revoked ? VN_ERR_DENIED : t.expires_ms <= now_ms ? VN_ERR_EXPIRED : VN_ERR_LIMIT;
}
