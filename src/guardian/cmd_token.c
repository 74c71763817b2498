/* token: registration tokens, on the store directly. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "guardian/cmd_ask.h"
#include "guardian/commands.h"
#include "guardian/json.h"
#include "guardian/options.h"
#include "guardian/regtoken.h"
#include "guardian/store_orgs.h"

/* The networks for which its nodes may be portals. */
static int read_portal(struct vn_admin *c, const char *list, struct vn_rights *io)
{
    VN_CLEANUP(vn_realm_record_done) struct vn_realm_record realm = {0};
    VN_CLEANUP(vn_json_freep) json_t *words = vn_admin_words("--portal", list);
    char why[200];
    if (!words)
        return 1;
    if (vn_store_realm_get(c->g.store, &c->realm_id, &realm) != VN_OK)
        return vn_die("cannot read the store");
    for (size_t i = 0; i < json_array_size(words); i++)
        if (vn_portal_add(json_string_value(json_array_get(words, i)), &realm.range4, &realm.range6,
                          io, why, sizeof(why)) != VN_OK)
            return vn_die("--%s", why);
    return 0;
}

/* Whose its nodes will be: somebody in the realm. */
static int find_owner(struct vn_admin *c, const char *name, struct vn_id *ret)
{
    struct vn_user_record u;
    enum vn_role role = VN_ROLE_NONE;
    if (vn_store_user_by_name(c->g.store, name, &u) != VN_OK)
        return vn_die("there is no user %s (veilnet-guardian user list shows them): choose "
                      "another with --owner",
                      name);
    if (vn_store_realm_role(c->g.store, &c->realm_id, &u.id, &role) != VN_OK)
        return vn_die("cannot read the store");
    if (role == VN_ROLE_NONE && !u.superuser)
        return vn_die("user %s has no part in this realm: invite them (org invite --user %s), or "
                      "choose another with --owner",
                      name, name);
    *ret = u.id;
    return 0;
}

/* A realm of taints lets nobody reach a node that has none. */
static void note_no_taints(struct vn_admin *c)
{
    VN_CLEANUP(vn_realm_record_done) struct vn_realm_record realm = {0};
    if (vn_store_realm_get(c->g.store, &c->realm_id, &realm) == VN_OK &&
        realm.access != VN_ACCESS_TEAMS)
        fputs("veilnet-guardian: note: nodes of this token begin without taints, and reach nobody "
              "in this realm until they have one: token create --taints, or register --taints at "
              "each node\n",
              stderr);
}

static int token_create(int argc, char **argv)
{
    struct vn_admin c = {0};
    const char *taints = NULL, *allowed = NULL, *uses = NULL, *expires = NULL, *owner = NULL,
               *portal = NULL;
    bool ephemeral = false, needs_jwt = false, approval = false, no_relay = false, conduit = false;
    const struct vn_option options[] = {{"--state-dir", &c.dir_option, NULL},
                                        {"--realm", &c.realm, NULL},
                                        {"--taints", &taints, NULL},
                                        {"--allow-taints", &allowed, NULL},
                                        {"--uses", &uses, NULL},
                                        {"--expires", &expires, NULL},
                                        {"--owner", &owner, NULL},
                                        {"--ephemeral", NULL, &ephemeral},
                                        {"--needs-jwt", NULL, &needs_jwt},
                                        {"--approval", NULL, &approval},
                                        {"--no-relay", NULL, &no_relay},
                                        {"--conduit", NULL, &conduit},
                                        {"--portal", &portal, NULL},
                                        {"--json", NULL, &c.json},
                                        {0}};
    if (vn_options_parse(argc, argv, options) != VN_OK)
        return 2;
    struct vn_regtoken_init init = {
        .expires_in_s = VN_REGTOKEN_LIFE_DEFAULT_S, .uses = -1, .allowed = {.any = true}};
    init.rights.bits = (no_relay ? 0 : VN_RIGHT_RELAY) | (conduit ? VN_RIGHT_CONDUIT : 0);
    init.ephemeral = ephemeral;
    init.needs_jwt = needs_jwt;
    init.approval = approval;
    if (taints && vn_taints_parse(taints, &init.taints) != VN_OK)
        return vn_admin_usage(
            "--taints is a comma list of at most 16 labels of 1 to 64 characters a-z 0-9 . _ -");
    if (allowed && vn_allowed_parse(allowed, &init.allowed) != VN_OK)
        return vn_admin_usage("--allow-taints is * or a comma list of taints");
    if (expires && vn_duration_parse(expires, &init.expires_in_s) != VN_OK)
        return vn_admin_usage("--expires is a duration, such as 24h or 7d");
    if (uses) {
        char *end;
        errno = 0;
        init.uses = strtoll(uses, &end, 10);
        if (errno || *end || init.uses < 1)
            return vn_admin_usage("--uses is a number, 1 or more");
    }
    int code = vn_admin_begin(&c, true);
    if (!code && portal)
        code = read_portal(&c, portal, &init.rights);
    if (!code)
        code = find_owner(&c, owner ? owner : "admin", &init.owner);
    if (!code) {
        struct vn_regtoken t = {0};
        char why[200] = "";
        init.realm = c.realm_id;
        vn_status st = vn_regtoken_create(c.g.store, &c.g.cfg, &init, vn_clock_wall_ms(), &t, why,
                                          sizeof(why));
        if (st != VN_OK) {
            code = vn_die("%s", why[0] ? why : vn_admin_explain(st));
        } else if (c.json) {
            json_t *o = vn_regtoken_json(&t.record);
            json_object_set_new(o, "token", json_string(t.jwt));
            json_object_set_new(o, "join_token", json_string(t.join));
            vn_admin_print_json(o);
            json_decref(o);
        } else {
            puts(t.join);
            if (init.taints.n == 0 && !needs_jwt) /* a JWT may bring some */
                note_no_taints(&c);
        }
        if (st == VN_OK) {
            char id[VN_ID_TEXT];
            vn_id_format(&t.record.id, id);
            vn_guardian_audit(&c.g, &c.realm_id, "host", "registration_token_created", id, "");
        }
        vn_regtoken_done(&t);
    }
    vn_admin_finish(&c);
    return code;
}

/* What differs from the usual. */
static void print_rights(const struct vn_token_record *t)
{
    char portal[VN_PORTAL_TEXT];
    vn_portal_format(&t->rights, portal);
    printf("%s%s%s%s%s%s%s", t->ephemeral ? "  ephemeral" : "", t->needs_jwt ? "  needs-jwt" : "",
           t->approval ? "  approval" : "", t->rights.bits & VN_RIGHT_RELAY ? "" : "  no-relay",
           t->rights.bits & VN_RIGHT_CONDUIT ? "  conduit" : "", portal[0] ? "  portal " : "",
           portal);
}

static bool token_line(void *arg, const struct vn_token_record *t)
{
    struct vn_admin *c = arg;
    char id[VN_ID_TEXT], taints[VN_TAINTS_TEXT], allowed[VN_TAINTS_TEXT], uses[24] = "any";
    vn_id_format(&t->id, id);
    vn_taints_format(&t->taints, taints);
    vn_allowed_format(&t->allowed, allowed);
    if (t->uses_left >= 0)
        snprintf(uses, sizeof(uses), "%" PRId64, t->uses_left);
    if (c->json)
        return json_array_append_new(c->items, vn_regtoken_json(t)) == 0;
    printf("%s  uses %s  taints %s  allowed %s  until ", id, uses, taints[0] ? taints : "none",
           allowed);
    vn_admin_print_time(t->expires_ms);
    print_rights(t);
    puts(t->revoked ? "  revoked" : t->expires_ms < vn_clock_wall_ms() ? "  expired" : "");
    return true;
}

static vn_status list_tokens(struct vn_admin *c)
{
    return vn_store_token_list(c->g.store, &c->realm_id, NULL, token_line, c);
}

static int token_list(int argc, char **argv)
{
    return vn_admin_list(argc, argv, list_tokens);
}

static int token_revoke(int argc, char **argv)
{
    struct vn_admin c = {0};
    const char *text = NULL;
    const struct vn_option options[] = {
        {"--state-dir", &c.dir_option, NULL}, {"", &text, NULL}, {0}};
    struct vn_id id;
    if (vn_options_parse(argc, argv, options) != VN_OK)
        return 2;
    if (!text || vn_id_parse(VN_SPAN_STR(text), &id) != VN_OK)
        return vn_admin_usage("name the token: token revoke ID (token list shows them)");
    int code = vn_admin_begin(&c, false);
    if (!code) {
        vn_status st = vn_store_token_revoke(c.g.store, &id);
        if (st == VN_OK)
            vn_guardian_audit(&c.g, NULL, "host", "registration_token_revoked", text, "");
        else
            code = vn_die(st == VN_ERR_NOTFOUND ? "there is no such token (token list shows them)"
                                                : "cannot write the store");
    }
    vn_admin_finish(&c);
    return code;
}

int vn_cmd_token(int argc, char **argv)
{
    static const struct vn_verb VERBS[] = {
        {"create", token_create}, {"list", token_list}, {"revoke", token_revoke}};
    return vn_verb_dispatch(argc, argv, VERBS, VN_ARRAY_LEN(VERBS), NULL, 0);
}
