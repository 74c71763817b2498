/* realm: small administration on Guardian's host, on the store directly; and what such verbs share.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "guardian/cmd_admin.h"
#include "guardian/commands.h"
#include "guardian/json.h"
#include "guardian/keychange.h"
#include "guardian/options.h"
#include "guardian/realm_make.h"
#include "guardian/statedir.h"
#include "guardian/store_orgs.h"

#define FILE_BYTES_MAX 65536

const char *vn_admin_explain(vn_status st)
{
    return st == VN_ERR_IO
               ? "the state folder cannot be written: free some space there, or make it "
                 "writable"
               : vn_status_name(st);
}

static int open_state(struct vn_admin *c)
{
    struct vn_statedir dir;
    vn_log_setup(VN_LOG_WARN, -1); /* what was done is said on standard output */
    if (vn_statedir_init(c->dir_option, &dir) != VN_OK || !vn_statedir_exists(&dir))
        return vn_die("there is no Guardian in %s: name its folder with --state-dir", dir.dir);
    vn_status st = vn_guardian_open(&c->g, &dir);
    return st == VN_OK ? 0
                       : vn_die("cannot open the state in %s (%s): run as its owner, free some "
                                "space there, or make it writable",
                                dir.dir, vn_status_name(st));
}

static bool count_realm(void *arg, const struct vn_id *id)
{
    struct vn_admin *c = arg;
    c->realm_id = *id;
    return ++c->realms < 2;
}

/* Without --realm: the only one there is. */
static int only_realm(struct vn_admin *c)
{
    if (vn_store_realm_list(c->g.store, NULL, count_realm, c) != VN_OK || c->realms != 1)
        return vn_die("name the realm with --realm NAME (veilnet-guardian realm list shows them)");
    return 0;
}

int vn_admin_begin(struct vn_admin *c, bool realm)
{
    int code = open_state(c);
    if (code || !realm)
        return code;
    if (!c->realm)
        return only_realm(c);
    if (vn_store_realm_by_name(c->g.store, c->realm, &c->realm_id) != VN_OK)
        return vn_die("there is no realm %s (veilnet-guardian realm list shows them)", c->realm);
    return 0;
}

void vn_admin_finish(struct vn_admin *c)
{
    vn_guardian_close(&c->g);
    json_decref(c->items);
}

int vn_admin_print_items(struct vn_admin *c)
{
    json_t *o = json_pack("{s:O}", "items", c->items);
    json_dumpf(o, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(o);
    return 0;
}

int vn_admin_list(int argc, char **argv, vn_status (*list)(struct vn_admin *c))
{
    struct vn_admin c = {.items = json_array()};
    const struct vn_option options[] = {{"--state-dir", &c.dir_option, NULL},
                                        {"--realm", &c.realm, NULL},
                                        {"--json", NULL, &c.json},
                                        {0}};
    if (vn_options_parse(argc, argv, options) != VN_OK)
        return 2;
    int code = vn_admin_begin(&c, true);
    if (!code && list(&c) != VN_OK)
        code = vn_die("cannot read the store");
    if (!code && c.json)
        code = vn_admin_print_items(&c);
    vn_admin_finish(&c);
    return code;
}

int vn_admin_read_file(const char *option, const char *path, bool line, char **ret)
{
    struct vn_buf b;
    vn_buf_init(&b, FILE_BYTES_MAX);
    errno = 0;
    vn_status st = vn_file_read(path, &b);
    const int error = errno;
    if (st == VN_OK)
        st = vn_buf_append(&b, "", 1);
    if (st == VN_OK) {
        *ret = strdup((const char *)b.p);
        st = *ret ? VN_OK : VN_ERR_NOMEM;
    }
    if (st == VN_OK && line)
        (*ret)[strcspn(*ret, "\r\n")] = 0;
    vn_buf_wipe(&b);
    return st == VN_OK ? 0
                       : vn_die("%s %s cannot be read (%s)", option, path,
                                error ? strerror(error) : vn_status_name(st));
}

int vn_admin_usage(const char *what)
{
    vn_die("%s; see veilnet-guardian help", what);
    return 2;
}

/* ---- realm ---- */

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
        if (st == VN_OK)
            vn_guardian_audit(&c.g, &record.id, "host", "realm_created", name, "");
        else
            code = st == VN_ERR_EXISTS
                       ? vn_die("a realm named %s exists: choose another name", name)
                       : vn_die("%s", why[0] ? why : vn_admin_explain(st));
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
    char text[VN_ID_TEXT], range4[VN_PREFIX_TEXT], range6[VN_PREFIX_TEXT];
    vn_id_format(id, text);
    vn_prefix_format(&r.range4, range4);
    vn_prefix_format(&r.range6, range6);
    const char *suite = vn_suite_get(r.suite) ? vn_suite_get(r.suite)->name : "?";
    if (c->json)
        return json_array_append_new(c->items,
                                     json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "id", text, "name",
                                               r.name, "suite", suite, "ipv4", range4, "ipv6",
                                               range6, "access", vn_access_name(r.access))) == 0;
    printf("%s  %s  %s  %s  suite %s  access %s\n", text, r.name, range4, range6, suite,
           vn_access_name(r.access));
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

/* ---- keys ---- */

static int realm_rekey(int argc, char **argv)
{
    struct vn_admin c = {0};
    const char *within = NULL;
    bool identities = false;
    const struct vn_option options[] = {{"--state-dir", &c.dir_option, NULL},
                                        {"--realm", &c.realm, NULL},
                                        {"--within", &within, NULL},
                                        {"--identities", NULL, &identities},
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

/* ---- dispatch ---- */

int vn_admin_dispatch(int argc, char **argv, const struct vn_admin_sub *subs, size_t count)
{
    for (size_t i = 0; argc >= 2 && i < count; i++)
        if (strcmp(argv[1], subs[i].name) == 0)
            return subs[i].run(argc - 1, argv + 1);
    char what[128];
    size_t n = (size_t)snprintf(what, sizeof(what), "say what to do: %s", argv[0]);
    for (size_t i = 0; i < count && n < sizeof(what); i++)
        n += (size_t)snprintf(what + n, sizeof(what) - n, "%s %s", i ? " |" : "", subs[i].name);
    return vn_admin_usage(what);
}

int vn_cmd_realm(int argc, char **argv)
{
    static const struct vn_admin_sub SUBS[] = {
        {"create", realm_create},   {"list", realm_list},         {"rekey", realm_rekey},
        {"show", vn_cmd_realm_ask}, {"change", vn_cmd_realm_ask}, {"delete", vn_cmd_realm_ask},
        {"teams", vn_cmd_realm_ask}};
    return vn_admin_dispatch(argc, argv, SUBS, VN_ARRAY_LEN(SUBS));
}
