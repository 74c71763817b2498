#include "guardian/store_orgs.h"

#include "guardian/store_sql.h"

/* ---- organisations ---- */

vn_status vn_store_org_add(struct vn_store *s, const struct vn_org_record *o)
{
    VN_QUERY q =
        vn_sql_prepare(s, "INSERT INTO organisation (id, name, created_at) VALUES (?, ?, ?)");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, &o->id);
    vn_sql_bind_text(q, 2, o->name);
    vn_sql_bind_u64(q, 3, o->created_ms);
    return vn_sql_run(s, q, "organisation add", NULL);
}

static vn_status org_of(struct vn_query *q, struct vn_org_record *o)
{
    *o = (struct vn_org_record){.created_ms = vn_sql_col_u64(q, 2)};
    if (!vn_sql_col_id(q, 0, &o->id) || !vn_sql_col_text(q, 1, o->name, sizeof(o->name)))
        return vn_sql_corrupt("organisation");
    return VN_OK;
}

vn_status vn_store_org_get(struct vn_store *s, const struct vn_id *id, struct vn_org_record *ret)
{
    VN_QUERY q = vn_sql_prepare(s, "SELECT id, name, created_at FROM organisation WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, id);
    vn_status st = vn_sql_row(s, q, "organisation");
    return st == VN_OK ? org_of(q, ret) : st;
}

vn_status vn_store_org_by_name(struct vn_store *s, const char *name, struct vn_id *ret)
{
    VN_QUERY q = vn_sql_prepare(s, "SELECT id FROM organisation WHERE name = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_text(q, 1, name);
    return vn_sql_row_id(s, q, "organisation by name", ret);
}

vn_status vn_store_org_rename(struct vn_store *s, const struct vn_id *id, const char *name)
{
    VN_QUERY q = vn_sql_prepare(s, "UPDATE organisation SET name = ? WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_text(q, 1, name);
    vn_sql_bind_id(q, 2, id);
    return vn_sql_change(s, q, "organisation rename");
}

vn_status vn_store_org_delete(struct vn_store *s, const struct vn_id *id)
{
    return vn_sql_change_one(s, "DELETE FROM organisation WHERE id = ?", id, "organisation delete");
}

vn_status vn_store_org_list(struct vn_store *s, const struct vn_id *user,
                            const struct vn_page *page,
                            bool (*fn)(void *arg, const struct vn_org_record *o), void *arg)
{
    VN_QUERY q = vn_sql_prepare(
        s, "SELECT id, name, created_at FROM organisation AS o WHERE (created_at, id) > (?1, ?2)"
           " AND (?4 IS NULL OR EXISTS"
           " (SELECT 1 FROM membership WHERE org = o.id AND user = ?4))"
           " ORDER BY created_at, id LIMIT ?3");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_page(q, 1, page);
    if (user)
        vn_sql_bind_id(q, 4, user);
    struct vn_org_record o;
    return VN_SQL_EACH(s, q, "organisation list", &o, org_of, fn, arg);
}

/* ---- members ---- */

vn_status vn_store_member_role(struct vn_store *s, const struct vn_id *org,
                               const struct vn_id *user, enum vn_role *ret)
{
    VN_QUERY q = vn_sql_prepare(s, "SELECT role FROM membership WHERE org = ? AND user = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, org);
    vn_sql_bind_id(q, 2, user);
    vn_status st = vn_sql_row(s, q, "member");
    if (st == VN_OK || st == VN_ERR_NOTFOUND)
        *ret = st == VN_OK ? (enum vn_role)vn_sql_col_i64(q, 0) : VN_ROLE_NONE;
    return st == VN_ERR_NOTFOUND ? VN_OK : st;
}

vn_status vn_store_member_put(struct vn_store *s, const struct vn_id *org, const struct vn_id *user,
                              enum vn_role role, uint64_t now_ms)
{
    VN_QUERY q =
        vn_sql_prepare(s, "INSERT INTO membership (org, user, role, created_at) VALUES (?, ?, ?, ?)"
                          " ON CONFLICT (org, user) DO UPDATE SET role = excluded.role");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, org);
    vn_sql_bind_id(q, 2, user);
    vn_sql_bind_i64(q, 3, (int)role);
    vn_sql_bind_u64(q, 4, now_ms);
    return vn_sql_run(s, q, "member put", NULL);
}

vn_status vn_store_member_remove(struct vn_store *s, const struct vn_id *org,
                                 const struct vn_id *user)
{
    VN_QUERY teams = vn_sql_prepare(s, "DELETE FROM team_member WHERE user = ?2"
                                       " AND team IN (SELECT id FROM team WHERE org = ?1)");
    VN_QUERY q = vn_sql_prepare(s, "DELETE FROM membership WHERE org = ?1 AND user = ?2");
    if (!teams || !q)
        return VN_ERR_IO;
    vn_sql_bind_id(teams, 1, org);
    vn_sql_bind_id(teams, 2, user);
    vn_sql_bind_id(q, 1, org);
    vn_sql_bind_id(q, 2, user);
    vn_status st = vn_sql_run(s, teams, "member out of teams", NULL);
    return st == VN_OK ? vn_sql_change(s, q, "member remove") : st;
}

static vn_status members(struct vn_store *s, struct vn_query *q, const struct vn_id *org,
                         const struct vn_page *page,
                         bool (*fn)(void *arg, const struct vn_member_record *m), void *arg)
{
    vn_sql_bind_id(q, 4, org);
    vn_sql_bind_page(q, 1, page);
    vn_status st;
    while ((st = vn_sql_row(s, q, "member list")) == VN_OK) {
        struct vn_member_record m = {.org = *org,
                                     .role = (enum vn_role)vn_sql_col_i64(q, 3),
                                     .created_ms = vn_sql_col_u64(q, 4)};
        if (!vn_sql_col_id(q, 0, &m.user) || !vn_sql_col_text(q, 1, m.name, sizeof(m.name)) ||
            !vn_sql_col_text(q, 2, m.display_name, sizeof(m.display_name)))
            return vn_sql_corrupt("member");
        if (!fn(arg, &m))
            return VN_OK;
    }
    return st == VN_ERR_NOTFOUND ? VN_OK : st;
}

vn_status vn_store_member_list(struct vn_store *s, const struct vn_id *org,
                               const struct vn_page *page,
                               bool (*fn)(void *arg, const struct vn_member_record *m), void *arg)
{
    VN_QUERY q = vn_sql_prepare(
        s, "SELECT user.id, name, display_name, role, membership.created_at FROM membership"
           " JOIN user ON user.id = membership.user"
           " WHERE org = ?4 AND (membership.created_at, user.id) > (?1, ?2)"
           " ORDER BY membership.created_at, user.id LIMIT ?3");
    return q ? members(s, q, org, page, fn, arg) : VN_ERR_IO;
}

vn_status vn_store_team_member_list(struct vn_store *s, const struct vn_id *team,
                                    const struct vn_page *page,
                                    bool (*fn)(void *arg, const struct vn_member_record *m),
                                    void *arg)
{
    VN_QUERY q = vn_sql_prepare(
        s, "SELECT user.id, name, display_name, 0, team_member.created_at FROM team_member"
           " JOIN user ON user.id = team_member.user"
           " WHERE team = ?4 AND (team_member.created_at, user.id) > (?1, ?2)"
           " ORDER BY team_member.created_at, user.id LIMIT ?3");
    return q ? members(s, q, team, page, fn, arg) : VN_ERR_IO;
}

vn_status vn_store_owner_count(struct vn_store *s, const struct vn_id *org, unsigned *ret)
{
    VN_QUERY q = vn_sql_prepare(s, "SELECT COUNT(*) FROM membership WHERE org = ? AND role = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, org);
    vn_sql_bind_i64(q, 2, VN_ROLE_OWNER);
    vn_status st = vn_sql_row(s, q, "owners");
    if (st == VN_OK)
        *ret = (unsigned)vn_sql_col_i64(q, 0);
    return st;
}

/* ---- invitations ---- */

vn_status vn_store_invitation_add(struct vn_store *s, const struct vn_invitation_record *i)
{
    VN_QUERY q = vn_sql_prepare(s, "INSERT INTO invitation (id, org, user, role, inviter,"
                                   " created_at) VALUES (?, ?, ?, ?, ?, ?)");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, &i->id);
    vn_sql_bind_id(q, 2, &i->org);
    vn_sql_bind_id(q, 3, &i->user);
    vn_sql_bind_i64(q, 4, (int)i->role);
    vn_sql_bind_text(q, 5, i->inviter);
    vn_sql_bind_u64(q, 6, i->created_ms);
    return vn_sql_run(s, q, "invitation add", NULL);
}

#define INVITATION_COLUMNS                                                                         \
    "SELECT i.id, i.org, i.user, organisation.name, user.name, i.role, i.inviter, i.created_at"    \
    " FROM invitation AS i JOIN organisation ON organisation.id = i.org"                           \
    " JOIN user ON user.id = i.user "

static vn_status invitation_of(struct vn_query *q, struct vn_invitation_record *i)
{
    *i = (struct vn_invitation_record){.role = (enum vn_role)vn_sql_col_i64(q, 5),
                                       .created_ms = vn_sql_col_u64(q, 7)};
    if (!vn_sql_col_id(q, 0, &i->id) || !vn_sql_col_id(q, 1, &i->org) ||
        !vn_sql_col_id(q, 2, &i->user) ||
        !vn_sql_col_text(q, 3, i->org_name, sizeof(i->org_name)) ||
        !vn_sql_col_text(q, 4, i->user_name, sizeof(i->user_name)) ||
        !vn_sql_col_text(q, 6, i->inviter, sizeof(i->inviter)))
        return vn_sql_corrupt("invitation");
    return VN_OK;
}

vn_status vn_store_invitation_get(struct vn_store *s, const struct vn_id *id,
                                  struct vn_invitation_record *ret)
{
    VN_QUERY q = vn_sql_prepare(s, INVITATION_COLUMNS "WHERE i.id = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, id);
    vn_status st = vn_sql_row(s, q, "invitation");
    return st == VN_OK ? invitation_of(q, ret) : st;
}

vn_status vn_store_invitation_delete(struct vn_store *s, const struct vn_id *id)
{
    return vn_sql_change_one(s, "DELETE FROM invitation WHERE id = ?", id, "invitation delete");
}

vn_status vn_store_invitation_list(struct vn_store *s, const struct vn_id *org,
                                   const struct vn_id *user, const struct vn_page *page,
                                   bool (*fn)(void *arg, const struct vn_invitation_record *i),
                                   void *arg)
{
    VN_QUERY q =
        vn_sql_prepare(s, INVITATION_COLUMNS
                       "WHERE (i.created_at, i.id) > (?1, ?2) AND (i.org = ?4 OR i.user = ?5)"
                       " ORDER BY i.created_at, i.id LIMIT ?3");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_page(q, 1, page);
    if (org)
        vn_sql_bind_id(q, 4, org);
    if (user)
        vn_sql_bind_id(q, 5, user);
    struct vn_invitation_record i;
    return VN_SQL_EACH(s, q, "invitation list", &i, invitation_of, fn, arg);
}
