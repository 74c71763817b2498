#include "guardian/store_oidc.h"

#include "guardian/store_sql.h"

vn_status vn_store_oidc_add(struct vn_store *s, const struct vn_oidc_provider *p)
{
    VN_QUERY q = vn_sql_prepare(
        s, "INSERT INTO oidc_provider (id, name, issuer, client_id, client_secret, sign_up,"
           " created_at, supabase) SELECT ?1,?2,?3,?4,?5,?6,?7,?9 WHERE (SELECT COUNT(*) FROM "
           "oidc_provider) < ?8");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, &p->id);
    vn_sql_bind_text(q, 2, p->name);
    vn_sql_bind_text(q, 3, p->issuer);
    vn_sql_bind_text(q, 4, p->client_id);
    vn_sql_bind_text(q, 5, p->client_secret);
    vn_sql_bind_i64(q, 6, p->sign_up);
    vn_sql_bind_u64(q, 7, p->created_ms);
    vn_sql_bind_i64(q, 8, VN_OIDC_PROVIDERS_MAX);
    vn_sql_bind_i64(q, 9, p->supabase);
    int changes;
    vn_status st = vn_sql_run(s, q, "provider add", &changes);
    return st == VN_OK && !changes ? VN_ERR_LIMIT : st;
}

#define PROVIDER_COLUMNS                                                                           \
    "SELECT id, name, issuer, client_id, client_secret, sign_up, created_at, supabase FROM "       \
    "oidc_provider "

static vn_status provider_of(struct vn_query *q, struct vn_oidc_provider *p)
{
    p->sign_up = vn_sql_col_bool(q, 5);
    p->created_ms = vn_sql_col_u64(q, 6);
    p->supabase = vn_sql_col_bool(q, 7);
    return vn_sql_col_id(q, 0, &p->id) && vn_sql_col_text(q, 1, p->name, sizeof(p->name)) &&
                   vn_sql_col_text(q, 2, p->issuer, sizeof(p->issuer)) &&
                   vn_sql_col_text(q, 3, p->client_id, sizeof(p->client_id)) &&
                   vn_sql_col_text(q, 4, p->client_secret, sizeof(p->client_secret))
               ? VN_OK
               : vn_sql_corrupt("provider");
}

vn_status vn_store_oidc_by_name(struct vn_store *s, const char *name, struct vn_oidc_provider *ret)
{
    VN_QUERY q = vn_sql_prepare(s, PROVIDER_COLUMNS "WHERE name = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_text(q, 1, name);
    vn_status st = vn_sql_row(s, q, "provider");
    return st == VN_OK ? provider_of(q, ret) : st;
}

vn_status vn_store_oidc_delete(struct vn_store *s, const struct vn_id *id)
{
    /* SQLite keeps the place where it makes up rows. A longer one there leaves no secret; of one as
     * long it would write into the page at once. */
    vn_status st = vn_sql_change_one(s,
                                     "UPDATE oidc_provider SET client_secret ="
                                     " hex(zeroblob(length(client_secret) / 2 + 1)) WHERE id = ?",
                                     id, "provider secret");
    return st == VN_OK ? vn_sql_change_one(s, "DELETE FROM oidc_provider WHERE id = ?", id,
                                           "provider delete")
                       : st;
}

vn_status vn_store_oidc_list(struct vn_store *s, const struct vn_page *page,
                             bool (*fn)(void *arg, const struct vn_oidc_provider *p), void *arg)
{
    VN_QUERY q = vn_sql_prepare(s, PROVIDER_COLUMNS "WHERE (created_at, id) > (?, ?)"
                                                    " ORDER BY created_at, id LIMIT ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_page(q, 1, page);
    vn_status st;
    while ((st = vn_sql_row(s, q, "provider list")) == VN_OK) {
        struct vn_oidc_provider p;
        st = provider_of(q, &p);
        const bool more = st == VN_OK && fn(arg, &p);
        vn_wipe(&p, sizeof(p));
        if (!more)
            return st;
    }
    return st == VN_ERR_NOTFOUND ? VN_OK : st;
}

#define IDENTITY_COLUMNS                                                                           \
    "SELECT i.id, i.user, i.issuer, i.subject, i.created_at, p.name FROM user_identity i"          \
    " LEFT JOIN oidc_provider p ON p.issuer = i.issuer "

static vn_status identity_of(struct vn_query *q, struct vn_identity_record *i)
{
    i->created_ms = vn_sql_col_u64(q, 4);
    i->provider[0] = 0;
    return vn_sql_col_id(q, 0, &i->id) && vn_sql_col_id(q, 1, &i->user) &&
                   vn_sql_col_text(q, 2, i->issuer, sizeof(i->issuer)) &&
                   vn_sql_col_text(q, 3, i->subject, sizeof(i->subject)) &&
                   (vn_sql_col_null(q, 5) ||
                    vn_sql_col_text(q, 5, i->provider, sizeof(i->provider)))
               ? VN_OK
               : vn_sql_corrupt("identity");
}

vn_status vn_store_identity_get(struct vn_store *s, const char *issuer, const char *subject,
                                struct vn_identity_record *ret)
{
    VN_QUERY q = vn_sql_prepare(s, IDENTITY_COLUMNS "WHERE i.issuer = ? AND i.subject = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_text(q, 1, issuer);
    vn_sql_bind_text(q, 2, subject);
    vn_status st = vn_sql_row(s, q, "identity");
    return st == VN_OK ? identity_of(q, ret) : st;
}

vn_status vn_store_identity_add(struct vn_store *s, const struct vn_identity_record *i)
{
    VN_QUERY q = vn_sql_prepare(
        s, "INSERT INTO user_identity (id, issuer, subject, user, created_at) SELECT ?1,?2,?3,?4,?5"
           " WHERE (SELECT COUNT(*) FROM user_identity WHERE user = ?4) < ?6");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, &i->id);
    vn_sql_bind_text(q, 2, i->issuer);
    vn_sql_bind_text(q, 3, i->subject);
    vn_sql_bind_id(q, 4, &i->user);
    vn_sql_bind_u64(q, 5, i->created_ms);
    vn_sql_bind_i64(q, 6, VN_OIDC_IDENTITIES_MAX);
    int changes;
    vn_status st = vn_sql_run(s, q, "identity add", &changes);
    return st == VN_OK && !changes ? VN_ERR_LIMIT : st;
}

vn_status vn_store_identity_list(struct vn_store *s, const struct vn_id *user,
                                 const struct vn_page *page,
                                 bool (*fn)(void *arg, const struct vn_identity_record *i),
                                 void *arg)
{
    VN_QUERY q =
        vn_sql_prepare(s, IDENTITY_COLUMNS "WHERE (i.created_at, i.id) > (?1, ?2) AND i.user = ?4"
                                           " ORDER BY i.created_at, i.id LIMIT ?3");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_page(q, 1, page);
    vn_sql_bind_id(q, 4, user);
    struct vn_identity_record i;
    return VN_SQL_EACH(s, q, "identity list", &i, identity_of, fn, arg);
}

vn_status vn_store_identity_delete(struct vn_store *s, const struct vn_id *user,
                                   const struct vn_id *id)
{
    VN_QUERY q = vn_sql_prepare(s, "DELETE FROM user_identity WHERE id = ? AND user = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, id);
    vn_sql_bind_id(q, 2, user);
    return vn_sql_change(s, q, "identity delete");
}

vn_status vn_store_identity_count(struct vn_store *s, const struct vn_id *user, unsigned *ret)
{
    VN_QUERY q = vn_sql_prepare(s, "SELECT COUNT(*) FROM user_identity WHERE user = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, user);
    vn_status st = vn_sql_row(s, q, "identities");
    if (st == VN_OK)
        *ret = (unsigned)vn_sql_col_i64(q, 0);
    return st;
}
