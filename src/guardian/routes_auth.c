/* Health; registration tokens. */
#include "guardian/http.h"
#include "guardian/master.h"
#include "guardian/regtoken.h"
#include "guardian/routes.h"

void vn_route_health(struct vn_request *r)
{
    vn_request_reply(r, 200,
                     json_pack("{s:s, s:s, s:s}", "status", "ok", "version", VN_VERSION, "master",
                               vn_master_is_up(r->g->master) ? "up" : "down"));
}

/* ---- registration tokens ---- */

/* Whose the nodes will be: the caller's, or another one's who may use the realm. Returns false
 * after answering. */
static bool choose_owner(struct vn_request *r, struct vn_id *ret)
{
    enum vn_role role = VN_ROLE_NONE;
    struct vn_user_record u = {.superuser = false};
    if (!json_object_get(r->body, "owner"))
        return true;
    if (!vn_request_body_id(r, "owner", ret))
        return false;
    vn_status st = vn_store_user_get(r->g->store, ret, &u);
    if (st == VN_OK)
        st = vn_store_realm_role(r->g->store, &r->realm, ret, &role);
    const bool somebody = role != VN_ROLE_NONE || u.superuser;
    if (st == VN_ERR_NOTFOUND || (st == VN_OK && !somebody))
        vn_request_error(r, 409, "owner has no part in this realm: invite them first");
    else if (st != VN_OK)
        vn_request_fail(r, st, "owner");
    return st == VN_OK && somebody;
}

void vn_route_token_create(struct vn_request *r)
{
    struct vn_regtoken_init init = {
        .realm = r->realm, .owner = r->user.id, .uses = -1, .rights.bits = VN_RIGHT_RELAY};
    if (!choose_owner(r, &init.owner) || !vn_rights_read(r, &r->realm, &init.rights))
        return;
    const json_t *v = json_object_get(r->body, "expires_in_s");
    init.expires_in_s = v ? (uint64_t)json_integer_value(v) : VN_REGTOKEN_LIFE_DEFAULT_S;
    v = json_object_get(r->body, "uses");
    if (v)
        init.uses = json_integer_value(v);
    init.ephemeral = json_is_true(json_object_get(r->body, "ephemeral"));
    init.needs_jwt = json_is_true(json_object_get(r->body, "needs_jwt"));
    init.approval = json_is_true(json_object_get(r->body, "approval"));
    v = json_object_get(r->body, "taints");
    vn_status st = vn_taints_from_json(v, &init.taints);
    const json_t *allowed = json_object_get(r->body, "allowed_taints");
    if (st == VN_OK && json_is_array(allowed))
        st = vn_taints_from_json(allowed, &init.allowed.set);
    else
        init.allowed.any = true;
    if (st != VN_OK) {
        vn_request_error(r, 400,
                         "taints are at most 16 labels of 1 to 64 characters a-z 0-9 . _ -");
        return;
    }
    char why[200];
    struct vn_regtoken t = {0};
    st = vn_regtoken_create(r->g->store, &r->g->cfg, &init, r->now_ms, &t, why, sizeof(why));
    if (st == VN_ERR_NOTFOUND)
        vn_request_error(r, 404, "there is no such realm: see GET /realms");
    else if (st == VN_ERR_ARG)
        vn_request_error(r, 400, "%s", why);
    else if (st != VN_OK)
        vn_request_fail(r, st, "registration token");
    else {
        char actor[VN_USER_NAME_MAX + 8], id[VN_ID_TEXT];
        vn_id_format(&t.record.id, id);
        vn_guardian_audit(r->g, &init.realm, vn_request_actor(r, actor),
                          "registration_token_created", id, "");
        json_t *o = vn_regtoken_json(&t.record);
        if (o) {
            json_object_set_new(o, "token", json_string(t.jwt));
            json_object_set_new(o, "join_token", json_string(t.join));
        }
        vn_request_reply(r, 201, o);
    }
    vn_regtoken_done(&t);
}

static bool token_append(void *arg, const struct vn_token_record *t)
{
    return vn_items_add(arg, vn_regtoken_json(t), t->created_ms, &t->id);
}

void vn_route_token_list(struct vn_request *r)
{
    struct vn_items l;
    if (!vn_items_begin(r, &l))
        return;
    vn_status st = vn_store_token_list(r->g->store, &r->realm, &l.page, token_append, &l);
    vn_items_reply(r, &l, st, "registration tokens");
}

void vn_route_token_revoke(struct vn_request *r)
{
    const struct vn_token_record t = r->registration;
    vn_status st = vn_store_token_revoke(r->g->store, &t.id);
    if (st != VN_OK) {
        vn_request_fail(r, st, "revoke");
        return;
    }
    char actor[VN_USER_NAME_MAX + 8], id[VN_ID_TEXT];
    vn_id_format(&t.id, id);
    vn_guardian_audit(r->g, &t.realm, vn_request_actor(r, actor), "registration_token_revoked", id,
                      "");
    vn_request_reply(r, 204, NULL);
}
