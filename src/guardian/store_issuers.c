#include "guardian/store_issuers.h"

#include "guardian/store_sql.h"

vn_status vn_store_issuer_add(struct vn_store *s, const struct vn_issuer_record *i)
{
    VN_QUERY q = vn_sql_prepare(
        s, "INSERT INTO issuer (id, realm, name, issuer, audience, jwks_url, algorithms, rules,"
           " created_at) SELECT ?1,?2,?3,?4,?5,?6,?7,?8,?9"
           " WHERE (SELECT COUNT(*) FROM issuer WHERE realm = ?2) < ?10");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, &i->id);
    vn_sql_bind_id(q, 2, &i->realm);
    vn_sql_bind_text(q, 3, i->name);
    vn_sql_bind_text(q, 4, i->issuer);
    vn_sql_bind_text(q, 5, i->audience);
    vn_sql_bind_text(q, 6, i->jwks_url);
    vn_sql_bind_i64(q, 7, i->algs);
    vn_sql_bind_text(q, 8, i->rules);
    vn_sql_bind_u64(q, 9, i->created_ms);
    vn_sql_bind_i64(q, 10, VN_ISSUERS_MAX);
    int changes;
    vn_status st = vn_sql_run(s, q, "issuer add", &changes);
    return st == VN_OK && !changes ? VN_ERR_LIMIT : st;
}

vn_status vn_store_issuer_delete(struct vn_store *s, const struct vn_id *realm,
                                 const struct vn_id *id)
{
    VN_QUERY q = vn_sql_prepare(s, "DELETE FROM issuer WHERE id = ? AND realm = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, id);
    vn_sql_bind_id(q, 2, realm);
    return vn_sql_change(s, q, "issuer delete");
}

#define ISSUER_COLUMNS                                                                             \
    "SELECT id, realm, name, issuer, audience, jwks_url, algorithms, rules, created_at FROM "      \
    "issuer "

static vn_status issuer_of(struct vn_query *q, struct vn_issuer_record *i)
{
    i->algs = (unsigned)vn_sql_col_i64(q, 6);
    i->created_ms = vn_sql_col_u64(q, 8);
    return vn_sql_col_id(q, 0, &i->id) && vn_sql_col_id(q, 1, &i->realm) &&
                   vn_sql_col_text(q, 2, i->name, sizeof(i->name)) &&
                   vn_sql_col_text(q, 3, i->issuer, sizeof(i->issuer)) &&
                   vn_sql_col_text(q, 4, i->audience, sizeof(i->audience)) &&
                   vn_sql_col_text(q, 5, i->jwks_url, sizeof(i->jwks_url)) &&
                   vn_sql_col_text(q, 7, i->rules, sizeof(i->rules))
               ? VN_OK
               : vn_sql_corrupt("issuer");
}

vn_status vn_store_issuer_get(struct vn_store *s, const struct vn_id *realm, const struct vn_id *id,
                              struct vn_issuer_record *ret)
{
    VN_QUERY q = vn_sql_prepare(s, ISSUER_COLUMNS "WHERE id = ? AND realm = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, id);
    vn_sql_bind_id(q, 2, realm);
    vn_status st = vn_sql_row(s, q, "issuer");
    return st == VN_OK ? issuer_of(q, ret) : st;
}

vn_status vn_store_issuer_list(struct vn_store *s, const struct vn_id *realm,
                               const struct vn_page *page,
                               bool (*fn)(void *arg, const struct vn_issuer_record *i), void *arg)
{
    VN_QUERY q = vn_sql_prepare(s, ISSUER_COLUMNS "WHERE realm = ? AND (created_at, id) > (?, ?)"
                                                  " ORDER BY created_at, id LIMIT ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, realm);
    vn_sql_bind_page(q, 2, page);
    struct vn_issuer_record i;
    return VN_SQL_EACH(s, q, "issuer list", &i, issuer_of, fn, arg);
}
