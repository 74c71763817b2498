/* realm: what is done on the store directly, beside a running Guardian or without it, and what the
 * running Guardian is asked. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "guardian/cmd_ask.h"
#include "guardian/commands.h"
#include "guardian/json.h"
#include "guardian/keychange.h"
#include "guardian/options.h"
#include "guardian/realm_make.h"
#include "guardian/store_orgs.h"
#include "guardian/store_keys.h"

static json_t *realm_json(const struct vn_realm_record *r)
{
    char id[VN_ID_TEXT], range4[VN_PREFIX_TEXT], range6[VN_PREFIX_TEXT];
    vn_id_format(&r->id, id);
    vn_prefix_format(&r->range4, range4);
    vn_prefix_format(&r->range6, range6);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "id", id, "name", r->name, "suite",
                     vn_suite_get(r->suite) ? vn_suite_get(r->suite)->name : "?", "ipv4", range4,
                     "ipv6", range6, "access", vn_access_name(r->access));
}

static void print_realm(const json_t *realm)
{
    const char *id, *name, *suite, *ipv4, *ipv6, *access;
    if (json_unpack((json_t *)realm, "{s:s, s:s, s:s, s:s, s:s, s:s}", "id", &id, "name", &name,
                    "suite", &suite, "ipv4", &ipv4, "ipv6", &ipv6, "access", &access) == 0)
        printf("%s  %s  %s  %s  suite %s  access %s\n", id, name, ipv4, ipv6, suite, access);
}

struct org_search {
    struct vn_id id;
    unsigned count;
};

static bool count_org(void *arg, const struct vn_org_record *o)
{
    struct org_search *s = arg;
    s->id = o->id;
    return ++s->count < 2;
}

static int choose_org(struct vn_admin *c, const char *name, struct vn_id *ret)
{
    struct org_search s = {.count = 0};
    if (name && vn_store_org_by_name(c->g.store, name, ret) != VN_OK)
        return vn_die("there is no organisation %s (veilnet-guardian org list shows them)", name);
    if (name)
        return 0;
    if (vn_store_org_list(c->g.store, NULL, NULL, count_org, &s) != VN_OK || s.count != 1)
        return vn_die("name the organisation with --org NAME (veilnet-guardian org list)");
    *ret = s.id;
    return 0;
}

static int realm_create(int argc, char **argv)
{
    struct vn_admin c = {0};
    const char *name = NULL, *suite = NULL, *ipv4 = NULL, *access = NULL, *relay = NULL,
               *lifetime = NULL, *org = NULL;
    const struct vn_option options[] = {{"--state-dir", &c.dir_option, NULL},
                                        {"--name", &name, NULL},
                                        {"--suite", &suite, NULL},
                                        {"--ipv4", &ipv4, NULL},
                                        {"--access", &access, NULL},
                                        {"--relay", &relay, NULL},
                                        {"--session-lifetime", &lifetime, NULL},
                                        {"--org", &org, NULL},
                                        {"--json", NULL, &c.json},
                                        {0}};
    if (vn_options_parse(argc, argv, options) != VN_OK)
        return 2;
    if (!name)
        return vn_admin_usage("name the realm with --name NAME");
    uint64_t lifetime_s = 0;
    if (lifetime && (vn_duration_parse(lifetime, &lifetime_s) != VN_OK || lifetime_s > INT64_MAX))
        return vn_admin_usage("--session-lifetime is a duration, such as 30m or 12h");
    int code = vn_admin_begin(&c, false);
    struct vn_realm_place place = {.public = false};
    if (!code)
        code = choose_org(&c, org, &place.org);
    if (!code) {
        const struct vn_realm_wish wish = {name,   suite, ipv4,
                                           access, relay, lifetime ? (int64_t)lifetime_s : -1};
        struct vn_realm_init init;
        VN_CLEANUP(vn_realm_record_done) struct vn_realm_record record = {0};
        char why[200] = "";
        vn_status st = vn_realm_wish_check(c.g.store, &wish, &init, why, sizeof(why));
        if (st == VN_OK)
            st = vn_realm_generate(&init, vn_clock_wall_ms(), &record);
        if (st == VN_OK)
            st = vn_store_begin(c.g.store);
        VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = st == VN_OK ? c.g.store : NULL;
        if (st == VN_OK)
            st = vn_store_realm_add(tx, &record);
        if (st == VN_OK)
            st = vn_store_realm_place_set(tx, &record.id, &place);
        if (st == VN_OK)
            st = vn_store_commit(tx);
        if (st == VN_OK) {
            vn_guardian_audit(&c.g, &record.id, "host", "realm_created", name, "");
            json_t *realm = realm_json(&record);
            (c.json ? vn_admin_print_json : print_realm)(realm);
            json_decref(realm);
        } else {
            code = st == VN_ERR_EXISTS
                       ? vn_die("a realm named %s exists: choose another name", name)
                       : vn_die("%s", why[0] ? why : vn_admin_explain(st));
        }
    }
    vn_admin_finish(&c);
    return code;
}

static bool realm_line(void *arg, const struct vn_id *id)
{
    struct vn_admin *c = arg;
    VN_CLEANUP(vn_realm_record_done) struct vn_realm_record r = {0};
    if (vn_store_realm_get(c->g.store, id, &r) != VN_OK)
        return false;
    json_t *realm = realm_json(&r);
    if (c->json)
        return json_array_append_new(c->items, realm) == 0;
    print_realm(realm);
    json_decref(realm);
    return true;
}

static int realm_list(int argc, char **argv)
{
    struct vn_admin c = {.items = json_array()};
    const struct vn_option options[] = {
        {"--state-dir", &c.dir_option, NULL}, {"--json", NULL, &c.json}, {0}};
    if (vn_options_parse(argc, argv, options) != VN_OK)
        return 2;
    int code = vn_admin_begin(&c, false);
    if (!code && vn_store_realm_list(c.g.store, NULL, realm_line, &c) != VN_OK)
        code = vn_die("cannot read the store");
    if (!code && c.json)
        code = vn_admin_print_items(&c);
    vn_admin_finish(&c);
    return code;
}

static int realm_rekey(int argc, char **argv)
{
    struct vn_admin c = {0};
    const char *within = NULL;
    bool identities = false;
    const struct vn_option options[] = {{"--state-dir", &c.dir_option, NULL},
                                        {"--realm", &c.realm, NULL},
                                        {"--within", &within, NULL},
                                        {"--identities", NULL, &identities},
                                        {"--json", NULL, &c.json},
                                        {0}};
    uint64_t within_s = VN_KEY_CHANGE_SPREAD_MS / 1000;
    if (vn_options_parse(argc, argv, options) != VN_OK)
        return 2;
    if (within && (vn_duration_parse(within, &within_s) != VN_OK ||
                   within_s < VN_KEY_CHANGE_SPREAD_MIN_MS / 1000 ||
                   within_s > VN_KEY_CHANGE_SPREAD_MAX_MS / 1000))
        return vn_admin_usage("--within is a duration of 1s to 60m");
    int code = vn_admin_begin(&c, true);
    vn_status st = code ? VN_ERR_STATE : vn_store_begin(c.g.store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = st == VN_OK ? c.g.store : NULL;
    if (st == VN_OK && identities)
        st = vn_store_identity_lost(tx, &c.realm_id, 0, "");
    if (st == VN_OK)
        st = vn_store_key_change_want(tx, &c.realm_id, vn_clock_wall_ms(), within_s * 1000);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st == VN_OK) {
        char detail[64];
        snprintf(detail, sizeof(detail), "within %" PRIu64 " s%s", within_s,
                 identities ? ", identities too" : "");
        vn_guardian_audit(&c.g, &c.realm_id, "host", "realm_rekey", c.realm ? c.realm : "", detail);
        VN_CLEANUP(vn_json_freep)
        json_t *answer =
            json_pack("{s:I, s:b}", "within_s", (json_int_t)within_s, "identities", identities);
        if (c.json)
            vn_admin_print_json(answer);
        else
            printf("new keys go to every node within %" PRIu64 " s; those before end as long after "
                   "that (a change under way is ended first)\n",
                   within_s);
    } else if (!code) {
        code = vn_die("cannot write the store");
    }
    tx = NULL;
    vn_admin_finish(&c);
    return code;
}

static const struct vn_ask_verb ASKS[] = {
    {"show", "GET", "/realms/{about}", VN_ASK_A_REALM, NULL, NULL, {{.flag = NULL}}},
    {"change",
     "POST",
     "/realms/{about}",
     VN_ASK_A_REALM,
     NULL,
     NULL,
     {{"--name", "name", VN_ASK_TEXT, NULL},
      {"--access", "access", VN_ASK_TEXT, NULL},
      {"--relay", "relay", VN_ASK_TEXT, NULL},
      {"--session-lifetime", "session_lifetime_s", VN_ASK_DURATION, NULL},
      {"--public", "public", VN_ASK_TRUE, NULL},
      {"--private", "public", VN_ASK_FALSE, NULL},
      {"--approval", "approval", VN_ASK_SWITCH, NULL},
      {"--countries", "countries", VN_ASK_WORDS, NULL},
      {"--unknown-country", "unknown_country", VN_ASK_TEXT, NULL},
      {"--show-country", "country_shown", VN_ASK_SWITCH, NULL}}},
    {"delete", "DELETE", "/realms/{about}", VN_ASK_A_REALM, NULL, NULL, {{.flag = NULL}}},
    {"teams",
     "POST",
     "/realms/{about}/teams",
     VN_ASK_A_REALM,
     NULL,
     "{}",
     {{"--add", "add", VN_ASK_TEAMS, NULL}, {"--remove", "remove", VN_ASK_TEAMS, NULL}}},
};

int vn_cmd_realm(int argc, char **argv)
{
    static const struct vn_verb OWN[] = {
        {"create", realm_create}, {"list", realm_list}, {"rekey", realm_rekey}};
    return vn_verb_dispatch(argc, argv, OWN, VN_ARRAY_LEN(OWN), ASKS, VN_ARRAY_LEN(ASKS));
}
