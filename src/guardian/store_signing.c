#include "guardian/store_signing.h"

#include "guardian/store_sql.h"

vn_status vn_store_realm_signing(struct vn_store *s, struct vn_realm_record *r)
{
    VN_QUERY q = vn_sql_prepare(s, "SELECT next_seed, before, changed_at, revoked_to"
                                   " FROM signing_change WHERE realm = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, &r->id);
    vn_status st = vn_sql_row(s, q, "signing key");
    if (st != VN_OK)
        return st == VN_ERR_NOTFOUND ? VN_OK : st;
    r->nats_has_next = !vn_sql_col_null(q, 0);
    if (r->nats_has_next && !vn_sql_col_copy(q, 0, r->nats_next_seed.b, 32))
        return vn_sql_corrupt("signing key");
    if (!vn_sql_col_text(q, 1, r->nats_before, sizeof(r->nats_before)))
        return vn_sql_corrupt("signing key");
    r->nats_changed_ms = vn_sql_col_u64(q, 2);
    r->nats_revoked_to = vn_sql_col_u64(q, 3);
    return VN_OK;
}

vn_status vn_store_signing_list(struct vn_store *s, struct vn_signing_change *ret, size_t cap,
                                size_t *ret_n)
{
    VN_QUERY q = vn_sql_prepare(s, "SELECT realm, next_seed IS NOT NULL, step_at"
                                   " FROM signing_change"
                                   " WHERE next_seed IS NOT NULL OR before <> '' LIMIT ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_i64(q, 1, (int64_t)cap);
    size_t n = 0;
    vn_status st;
    while ((st = vn_sql_row(s, q, "signing keys")) == VN_OK) {
        struct vn_signing_change *c = &ret[n++];
        if (!vn_sql_col_id(q, 0, &c->realm))
            return vn_sql_corrupt("signing key");
        c->announced = vn_sql_col_bool(q, 1);
        c->step_ms = vn_sql_col_u64(q, 2);
    }
    *ret_n = n;
    return st == VN_ERR_NOTFOUND ? VN_OK : st;
}

vn_status vn_store_signing_announce(struct vn_store *s, const struct vn_id *realm,
                                    const struct vn_secret32 *next, uint64_t now_ms,
                                    uint64_t step_ms)
{
    VN_QUERY q = vn_sql_prepare(
        s, "INSERT INTO signing_change (realm, next_seed, step_at, changed_at) VALUES (?1,?2,?3,?4)"
           " ON CONFLICT DO UPDATE SET next_seed = ?2, step_at = ?3, changed_at = ?4");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, realm);
    vn_sql_bind_secret(q, 2, next);
    vn_sql_bind_u64(q, 3, step_ms);
    vn_sql_bind_u64(q, 4, now_ms);
    return vn_sql_run(s, q, "signing key announce", NULL);
}

vn_status vn_store_signing_use(struct vn_store *s, const struct vn_id *realm, const char *before,
                               uint64_t now_ms, uint64_t step_ms)
{
    VN_QUERY use = vn_sql_prepare(
        s, "UPDATE realm SET nats_signing_seed = (SELECT next_seed FROM signing_change"
           " WHERE realm = ?1) WHERE id = ?1");
    VN_QUERY keep = vn_sql_prepare(
        s, "UPDATE signing_change SET next_seed = NULL, before = ?2, step_at = ?3, changed_at = ?4,"
           " revoked_to = (SELECT COALESCE(MAX(number), 0) FROM revocation WHERE realm = ?1)"
           " WHERE realm = ?1");
    if (!use || !keep)
        return VN_ERR_IO;
    vn_sql_bind_id(use, 1, realm);
    vn_status st = vn_sql_run(s, use, "signing key use", NULL);
    vn_sql_bind_id(keep, 1, realm);
    vn_sql_bind_text(keep, 2, before);
    vn_sql_bind_u64(keep, 3, step_ms);
    vn_sql_bind_u64(keep, 4, now_ms);
    return st == VN_OK ? vn_sql_run(s, keep, "signing key keep", NULL) : st;
}

vn_status vn_store_signing_end(struct vn_store *s, const struct vn_id *realm, uint64_t now_ms)
{
    VN_QUERY q =
        vn_sql_prepare(s, "UPDATE signing_change SET before = '', changed_at = ? WHERE realm = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_u64(q, 1, now_ms);
    vn_sql_bind_id(q, 2, realm);
    return vn_sql_run(s, q, "signing key end", NULL);
}

vn_status vn_store_signing_revoked(struct vn_store *s, const struct vn_id *realm, uint64_t now_ms,
                                   uint64_t *ret)
{
    VN_QUERY q = vn_sql_prepare(
        s, "SELECT COUNT(*) FROM revocation WHERE realm = ?1 AND nkey IS NOT NULL AND until > ?2"
           " AND number > COALESCE((SELECT revoked_to FROM signing_change WHERE realm = ?1), 0)");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, realm);
    vn_sql_bind_u64(q, 2, now_ms);
    vn_status st = vn_sql_row(s, q, "revoked users");
    if (st == VN_OK)
        *ret = vn_sql_col_u64(q, 0);
    return st;
}

vn_status vn_store_outbox_spread(struct vn_store *s, const struct vn_id *realm, uint64_t now_ms,
                                 uint64_t spread_ms)
{
    VN_QUERY q =
        vn_sql_prepare(s, "INSERT INTO outbox (conflux, due) SELECT id, ?2 +"
                          " (ROW_NUMBER() OVER (ORDER BY id) - 1) * ?3 / COUNT(*) OVER ()"
                          " FROM conflux WHERE realm = ?1 AND node IS NOT NULL AND not_after > ?2"
                          " ON CONFLICT DO NOTHING");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, realm);
    vn_sql_bind_u64(q, 2, now_ms);
    vn_sql_bind_u64(q, 3, spread_ms);
    return vn_sql_run(s, q, "outbox spread", NULL);
}
