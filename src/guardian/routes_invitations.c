/* Invitations of accounts into organisations. */
#include "crypto/rng.h"
#include "guardian/routes.h"
#include "guardian/routes_orgs.h"

static void audit(struct vn_request *r, const char *action, const struct vn_invitation_record *i)
{
    char actor[VN_USER_NAME_MAX + 8], detail[96];
    snprintf(detail, sizeof(detail), "%s as %s", i->org_name, vn_role_name(i->role));
    vn_guardian_audit(r->g, NULL, vn_request_actor(r, actor), action, i->user_name, detail);
}

static json_t *invitation_json(const struct vn_invitation_record *i)
{
    return json_pack("{s:o, s:o, s:s, s:o, s:s, s:s, s:s, s:I}", "id", vn_json_id(&i->id), "org",
                     vn_json_id(&i->org), "org_name", i->org_name, "user", vn_json_id(&i->user),
                     "name", i->user_name, "role", vn_role_name(i->role), "by", i->inviter,
                     "created_at", (json_int_t)i->created_ms);
}

void vn_route_invite(struct vn_request *r)
{
    const char *name = vn_request_text(r, "user");
    struct vn_invitation_record i = {.org = r->org, .created_ms = r->now_ms};
    struct vn_user_record u;
    enum vn_role before = VN_ROLE_NONE;
    i.role = vn_org_role_of(vn_request_text(r, "role"));
    if (!vn_org_may_give(r, VN_ROLE_NONE, i.role))
        return;
    char actor[VN_USER_NAME_MAX + 8];
    snprintf(i.inviter, sizeof(i.inviter), "%s", vn_request_actor(r, actor));
    vn_status st = vn_store_user_by_name(r->g->store, name, &u);
    if (st == VN_ERR_NOTFOUND) {
        vn_request_error(r, 404, "there is no user of that name: a superuser makes accounts");
        return;
    }
    i.user = u.id;
    if (st == VN_OK)
        st = vn_store_member_role(r->g->store, &r->org, &u.id, &before);
    if (st == VN_OK && before != VN_ROLE_NONE)
        st = VN_ERR_EXISTS;
    if (st == VN_OK)
        st = vn_rng_bytes(i.id.b, sizeof(i.id.b));
    if (st == VN_OK)
        st = vn_store_invitation_add(r->g->store, &i);
    if (st == VN_OK)
        st = vn_store_invitation_get(r->g->store, &i.id, &i);
    if (st == VN_ERR_EXISTS) {
        vn_request_error(r, 409, "%s is a member or invited already", u.name);
    } else if (st != VN_OK) {
        vn_request_fail(r, st, "invitation");
    } else {
        audit(r, "invited", &i);
        vn_request_reply(r, 201, invitation_json(&i));
    }
}

/* ---- lists ---- */

static bool add(void *arg, const struct vn_invitation_record *i)
{
    return vn_items_add(arg, invitation_json(i), i->created_ms, &i->id);
}

static void list(struct vn_request *r, const struct vn_id *org, const struct vn_id *user)
{
    struct vn_items l;
    if (!vn_items_begin(r, &l))
        return;
    vn_status st = vn_store_invitation_list(r->g->store, org, user, &l.page, add, &l);
    vn_items_reply(r, &l, st, "invitations");
}

void vn_route_invitations_sent(struct vn_request *r)
{
    list(r, &r->org, NULL);
}

void vn_route_invitations_received(struct vn_request *r)
{
    list(r, NULL, &r->user.id);
}

/* ---- ends ---- */

/* One of this organisation, or (org NULL) one to the caller. Returns false after answering. */
static bool find(struct vn_request *r, const struct vn_id *id, const struct vn_id *org,
                 struct vn_invitation_record *ret)
{
    vn_status st = vn_store_invitation_get(r->g->store, id, ret);
    bool mine =
        st == VN_OK && (org ? vn_id_equal(&ret->org, org) : vn_id_equal(&ret->user, &r->user.id));
    if (mine)
        return true;
    if (st == VN_OK || st == VN_ERR_NOTFOUND)
        vn_request_error(r, 404, "there is no such invitation: see GET /invitations");
    else
        vn_request_fail(r, st, "invitation");
    return false;
}

static void end(struct vn_request *r, const struct vn_invitation_record *i, const char *action)
{
    vn_status st = vn_store_invitation_delete(r->g->store, &i->id);
    if (st != VN_OK) {
        vn_request_fail(r, st, "invitation");
        return;
    }
    audit(r, action, i);
    vn_request_reply(r, 204, NULL);
}

void vn_route_invitation_cancel(struct vn_request *r)
{
    struct vn_invitation_record i;
    if (find(r, &r->path_id[1], &r->org, &i))
        end(r, &i, "invitation_withdrawn");
}

void vn_route_invitation_reject(struct vn_request *r)
{
    struct vn_invitation_record i;
    if (find(r, &r->path_id[0], NULL, &i))
        end(r, &i, "invitation_rejected");
}

void vn_route_invitation_accept(struct vn_request *r)
{
    struct vn_invitation_record i;
    if (!find(r, &r->path_id[0], NULL, &i))
        return;
    vn_status st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = r->g->store;
    if (st == VN_OK)
        st = vn_store_invitation_delete(tx, &i.id);
    if (st == VN_OK)
        st = vn_store_member_put(tx, &i.org, &i.user, i.role, r->now_ms);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st != VN_OK) {
        vn_request_fail(r, st, "invitation");
        return;
    }
    audit(r, "invitation_accepted", &i);
    vn_request_reply(r, 200, vn_org_member_json(&i.org, &i.user, i.role));
}
