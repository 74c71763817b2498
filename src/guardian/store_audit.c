#include "guardian/store_audit.h"

#include "guardian/store_orgs.h"
#include "guardian/store_sql.h"

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

vn_status vn_store_audit_prune(struct vn_store *s, uint64_t before_ms, uint64_t keep, size_t piece,
                               size_t *ret_n)
{
    /* Only the oldest are looked at: there is no index by time, and numbers rise with it. */
    VN_QUERY q = vn_sql_prepare(
        s, "DELETE FROM audit WHERE id IN (SELECT id FROM"
           " (SELECT id, at FROM audit ORDER BY id LIMIT ?3), (SELECT max(id) AS newest FROM audit)"
           " WHERE (at < ?1 OR id <= newest - ?2) AND id < newest)");
    int changes;
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_u64(q, 1, before_ms);
    vn_sql_bind_i64(q, 2, (int64_t)VN_MIN(keep, (uint64_t)INT64_MAX));
    vn_sql_bind_i64(q, 3, (int64_t)piece);
    vn_status st = vn_sql_run(s, q, "audit prune", &changes);
    if (st == VN_OK)
        *ret_n = (size_t)changes;
    return st;
}

static const char *text_of(struct vn_query *q, int column)
{
    const char *text = vn_sql_col_str(q, column);
    return text ? text : "";
}

vn_status vn_store_audit_list(struct vn_store *s, const struct vn_audit_filter *f,
                              bool (*fn)(void *arg, const struct vn_audit_entry *e), void *arg)
{
    VN_QUERY q = vn_sql_prepare(
        s, "SELECT id, at, realm, actor, action, subject, detail FROM audit"
           " WHERE (?1 = 0 OR id < ?1) AND (?2 IS NULL OR realm = ?2) AND at >= ?3 AND at < ?4"
           " AND (?5 IS NULL OR action = ?5) AND (?6 IS NULL OR actor = ?6)"
           " ORDER BY id DESC LIMIT ?7");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_u64(q, 1, f->before);
    if (f->realm)
        vn_sql_bind_id(q, 2, f->realm);
    vn_sql_bind_u64(q, 3, f->since_ms);
    vn_sql_bind_u64(q, 4, f->until_ms ? f->until_ms : INT64_MAX);
    if (f->action)
        vn_sql_bind_text(q, 5, f->action);
    if (f->actor)
        vn_sql_bind_text(q, 6, f->actor);
    vn_sql_bind_i64(q, 7, f->limit ? (int64_t)f->limit : -1);
    vn_status st;
    while ((st = vn_sql_row(s, q, "audit list")) == VN_OK) {
        struct vn_audit_entry e = {
            .number = vn_sql_col_u64(q, 0),
            .at_ms = vn_sql_col_u64(q, 1),
            .actor = text_of(q, 3),
            .action = text_of(q, 4),
            .subject = text_of(q, 5),
            .detail = text_of(q, 6),
        };
        e.has_realm = vn_sql_col_id(q, 2, &e.realm);
        if (!fn(arg, &e))
            return VN_OK;
    }
    return st == VN_ERR_NOTFOUND ? VN_OK : st;
}

/* ---- API tokens ---- */

vn_status vn_store_api_token_add(struct vn_store *s, const struct vn_api_token *t)
{
    VN_QUERY q = vn_sql_prepare(s, "INSERT INTO api_token (id, user, name, hash, scopes, realm,"
                                   " created_at, expires_at) VALUES (?,?,?,?,?,?,?,?)");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, &t->id);
    vn_sql_bind_id(q, 2, &t->user);
    vn_sql_bind_text(q, 3, t->name);
    vn_sql_bind_blob(q, 4, VN_SPAN_ARRAY(t->hash));
    vn_sql_bind_i64(q, 5, t->scopes);
    if (t->has_realm)
        vn_sql_bind_id(q, 6, &t->realm);
    vn_sql_bind_u64(q, 7, t->created_ms);
    vn_sql_bind_u64(q, 8, t->expires_ms);
    return vn_sql_run(s, q, "API token add", NULL);
}

#define API_TOKEN_COLUMNS                                                                          \
    "SELECT id, user, name, hash, scopes, realm, created_at, expires_at FROM api_token "

static vn_status api_token_of(struct vn_query *q, struct vn_api_token *t)
{
    *t = (struct vn_api_token){
        .scopes = (unsigned)vn_sql_col_i64(q, 4),
        .created_ms = vn_sql_col_u64(q, 6),
        .expires_ms = vn_sql_col_u64(q, 7),
    };
    t->has_realm = vn_sql_col_id(q, 5, &t->realm);
    if (!vn_sql_col_id(q, 0, &t->id) || !vn_sql_col_id(q, 1, &t->user) ||
        !vn_sql_col_text(q, 2, t->name, sizeof(t->name)) ||
        !vn_sql_col_copy(q, 3, t->hash, sizeof(t->hash)))
        return vn_sql_corrupt("API token");
    return VN_OK;
}

vn_status vn_store_api_token_get(struct vn_store *s, const struct vn_id *id,
                                 struct vn_api_token *ret)
{
    VN_QUERY q = vn_sql_prepare(s, API_TOKEN_COLUMNS "WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, id);
    vn_status st = vn_sql_row(s, q, "API token");
    return st == VN_OK ? api_token_of(q, ret) : st;
}

vn_status vn_store_api_token_list(struct vn_store *s, const struct vn_id *user,
                                  const struct vn_page *page,
                                  bool (*fn)(void *arg, const struct vn_api_token *t), void *arg)
{
    VN_QUERY q =
        vn_sql_prepare(s, API_TOKEN_COLUMNS "WHERE (created_at, id) > (?1, ?2) AND user = ?4"
                                            " ORDER BY created_at, id LIMIT ?3");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_page(q, 1, page);
    vn_sql_bind_id(q, 4, user);
    struct vn_api_token t;
    return VN_SQL_EACH(s, q, "API token list", &t, api_token_of, fn, arg);
}

vn_status vn_store_api_token_delete(struct vn_store *s, const struct vn_id *user,
                                    const struct vn_id *id)
{
    VN_QUERY q = vn_sql_prepare(s, "DELETE FROM api_token WHERE id = ? AND user = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, id);
    vn_sql_bind_id(q, 2, user);
    return vn_sql_change(s, q, "API token delete");
}

/* ---- figures ---- */

vn_status vn_store_figures(struct vn_store *s, uint64_t now_ms, struct vn_store_figures *ret)
{
    VN_QUERY q = vn_sql_prepare(
        s, "SELECT (SELECT COUNT(*) FROM conflux),"
           " (SELECT COUNT(*) FROM conflux WHERE node IS NOT NULL AND not_after > ?),"
           " (SELECT COUNT(*) FROM user), (SELECT COUNT(*) FROM realm),"
           " (SELECT COUNT(*) FROM organisation), (SELECT COUNT(*) FROM revocation)");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_u64(q, 1, now_ms);
    vn_status st = vn_sql_row(s, q, "figures");
    if (st == VN_OK)
        *ret = (struct vn_store_figures){
            .nodes = vn_sql_col_u64(q, 0),
            .sessions = vn_sql_col_u64(q, 1),
            .users = vn_sql_col_u64(q, 2),
            .realms = vn_sql_col_u64(q, 3),
            .orgs = vn_sql_col_u64(q, 4),
            .revocations = vn_sql_col_u64(q, 5),
        };
    return st;
}
