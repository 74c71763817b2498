#include "guardian/store_keys.h"

#include <stdio.h>
#include <stdlib.h>

#include "guardian/store_sql.h"

#define MINUTE_MS 60000

/* Rows with a new key beyond which all identities get one, and the rows go. */
#define RAISED_MAX 1024

vn_status vn_store_identity_lost(struct vn_store *s, const struct vn_id *realm, int kind,
                                 const char *label)
{
    VN_QUERY q = vn_sql_prepare(s, "INSERT INTO lost_identity (realm, kind, label) VALUES (?, ?, ?)"
                                   " ON CONFLICT DO NOTHING");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, realm);
    vn_sql_bind_i64(q, 2, kind);
    vn_sql_bind_text(q, 3, label);
    return vn_sql_run(s, q, "identity lost", NULL);
}

vn_status vn_store_key_change_want(struct vn_store *s, const struct vn_id *realm, uint64_t due_ms,
                                   uint64_t spread_ms)
{
    /* The more urgent of two wishes: the earlier beginning, the shorter spread. */
    VN_QUERY q =
        vn_sql_prepare(s, "INSERT INTO key_change (realm, due, due_spread) VALUES (?1, ?2, ?3)"
                          " ON CONFLICT (realm) DO UPDATE SET"
                          " due_spread = CASE WHEN due = 0 THEN ?3 ELSE min(due_spread, ?3) END,"
                          " due = CASE WHEN due = 0 THEN ?2 ELSE min(due, ?2) END");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, realm);
    vn_sql_bind_u64(q, 2, due_ms);
    vn_sql_bind_u64(q, 3, spread_ms);
    return vn_sql_run(s, q, "key change want", NULL);
}

static bool change_of(struct vn_query *q, struct vn_key_change *ret)
{
    *ret = (struct vn_key_change){
        .due_ms = vn_sql_col_u64(q, 1),
        .due_spread_ms = vn_sql_col_u64(q, 2),
        .other = (uint32_t)vn_sql_col_i64(q, 3),
        .began_ms = vn_sql_col_u64(q, 4),
        .spread_ms = vn_sql_col_u64(q, 5),
        .until_ms = vn_sql_col_u64(q, 6),
    };
    return vn_sql_col_id(q, 0, &ret->realm);
}

vn_status vn_store_key_change_list(struct vn_store *s, struct vn_key_change *ret, size_t cap,
                                   size_t *ret_n)
{
    VN_QUERY q = vn_sql_prepare(s, "SELECT realm, due, due_spread, other, began, spread, until"
                                   " FROM key_change WHERE due <> 0 OR other <> 0 LIMIT ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_i64(q, 1, (int64_t)cap);
    size_t n = 0;
    vn_status st = VN_OK;
    while (n < cap && (st = vn_sql_row(s, q, "key changes")) == VN_OK)
        if (!change_of(q, &ret[n++]))
            return vn_sql_corrupt("key change");
    if (st != VN_OK && st != VN_ERR_NOTFOUND)
        return st;
    *ret_n = n;
    return VN_OK;
}

static vn_status with_realm(struct vn_store *s, struct vn_query *q, const struct vn_id *realm,
                            const char *what)
{
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, realm);
    return vn_sql_run(s, q, what, NULL);
}

/* Above all before; and not below the clock, so that a store restored from a backup makes none that
 * was made already. */
static vn_status next_generation(struct vn_store *s, const struct vn_id *realm, uint64_t now_ms,
                                 uint32_t *ret)
{
    VN_QUERY q =
        vn_sql_prepare(s, "SELECT max(hour_generation, coalesce((SELECT max(generation) FROM"
                          " identity_generation WHERE realm = ?1), 0)) FROM realm WHERE id = ?1");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, realm);
    vn_status st = vn_sql_row(s, q, "generation");
    if (st != VN_OK)
        return st;
    uint64_t next = VN_MAX(vn_sql_col_u64(q, 0) + 1, now_ms / MINUTE_MS);
    if (next > UINT32_MAX)
        return vn_sql_corrupt("generation");
    *ret = (uint32_t)next;
    return VN_OK;
}

static vn_status raise_lost(struct vn_store *s, const struct vn_id *realm, uint32_t generation)
{
    VN_QUERY raise =
        vn_sql_prepare(s, "INSERT INTO identity_generation (realm, kind, label, generation)"
                          " SELECT realm, kind, label, ?2 FROM lost_identity WHERE realm = ?1");
    VN_QUERY many =
        vn_sql_prepare(s, "INSERT INTO identity_generation (realm, kind, label, generation)"
                          " SELECT ?1, 0, '', ?2 WHERE (SELECT count(*) FROM identity_generation"
                          " WHERE realm = ?1) > ?3 ON CONFLICT DO NOTHING");
    VN_QUERY forget = vn_sql_prepare(s, "DELETE FROM lost_identity WHERE realm = ?");
    if (!raise || !many || !forget)
        return VN_ERR_IO;
    vn_sql_bind_id(raise, 1, realm);
    vn_sql_bind_u64(raise, 2, generation);
    vn_status st = vn_sql_run(s, raise, "identities raise", NULL);
    if (st != VN_OK)
        return st;
    vn_sql_bind_id(many, 1, realm);
    vn_sql_bind_u64(many, 2, generation);
    vn_sql_bind_i64(many, 3, RAISED_MAX);
    st = vn_sql_run(s, many, "identities raise all", NULL);
    return st == VN_OK ? with_realm(s, forget, realm, "lost identities") : st;
}

vn_status vn_store_key_change_begin(struct vn_store *s, const struct vn_id *realm, uint64_t now_ms,
                                    uint32_t *ret_generation)
{
    VN_QUERY q =
        vn_sql_prepare(s, "UPDATE key_change SET other = ?2, began = ?3, spread = due_spread,"
                          " until = 0, due = 0, due_spread = 0 WHERE realm = ?1");
    uint32_t generation = 0;
    vn_status st = q ? next_generation(s, realm, now_ms, &generation) : VN_ERR_IO;
    if (st == VN_OK)
        st = raise_lost(s, realm, generation);
    if (st != VN_OK)
        return st;
    vn_sql_bind_id(q, 1, realm);
    vn_sql_bind_u64(q, 2, generation);
    vn_sql_bind_u64(q, 3, now_ms);
    st = vn_sql_run(s, q, "key change begin", NULL);
    if (st == VN_OK)
        *ret_generation = generation;
    return st;
}

vn_status vn_store_key_change_in_force(struct vn_store *s, const struct vn_id *realm, uint32_t now,
                                       uint32_t before, uint64_t until_ms)
{
    VN_QUERY take = vn_sql_prepare(s, "UPDATE realm SET hour_generation = ?2 WHERE id = ?1");
    VN_QUERY keep =
        vn_sql_prepare(s, "UPDATE key_change SET other = ?2, until = ?3 WHERE realm = ?1");
    if (!take || !keep)
        return VN_ERR_IO;
    vn_sql_bind_id(take, 1, realm);
    vn_sql_bind_u64(take, 2, now);
    vn_status st = vn_sql_run(s, take, "generation in force", NULL);
    if (st != VN_OK)
        return st;
    vn_sql_bind_id(keep, 1, realm);
    vn_sql_bind_u64(keep, 2, before);
    vn_sql_bind_u64(keep, 3, until_ms);
    return vn_sql_run(s, keep, "key change in force", NULL);
}

vn_status vn_store_key_change_end(struct vn_store *s, const struct vn_id *realm)
{
    /* Only the newest key of an identity is ever needed again. */
    VN_QUERY prune =
        vn_sql_prepare(s, "DELETE FROM identity_generation AS o WHERE realm = ?1 AND EXISTS ("
                          "SELECT 1 FROM identity_generation AS n WHERE n.realm = ?1 AND"
                          " (n.generation > o.generation AND"
                          " (n.kind = 0 OR (n.kind = o.kind AND n.label = o.label)) OR"
                          " n.generation = o.generation AND n.kind = 0 AND o.kind <> 0))");
    VN_QUERY end = vn_sql_prepare(s, "UPDATE key_change SET other = 0, until = 0 WHERE realm = ?");
    vn_status st = with_realm(s, prune, realm, "identity generations");
    return st == VN_OK ? with_realm(s, end, realm, "key change end") : st;
}

vn_status vn_store_realm_raised(struct vn_store *s, struct vn_realm_record *r)
{
    VN_QUERY other = vn_sql_prepare(s, "SELECT other, until FROM key_change WHERE realm = ?");
    VN_QUERY q = vn_sql_prepare(
        s, "SELECT kind, label, generation FROM identity_generation WHERE realm = ?");
    if (!other || !q)
        return VN_ERR_IO;
    vn_sql_bind_id(other, 1, &r->id);
    vn_status st = vn_sql_row(s, other, "key change");
    if (st == VN_OK) {
        r->other_generation = (uint32_t)vn_sql_col_i64(other, 0);
        r->other_until_ms = vn_sql_col_u64(other, 1);
    } else if (st != VN_ERR_NOTFOUND) {
        return st;
    }
    vn_sql_bind_id(q, 1, &r->id);
    while ((st = vn_sql_row(s, q, "identity generations")) == VN_OK) {
        if (r->raised_n % 64 == 0) {
            struct vn_raised_identity *more =
                realloc(r->raised, (r->raised_n + 64) * sizeof(*more));
            if (!more)
                return VN_ERR_NOMEM;
            r->raised = more;
        }
        struct vn_raised_identity *e = &r->raised[r->raised_n++];
        *e = (struct vn_raised_identity){.kind = (int)vn_sql_col_i64(q, 0),
                                         .generation = (uint32_t)vn_sql_col_i64(q, 2)};
        if (!vn_sql_col_text(q, 1, e->label, sizeof(e->label)))
            return vn_sql_corrupt("identity generation");
    }
    return st == VN_ERR_NOTFOUND ? VN_OK : st;
}

vn_status vn_store_conflux_behind(struct vn_store *s, const struct vn_id *realm,
                                  uint32_t generation, uint64_t now_ms, struct vn_id *ret,
                                  size_t cap, size_t *ret_n, size_t *ret_all)
{
    VN_QUERY count =
        vn_sql_prepare(s, "SELECT count(*) FROM conflux WHERE realm = ? AND generation < ?"
                          " AND node IS NOT NULL AND not_after > ?");
    VN_QUERY q = vn_sql_prepare(s, "SELECT id FROM conflux WHERE realm = ? AND generation < ?"
                                   " AND node IS NOT NULL AND not_after > ? LIMIT ?");
    if (!count || !q)
        return VN_ERR_IO;
    struct vn_query *const both[] = {count, q};
    for (size_t i = 0; i < VN_ARRAY_LEN(both); i++) {
        vn_sql_bind_id(both[i], 1, realm);
        vn_sql_bind_u64(both[i], 2, generation);
        vn_sql_bind_u64(both[i], 3, now_ms);
    }
    vn_sql_bind_i64(q, 4, (int64_t)cap);
    vn_status st = vn_sql_row(s, count, "nodes behind");
    if (st != VN_OK)
        return st;
    size_t n = 0;
    while (n < cap && (st = vn_sql_row(s, q, "nodes behind")) == VN_OK)
        if (!vn_sql_col_id(q, 0, &ret[n++]))
            return vn_sql_corrupt("conflux");
    if (st != VN_OK && st != VN_ERR_NOTFOUND)
        return st;
    *ret_n = n;
    *ret_all = (size_t)vn_sql_col_u64(count, 0);
    return VN_OK;
}

vn_status vn_store_conflux_reached(struct vn_store *s, const struct vn_id *conflux,
                                   const struct vn_id *node, uint32_t generation)
{
    VN_QUERY q =
        vn_sql_prepare(s, "UPDATE conflux SET generation = ?3 WHERE id = ?1 AND node = ?2 AND"
                          " generation < ?3");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, conflux);
    vn_sql_bind_id(q, 2, node);
    vn_sql_bind_u64(q, 3, generation);
    return vn_sql_run(s, q, "node reached", NULL);
}
