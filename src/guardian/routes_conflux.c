/* Nodes: peers, taints, listing, removal. */
#include <limits.h>

#include "guardian/http.h"
#include "guardian/issue.h"
#include "guardian/keychange.h"
#include "guardian/policy.h"
#include "guardian/quarantine.h"
#include "guardian/revoke.h"
#include "guardian/routes.h"
#include "guardian/routes_node.h"

/* ---- peers ---- */

struct peers {
    const struct vn_conflux_record *self;
    enum vn_access_rule rule;
    struct vn_items l;
};

static bool add_peer(void *arg, const struct vn_conflux_record *c)
{
    struct peers *p = arg;
    if (vn_id_equal(&c->id, &p->self->id) || !vn_policy_allows(p->rule, p->self, c))
        return true;
    struct vn_ip ip4 = vn_ip_from_u32(c->ip4);
    return vn_items_add(&p->l,
                        json_pack("{s:o, s:s, s:o, s:o}", "conflux_id", vn_json_id(&c->id), "tag",
                                  c->tag, "ip4", vn_json_ip(&ip4), "ip6", vn_json_ip(&c->ip6)),
                        c->created_ms, &c->id);
}

/* All of them, unless a page is asked for: nodes want to know about everybody. */
void vn_route_peers(struct vn_request *r)
{
    VN_CLEANUP(vn_realm_unrefp) struct vn_realm *realm = NULL;
    struct peers p = {.self = &r->conflux};
    vn_status st = vn_guardian_realm(r->g, &r->conflux.realm, &realm);
    if (st != VN_OK) {
        vn_request_fail(r, st, "peers");
        return;
    }
    if (!vn_items_begin(r, &p.l))
        return;
    if (!vn_request_query(r, "limit"))
        p.l.page.limit = INT_MAX;
    p.rule = realm->r.access;
    const struct vn_conflux_filter there = {.realm = realm->r.id, .which = VN_NODES_APPROVED};
    const struct vn_page rest = {.after = p.l.page.after, .limit = INT_MAX};
    st = vn_store_conflux_list(r->g->store, &there, &rest, add_peer, &p);
    vn_items_reply(r, &p.l, st, "peers");
}

/* ---- taints ---- */

struct change {
    struct vn_realm *realm;
    struct vn_conflux_record c;
    uint64_t now_ms;
    vn_status result;
    json_t *answer;
};

static void change_free(void *arg)
{
    struct change *ch = arg;
    vn_realm_unref(ch->realm);
    json_decref(ch->answer);
    free(ch);
}

static void change_work(void *arg)
{
    struct change *ch = arg;
    ch->result = vn_issue_taints_answer(ch->realm, &ch->c, ch->now_ms, &ch->answer);
}

static void change_done(struct vn_request *r, void *arg)
{
    struct change *ch = arg;
    if (ch->result != VN_OK)
        vn_request_fail(r, ch->result, "statement");
    else
        vn_request_reply(r, 200, VN_TAKE(ch->answer));
    change_free(ch);
}

/* Applies {"add","remove"}. Returns false after answering. */
static bool apply(struct vn_request *r, struct vn_conflux_record *c)
{
    struct vn_taint_set add, remove, taints = c->taints;
    if (vn_taints_from_json(json_object_get(r->body, "add"), &add) != VN_OK ||
        vn_taints_from_json(json_object_get(r->body, "remove"), &remove) != VN_OK) {
        vn_request_error(r, 400,
                         "taints are at most 16 labels of 1 to 64 characters a-z 0-9 . _ -");
        return false;
    }
    const char *refused = vn_allowed_refuses(&c->allowed, &add);
    if (refused) {
        char allowed[VN_TAINTS_TEXT];
        vn_allowed_format(&c->allowed, allowed);
        vn_request_error(r, 403,
                         "this node's registration does not allow the taint %s; it allows: %.200s",
                         refused, allowed[0] ? allowed : "none");
        return false;
    }
    for (size_t i = 0; i < remove.n; i++)
        vn_taints_remove(&taints, remove.t[i]);
    for (size_t i = 0; i < add.n; i++) {
        if (vn_taints_add(&taints, add.t[i]) != VN_OK) {
            vn_request_error(r, 400, "a node has at most %d taints: remove some", VN_TAINTS_MAX);
            return false;
        }
    }
    c->taints = taints;
    return true;
}

bool vn_node_store_taints(struct vn_request *r, struct vn_conflux_record *c)
{
    static struct vn_conflux_record before;
    before = *c;
    if (!apply(r, c))
        return false;
    /* Also when nothing changed: a node that asks has perhaps lost the answer before. */
    c->statement_number = VN_MAX(c->statement_number + 1, r->now_ms);
    vn_status st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = r->g->store;
    if (st == VN_OK)
        st = vn_store_conflux_set_taints(tx, &c->id, &c->taints, c->statement_number);
    if (st == VN_OK)
        st = vn_revoke_statements(tx, c, c->statement_number, r->now_ms);
    if (st == VN_OK)
        st = vn_key_change_lost(tx, &before, c, r->now_ms);
    if (st == VN_OK)
        st = vn_quarantine_changed(tx, &before, c, false, r->now_ms);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st != VN_OK) {
        vn_request_fail(r, st, "taints");
        return false;
    }
    char actor[VN_USER_NAME_MAX + 8], text[VN_TAINTS_TEXT];
    vn_taints_format(&c->taints, text);
    vn_guardian_audit(r->g, &c->realm, vn_request_actor(r, actor), "taints_changed", c->tag, text);
    vn_revoke_publish(r->g);
    vn_quarantine_push(r->g);
    return true;
}

void vn_route_taints_get(struct vn_request *r)
{
    vn_request_reply(r, 200, json_pack("{s:o}", "taints", vn_taints_to_json(&r->conflux.taints)));
}

void vn_route_taints_change(struct vn_request *r)
{
    struct change *ch = calloc(1, sizeof(*ch));
    if (!ch) {
        vn_request_fail(r, VN_ERR_NOMEM, "taints");
        return;
    }
    ch->c = r->conflux;
    ch->now_ms = r->now_ms;
    vn_status st = vn_guardian_realm(r->g, &ch->c.realm, &ch->realm);
    if (st != VN_OK)
        vn_request_fail(r, st, "realm");
    if (st != VN_OK || !vn_node_store_taints(r, &ch->c)) {
        change_free(ch);
        return;
    }
    vn_request_work(r, change_work, change_done, change_free, ch);
}

/* ---- administration ---- */

static json_t *node_json(const struct vn_conflux_record *c)
{
    struct vn_ip ip4 = vn_ip_from_u32(c->ip4);
    return json_pack(
        "{s:o, s:o, s:b, s:b, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o}",
        "rights", vn_rights_json(&c->rights), "conflux_id", vn_json_id(&c->id), "ephemeral",
        c->ephemeral, "approved", !c->waiting, "country",
        c->session.country[0] ? json_string(c->session.country) : json_null(), "owner",
        vn_json_id(&c->owner), "tag", c->tag, "ip4", vn_json_ip(&ip4), "ip6", vn_json_ip(&c->ip6),
        "taints", vn_taints_to_json(&c->taints), "teams", vn_team_set_json(&c->teams), "scopes",
        vn_scope_set_json(&c->scopes), "created_at", (json_int_t)c->created_ms, "last_login_at",
        c->session.login_ms ? json_integer((json_int_t)c->session.login_ms) : json_null(),
        "node_id", c->has_session ? vn_json_id(&c->session.node) : json_null(), "quarantine",
        vn_quarantine_rules_json(&c->quarantine));
}

static bool add_node(void *arg, const struct vn_conflux_record *c)
{
    return vn_items_add(arg, node_json(c), c->created_ms, &c->id);
}

void vn_route_node_list(struct vn_request *r)
{
    struct vn_items l;
    if (!vn_items_begin(r, &l))
        return;
    const char *approved = vn_request_query(r, "approved");
    const struct vn_conflux_filter f = {
        .realm = r->realm,
        .owner = r->role < VN_ROLE_AUDITOR ? &r->user.id : NULL,
        .which = !approved                        ? VN_ALL_NODES
                 : strcmp(approved, "false") == 0 ? VN_NODES_WAITING
                                                  : VN_NODES_APPROVED,
    };
    vn_status st = vn_store_conflux_list(r->g->store, &f, &l.page, add_node, &l);
    vn_items_reply(r, &l, st, "nodes");
}

void vn_route_node_get(struct vn_request *r)
{
    vn_request_reply(r, 200, node_json(&r->conflux));
}

void vn_route_node_approve(struct vn_request *r)
{
    char actor[VN_USER_NAME_MAX + 8];
    if (r->conflux.waiting) {
        vn_status st = vn_store_conflux_approve(r->g->store, &r->conflux.id);
        if (st != VN_OK) {
            vn_request_fail(r, st, "approve");
            return;
        }
        vn_guardian_audit(r->g, &r->conflux.realm, vn_request_actor(r, actor), "conflux_approved",
                          r->conflux.tag, "");
        r->conflux.waiting = false;
    }
    vn_route_node_get(r);
}

void vn_route_node_deny(struct vn_request *r)
{
    const struct vn_conflux_record c = r->conflux;
    if (!c.waiting)
        vn_request_error(r, 409, "this node was approved: remove it (DELETE /conflux/ID) instead");
    else if (vn_node_remove(r, &c, "conflux_denied"))
        vn_request_reply(r, 204, NULL);
}

bool vn_node_remove(struct vn_request *r, const struct vn_conflux_record *c, const char *action)
{
    vn_status st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = r->g->store;
    if (st == VN_OK)
        st = vn_revoke_session(tx, c, r->now_ms);
    if (st == VN_OK)
        st = vn_key_change_lost(tx, c, NULL, r->now_ms);
    if (st == VN_OK)
        st = vn_store_conflux_delete(tx, c, r->now_ms);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st != VN_OK) {
        vn_request_fail(r, st, "remove");
        return false;
    }
    char actor[VN_USER_NAME_MAX + 8];
    vn_guardian_audit(r->g, &c->realm, vn_request_actor(r, actor), action, c->tag, "");
    vn_revoke_publish(r->g);
    return true;
}

void vn_route_node_delete(struct vn_request *r)
{
    const struct vn_conflux_record c = r->conflux;
    if (vn_node_remove(r, &c, "conflux_removed"))
        vn_request_reply(r, 204, NULL);
}

/* The registration goes as by DELETE; what differs is what the audit says it was for. */
void vn_route_node_revoke(struct vn_request *r)
{
    const struct vn_conflux_record c = r->conflux;
    if (vn_node_remove(r, &c, "conflux_revoked"))
        vn_request_reply(r, 204, NULL);
}

void vn_route_node_taints(struct vn_request *r)
{
    struct vn_conflux_record c = r->conflux;
    if (vn_node_store_taints(r, &c))
        vn_node_tell_identities(r, &c, "taint");
}
