#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>

#include "base/clock.h"
#include "guardian/admission.h"
#include "guardian/http.h"
#include "guardian/master.h"
#include "guardian/realm_make.h"
#include "guardian/realm_rule.h"
#include "guardian/revoked.h"
#include "guardian/routes.h"

static json_t *realm_json(struct vn_guardian *g, const struct vn_realm *r)
{
    struct vn_realm_place place;
    if (vn_store_realm_place(g->store, &r->r.id, &place) != VN_OK)
        return NULL;
    char range4[VN_PREFIX_TEXT], range6[VN_PREFIX_TEXT];
    vn_prefix_format(&r->r.range4, range4);
    vn_prefix_format(&r->r.range6, range6);
    json_t *o = json_pack(
        "{s:o, s:o, s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "id", vn_json_id(&r->r.id),
        "org", vn_json_id(&place.org), "public", place.public, "name", r->r.name, "suite",
        r->suite->name, "ipv4", range4, "ipv6", range6, "access", vn_access_name(r->r.access),
        "relay", vn_relay_rule_name(r->r.relay), "session_lifetime_s",
        (json_int_t)r->r.session_lifetime_s, "created_at", (json_int_t)r->r.created_ms);
    if (o && vn_admission_json(&r->r.admission, o) != 0) {
        json_decref(o);
        return NULL;
    }
    return o;
}

struct creation {
    struct vn_realm_init init;
    struct vn_realm_place place;
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
        st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = r->g->store;
    if (st == VN_OK)
        st = vn_store_realm_add(tx, &c->record);
    if (st == VN_OK)
        st = vn_store_realm_place_set(tx, &id, &c->place);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st == VN_OK) { /* it is there, whatever becomes of the answer */
        char actor[VN_USER_NAME_MAX + 8];
        vn_guardian_audit(r->g, &id, vn_request_actor(r, actor), "realm_created", c->name, "");
        vn_master_config_changed(r->g->master);
        st = vn_guardian_realm(r->g, &id, &realm);
    }
    if (st == VN_ERR_EXISTS)
        vn_request_error(r, 409, "a realm named %s exists: choose another name", c->name);
    else if (st != VN_OK)
        vn_request_fail(r, st, "realm");
    else
        vn_request_reply(r, 201, realm_json(r->g, realm));
    vn_realm_unref(realm);
    creation_free(c);
}

struct my_orgs {
    struct vn_request *r;
    struct vn_id org;
    unsigned count;
};

static bool count_org(void *arg, const struct vn_org_record *o)
{
    struct my_orgs *m = arg;
    enum vn_role role = VN_ROLE_NONE;
    if (m->r->user.superuser ||
        (vn_store_member_role(m->r->g->store, &o->id, &m->r->user.id, &role) == VN_OK &&
         role >= VN_ROLE_ADMIN)) {
        m->org = o->id;
        m->count++;
    }
    return true;
}

/* The one that the body names, or the only one that the caller administers. Returns false after
 * answering. */
static bool choose_org(struct vn_request *r, struct vn_id *ret)
{
    struct my_orgs m = {.r = r};
    struct vn_org_record o;
    enum vn_role role = VN_ROLE_NONE;
    vn_status st;
    if (json_object_get(r->body, "org")) {
        if (!vn_request_body_id(r, "org", &m.org))
            return false;
        st = vn_store_org_get(r->g->store, &m.org, &o);
        if (st == VN_OK)
            st = vn_store_member_role(r->g->store, &m.org, &r->user.id, &role);
        m.count = st == VN_OK && (role >= VN_ROLE_ADMIN || r->user.superuser) ? 1 : 0;
    } else {
        st = vn_store_org_list(r->g->store, r->user.superuser ? NULL : &r->user.id, NULL, count_org,
                               &m);
    }
    if (st == VN_ERR_NOTFOUND)
        vn_request_error(r, 404, "there is no such organisation: see GET /orgs");
    else if (st != VN_OK)
        vn_request_fail(r, st, "organisation");
    else if (m.count == 0)
        vn_request_error(r, 403, "only an administrator may do this: ask one");
    else if (m.count > 1)
        vn_request_error(r, 400, "say which organisation: \"org\", an id of GET /orgs");
    *ret = m.org;
    return st == VN_OK && m.count == 1;
}

void vn_route_realm_create(struct vn_request *r)
{
    const json_t *lifetime = json_object_get(r->body, "session_lifetime_s");
    const struct vn_realm_wish wish = {
        .name = vn_request_text(r, "name"),
        .suite = vn_request_text(r, "suite"),
        .ipv4 = vn_request_text(r, "ipv4"),
        .access = vn_request_text(r, "access"),
        .relay = vn_request_text(r, "relay"),
        .session_lifetime_s = lifetime ? json_integer_value(lifetime) : -1,
    };
    struct vn_realm_place place = {.public = json_is_true(json_object_get(r->body, "public"))};
    if (!choose_org(r, &place.org))
        return;
    struct creation *c = calloc(1, sizeof(*c));
    if (!c) {
        vn_request_fail(r, VN_ERR_NOMEM, "realm");
        return;
    }
    c->place = place;
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
    struct vn_request *r;
    struct vn_items l;
    vn_status st;
};

static bool list_one(void *arg, const struct vn_id *id)
{
    struct listing *l = arg;
    struct vn_realm *realm;
    enum vn_role role = VN_ROLE_SUPERUSER;
    l->st = VN_OK;
    if (!l->r->user.superuser)
        l->st = vn_store_realm_role(l->r->g->store, id, &l->r->user.id, &role);
    if (l->st == VN_OK && role == VN_ROLE_NONE)
        return true;
    if (l->st == VN_OK)
        l->st = vn_guardian_realm(l->r->g, id, &realm);
    if (l->st != VN_OK)
        return false;
    bool more = vn_items_add(&l->l, realm_json(l->r->g, realm), realm->r.created_ms, id);
    vn_realm_unref(realm);
    return more;
}

void vn_route_realm_list(struct vn_request *r)
{
    struct listing l = {.r = r};
    if (!vn_items_begin(r, &l.l))
        return;
    /* Which of them are the caller's shows only one by one: the list ends when the page is full. */
    const struct vn_page rest = {.after = l.l.page.after, .limit = INT_MAX};
    vn_status st = vn_store_realm_list(r->g->store, &rest, list_one, &l);
    vn_items_reply(r, &l.l, st == VN_OK ? l.st : st, "realms");
}

void vn_route_realm_get(struct vn_request *r)
{
    VN_CLEANUP(vn_realm_unrefp) struct vn_realm *realm = NULL;
    vn_status st = vn_guardian_realm(r->g, &r->realm, &realm);
    if (st != VN_OK)
        vn_request_fail(r, st, "realm");
    else
        vn_request_reply(r, 200, realm_json(r->g, realm));
}

static void note(char *text, size_t cap, const char *fmt, ...) VN_PRINTF(3, 4);

/* One more, behind a comma. */
static void note(char *text, size_t cap, const char *fmt, ...)
{
    size_t n = strlen(text);
    va_list ap;
    va_start(ap, fmt);
    if (n && n + 2 < cap)
        n += (size_t)snprintf(text + n, cap - n, ", ");
    vsnprintf(text + n, cap - n, fmt, ap);
    va_end(ap);
}

static void describe_admission(const struct vn_admission *before, const struct vn_admission *now,
                               char *ret, size_t cap)
{
    char was[VN_COUNTRIES_TEXT], list[VN_COUNTRIES_TEXT];
    vn_countries_format(&before->countries, was);
    vn_countries_format(&now->countries, list);
    if (before->approval != now->approval)
        note(ret, cap, "approval %s", now->approval ? "on" : "off");
    if (before->some_countries != now->some_countries || strcmp(was, list) != 0)
        note(ret, cap, "countries %s", !now->some_countries ? "*" : list[0] ? list : "none");
    if (before->refuse_unknown != now->refuse_unknown)
        note(ret, cap, "unknown country: %s", now->refuse_unknown ? "refuse" : "admit");
    if (before->show_country != now->show_country)
        note(ret, cap, "country in certificates: %s", now->show_country ? "on" : "off");
}

/* What the audit says of a change. */
static void describe(const struct vn_realm_record *before, const struct vn_realm_record *now,
                     bool was_public, bool public, char *ret, size_t cap)
{
    ret[0] = 0;
    if (strcmp(before->name, now->name) != 0)
        note(ret, cap, "name %s -> %s", before->name, now->name);
    if (before->access != now->access)
        note(ret, cap, "access %s", vn_access_name(now->access));
    if (before->relay != now->relay)
        note(ret, cap, "relay %s", vn_relay_rule_name(now->relay));
    if (before->session_lifetime_s != now->session_lifetime_s)
        note(ret, cap, "session lifetime %" PRIu32 " s", now->session_lifetime_s);
    describe_admission(&before->admission, &now->admission, ret, cap);
    if (was_public != public)
        note(ret, cap, "%s", public ? "public" : "private");
}

/* In one transaction. */
static vn_status store_change(struct vn_store *s, const struct vn_realm_record *now,
                              const struct vn_realm_place *place, bool publish)
{
    vn_status st = vn_store_begin(s);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = s;
    if (st == VN_OK)
        st = vn_store_realm_set(tx, now, publish);
    if (st == VN_OK)
        st = vn_store_realm_place_set(tx, &now->id, place);
    return st == VN_OK ? vn_store_commit(tx) : st;
}

/* The body over what the realm is now. Borrows from r and before. Returns false after answering. */
static bool read_change(struct vn_request *r, const struct vn_realm_record *before,
                        struct vn_realm_record *ret)
{
    const char *name = vn_request_text(r, "name"), *access = vn_request_text(r, "access");
    const char *relay = vn_request_text(r, "relay");
    const json_t *lifetime = json_object_get(r->body, "session_lifetime_s");
    char range4[VN_PREFIX_TEXT], why[200];
    struct vn_realm_init init;
    vn_prefix_format(&before->range4, range4);
    const struct vn_realm_wish wish = {
        .name = name ? name : before->name,
        .ipv4 = range4,
        .access = access ? access : vn_access_name(before->access),
        .relay = relay ? relay : vn_relay_rule_name(before->relay),
        .session_lifetime_s = lifetime ? json_integer_value(lifetime) : before->session_lifetime_s,
    };
    vn_status st = vn_realm_wish_check(r->g->store, &wish, &init, why, sizeof(why));
    if (st == VN_ERR_ARG)
        vn_request_error(r, 400, "%s", why);
    else if (st != VN_OK)
        vn_request_fail(r, st, "realm");
    if (st != VN_OK)
        return false;
    *ret = *before;
    snprintf(ret->name, sizeof(ret->name), "%s", wish.name);
    ret->access = init.access;
    ret->relay = init.relay;
    ret->session_lifetime_s = init.session_lifetime_s;
    if (!vn_admission_read(r, &ret->admission))
        return false;
    if (ret->access != before->access || ret->relay != before->relay)
        ret->rule_number = VN_MAX(before->rule_number + 1, r->now_ms);
    return true;
}

static void borrowed_wipe(struct vn_realm_record *r)
{
    vn_wipe(r, sizeof(*r));
}

void vn_route_realm_change(struct vn_request *r)
{
    VN_CLEANUP(vn_realm_unrefp) struct vn_realm *realm = NULL;
    VN_CLEANUP(borrowed_wipe) struct vn_realm_record now = {.name = ""};
    const json_t *public = json_object_get(r->body, "public");
    struct vn_realm_place place;
    vn_status st = vn_store_realm_place(r->g->store, &r->realm, &place);
    if (st == VN_OK)
        st = vn_guardian_realm(r->g, &r->realm, &realm);
    if (st != VN_OK) {
        vn_request_fail(r, st, "realm");
        return;
    }
    if (!read_change(r, &realm->r, &now))
        return;
    const bool was_public = place.public, ruled = now.rule_number != realm->r.rule_number;
    if (public)
        place.public = json_is_true(public);
    st = store_change(r->g->store, &now, &place, ruled);
    if (st == VN_ERR_EXISTS) {
        vn_request_error(r, 409, "a realm named %s exists: choose another name", now.name);
        return;
    }
    if (st != VN_OK) {
        vn_request_fail(r, st, "realm");
        return;
    }
    char actor[VN_USER_NAME_MAX + 8], id[VN_ID_TEXT], detail[512] = "";
    const bool renamed = strcmp(realm->r.name, now.name) != 0;
    describe(&realm->r, &now, was_public, place.public, detail, sizeof(detail));
    vn_id_format(&r->realm, id);
    vn_guardian_audit(r->g, &r->realm, vn_request_actor(r, actor), "realm_changed", id, detail);
    vn_guardian_drop_realm(r->g, &r->realm); /* logins that are under way are made anew */
    if (renamed)
        vn_master_config_changed(r->g->master);
    if (ruled)
        vn_realm_rule_publish(r->g);
    vn_route_realm_get(r);
}

void vn_route_realm_delete(struct vn_request *r)
{
    VN_CLEANUP(vn_realm_unrefp) struct vn_realm *realm = NULL;
    vn_status st = vn_guardian_realm(r->g, &r->realm, &realm);
    if (st == VN_OK)
        st = vn_store_realm_delete(r->g->store, &r->realm);
    if (st == VN_ERR_NOTFOUND) {
        vn_request_error(r, 404, "there is no such realm: see GET /realms");
    } else if (st == VN_ERR_STATE) {
        vn_request_error(r, 409, "realm %s still has nodes: remove them first (DELETE /conflux/ID)",
                         realm->r.name);
    } else if (st != VN_OK) {
        vn_request_fail(r, st, "realm");
    } else {
        char actor[VN_USER_NAME_MAX + 8];
        vn_guardian_audit(r->g, &r->realm, vn_request_actor(r, actor), "realm_deleted",
                          realm->r.name, "");
        vn_guardian_drop_realm(r->g, &r->realm);
        vn_revoked_drop(r->g, &r->realm);
        vn_master_config_changed(r->g->master);
        vn_request_reply(r, 204, NULL);
    }
}
