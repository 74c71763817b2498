/* Teams: of organisations, of realms, on nodes. */
#include "crypto/rng.h"
#include "guardian/people.h"
#include "guardian/routes.h"
#include "guardian/routes_node.h"

static void audit(struct vn_request *r, const char *action, const char *subject, const char *detail)
{
    char actor[VN_USER_NAME_MAX + 8];
    const bool in_realm = r->route->on == VN_ON_REALM || r->route->on == VN_ON_NODE;
    vn_guardian_audit(r->g, in_realm ? &r->realm : NULL, vn_request_actor(r, actor), action,
                      subject, detail);
}

static json_t *team_json(const struct vn_team_record *t)
{
    return json_pack("{s:o, s:o, s:s, s:I}", "id", vn_json_id(&t->id), "org", vn_json_id(&t->org),
                     "name", t->name, "created_at", (json_int_t)t->created_ms);
}

/* Reads the body's name. Returns false after answering. */
static bool read_name(struct vn_request *r, struct vn_team_record *t)
{
    const char *name = vn_request_text(r, "name");
    if (!vn_label_valid(name)) {
        vn_request_error(r, 400,
                         "a team's name has 1 to 63 characters a-z 0-9 -, no hyphen at its ends: "
                         "choose another");
        return false;
    }
    snprintf(t->name, sizeof(t->name), "%s", name);
    return true;
}

static void reply_team(struct vn_request *r, vn_status st, const struct vn_team_record *t,
                       const char *action)
{
    if (st == VN_ERR_EXISTS) {
        vn_request_error(r, 409, "a team named %s exists: choose another name", t->name);
    } else if (st != VN_OK) {
        vn_request_fail(r, st, "team");
    } else {
        audit(r, action, t->name, "");
        vn_request_reply(r, r->route->status, team_json(t));
    }
}

void vn_route_team_create(struct vn_request *r)
{
    struct vn_team_record t = {.org = r->org, .created_ms = r->now_ms};
    if (!read_name(r, &t))
        return;
    vn_status st = vn_rng_bytes(t.id.b, sizeof(t.id.b));
    if (st == VN_OK)
        st = vn_store_team_add(r->g->store, &t);
    reply_team(r, st, &t, "team_created");
}

void vn_route_team_rename(struct vn_request *r)
{
    struct vn_team_record t = r->team;
    if (!read_name(r, &t))
        return;
    reply_team(r, vn_store_team_rename(r->g->store, &t.id, t.name), &t, "team_renamed");
}

static bool add_team(void *arg, const struct vn_team_record *t)
{
    return vn_items_add(arg, team_json(t), t->created_ms, &t->id);
}

void vn_route_team_list(struct vn_request *r)
{
    struct vn_items l;
    if (!vn_items_begin(r, &l))
        return;
    vn_status st = vn_store_team_list(r->g->store, &r->org, &l.page, add_team, &l);
    vn_items_reply(r, &l, st, "teams");
}

/* The list is read whole before anything changes: in pieces of this many. */
#define MEMBERS_AT_ONCE 64

struct batch {
    struct vn_member_record m[MEMBERS_AT_ONCE];
    size_t n;
};

static bool collect(void *arg, const struct vn_member_record *m)
{
    struct batch *b = arg;
    b->m[b->n++] = *m;
    return b->n < MEMBERS_AT_ONCE;
}

/* Of a team that is no team of the realm (NULL: of any) any more: somebody may have been there by
 * nothing else. */
static vn_status check_members(struct vn_store *tx, const struct vn_id *team,
                               const struct vn_id *realm, uint64_t now_ms)
{
    struct vn_page page = {.limit = MEMBERS_AT_ONCE};
    struct batch b;
    do {
        b.n = 0;
        vn_status st = vn_store_team_member_list(tx, team, &page, collect, &b);
        for (size_t i = 0; st == VN_OK && i < b.n; i++) {
            if (!realm)
                st = vn_store_team_member_remove(tx, team, &b.m[i].user);
            if (st == VN_OK)
                st = vn_people_check_user(tx, realm, &b.m[i].user, now_ms);
        }
        if (st != VN_OK)
            return st;
        if (b.n)
            page.after = (struct vn_place){b.m[b.n - 1].created_ms, b.m[b.n - 1].user};
    } while (b.n == MEMBERS_AT_ONCE);
    return VN_OK;
}

void vn_route_team_delete(struct vn_request *r)
{
    vn_status st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = r->g->store;
    if (st == VN_OK)
        st = check_members(tx, &r->team.id, NULL, r->now_ms);
    if (st == VN_OK)
        st = vn_store_team_delete(tx, &r->team.id);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st != VN_OK) {
        vn_request_fail(r, st, "team");
        return;
    }
    audit(r, "team_deleted", r->team.name, "");
    vn_people_tell(r->g);
    vn_request_reply(r, 204, NULL);
}

/* ---- members ---- */

static bool add_member(void *arg, const struct vn_member_record *m)
{
    return vn_items_add(arg,
                        json_pack("{s:o, s:s, s:s, s:I}", "user", vn_json_id(&m->user), "name",
                                  m->name, "display_name", m->display_name, "since",
                                  (json_int_t)m->created_ms),
                        m->created_ms, &m->user);
}

void vn_route_team_member_list(struct vn_request *r)
{
    struct vn_items l;
    if (!vn_items_begin(r, &l))
        return;
    vn_status st = vn_store_team_member_list(r->g->store, &r->team.id, &l.page, add_member, &l);
    vn_items_reply(r, &l, st, "members");
}

void vn_route_team_member_put(struct vn_request *r)
{
    struct vn_id user;
    enum vn_role role = VN_ROLE_NONE;
    if (!vn_request_body_id(r, "user", &user))
        return;
    vn_status st = vn_store_member_role(r->g->store, &r->org, &user, &role);
    if (st == VN_OK && role == VN_ROLE_NONE) {
        vn_request_error(r, 409, "this user is no member of the organisation: invite them first");
        return;
    }
    if (st == VN_OK)
        st = vn_store_team_member_put(r->g->store, &r->team.id, &user, r->now_ms);
    if (st != VN_OK) {
        vn_request_fail(r, st, "team");
        return;
    }
    char id[VN_ID_TEXT];
    vn_id_format(&user, id);
    audit(r, "team_member_added", id, r->team.name);
    vn_request_reply(r, 204, NULL);
}

void vn_route_team_member_remove(struct vn_request *r)
{
    const struct vn_id user = r->path_id[1];
    if (r->role < VN_ROLE_ADMIN && !vn_id_equal(&user, &r->user.id)) {
        vn_request_error(r, 403, "only an administrator may do this: ask one");
        return;
    }
    vn_status st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = r->g->store;
    if (st == VN_OK)
        st = vn_store_team_member_remove(tx, &r->team.id, &user);
    if (st == VN_ERR_NOTFOUND) {
        vn_request_error(r, 404, "there is no such member: see GET /teams/ID/members");
        return;
    }
    if (st == VN_OK)
        st = vn_people_check_user(tx, NULL, &user, r->now_ms);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st != VN_OK) {
        vn_request_fail(r, st, "team");
        return;
    }
    char id[VN_ID_TEXT];
    vn_id_format(&user, id);
    audit(r, "team_member_removed", id, r->team.name);
    vn_people_tell(r->g);
    vn_request_reply(r, 204, NULL);
}

/* ---- of a realm ---- */

static bool append_team(void *arg, const struct vn_team_record *t)
{
    return json_array_append_new(arg, team_json(t)) == 0;
}

void vn_route_realm_teams(struct vn_request *r)
{
    json_t *items = json_array();
    vn_status st = vn_store_realm_team_list(r->g->store, &r->realm, append_team, items);
    if (st == VN_OK) {
        vn_request_reply(r, 200, json_pack("{s:o}", "items", items));
        return;
    }
    json_decref(items);
    vn_request_fail(r, st, "teams");
}

/* Of the body's list. VN_ERR_MALFORMED, VN_ERR_LIMIT. */
static vn_status read_teams(const struct vn_request *r, const char *name, struct vn_team_set *ret)
{
    const json_t *list = json_object_get(r->body, name);
    *ret = (struct vn_team_set){.n = 0};
    vn_status st = VN_OK;
    for (size_t i = 0; st == VN_OK && i < json_array_size(list); i++) {
        struct vn_id id;
        st = vn_id_parse(VN_SPAN_STR(json_string_value(json_array_get(list, i))), &id);
        if (st == VN_OK)
            st = vn_team_set_add(ret, &id);
    }
    return st;
}

/* Both lists. Returns false after answering. */
static bool read_change(struct vn_request *r, struct vn_team_set *add, struct vn_team_set *remove)
{
    if (read_teams(r, "add", add) == VN_OK && read_teams(r, "remove", remove) == VN_OK)
        return true;
    vn_request_error(r, 400, "add and remove are lists of at most %d ids of teams",
                     VN_NODE_TEAMS_MAX);
    return false;
}

void vn_route_realm_teams_change(struct vn_request *r)
{
    struct vn_team_set add, remove;
    if (!read_change(r, &add, &remove))
        return;
    vn_status st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = r->g->store;
    for (size_t i = 0; st == VN_OK && i < add.n; i++)
        st = vn_store_realm_team_put(tx, &r->realm, &add.t[i]);
    for (size_t i = 0; st == VN_OK && i < remove.n; i++) {
        st = vn_store_realm_team_remove(tx, &r->realm, &remove.t[i]);
        if (st == VN_OK)
            st = check_members(tx, &remove.t[i], &r->realm, r->now_ms);
        else if (st == VN_ERR_NOTFOUND)
            st = VN_OK;
    }
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st == VN_ERR_STATE) { /* foreign key */
        vn_request_error(r, 404, "there is no such team: see GET /orgs/ID/teams");
        return;
    }
    if (st != VN_OK) {
        vn_request_fail(r, st, "teams");
        return;
    }
    char id[VN_ID_TEXT];
    vn_id_format(&r->realm, id);
    audit(r, "realm_teams", id, "");
    vn_people_tell(r->g);
    vn_route_realm_teams(r);
}

/* ---- of a node ---- */

void vn_node_change_teams(struct vn_request *r, struct vn_conflux_record *c, const char *command)
{
    struct vn_team_set add, remove, teams;
    struct vn_team_record team;
    if (!read_change(r, &add, &remove))
        return;
    teams = c->teams;
    for (size_t i = 0; i < remove.n; i++)
        vn_team_set_remove(&teams, &remove.t[i]);
    vn_status st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = r->g->store;
    for (size_t i = 0; st == VN_OK && i < add.n; i++) {
        st = vn_store_realm_team_of_user(tx, &c->realm, &c->owner, &add.t[i], NULL, &team);
        if (st == VN_OK)
            st = vn_team_set_add(&teams, &team.id);
    }
    if (st == VN_ERR_NOTFOUND) {
        vn_request_error(r, 403,
                         "a node carries teams of its realm that its owner is in: "
                         "have the owner added to the team first");
        return;
    }
    if (st == VN_ERR_LIMIT) {
        vn_request_error(r, 400, "a node has at most %d teams: remove some", VN_NODE_TEAMS_MAX);
        return;
    }
    if (st == VN_OK)
        st = vn_people_set_teams(tx, c, &teams, r->now_ms);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st != VN_OK) {
        vn_request_fail(r, st, "teams");
        return;
    }
    char text[16];
    snprintf(text, sizeof(text), "%zu teams", teams.n);
    audit(r, "teams_changed", c->tag, text);
    vn_people_tell(r->g);
    vn_node_tell_identities(r, c, command);
}

void vn_route_node_teams(struct vn_request *r)
{
    static struct vn_conflux_record c;
    c = r->conflux;
    vn_node_change_teams(r, &c, "teams");
}
