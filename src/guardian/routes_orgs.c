/* Organisations and their members. */
#include "crypto/rng.h"
#include "guardian/people.h"
#include "guardian/routes.h"
#include "guardian/routes_orgs.h"

static void audit(struct vn_request *r, const char *action, const char *subject, const char *detail)
{
    char actor[VN_USER_NAME_MAX + 8];
    vn_guardian_audit(r->g, NULL, vn_request_actor(r, actor), action, subject, detail);
}

static json_t *org_json(const struct vn_org_record *o)
{
    return json_pack("{s:o, s:s, s:I}", "id", vn_json_id(&o->id), "name", o->name, "created_at",
                     (json_int_t)o->created_ms);
}

/* The body's name. Returns NULL after answering. */
static const char *read_name(struct vn_request *r)
{
    const char *name = vn_request_text(r, "name");
    if (vn_label_valid(name))
        return name;
    vn_request_error(r, 400,
                     "a name has 1 to 63 characters a-z 0-9 -, no hyphen at its ends: choose "
                     "another");
    return NULL;
}

static void taken(struct vn_request *r, vn_status st, const char *name)
{
    if (st == VN_ERR_EXISTS)
        vn_request_error(r, 409, "an organisation named %s exists: choose another name", name);
    else
        vn_request_fail(r, st, "organisation");
}

void vn_route_org_create(struct vn_request *r)
{
    struct vn_org_record o = {.created_ms = r->now_ms};
    const char *name = read_name(r);
    if (!name)
        return;
    snprintf(o.name, sizeof(o.name), "%s", name);
    vn_status st = vn_rng_bytes(o.id.b, sizeof(o.id.b));
    if (st == VN_OK)
        st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = r->g->store;
    if (st == VN_OK)
        st = vn_store_org_add(tx, &o);
    if (st == VN_OK && !vn_id_is_zero(&r->user.id))
        st = vn_store_member_put(tx, &o.id, &r->user.id, VN_ROLE_OWNER, r->now_ms);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st != VN_OK) {
        taken(r, st, name);
        return;
    }
    audit(r, "org_created", o.name, "");
    vn_request_reply(r, 201, org_json(&o));
}

static bool add_org(void *arg, const struct vn_org_record *o)
{
    return vn_items_add(arg, org_json(o), o->created_ms, &o->id);
}

void vn_route_org_list(struct vn_request *r)
{
    struct vn_items l;
    if (!vn_items_begin(r, &l))
        return;
    vn_status st = vn_store_org_list(r->g->store, r->user.superuser ? NULL : &r->user.id, &l.page,
                                     add_org, &l);
    vn_items_reply(r, &l, st, "organisations");
}

static void reply_org(struct vn_request *r)
{
    struct vn_org_record o;
    vn_status st = vn_store_org_get(r->g->store, &r->org, &o);
    if (st != VN_OK)
        vn_request_fail(r, st, "organisation");
    else
        vn_request_reply(r, 200, org_json(&o));
}

void vn_route_org_get(struct vn_request *r)
{
    reply_org(r);
}

void vn_route_org_rename(struct vn_request *r)
{
    const char *name = read_name(r);
    if (!name)
        return;
    vn_status st = vn_store_org_rename(r->g->store, &r->org, name);
    if (st != VN_OK) {
        taken(r, st, name);
        return;
    }
    audit(r, "org_renamed", name, "");
    reply_org(r);
}

void vn_route_org_delete(struct vn_request *r)
{
    char id[VN_ID_TEXT];
    vn_id_format(&r->org, id);
    vn_status st = vn_store_org_delete(r->g->store, &r->org);
    if (st == VN_ERR_STATE) {
        vn_request_error(
            r, 409,
            "it still has realms: delete them first (DELETE /realms/ID, or realm delete NAME)");
        return;
    }
    if (st != VN_OK) {
        vn_request_fail(r, st, "organisation");
        return;
    }
    audit(r, "org_deleted", id, "");
    vn_request_reply(r, 204, NULL);
}

/* ---- members ---- */

static bool add_member(void *arg, const struct vn_member_record *m)
{
    return vn_items_add(arg,
                        json_pack("{s:o, s:s, s:s, s:s, s:I}", "user", vn_json_id(&m->user), "name",
                                  m->name, "display_name", m->display_name, "role",
                                  vn_role_name(m->role), "since", (json_int_t)m->created_ms),
                        m->created_ms, &m->user);
}

void vn_route_member_list(struct vn_request *r)
{
    struct vn_items l;
    if (!vn_items_begin(r, &l))
        return;
    vn_status st = vn_store_member_list(r->g->store, &r->org, &l.page, add_member, &l);
    vn_items_reply(r, &l, st, "members");
}

/* In the transaction. VN_ERR_DENIED: nobody would be left who owns it. */
static vn_status owner_is_left(struct vn_store *tx, const struct vn_id *org)
{
    unsigned owners = 0;
    vn_status st = vn_store_owner_count(tx, org, &owners);
    return st == VN_OK && owners == 0 ? VN_ERR_DENIED : st;
}

static void refuse(struct vn_request *r, vn_status st)
{
    if (st == VN_ERR_NOTFOUND)
        vn_request_error(r, 404, "there is no such member: see GET /orgs/ID/members");
    else if (st == VN_ERR_DENIED)
        vn_request_error(r, 409, "this is the last owner: make another one first");
    else
        vn_request_fail(r, st, "member");
}

/* Owners are made and unmade by owners. */
bool vn_org_may_give(struct vn_request *r, enum vn_role before, enum vn_role after)
{
    if (r->role >= VN_ROLE_OWNER || (before < VN_ROLE_OWNER && after < VN_ROLE_OWNER))
        return true;
    vn_request_error(r, 403, "only an owner may do this: ask one");
    return false;
}

enum vn_role vn_org_role_of(const char *name)
{
    for (int role = VN_ROLE_MEMBER; role <= VN_ROLE_OWNER; role++)
        if (name && strcmp(name, vn_role_name((enum vn_role)role)) == 0)
            return (enum vn_role)role;
    return VN_ROLE_MEMBER;
}

json_t *vn_org_member_json(const struct vn_id *org, const struct vn_id *user, enum vn_role role)
{
    return json_pack("{s:o, s:o, s:s}", "org", vn_json_id(org), "user", vn_json_id(user), "role",
                     vn_role_name(role));
}

/* Superusers also add members; others invite. */
void vn_route_member_put(struct vn_request *r)
{
    struct vn_id user;
    struct vn_user_record u;
    enum vn_role before = VN_ROLE_NONE;
    const enum vn_role after = vn_org_role_of(vn_request_text(r, "role"));
    if (!vn_request_body_id(r, "user", &user))
        return;
    vn_status st = vn_store_user_get(r->g->store, &user, &u);
    if (st == VN_OK)
        st = vn_store_member_role(r->g->store, &r->org, &user, &before);
    if (st == VN_OK && before == VN_ROLE_NONE && r->role != VN_ROLE_SUPERUSER)
        st = VN_ERR_NOTFOUND;
    if (st != VN_OK) {
        refuse(r, st);
        return;
    }
    if (!vn_org_may_give(r, before, after))
        return;
    st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = r->g->store;
    if (st == VN_OK)
        st = vn_store_member_put(tx, &r->org, &user, after, r->now_ms);
    if (st == VN_OK && before == VN_ROLE_OWNER)
        st = owner_is_left(tx, &r->org);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st != VN_OK) {
        refuse(r, st);
        return;
    }
    audit(r, "member_role", u.name, vn_role_name(after));
    vn_request_reply(r, 200, vn_org_member_json(&r->org, &user, after));
}

void vn_route_member_remove(struct vn_request *r)
{
    const struct vn_id user = r->path_id[1];
    enum vn_role before = VN_ROLE_NONE;
    if (r->role < VN_ROLE_ADMIN && !vn_id_equal(&user, &r->user.id)) {
        vn_request_error(r, 403, "only an administrator may do this: ask one");
        return;
    }
    vn_status st = vn_store_member_role(r->g->store, &r->org, &user, &before);
    if (st != VN_OK) {
        refuse(r, st);
        return;
    }
    if (!vn_org_may_give(r, before, VN_ROLE_NONE))
        return;
    st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = r->g->store;
    if (st == VN_OK)
        st = vn_store_member_remove(tx, &r->org, &user);
    if (st == VN_OK && before == VN_ROLE_OWNER)
        st = owner_is_left(tx, &r->org);
    if (st == VN_OK)
        st = vn_people_check_user(tx, NULL, &user, r->now_ms);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st != VN_OK) {
        refuse(r, st);
        return;
    }
    char id[VN_ID_TEXT];
    vn_id_format(&user, id);
    audit(r, "member_removed", id, "");
    vn_people_tell(r->g);
    vn_request_reply(r, 204, NULL);
}
