#include "guardian/store_entries.h"

#include "guardian/store_sql.h"

vn_status vn_store_entry_add(struct vn_store *s, const struct vn_entry_point *e)
{
    VN_QUERY q = vn_sql_prepare(
        s, "INSERT INTO entry_point (id, url, region, enabled, created_at) SELECT ?1,?2,?3,?4,?5"
           " WHERE (SELECT COUNT(*) FROM entry_point) < ?6");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, &e->id);
    vn_sql_bind_text(q, 2, e->url);
    vn_sql_bind_text(q, 3, e->region);
    vn_sql_bind_i64(q, 4, e->enabled);
    vn_sql_bind_u64(q, 5, e->created_ms);
    vn_sql_bind_i64(q, 6, VN_ENTRY_POINTS_MAX);
    int changes;
    vn_status st = vn_sql_run(s, q, "entry point add", &changes);
    return st == VN_OK && !changes ? VN_ERR_LIMIT : st;
}

vn_status vn_store_entry_set(struct vn_store *s, const struct vn_entry_point *e)
{
    VN_QUERY q = vn_sql_prepare(
        s, "UPDATE entry_point SET url = ?2, region = ?3, enabled = ?4 WHERE id = ?1");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, &e->id);
    vn_sql_bind_text(q, 2, e->url);
    vn_sql_bind_text(q, 3, e->region);
    vn_sql_bind_i64(q, 4, e->enabled);
    return vn_sql_change(s, q, "entry point set");
}

vn_status vn_store_entry_delete(struct vn_store *s, const struct vn_id *id)
{
    return vn_sql_change_one(s, "DELETE FROM entry_point WHERE id = ?", id, "entry point delete");
}

static vn_status entry_of(struct vn_query *q, struct vn_entry_point *e)
{
    e->enabled = vn_sql_col_bool(q, 3);
    e->created_ms = vn_sql_col_u64(q, 4);
    return vn_sql_col_id(q, 0, &e->id) && vn_sql_col_text(q, 1, e->url, sizeof(e->url)) &&
                   vn_sql_col_text(q, 2, e->region, sizeof(e->region))
               ? VN_OK
               : vn_sql_corrupt("entry point");
}

vn_status vn_store_entry_list(struct vn_store *s, const struct vn_page *page,
                              bool (*fn)(void *arg, const struct vn_entry_point *e), void *arg)
{
    VN_QUERY q =
        vn_sql_prepare(s, "SELECT id, url, region, enabled, created_at FROM entry_point"
                          " WHERE (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_page(q, 1, page);
    struct vn_entry_point e;
    return VN_SQL_EACH(s, q, "entry point list", &e, entry_of, fn, arg);
}
