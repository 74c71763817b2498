#include "base/text.h"
#include "guardian/json.h"
#include "guardian/store_orgs.h"
#include "guardian/store_sql.h"

/* ---- the teams of a node ---- */

bool vn_team_set_has(const struct vn_team_set *s, const struct vn_id *team)
{
    for (size_t i = 0; i < s->n; i++)
        if (vn_id_equal(&s->t[i], team))
            return true;
    return false;
}

vn_status vn_team_set_add(struct vn_team_set *s, const struct vn_id *team)
{
    if (vn_team_set_has(s, team))
        return VN_OK;
    if (s->n == VN_NODE_TEAMS_MAX)
        return VN_ERR_LIMIT;
    s->t[s->n++] = *team;
    return VN_OK;
}

void vn_team_set_remove(struct vn_team_set *s, const struct vn_id *team)
{
    for (size_t i = 0; i < s->n; i++) {
        if (vn_id_equal(&s->t[i], team)) {
            memmove(&s->t[i], &s->t[i + 1], (s->n - i - 1) * sizeof(s->t[0]));
            s->n--;
            return;
        }
    }
}

json_t *vn_team_set_json(const struct vn_team_set *s)
{
    json_t *a = json_array();
    for (size_t i = 0; i < s->n; i++)
        json_array_append_new(a, vn_json_id(&s->t[i]));
    return a;
}

void vn_sql_teams_format(const struct vn_team_set *t, char ret[VN_NODE_TEAMS_TEXT])
{
    size_t n = 0;
    ret[0] = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (i)
            ret[n++] = ',';
        vn_id_format(&t->t[i], ret + n);
        n += VN_ID_TEXT - 1;
    }
}

bool vn_sql_teams_parse(const char *text, struct vn_team_set *ret)
{
    *ret = (struct vn_team_set){.n = 0};
    while (*text) {
        const size_t n = strcspn(text, ",");
        if (ret->n == VN_NODE_TEAMS_MAX ||
            vn_id_parse(VN_SPAN(text, n), &ret->t[ret->n++]) != VN_OK)
            return false;
        text += n + (text[n] == ',');
    }
    return true;
}

vn_status vn_store_conflux_set_teams(struct vn_store *s, const struct vn_conflux_record *c)
{
    VN_QUERY q =
        vn_sql_prepare(s, "UPDATE conflux SET teams = ?, statement_number = ? WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    char teams[VN_NODE_TEAMS_TEXT];
    vn_sql_teams_format(&c->teams, teams);
    vn_sql_bind_text(q, 1, teams);
    vn_sql_bind_u64(q, 2, c->statement_number);
    vn_sql_bind_id(q, 3, &c->id);
    return vn_sql_change(s, q, "teams");
}

vn_status vn_store_conflux_next(struct vn_store *s, const struct vn_id *owner,
                                const struct vn_id *after, struct vn_id *ret)
{
    VN_QUERY q =
        vn_sql_prepare(s, "SELECT id FROM conflux WHERE owner = ? AND id > ? ORDER BY id LIMIT 1");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, owner);
    vn_sql_bind_id(q, 2, after);
    return vn_sql_row_id(s, q, "nodes of an owner", ret);
}

/* For a statement whose first parameters are two ids. NULL when it cannot be prepared. */
static struct vn_query *with_pair(struct vn_store *s, const char *sql, const struct vn_id *first,
                                  const struct vn_id *second)
{
    struct vn_query *q = vn_sql_prepare(s, sql);
    if (q) {
        vn_sql_bind_id(q, 1, first);
        vn_sql_bind_id(q, 2, second);
    }
    return q;
}

/* ---- teams ---- */

vn_status vn_store_team_add(struct vn_store *s, const struct vn_team_record *t)
{
    VN_QUERY q =
        vn_sql_prepare(s, "INSERT INTO team (id, org, name, created_at) VALUES (?, ?, ?, ?)");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, &t->id);
    vn_sql_bind_id(q, 2, &t->org);
    vn_sql_bind_text(q, 3, t->name);
    vn_sql_bind_u64(q, 4, t->created_ms);
    return vn_sql_run(s, q, "team add", NULL);
}

static vn_status team_of(struct vn_query *q, struct vn_team_record *t)
{
    *t = (struct vn_team_record){.created_ms = vn_sql_col_u64(q, 3)};
    if (!vn_sql_col_id(q, 0, &t->id) || !vn_sql_col_id(q, 1, &t->org) ||
        !vn_sql_col_text(q, 2, t->name, sizeof(t->name)))
        return vn_sql_corrupt("team");
    return VN_OK;
}

static vn_status team_rows(struct vn_store *s, struct vn_query *q,
                           bool (*fn)(void *arg, const struct vn_team_record *t), void *arg)
{
    struct vn_team_record t;
    return VN_SQL_EACH(s, q, "team list", &t, team_of, fn, arg);
}

vn_status vn_store_team_get(struct vn_store *s, const struct vn_id *id, struct vn_team_record *ret)
{
    VN_QUERY q = vn_sql_prepare(s, "SELECT id, org, name, created_at FROM team WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, id);
    vn_status st = vn_sql_row(s, q, "team");
    return st == VN_OK ? team_of(q, ret) : st;
}

vn_status vn_store_team_rename(struct vn_store *s, const struct vn_id *id, const char *name)
{
    VN_QUERY q = vn_sql_prepare(s, "UPDATE team SET name = ? WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_text(q, 1, name);
    vn_sql_bind_id(q, 2, id);
    return vn_sql_change(s, q, "team rename");
}

vn_status vn_store_team_delete(struct vn_store *s, const struct vn_id *id)
{
    return vn_sql_change_one(s, "DELETE FROM team WHERE id = ?", id, "team delete");
}

vn_status vn_store_team_list(struct vn_store *s, const struct vn_id *org,
                             const struct vn_page *page,
                             bool (*fn)(void *arg, const struct vn_team_record *t), void *arg)
{
    VN_QUERY q =
        vn_sql_prepare(s, "SELECT id, org, name, created_at FROM team WHERE org = ?4"
                          " AND (created_at, id) > (?1, ?2) ORDER BY created_at, id LIMIT ?3");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_page(q, 1, page);
    vn_sql_bind_id(q, 4, org);
    return team_rows(s, q, fn, arg);
}

vn_status vn_store_team_member_put(struct vn_store *s, const struct vn_id *team,
                                   const struct vn_id *user, uint64_t now_ms)
{
    VN_QUERY q = with_pair(s,
                           "INSERT INTO team_member (team, user, created_at)"
                           " VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                           team, user);
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_u64(q, 3, now_ms);
    return vn_sql_run(s, q, "team member put", NULL);
}

vn_status vn_store_team_member_remove(struct vn_store *s, const struct vn_id *team,
                                      const struct vn_id *user)
{
    VN_QUERY q = with_pair(s, "DELETE FROM team_member WHERE team = ? AND user = ?", team, user);
    return q ? vn_sql_change(s, q, "team member remove") : VN_ERR_IO;
}

/* ---- realms ---- */

vn_status vn_store_realm_place(struct vn_store *s, const struct vn_id *realm,
                               struct vn_realm_place *ret)
{
    VN_QUERY q = vn_sql_prepare(s, "SELECT org, public FROM realm WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, realm);
    vn_status st = vn_sql_row(s, q, "realm place");
    if (st != VN_OK)
        return st;
    *ret = (struct vn_realm_place){.public = vn_sql_col_bool(q, 1)};
    return vn_sql_col_id(q, 0, &ret->org) ? VN_OK : vn_sql_corrupt("realm");
}

vn_status vn_store_realm_place_set(struct vn_store *s, const struct vn_id *realm,
                                   const struct vn_realm_place *p)
{
    VN_QUERY q = vn_sql_prepare(s, "UPDATE realm SET org = ?, public = ? WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, &p->org);
    vn_sql_bind_i64(q, 2, p->public);
    vn_sql_bind_id(q, 3, realm);
    return vn_sql_change(s, q, "realm place");
}

vn_status vn_store_realm_role(struct vn_store *s, const struct vn_id *realm,
                              const struct vn_id *user, enum vn_role *ret)
{
    struct vn_realm_place p;
    vn_status st = vn_store_realm_place(s, realm, &p);
    if (st == VN_OK)
        st = vn_store_member_role(s, &p.org, user, ret);
    if (st != VN_OK || *ret != VN_ROLE_NONE)
        return st;
    if (p.public) {
        *ret = VN_ROLE_MEMBER;
        return VN_OK;
    }
    VN_QUERY q = with_pair(s,
                           "SELECT 1 FROM realm_team JOIN team_member USING (team)"
                           " WHERE realm = ? AND user = ?",
                           realm, user);
    if (!q)
        return VN_ERR_IO;
    st = vn_sql_row(s, q, "realm role");
    if (st == VN_OK)
        *ret = VN_ROLE_MEMBER;
    return st == VN_ERR_NOTFOUND ? VN_OK : st;
}

vn_status vn_store_realm_team_put(struct vn_store *s, const struct vn_id *realm,
                                  const struct vn_id *team)
{
    VN_QUERY q =
        with_pair(s, "INSERT INTO realm_team (realm, team) VALUES (?, ?) ON CONFLICT DO NOTHING",
                  realm, team);
    return q ? vn_sql_run(s, q, "realm team put", NULL) : VN_ERR_IO;
}

vn_status vn_store_realm_team_remove(struct vn_store *s, const struct vn_id *realm,
                                     const struct vn_id *team)
{
    VN_QUERY q = with_pair(s, "DELETE FROM realm_team WHERE realm = ? AND team = ?", realm, team);
    return q ? vn_sql_change(s, q, "realm team remove") : VN_ERR_IO;
}

vn_status vn_store_realm_team_list(struct vn_store *s, const struct vn_id *realm,
                                   bool (*fn)(void *arg, const struct vn_team_record *t), void *arg)
{
    VN_QUERY q = vn_sql_prepare(
        s, "SELECT id, org, name, created_at FROM team JOIN realm_team ON realm_team.team = team.id"
           " WHERE realm = ? ORDER BY created_at, id");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, realm);
    return team_rows(s, q, fn, arg);
}

vn_status vn_store_realm_team_of_user(struct vn_store *s, const struct vn_id *realm,
                                      const struct vn_id *user, const struct vn_id *id,
                                      const char *name, struct vn_team_record *ret)
{
    VN_QUERY q = vn_sql_prepare(
        s, "SELECT team.id, team.org, team.name, team.created_at FROM team"
           " JOIN team_member ON team_member.team = team.id JOIN realm ON realm.id = ?1"
           " WHERE user = ?2 AND (team.id = ?3 OR team.name = ?4) AND (team.org = realm.org"
           " OR EXISTS (SELECT 1 FROM realm_team WHERE realm = ?1 AND realm_team.team = team.id))"
           " ORDER BY team.org <> realm.org, team.created_at, team.id LIMIT 1");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, realm);
    vn_sql_bind_id(q, 2, user);
    if (id)
        vn_sql_bind_id(q, 3, id);
    if (name)
        vn_sql_bind_text(q, 4, name);
    vn_status st = vn_sql_row(s, q, "team of a realm");
    return st == VN_OK ? team_of(q, ret) : st;
}
