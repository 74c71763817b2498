/* Enrolling a node and undoing it. */
#include <inttypes.h>

#include "crypto/rng.h"
#include "guardian/admission.h"
#include "guardian/http.h"
#include "guardian/json.h"
#include "guardian/keychange.h"
#include "guardian/oauth.h"
#include "guardian/public_node.h"
#include "guardian/quarantine.h"
#include "guardian/revoke.h"
#include "guardian/routes.h"

#define TAG_TRIES 16

/* "node-" and four characters that nobody in the realm has. */
static vn_status generate_tag(struct vn_request *r, char ret[64])
{
    static const char ALPHABET[] = "abcdefghijkmnpqrstuvwxyz23456789";
    static const struct vn_id NOBODY = {{0}};
    for (unsigned try = 0; try < TAG_TRIES; try++) {
        uint8_t random[4];
        vn_status st = vn_rng_bytes(random, sizeof(random));
        if (st != VN_OK)
            return st;
        snprintf(ret, 64, "node-%c%c%c%c", ALPHABET[random[0] & 31], ALPHABET[random[1] & 31],
                 ALPHABET[random[2] & 31], ALPHABET[random[3] & 31]);
        bool taken;
        st = vn_store_tag_foreign(r->g->store, &r->registration.realm, ret, &NOBODY, &NOBODY,
                                  &taken);
        if (st != VN_OK || !taken)
            return st;
    }
    return VN_ERR_LIMIT;
}

/* Each step returns false after answering. */

static bool choose_tag(struct vn_request *r, char ret[64])
{
    const char *wanted = json_string_value(json_object_get(r->body, "tag"));
    if (!wanted) {
        vn_status st = generate_tag(r, ret);
        if (st != VN_OK)
            vn_request_fail(r, st, "tag");
        return st == VN_OK;
    }
    if (!vn_label_valid(wanted)) {
        vn_request_error(r, 400,
                         "the tag must be one DNS label: 1 to 63 characters a-z 0-9 -, no hyphen "
                         "at its ends; choose "
                         "another with --tag");
        return false;
    }
    bool foreign;
    vn_status st = vn_store_tag_foreign(r->g->store, &r->registration.realm, wanted,
                                        &r->registration.owner, &r->registration.id, &foreign);
    if (st != VN_OK) {
        vn_request_fail(r, st, "tag");
        return false;
    }
    if (foreign) {
        vn_request_error(
            r, 409, "tag %s belongs to a node of another owner; choose another with --tag", wanted);
        return false;
    }
    snprintf(ret, 64, "%s", wanted);
    return true;
}

/* Those of the grant are added, and may be taken off and put on again later. */
static bool grant_taints(struct vn_request *r, const struct vn_taint_set *granted,
                         struct vn_conflux_record *c)
{
    vn_status st = VN_OK;
    for (size_t i = 0; st == VN_OK && i < granted->n; i++) {
        st = vn_taints_add(&c->taints, granted->t[i]);
        if (st == VN_OK && !c->allowed.any)
            st = vn_taints_add(&c->allowed.set, granted->t[i]);
    }
    if (st != VN_OK)
        vn_request_error(r, 403,
                         "with those of its JWT the node has more than %d taints: name fewer",
                         VN_TAINTS_MAX);
    return st == VN_OK;
}

static bool choose_taints(struct vn_request *r, struct vn_taint_set *ret)
{
    const json_t *wanted = json_object_get(r->body, "taints");
    if (!wanted) {
        *ret = r->registration.taints;
        return true;
    }
    if (vn_taints_from_json(wanted, ret) != VN_OK) {
        vn_request_error(
            r, 400,
            "taints are at most 16 labels of 1 to 64 characters a-z 0-9 . _ -; correct --taints");
        return false;
    }
    const char *refused = vn_allowed_refuses(&r->registration.allowed, ret);
    if (refused) {
        char allowed[VN_TAINTS_TEXT];
        vn_allowed_format(&r->registration.allowed, allowed);
        vn_request_error(r, 403,
                         "this registration token does not allow the taint %s; it allows: %.200s",
                         refused, allowed[0] ? allowed : "none");
        return false;
    }
    return true;
}

static bool parse_ip(struct vn_request *r, const struct vn_realm *realm, uint32_t *ret)
{
    const char *wanted = json_string_value(json_object_get(r->body, "ip"));
    uint32_t first, last;
    vn_realm_ip4_bounds(&realm->r.range4, &first, &last);
    *ret = 0;
    if (!wanted)
        return true;
    char range[VN_PREFIX_TEXT];
    vn_prefix_format(&realm->r.range4, range);
    /* VEILNET_CONFLUX_CIDR gives "10.77.0.5/16": the length says nothing that the realm does not
     * say better. */
    char text[VN_IP_TEXT] = "";
    size_t n = strcspn(wanted, "/");
    struct vn_ip ip;
    if (n < sizeof(text))
        memcpy(text, wanted, n);
    if (vn_ip_parse(text, &ip) != VN_OK || !vn_ip_is_v4(&ip)) {
        vn_request_error(r, 400, "%.60s is no IPv4 address; choose one in %s with --ip", wanted,
                         range);
        return false;
    }
    *ret = vn_ip_to_u32(&ip);
    if (*ret < first || *ret > last) {
        vn_request_error(r, 400,
                         "address %s is outside the realm's range; choose one in %s with --ip",
                         text, range);
        return false;
    }
    return true;
}

static bool use_token(struct vn_request *r)
{
    switch (vn_store_token_use(r->g->store, &r->registration.id, r->now_ms)) {
    case VN_OK:
        return true;
    case VN_ERR_EXPIRED:
        vn_request_error(r, 401,
                         "this registration token has expired: ask an administrator for a new one");
        return false;
    case VN_ERR_DENIED:
        vn_request_error(r, 401,
                         "this registration token was revoked: ask an administrator for a new one");
        return false;
    case VN_ERR_LIMIT:
        vn_request_error(
            r, 401, "this registration token has no uses left: ask an administrator for a new one");
        return false;
    default:
        vn_request_fail(r, VN_ERR_IO, "token");
        return false;
    }
}

static bool lease(struct vn_request *r, const struct vn_realm *realm, struct vn_conflux_record *c)
{
    uint32_t first, last;
    vn_realm_ip4_bounds(&realm->r.range4, &first, &last);
    vn_status st = VN_OK;
    if (!c->ip4)
        st = vn_store_lease_find(r->g->store, &realm->r.id, first, last, r->now_ms, &c->ip4);
    if (st == VN_ERR_LIMIT) {
        vn_request_error(r, 409,
                         "every address of realm %s is taken: unregister nodes that are gone",
                         realm->r.name);
        return false;
    }
    char holder[64];
    uint64_t until = 0;
    if (st == VN_OK)
        st = vn_store_lease_take(r->g->store, &realm->r.id, c->ip4, &c->id, c->tag, r->now_ms,
                                 holder, &until);
    if (st == VN_OK)
        return true;
    struct vn_ip ip = vn_ip_from_u32(c->ip4);
    char text[VN_IP_TEXT];
    vn_ip_format(&ip, text);
    if (st != VN_ERR_EXISTS)
        vn_request_fail(r, st, "address");
    else if (until)
        vn_request_error(r, 409,
                         "address %s was node %s's and stays reserved for %" PRIu64
                         " more minutes, until "
                         "its certificate has "
                         "expired; choose another with --ip",
                         text, holder, (until - r->now_ms) / 60000 + 1);
    else
        vn_request_error(r, 409, "address %s is taken by node %s; choose another with --ip", text,
                         holder);
    return false;
}

/* Teams of the realm in which the owner is; others are named in warnings. */
static bool choose_teams(struct vn_request *r, const json_t *list, struct vn_team_set *ret,
                         json_t *warnings)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        struct vn_team_record team;
        struct vn_id id;
        bool is_id = vn_id_parse(VN_SPAN_STR(name), &id) == VN_OK;
        if (!vn_json_text_plain(name)) { /* it would be shown */
            vn_request_error(r, 400, "no team's name has control characters: correct --teams");
            return false;
        }
        vn_status st =
            vn_store_realm_team_of_user(r->g->store, &r->registration.realm, &r->registration.owner,
                                        is_id ? &id : NULL, name, &team);
        if (st == VN_OK)
            st = vn_team_set_add(ret, &team.id);
        if (st == VN_ERR_NOTFOUND || st == VN_ERR_LIMIT) {
            char text[160];
            snprintf(text, sizeof(text), "team %.63s was ignored: %s", name,
                     st == VN_ERR_LIMIT
                         ? "a node has at most 8"
                         : "it is no team of this realm that the node's owner is in");
            vn_json_text_whole(text);
            json_array_append_new(warnings, json_string(text));
        } else if (st != VN_OK) {
            vn_request_fail(r, st, "teams");
            return false;
        }
    }
    return true;
}

/* The queue of a realm is bounded: who has a token could fill it. */
static bool may_wait(struct vn_request *r, const struct vn_realm *realm,
                     const struct vn_conflux_record *c)
{
    size_t n = 0;
    vn_status st = c->waiting ? vn_store_conflux_waiting(r->g->store, &c->realm, &n) : VN_OK;
    if (st != VN_OK)
        vn_request_fail(r, st, "waiting nodes");
    else if (n >= VN_WAITING_MAX)
        vn_request_error(r, 409,
                         "%d nodes wait for approval in realm %s: approve or deny some first "
                         "(veilnet-guardian node waiting)",
                         VN_WAITING_MAX, realm->r.name);
    return st == VN_OK && n < VN_WAITING_MAX;
}

static json_t *answer(const struct vn_realm *realm, const struct vn_conflux_record *c,
                      const char *token, json_t *warnings)
{
    if (c->taints.n == 0 && realm->r.access != VN_ACCESS_TEAMS)
        json_array_append_new(
            warnings, json_string("this node has no taints: it reaches nobody; add one with "
                                  "veilnet-conflux taint add NAME"));
    if (c->waiting)
        json_array_append_new(warnings,
                              json_sprintf("this node waits for the approval of an administrator: "
                                           "veilnet-guardian node approve %s",
                                           c->tag));
    struct vn_ip ip4 = vn_ip_from_u32(c->ip4);
    return json_pack("{s:b, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:s, s:s}, s:O}",
                     "approved", !c->waiting, "conflux_id", vn_json_id(&c->id), "conflux_token",
                     token, "tag", c->tag, "ip4", vn_json_ip(&ip4), "ip6", vn_json_ip(&c->ip6),
                     "taints", vn_taints_to_json(&c->taints), "teams", vn_team_set_json(&c->teams),
                     "scopes", vn_scope_set_json(&c->scopes), "realm", "id",
                     vn_json_id(&realm->r.id), "name", realm->r.name, "suite", realm->suite->name,
                     "warnings", warnings);
}

static void enrol(struct vn_request *r, const struct vn_grant *grant)
{
    struct vn_store *store = r->g->store;
    VN_CLEANUP(vn_realm_unrefp) struct vn_realm *realm = NULL;
    vn_status st = vn_guardian_realm(r->g, &r->registration.realm, &realm);
    if (st != VN_OK) {
        vn_request_fail(r, st, "realm");
        return;
    }
    struct vn_conflux_record c = {
        .realm = realm->r.id,
        .token = r->registration.id,
        .owner = r->registration.owner,
        .allowed = r->registration.allowed,
        .ephemeral = r->registration.ephemeral,
        .scopes = grant->scopes,
        .rights = r->registration.rights,
        .waiting = realm->r.admission.approval || r->registration.approval,
        .created_ms = r->now_ms,
    };
    VN_CLEANUP(vn_secret_strp) char *token = NULL;
    st = vn_rng_bytes(c.id.b, sizeof(c.id.b));
    if (st == VN_OK)
        st = vn_realm_ip6(realm, &c.id, &c.ip6);
    const struct vn_token claims = {
        .type = VN_TOKEN_CONFLUX, .id = c.id, .realm = c.realm, .issued_ms = r->now_ms};
    if (st == VN_OK)
        st = vn_token_issue(&r->g->cfg.token_keys, &claims, &token);
    if (st != VN_OK) {
        vn_request_fail(r, st, "conflux token");
        return;
    }
    /* The token's use, the address and the node are taken together or not at all. */
    st = vn_store_begin(store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = store;
    if (st != VN_OK) {
        vn_request_fail(r, st, "store");
        return;
    }
    VN_CLEANUP(vn_json_freep) json_t *warnings = json_array();
    if (grant->more)
        json_array_append_new(warnings,
                              json_sprintf("the JWT gives more scopes or taints than the %d and %d "
                                           "that a node has: some were left out",
                                           VN_NODE_SCOPES_MAX, VN_TAINTS_MAX));
    struct vn_addr public;
    if (!may_wait(r, realm, &c) || !vn_public_node_wanted(r, &public) || !choose_tag(r, c.tag) ||
        !choose_taints(r, &c.taints) || !grant_taints(r, &grant->taints, &c) ||
        !choose_teams(r, json_object_get(r->body, "teams"), &c.teams, warnings) ||
        !choose_teams(r, grant->teams, &c.teams, warnings) || !parse_ip(r, realm, &c.ip4) ||
        !use_token(r) || !lease(r, realm, &c))
        return;
    st = vn_store_conflux_add(store, &c);
    if (st == VN_OK && public.port)
        st = vn_store_public_set(store, &c.id, &public);
    if (st == VN_OK)
        st = vn_quarantine_changed(store, NULL, &c, false, r->now_ms);
    if (st == VN_OK)
        st = vn_store_commit(store);
    if (st != VN_OK) {
        vn_request_fail(r, st, "register");
        return;
    }
    char actor[VN_USER_NAME_MAX + 8];
    vn_guardian_audit(r->g, &c.realm, vn_request_actor(r, actor), "conflux_registered", c.tag,
                      c.waiting                   ? "waits for approval"
                      : vn_request_text(r, "jwt") ? "with a JWT"
                                                  : "");
    r->g->metrics.registrations++;
    vn_quarantine_push(r->g);
    vn_request_reply(r, 201, answer(realm, &c, token, warnings));
}

void vn_route_register(struct vn_request *r)
{
    static const struct vn_grant NOTHING;
    if (vn_request_text(r, "jwt"))
        vn_oauth_check(r, enrol);
    else if (r->registration.needs_jwt)
        vn_request_error(
            r, 403,
            "this registration token is not enough by itself: add a JWT of an identity "
            "provider of the realm with --jwt");
    else if (vn_request_text(r, "issuer") || vn_request_text(r, "audience") ||
             vn_request_text(r, "jwks_url"))
        vn_request_error(r, 400,
                         "issuer, audience and jwks_url belong to a JWT: add it with --jwt");
    else
        enrol(r, &NOTHING);
}

void vn_route_unregister(struct vn_request *r)
{
    char actor[VN_USER_NAME_MAX + 8];
    vn_status st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = r->g->store;
    if (st == VN_OK)
        st = vn_revoke_session(tx, &r->conflux, r->now_ms);
    if (st == VN_OK)
        st = vn_key_change_lost(tx, &r->conflux, NULL, r->now_ms);
    if (st == VN_OK)
        st = vn_store_conflux_delete(tx, &r->conflux, r->now_ms);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st != VN_OK && st != VN_ERR_NOTFOUND) {
        vn_request_fail(r, st, "unregister");
        return;
    }
    vn_guardian_audit(r->g, &r->conflux.realm, vn_request_actor(r, actor), "conflux_unregistered",
                      r->conflux.tag, "");
    vn_revoke_publish(r->g);
    vn_request_reply(r, 204, NULL);
}
