#include "guardian/store_revocations.h"

#include "guardian/store_sql.h"

/* ---- revocations ---- */

static vn_status next_number(struct vn_store *s, const struct vn_id *realm, uint64_t now_ms,
                             uint64_t *ret)
{
    VN_QUERY q = vn_sql_prepare(s, "SELECT MAX(number) FROM revocation WHERE realm = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, realm);
    vn_status st = vn_sql_row(s, q, "revocation number");
    if (st == VN_OK)
        *ret = VN_MAX(vn_sql_col_u64(q, 0) + 1, now_ms);
    return st;
}

vn_status vn_store_revocation_add(struct vn_store *s, const struct vn_id *realm,
                                  const struct vn_revocation_row *r, uint64_t now_ms)
{
    VN_QUERY add =
        vn_sql_prepare(s, "INSERT INTO revocation (realm, number, kind, node, serial, minimum,"
                          " until, nkey) VALUES (?,?,?,?,?,?,?,?)");
    /* Each by its index: there may be thousands. */
    VN_QUERY replace = vn_sql_prepare(s, "DELETE FROM revocation WHERE realm = ? AND node = ?");
    VN_QUERY clean = vn_sql_prepare(s, "DELETE FROM revocation WHERE realm = ? AND until <= ?");
    uint64_t number = 0;
    if (!add || !replace || !clean)
        return VN_ERR_IO;
    vn_status st = next_number(s, realm, now_ms, &number);
    vn_sql_bind_id(replace, 1, realm);
    vn_sql_bind_id(replace, 2, &r->e.node);
    int replaced = 0, ended = 0;
    if (st == VN_OK)
        st = vn_sql_run(s, replace, "revocation replace", &replaced);
    vn_sql_bind_id(clean, 1, realm);
    vn_sql_bind_u64(clean, 2, now_ms);
    if (st == VN_OK)
        st = vn_sql_run(s, clean, "revocation clean", &ended);
    s->revocations_removed += (uint64_t)(replaced + ended);
    if (st != VN_OK)
        return st;
    s->revocations_added++;
    vn_sql_bind_id(add, 1, realm);
    vn_sql_bind_u64(add, 2, number);
    vn_sql_bind_i64(add, 3, (int)r->e.kind);
    vn_sql_bind_id(add, 4, &r->e.node);
    vn_sql_bind_blob(add, 5, VN_SPAN_ARRAY(r->e.serial));
    vn_sql_bind_u64(add, 6, r->e.minimum);
    vn_sql_bind_u64(add, 7, r->e.until_ms);
    if (r->has_nkey)
        vn_sql_bind_blob(add, 8, VN_SPAN_ARRAY(r->nkey));
    return vn_sql_run(s, add, "revocation add", NULL);
}

static bool revocation_of(struct vn_query *q, struct vn_revocation_row *ret)
{
    *ret = (struct vn_revocation_row){
        .e = {.number = vn_sql_col_u64(q, 0),
              .kind = (enum vn_revocation_kind)vn_sql_col_i64(q, 1),
              .minimum = vn_sql_col_u64(q, 4),
              .until_ms = vn_sql_col_u64(q, 5)},
        .has_nkey = !vn_sql_col_null(q, 6),
        .published = vn_sql_col_bool(q, 7),
    };
    return vn_sql_col_id(q, 2, &ret->e.node) &&
           vn_sql_col_copy(q, 3, ret->e.serial, sizeof(ret->e.serial)) &&
           (!ret->has_nkey || vn_sql_col_copy(q, 6, ret->nkey, sizeof(ret->nkey)));
}

vn_status vn_store_revocation_load(struct vn_store *s, const struct vn_id *realm, uint64_t after,
                                   uint64_t now_ms, struct vn_revocation_row **ret, size_t *ret_n)
{
    VN_QUERY q =
        vn_sql_prepare(s, "SELECT number, kind, node, serial, minimum, until, nkey, published"
                          " FROM revocation WHERE realm = ? AND number > ? AND until > ?"
                          " ORDER BY number");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, realm);
    vn_sql_bind_u64(q, 2, after);
    vn_sql_bind_u64(q, 3, now_ms);
    struct vn_revocation_row *rows = NULL;
    size_t n = 0, cap = 0;
    vn_status st;
    do {
        if (n == cap) {
            cap = cap ? 2 * cap : 16;
            struct vn_revocation_row *more = realloc(rows, cap * sizeof(*rows));
            if (!more) {
                free(rows);
                return VN_ERR_NOMEM;
            }
            rows = more;
        }
        st = vn_sql_row(s, q, "revocations");
        if (st == VN_OK && !revocation_of(q, &rows[n++]))
            st = vn_sql_corrupt("revocation");
    } while (st == VN_OK);
    if (st != VN_ERR_NOTFOUND) {
        free(rows);
        return st;
    }
    *ret = rows;
    *ret_n = n;
    return VN_OK;
}

vn_status vn_store_revocation_marks(struct vn_store *s, struct vn_revocation_marks *ret)
{
    *ret = (struct vn_revocation_marks){.added = s->revocations_added,
                                        .removed = s->revocations_removed};
    return vn_sql_data_version(s, &ret->outside);
}

vn_status vn_store_revocation_pending(struct vn_store *s, uint64_t now_ms, struct vn_id *ret_realms,
                                      size_t cap, size_t *ret_n)
{
    /* Asked after every login, and there is no index for it: thousands may be published. */
    struct vn_revocation_marks now;
    VN_QUERY q = vn_sql_prepare(s, "SELECT DISTINCT realm FROM revocation WHERE published = 0"
                                   " AND until > ? LIMIT ?");
    vn_status st = q ? vn_store_revocation_marks(s, &now) : VN_ERR_IO;
    if (st == VN_OK && memcmp(&now, &s->none_pending, sizeof(now)) == 0)
        return VN_ERR_NOTFOUND;
    if (st != VN_OK)
        return st;
    vn_sql_bind_u64(q, 1, now_ms);
    vn_sql_bind_u64(q, 2, cap);
    size_t n = 0;
    while (n < cap && (st = vn_sql_row(s, q, "revocation pending")) == VN_OK)
        if (!vn_sql_col_id(q, 0, &ret_realms[n++]))
            return vn_sql_corrupt("revocation");
    if (st != VN_OK && st != VN_ERR_NOTFOUND)
        return st;
    if (n == 0)
        s->none_pending = now;
    *ret_n = n;
    return n ? VN_OK : VN_ERR_NOTFOUND;
}

vn_status vn_store_revocation_published(struct vn_store *s, const struct vn_id *realm, uint64_t to)
{
    VN_QUERY q =
        vn_sql_prepare(s, "UPDATE revocation SET published = 1 WHERE realm = ? AND number <= ?"
                          " AND published = 0");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, realm);
    vn_sql_bind_u64(q, 2, to);
    return vn_sql_run(s, q, "revocation published", NULL);
}
