#include "guardian/store_sql.h"

/* ---- nodes ---- */

vn_status vn_store_conflux_add(struct vn_store *s, const struct vn_conflux_record *c)
{
    VN_QUERY q = vn_sql_prepare(
        s, "INSERT INTO conflux (id, realm, token, owner, allowed_taints, tag, ip4, ip6, taints,"
           " created_at, statement_number, teams, ephemeral, scopes, waiting, rights, portal)"
           " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    if (!q)
        return VN_ERR_IO;
    char taints[VN_TAINTS_TEXT], allowed[VN_TAINTS_TEXT], teams[VN_NODE_TEAMS_TEXT];
    vn_sql_teams_format(&c->teams, teams);
    vn_sql_bind_text(q, 12, teams);
    vn_sql_bind_i64(q, 13, c->ephemeral);
    char scopes[VN_NODE_SCOPES_TEXT];
    vn_scope_set_format(&c->scopes, scopes);
    vn_sql_bind_text(q, 14, scopes);
    vn_sql_bind_i64(q, 15, c->waiting);
    vn_sql_bind_rights(q, 16, &c->rights);
    vn_taints_format(&c->taints, taints);
    vn_allowed_format(&c->allowed, allowed);
    vn_sql_bind_id(q, 1, &c->id);
    vn_sql_bind_id(q, 2, &c->realm);
    vn_sql_bind_id(q, 3, &c->token);
    vn_sql_bind_id(q, 4, &c->owner);
    vn_sql_bind_text(q, 5, allowed);
    vn_sql_bind_text(q, 6, c->tag);
    vn_sql_bind_i64(q, 7, c->ip4);
    vn_sql_bind_blob(q, 8, VN_SPAN_ARRAY(c->ip6.b));
    vn_sql_bind_text(q, 9, taints);
    vn_sql_bind_u64(q, 10, c->created_ms);
    vn_sql_bind_u64(q, 11, c->statement_number);
    return vn_sql_run(s, q, "conflux add", NULL);
}

#define CONFLUX_COLUMNS                                                                            \
    "SELECT id, realm, token, owner, allowed_taints, tag, ip4, ip6, taints, created_at, "          \
    "statement_number, not_after,"                                                                 \
    " last_login_at, node, sig_pk, session_ek, nkey, serial, generation, quarantine,"              \
    " quarantine_number, teams, ephemeral, scopes, waiting, country, rights, portal FROM conflux "

static vn_status conflux_of(struct vn_query *q, struct vn_conflux_record *c)
{
    char taints[VN_TAINTS_TEXT], allowed[VN_TAINTS_TEXT], quarantine[VN_QUARANTINE_RULES_TEXT];
    char teams[VN_NODE_TEAMS_TEXT], scopes[VN_NODE_SCOPES_TEXT];
    memset(c, 0, sizeof(*c));
    c->ip4 = (uint32_t)vn_sql_col_i64(q, 6);
    c->created_ms = vn_sql_col_u64(q, 9);
    c->statement_number = vn_sql_col_u64(q, 10);
    c->quarantine_number = vn_sql_col_u64(q, 20);
    c->session.not_after_ms = vn_sql_col_u64(q, 11);
    c->session.login_ms = vn_sql_col_u64(q, 12);
    c->session.generation = (uint32_t)vn_sql_col_i64(q, 18);
    c->ephemeral = vn_sql_col_bool(q, 22);
    c->waiting = vn_sql_col_bool(q, 24);
    c->has_session = !vn_sql_col_null(q, 13);
    if (!vn_sql_col_id(q, 0, &c->id) || !vn_sql_col_id(q, 1, &c->realm) ||
        !vn_sql_col_id(q, 2, &c->token) || !vn_sql_col_id(q, 3, &c->owner) ||
        !vn_sql_col_text(q, 4, allowed, sizeof(allowed)) ||
        !vn_sql_col_text(q, 5, c->tag, sizeof(c->tag)) || !vn_sql_col_copy(q, 7, c->ip6.b, 16) ||
        !vn_sql_col_text(q, 8, taints, sizeof(taints)) ||
        vn_taints_parse(taints, &c->taints) != VN_OK ||
        vn_allowed_parse(allowed, &c->allowed) != VN_OK ||
        !vn_sql_col_text(q, 19, quarantine, sizeof(quarantine)) ||
        vn_quarantine_rules_parse(quarantine, &c->quarantine) != VN_OK ||
        !vn_sql_col_text(q, 21, teams, sizeof(teams)) || !vn_sql_teams_parse(teams, &c->teams) ||
        !vn_sql_col_text(q, 23, scopes, sizeof(scopes)) ||
        vn_scope_set_parse(scopes, &c->scopes) != VN_OK ||
        !vn_sql_col_text(q, 25, c->session.country, sizeof(c->session.country)) ||
        !vn_sql_col_rights(q, 26, &c->rights))
        return vn_sql_corrupt("conflux");
    struct vn_session_record *n = &c->session;
    if (c->has_session &&
        (!vn_sql_col_id(q, 13, &n->node) ||
         !vn_sql_col_up_to(q, 14, n->sig_pk, VN_PK_MAX, &n->sig_pk_n) ||
         !vn_sql_col_up_to(q, 15, n->session_ek, VN_EK_MAX, &n->session_ek_n) ||
         !vn_sql_col_copy(q, 16, n->nkey, 32) || !vn_sql_col_copy(q, 17, n->serial, 16)))
        return vn_sql_corrupt("conflux session");
    return VN_OK;
}

vn_status vn_store_conflux_get(struct vn_store *s, const struct vn_id *id,
                               struct vn_conflux_record *ret)
{
    VN_QUERY q = vn_sql_prepare(s, CONFLUX_COLUMNS "WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, id);
    vn_status st = vn_sql_row(s, q, "conflux");
    return st == VN_OK ? conflux_of(q, ret) : st;
}

static vn_status conflux_rows(struct vn_store *s, struct vn_query *q,
                              bool (*fn)(void *arg, const struct vn_conflux_record *c), void *arg)
{
    struct vn_conflux_record c;
    return VN_SQL_EACH(s, q, "conflux list", &c, conflux_of, fn, arg);
}

vn_status vn_store_conflux_list(struct vn_store *s, const struct vn_conflux_filter *f,
                                const struct vn_page *page,
                                bool (*fn)(void *arg, const struct vn_conflux_record *c), void *arg)
{
    static const char *const SQL[] = {
#define LIST(which)                                                                                \
    CONFLUX_COLUMNS "WHERE realm = ? AND (created_at, id) > (?, ?)"                                \
                    " AND (?5 IS NULL OR owner = ?5)" which " ORDER BY created_at, id LIMIT ?4"
        [VN_ALL_NODES] = LIST(""),
        [VN_NODES_APPROVED] = LIST(" AND waiting = 0"),
        [VN_NODES_WAITING] = LIST(" AND waiting = 1"),
#undef LIST
    };
    VN_QUERY q = vn_sql_prepare(s, SQL[f->which]);
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, &f->realm);
    vn_sql_bind_page(q, 2, page);
    if (f->owner)
        vn_sql_bind_id(q, 5, f->owner);
    return conflux_rows(s, q, fn, arg);
}

vn_status vn_store_conflux_waiting(struct vn_store *s, const struct vn_id *realm, size_t *ret)
{
    VN_QUERY q = vn_sql_prepare(s, "SELECT COUNT(*) FROM conflux WHERE realm = ? AND waiting = 1");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, realm);
    vn_status st = vn_sql_row(s, q, "waiting nodes");
    if (st == VN_OK)
        *ret = (size_t)vn_sql_col_u64(q, 0);
    return st;
}

vn_status vn_store_conflux_over(struct vn_store *s, uint64_t now_ms, uint64_t grace_ms,
                                uint64_t waiting_ms, struct vn_id *ret, size_t cap, size_t *ret_n)
{
    VN_QUERY q = vn_sql_prepare(s, "SELECT id FROM conflux WHERE (ephemeral = 1 AND waiting = 0"
                                   " AND not_after <= ? AND (not_after > 0 OR created_at <= ?))"
                                   " OR (waiting = 1 AND created_at <= ?) LIMIT ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_u64(q, 1, now_ms);
    vn_sql_bind_u64(q, 2, now_ms - grace_ms);
    vn_sql_bind_u64(q, 3, now_ms - waiting_ms);
    vn_sql_bind_i64(q, 4, (int64_t)cap);
    *ret_n = 0;
    vn_status st;
    while ((st = vn_sql_row(s, q, "nodes that are over")) == VN_OK)
        if (!vn_sql_col_id(q, 0, &ret[(*ret_n)++]))
            return vn_sql_corrupt("conflux");
    return st == VN_ERR_NOTFOUND ? VN_OK : st;
}

vn_status vn_store_conflux_delete(struct vn_store *s, const struct vn_conflux_record *c,
                                  uint64_t now_ms)
{
    VN_QUERY del = vn_sql_prepare(s, "DELETE FROM conflux WHERE id = ?");
    VN_QUERY give_up =
        vn_sql_prepare(s, "UPDATE lease SET conflux = NULL, until = ? WHERE realm = ? AND ip4 = ?");
    VN_QUERY purge = vn_sql_prepare(s, "DELETE FROM lease WHERE conflux IS NULL AND until <= ?");
    if (!del || !give_up || !purge)
        return VN_ERR_IO;
    vn_sql_bind_id(del, 1, &c->id);
    int changes;
    vn_status st = vn_sql_run(s, del, "conflux delete", &changes);
    if (st == VN_OK && !changes)
        st = VN_ERR_NOTFOUND;
    if (st != VN_OK)
        return st;
    vn_sql_bind_u64(give_up, 1, c->session.not_after_ms);
    vn_sql_bind_id(give_up, 2, &c->realm);
    vn_sql_bind_i64(give_up, 3, c->ip4);
    st = vn_sql_run(s, give_up, "lease give up", NULL);
    if (st != VN_OK)
        return st;
    vn_sql_bind_u64(purge, 1, now_ms);
    return vn_sql_run(s, purge, "lease purge", NULL);
}

vn_status vn_store_conflux_set_taints(struct vn_store *s, const struct vn_id *id,
                                      const struct vn_taint_set *taints, uint64_t statement_number)
{
    VN_QUERY q =
        vn_sql_prepare(s, "UPDATE conflux SET taints = ?, statement_number = ? WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    char text[VN_TAINTS_TEXT];
    vn_taints_format(taints, text);
    vn_sql_bind_text(q, 1, text);
    vn_sql_bind_u64(q, 2, statement_number);
    vn_sql_bind_id(q, 3, id);
    return vn_sql_change(s, q, "conflux taints");
}

vn_status vn_store_conflux_set_session(struct vn_store *s, const struct vn_id *id,
                                       const struct vn_session_record *session,
                                       uint64_t statement_number)
{
    VN_QUERY q =
        vn_sql_prepare(s, "UPDATE conflux SET node = ?, sig_pk = ?, session_ek = ?, nkey = ?, "
                          "serial = ?, not_after = ?,"
                          " last_login_at = ?, statement_number = ?, generation = ?,"
                          " country = ? WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, &session->node);
    vn_sql_bind_blob(q, 2, VN_SPAN(session->sig_pk, session->sig_pk_n));
    vn_sql_bind_blob(q, 3, VN_SPAN(session->session_ek, session->session_ek_n));
    vn_sql_bind_blob(q, 4, VN_SPAN_ARRAY(session->nkey));
    vn_sql_bind_blob(q, 5, VN_SPAN_ARRAY(session->serial));
    vn_sql_bind_u64(q, 6, session->not_after_ms);
    vn_sql_bind_u64(q, 7, session->login_ms);
    vn_sql_bind_u64(q, 8, statement_number);
    vn_sql_bind_u64(q, 9, session->generation);
    vn_sql_bind_text(q, 10, session->country);
    vn_sql_bind_id(q, 11, id);
    return vn_sql_change(s, q, "conflux session");
}

vn_status vn_store_conflux_set_rights(struct vn_store *s, const struct vn_id *id,
                                      const struct vn_rights *rights)
{
    VN_QUERY q = vn_sql_prepare(s, "UPDATE conflux SET rights = ?, portal = ? WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_rights(q, 1, rights);
    vn_sql_bind_id(q, 3, id);
    return vn_sql_change(s, q, "conflux rights");
}

vn_status vn_store_conflux_approve(struct vn_store *s, const struct vn_id *id)
{
    return vn_sql_change_one(s, "UPDATE conflux SET waiting = 0 WHERE id = ?", id,
                             "conflux approve");
}

vn_status vn_store_conflux_end_session(struct vn_store *s, const struct vn_id *id)
{
    VN_QUERY q = vn_sql_prepare(
        s, "UPDATE conflux SET node = NULL, sig_pk = NULL, session_ek = NULL, nkey = NULL,"
           " serial = NULL WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, id);
    return vn_sql_change(s, q, "conflux logout");
}

vn_status vn_store_tag_foreign(struct vn_store *s, const struct vn_id *realm, const char *tag,
                               const struct vn_id *owner, const struct vn_id *token, bool *ret)
{
    VN_QUERY q = vn_sql_prepare(
        s,
        "SELECT 1 FROM conflux WHERE realm = ? AND tag = ? AND owner <> ? AND token <> ? LIMIT 1");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, realm);
    vn_sql_bind_text(q, 2, tag);
    vn_sql_bind_id(q, 3, owner);
    vn_sql_bind_id(q, 4, token);
    vn_status st = vn_sql_row(s, q, "tag");
    if (st != VN_OK && st != VN_ERR_NOTFOUND)
        return st;
    *ret = st == VN_OK;
    return VN_OK;
}

vn_status vn_store_outbox_add(struct vn_store *s, const struct vn_id *conflux)
{
    VN_QUERY q = vn_sql_prepare(s, "INSERT INTO outbox (conflux) VALUES (?)"
                                   " ON CONFLICT DO UPDATE SET due = 0");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, conflux);
    return vn_sql_run(s, q, "outbox add", NULL);
}

/* Runs a statement that changes one record and returns its id. VN_ERR_NOTFOUND: there was none. */
static vn_status take_id(struct vn_store *s, struct vn_query *q, const char *what,
                         struct vn_id *ret)
{
    if (!q)
        return VN_ERR_IO;
    vn_status st = vn_sql_row_id(s, q, what, ret);
    /* the change is made when the statement is done */
    return st == VN_OK ? vn_sql_run(s, q, what, NULL) : st;
}

vn_status vn_store_outbox_take(struct vn_store *s, uint64_t now_ms, struct vn_id *ret)
{
    VN_QUERY q = vn_sql_prepare(s, "DELETE FROM outbox WHERE conflux = (SELECT conflux FROM outbox"
                                   " WHERE due <= ? LIMIT 1) RETURNING conflux");
    if (q)
        vn_sql_bind_u64(q, 1, now_ms);
    return take_id(s, q, "outbox take", ret);
}

/* ---- quarantine ---- */

vn_status vn_store_quarantine_set(struct vn_store *s, const struct vn_conflux_record *c)
{
    VN_QUERY q =
        vn_sql_prepare(s, "UPDATE conflux SET quarantine = ?, statement_number = ? WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    char text[VN_QUARANTINE_RULES_TEXT];
    vn_quarantine_rules_format(&c->quarantine, text);
    vn_sql_bind_text(q, 1, text);
    vn_sql_bind_u64(q, 2, c->statement_number);
    vn_sql_bind_id(q, 3, &c->id);
    return vn_sql_change(s, q, "quarantine set");
}

vn_status vn_store_quarantine_list(struct vn_store *s, const struct vn_id *realm,
                                   bool (*fn)(void *arg, const struct vn_conflux_record *c),
                                   void *arg)
{
    VN_QUERY q = vn_sql_prepare(s, CONFLUX_COLUMNS "WHERE realm = ? AND quarantine <> ''");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, realm);
    return conflux_rows(s, q, fn, arg);
}

vn_status vn_store_quarantine_bump(struct vn_store *s, const struct vn_id *conflux, uint64_t now_ms,
                                   bool push)
{
    VN_QUERY q =
        vn_sql_prepare(s, "UPDATE conflux SET quarantine_number = MAX(quarantine_number + 1, ?), "
                          "quarantine_pushed = ? WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_u64(q, 1, now_ms);
    vn_sql_bind_i64(q, 2, !push);
    vn_sql_bind_id(q, 3, conflux);
    return vn_sql_run(s, q, "quarantine bump", NULL);
}

vn_status vn_store_quarantine_take(struct vn_store *s, struct vn_id *ret)
{
    VN_QUERY q =
        vn_sql_prepare(s, "UPDATE conflux SET quarantine_pushed = 1 WHERE id = (SELECT id FROM "
                          "conflux WHERE quarantine_pushed = 0 LIMIT 1) RETURNING id");
    return take_id(s, q, "quarantine take", ret);
}

/* ---- address leases ---- */

vn_status vn_store_lease_find(struct vn_store *s, const struct vn_id *realm, uint32_t first,
                              uint32_t last, uint64_t now_ms, uint32_t *ret)
{
    VN_QUERY purge = vn_sql_prepare(s, "DELETE FROM lease WHERE conflux IS NULL AND until <= ?");
    /* The first gap: either the range's start, or the place after a leased address whose successor
     * is free. */
    VN_QUERY q = vn_sql_prepare(
        s,
        "SELECT ?2 WHERE NOT EXISTS (SELECT 1 FROM lease WHERE realm = ?1 AND ip4 = ?2)"
        " UNION ALL SELECT * FROM (SELECT l.ip4 + 1 FROM lease l WHERE l.realm = ?1 AND l.ip4 >= ?2"
        " AND l.ip4 < ?3 AND NOT EXISTS (SELECT 1 FROM lease n WHERE n.realm = ?1 AND"
        " n.ip4 = l.ip4 + 1) ORDER BY l.ip4 LIMIT 1) LIMIT 1");
    if (!purge || !q)
        return VN_ERR_IO;
    vn_sql_bind_u64(purge, 1, now_ms);
    vn_status st = vn_sql_run(s, purge, "lease purge", NULL);
    if (st != VN_OK)
        return st;
    vn_sql_bind_id(q, 1, realm);
    vn_sql_bind_i64(q, 2, first);
    vn_sql_bind_i64(q, 3, last);
    st = vn_sql_row(s, q, "lease find");
    if (st == VN_ERR_NOTFOUND)
        return VN_ERR_LIMIT;
    if (st == VN_OK)
        *ret = (uint32_t)vn_sql_col_i64(q, 0);
    return st;
}

vn_status vn_store_lease_take(struct vn_store *s, const struct vn_id *realm, uint32_t ip4,
                              const struct vn_id *conflux, const char *tag, uint64_t now_ms,
                              char ret_holder[64], uint64_t *ret_until_ms)
{
    VN_QUERY holder = vn_sql_prepare(
        s, "SELECT tag, conflux IS NULL, until FROM lease WHERE realm = ? AND ip4 = ?"
           " AND (conflux IS NOT NULL OR until > ?)");
    VN_QUERY take = vn_sql_prepare(
        s, "INSERT OR REPLACE INTO lease (realm, ip4, conflux, tag, until) VALUES (?,?,?,?,0)");
    if (!holder || !take)
        return VN_ERR_IO;
    vn_sql_bind_id(holder, 1, realm);
    vn_sql_bind_i64(holder, 2, ip4);
    vn_sql_bind_u64(holder, 3, now_ms);
    vn_status st = vn_sql_row(s, holder, "lease");
    if (st == VN_OK) {
        if (!vn_sql_col_text(holder, 0, ret_holder, 64))
            return vn_sql_corrupt("lease");
        *ret_until_ms = vn_sql_col_bool(holder, 1) ? vn_sql_col_u64(holder, 2) : 0;
        return VN_ERR_EXISTS;
    }
    if (st != VN_ERR_NOTFOUND)
        return st;
    vn_sql_bind_id(take, 1, realm);
    vn_sql_bind_i64(take, 2, ip4);
    vn_sql_bind_id(take, 3, conflux);
    vn_sql_bind_text(take, 4, tag);
    return vn_sql_run(s, take, "lease take", NULL);
}
