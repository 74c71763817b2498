/* What accounts are linked to at OpenID providers: shown and undone by who is signed in, and by
 * superusers. Linking is in oidc_sign_in.c. */
#include "guardian/routes.h"
#include "guardian/sign_in.h"
#include "guardian/store_oidc.h"

json_t *vn_identity_json(const struct vn_identity_record *i)
{
    return json_pack("{s:o, s:o, s:s, s:s, s:I}", "id", vn_json_id(&i->id), "provider",
                     i->provider[0] ? json_string(i->provider) : json_null(), "issuer", i->issuer,
                     "subject", i->subject, "created_at", (json_int_t)i->created_ms);
}

static bool add(void *arg, const struct vn_identity_record *i)
{
    return vn_items_add(arg, vn_identity_json(i), i->created_ms, &i->id);
}

void vn_route_identity_list(struct vn_request *r)
{
    struct vn_user_record u;
    struct vn_items l;
    if (!vn_request_about_user(r, &u) || !vn_items_begin(r, &l))
        return;
    vn_status st = vn_store_identity_list(r->g->store, &u.id, &l.page, add, &l);
    vn_items_reply(r, &l, st, "identities");
}

/* An account that nothing is left to sign in to would wait for whoever shows its address:
 * VN_ERR_DENIED. */
static vn_status way_in_is_left(struct vn_store *tx, const struct vn_user_record *u)
{
    unsigned count = 0;
    vn_status st = vn_store_identity_count(tx, &u->id, &count);
    return st == VN_OK && !count && !u->password[0] ? VN_ERR_DENIED : st;
}

void vn_route_identity_delete(struct vn_request *r)
{
    const bool mine = r->route->role != VN_WEB_SUPERUSER;
    const struct vn_id *id = &r->path_id[mine ? 0 : 1];
    struct vn_user_record u;
    if ((mine && !vn_signed_in_lately(r)) || !vn_request_about_user(r, &u))
        return;
    vn_status st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = r->g->store;
    if (st == VN_OK)
        st = vn_store_identity_delete(tx, &u.id, id);
    if (st == VN_OK)
        st = way_in_is_left(tx, &u);
    if (st == VN_OK) /* one of them may be that identity's */
        st = vn_store_session_delete_all(tx, &u.id, mine ? &r->session : NULL);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st == VN_ERR_NOTFOUND)
        vn_request_error(r, 404, "there is no such identity: see GET %s",
                         mine ? "/auth/identities" : "/users/ID/identities");
    else if (st == VN_ERR_DENIED)
        vn_request_error(r, 409,
                         "user %s has no other way to sign in: link another provider, or have an "
                         "administrator make a password (user password %s)",
                         u.name, u.name);
    else if (st != VN_OK)
        vn_request_fail(r, st, "identity");
    if (st != VN_OK)
        return;
    char actor[VN_USER_NAME_MAX + 8], detail[VN_ID_TEXT];
    vn_id_format(id, detail);
    vn_guardian_audit(r->g, NULL, vn_request_actor(r, actor), "user_unlinked", u.name, detail);
    vn_request_reply(r, 204, NULL);
}
