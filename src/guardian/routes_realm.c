#include "base/clock.h"
#include "guardian/http.h"
#include "guardian/master.h"
#include "guardian/realm_make.h"
#include "guardian/routes.h"

static json_t *realm_json(const struct vn_realm *r)
{
    char range4[VN_PREFIX_TEXT], range6[VN_PREFIX_TEXT];
    vn_prefix_format(&r->r.range4, range4);
    vn_prefix_format(&r->r.range6, range6);
    return json_pack("{s:o, s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "id", vn_json_id(&r->r.id), "name",
                     r->r.name, "suite", r->suite->name, "ipv4", range4, "ipv6", range6, "access",
                     vn_access_name(r->r.access), "session_lifetime_s",
                     (json_int_t)r->r.session_lifetime_s, "created_at",
                     (json_int_t)r->r.created_ms);
}

struct creation {
    struct vn_realm_init init;
    char name[VN_REALM_NAME_MAX + 1];
    struct vn_realm_record record;
    vn_status result;
};

static void creation_free(void *arg)
{
    struct creation *c = arg;
    vn_realm_record_done(&c->record);
    free(c);
}

static void creation_work(void *arg)
{
    struct creation *c = arg;
    c->result = vn_realm_generate(&c->init, vn_clock_wall_ms(), &c->record);
}

static void creation_done(struct vn_request *r, void *arg)
{
    struct creation *c = arg;
    struct vn_id id = c->record.id;
    struct vn_realm *realm = NULL;
    vn_status st = c->result;
    if (st == VN_OK)
        st = vn_store_realm_add(r->g->store, &c->record);
    if (st == VN_OK)
        st = vn_guardian_realm(r->g, &id, &realm);
    if (st == VN_ERR_EXISTS) {
        vn_request_error(r, 409, "a realm named %s exists: choose another name", c->name);
    } else if (st != VN_OK) {
        vn_request_fail(r, st, "realm");
    } else {
        char actor[VN_USER_NAME_MAX + 8];
        vn_guardian_audit(r->g, &id, vn_request_actor(r, actor), "realm_created", realm->r.name,
                          "");
        vn_master_realms_changed(r->g->master);
        vn_request_reply(r, 201, realm_json(realm));
    }
    vn_realm_unref(realm);
    creation_free(c);
}

static const char *string_member(const struct vn_request *r, const char *name)
{
    return json_string_value(json_object_get(r->body, name));
}

void vn_route_realm_create(struct vn_request *r)
{
    const json_t *lifetime = json_object_get(r->body, "session_lifetime_s");
    const struct vn_realm_wish wish = {
        .name = string_member(r, "name"),
        .suite = string_member(r, "suite"),
        .ipv4 = string_member(r, "ipv4"),
        .access = string_member(r, "access"),
        .session_lifetime_s = lifetime ? json_integer_value(lifetime) : -1,
    };
    struct creation *c = calloc(1, sizeof(*c));
    if (!c) {
        vn_request_fail(r, VN_ERR_NOMEM, "realm");
        return;
    }
    char why[200];
    vn_status st = vn_realm_wish_check(r->g->store, &wish, &c->init, why, sizeof(why));
    if (st != VN_OK) {
        free(c);
        if (st == VN_ERR_ARG)
            vn_request_error(r, 400, "%s", why);
        else
            vn_request_fail(r, st, "realm");
        return;
    }
    snprintf(c->name, sizeof(c->name), "%s",
             wish.name); /* the request may end before the work does */
    c->init.name = c->name;
    vn_request_work(r, creation_work, creation_done, creation_free, c);
}

struct listing {
    struct vn_guardian *g;
    struct vn_list l;
    vn_status st;
};

static bool list_one(void *arg, const struct vn_id *id)
{
    struct listing *l = arg;
    struct vn_realm *realm;
    l->st = vn_guardian_realm(l->g, id, &realm);
    if (l->st != VN_OK)
        return false;
    bool more = vn_list_add(&l->l, realm_json(realm), realm->r.created_ms, id);
    vn_realm_unref(realm);
    return more;
}

void vn_route_realm_list(struct vn_request *r)
{
    struct listing l = {.g = r->g};
    if (!vn_list_begin(r, &l.l))
        return;
    vn_status st = vn_store_realm_list(r->g->store, &l.l.page, list_one, &l);
    vn_list_reply(r, &l.l, st == VN_OK ? l.st : st, "realms");
}

void vn_route_realm_get(struct vn_request *r)
{
    VN_CLEANUP(vn_realm_unrefp) struct vn_realm *realm = NULL;
    vn_status st = vn_guardian_realm(r->g, &r->path_id, &realm);
    if (st == VN_ERR_NOTFOUND)
        vn_request_error(r, 404, "there is no such realm: see GET /realms");
    else if (st != VN_OK)
        vn_request_fail(r, st, "realm");
    else
        vn_request_reply(r, 200, realm_json(realm));
}

void vn_route_realm_delete(struct vn_request *r)
{
    VN_CLEANUP(vn_realm_unrefp) struct vn_realm *realm = NULL;
    vn_status st = vn_guardian_realm(r->g, &r->path_id, &realm);
    if (st == VN_OK)
        st = vn_store_realm_delete(r->g->store, &r->path_id);
    if (st == VN_ERR_NOTFOUND) {
        vn_request_error(r, 404, "there is no such realm: see GET /realms");
    } else if (st == VN_ERR_STATE) {
        vn_request_error(r, 409, "realm %s still has nodes: remove them first (DELETE /conflux/ID)",
                         realm->r.name);
    } else if (st != VN_OK) {
        vn_request_fail(r, st, "realm");
    } else {
        char actor[VN_USER_NAME_MAX + 8];
        vn_guardian_audit(r->g, &r->path_id, vn_request_actor(r, actor), "realm_deleted",
                          realm->r.name, "");
        vn_guardian_drop_realm(r->g, &r->path_id);
        vn_master_realms_changed(r->g->master);
        vn_request_reply(r, 204, NULL);
    }
}
