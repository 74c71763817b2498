/* user, org, team: ordered from the running Guardian, in the name of its host. */
#include <stdio.h>

#include "guardian/cmd_admin.h"
#include "guardian/commands.h"
#include "guardian/json.h"
#include "guardian/options.h"
#include "guardian/store_orgs.h"

enum {
    WORD = 1, /* the name of what it is about */
    ORG = 2,  /* --org, or the only one */
    USER = 4,
    ROLE = 8,
    DISPLAY = 16,
    SUPERUSER = 32,
};

struct ask {
    struct vn_admin c;
    const char *word, *org, *user, *role, *display;
    bool superuser;
    char about[VN_ID_TEXT], org_id[VN_ID_TEXT], user_id[VN_ID_TEXT]; /* as in paths */
    unsigned orgs;
};

struct verb {
    const char *name;
    unsigned takes;
    enum { ABOUT_NOTHING, ABOUT_USER, ABOUT_ORG, ABOUT_TEAM } about; /* what the word names */
    const char *method, *path;                                       /* {about}, {org}, {user} */
    json_t *(*body)(const struct ask *a);
};

/* ---- bodies ---- */

static json_t *new_user(const struct ask *a)
{
    return json_pack("{s:s, s:s, s:b}", "user", a->word, "display_name",
                     a->display ? a->display : "", "superuser", a->superuser);
}

static json_t *disabled(const struct ask *a)
{
    (void)a;
    return json_pack("{s:b}", "disabled", true);
}

static json_t *enabled(const struct ask *a)
{
    (void)a;
    return json_pack("{s:b}", "disabled", false);
}

static json_t *named(const struct ask *a)
{
    return json_pack("{s:s}", "name", a->word);
}

static json_t *by_id(const struct ask *a)
{
    return json_pack("{s:s}", "user", a->user_id);
}

static json_t *with_role(const struct ask *a)
{
    return json_pack("{s:s, s:s}", "user", a->user_id, "role", a->role ? a->role : "member");
}

/* ---- names ---- */

static bool count_org(void *arg, const struct vn_org_record *o)
{
    struct ask *a = arg;
    vn_id_format(&o->id, a->org_id);
    return ++a->orgs < 2;
}

static int find_org(struct ask *a, const char *name)
{
    struct vn_id id;
    if (name && vn_store_org_by_name(a->c.g.store, name, &id) != VN_OK)
        return vn_die("there is no organisation %s (veilnet-guardian org list shows them)", name);
    if (name)
        vn_id_format(&id, a->org_id);
    else if (vn_store_org_list(a->c.g.store, NULL, NULL, count_org, a) != VN_OK || a->orgs != 1)
        return vn_die("name the organisation with --org NAME (veilnet-guardian org list)");
    return 0;
}

static int find_user(struct ask *a, const char *name, char ret[VN_ID_TEXT])
{
    struct vn_user_record u;
    if (vn_store_user_by_name(a->c.g.store, name, &u) != VN_OK)
        return vn_die("there is no user %s (veilnet-guardian user list shows them)", name);
    vn_id_format(&u.id, ret);
    return 0;
}

struct team_search {
    const char *name;
    char *ret;
    bool found;
};

static bool match_team(void *arg, const struct vn_team_record *t)
{
    struct team_search *s = arg;
    s->found = strcmp(t->name, s->name) == 0;
    if (s->found)
        vn_id_format(&t->id, s->ret);
    return !s->found;
}

static int find_team(struct ask *a)
{
    struct vn_id org;
    struct team_search s = {.name = a->word, .ret = a->about};
    if (vn_id_parse(VN_SPAN_STR(a->org_id), &org) != VN_OK ||
        vn_store_team_list(a->c.g.store, &org, NULL, match_team, &s) != VN_OK || !s.found)
        return vn_die("there is no team %s (veilnet-guardian team list shows them)", a->word);
    return 0;
}

static int find_names(struct ask *a, const struct verb *v)
{
    int code = 0;
    if (v->takes & ORG)
        code = find_org(a, a->org);
    if (!code && v->takes & USER)
        code = find_user(a, a->user, a->user_id);
    if (!code && v->about == ABOUT_USER)
        code = find_user(a, a->word, a->about);
    if (!code && v->about == ABOUT_ORG) {
        code = find_org(a, a->word);
        snprintf(a->about, sizeof(a->about), "%s", a->org_id);
    }
    if (!code && v->about == ABOUT_TEAM)
        code = find_team(a);
    return code;
}

/* ---- asking ---- */

static void path_of(const struct ask *a, const char *pattern, char *ret, size_t cap)
{
    size_t n = 0;
    while (*pattern && n + VN_ID_TEXT < cap) {
        const char *id = strncmp(pattern, "{about}", 7) == 0  ? a->about
                         : strncmp(pattern, "{org}", 5) == 0  ? a->org_id
                         : strncmp(pattern, "{user}", 6) == 0 ? a->user_id
                                                              : NULL;
        if (id) {
            n += (size_t)snprintf(ret + n, cap - n, "%s", id);
            pattern += strcspn(pattern, "}") + 1;
        } else {
            ret[n++] = *pattern++;
        }
    }
    ret[n] = 0;
}

/* A list has pages; all of it is wanted here. */
static int ask(struct ask *a, const struct verb *v, json_t **ret)
{
    char path[160], page[320], why[400];
    VN_CLEANUP(vn_json_freep) json_t *body = v->body ? v->body(a) : NULL;
    json_t *all = NULL, *next = NULL;
    path_of(a, v->path, path, sizeof(path));
    snprintf(page, sizeof(page), "%s", path);
    do {
        json_t *answer = NULL;
        vn_status st = vn_admin_call(&a->c.g, v->method, page, body, &answer, why, sizeof(why));
        if (st != VN_OK) {
            json_decref(all);
            return st == VN_ERR_AGAIN
                       ? vn_die("no Guardian answers here: start it with veilnet-guardian run")
                       : vn_die("%s", why);
        }
        if (all)
            json_array_extend(json_object_get(all, "items"), json_object_get(answer, "items"));
        next = json_object_get(answer, "next");
        if (next)
            snprintf(page, sizeof(page), "%s?limit=1000&after=%s", path, json_string_value(next));
        if (all)
            json_decref(answer);
        else
            all = answer;
        if (!next)
            json_object_del(all, "next");
    } while (next);
    *ret = all;
    return 0;
}

/* Returns NULL, or what is wrong with the words. */
static const char *check(const struct ask *a, const struct verb *v)
{
    const struct {
        unsigned bit;
        bool given, needed;
        const char *missing, *extra;
    } LIST[] = {
        {WORD, a->word, true, "say which one: its name", "this takes no name"},
        {ORG, a->org, false, NULL, "this takes no --org"},
        {USER, a->user, true, "say who: --user NAME", "this takes no --user"},
        {ROLE, a->role, false, NULL, "this takes no --role"},
        {DISPLAY, a->display, false, NULL, "this takes no --display-name"},
        {SUPERUSER, a->superuser, false, NULL, "this takes no --superuser"},
    };
    for (size_t i = 0; i < VN_ARRAY_LEN(LIST); i++) {
        if (LIST[i].given && !(v->takes & LIST[i].bit))
            return LIST[i].extra;
        if (!LIST[i].given && LIST[i].needed && v->takes & LIST[i].bit)
            return LIST[i].missing;
    }
    return NULL;
}

static int run(int argc, char **argv, const struct verb *v)
{
    struct ask a = {.word = NULL};
    const struct vn_option options[] = {{"--state-dir", &a.c.dir_option, NULL},
                                        {"--json", NULL, &a.c.json},
                                        {"--org", &a.org, NULL},
                                        {"--user", &a.user, NULL},
                                        {"--role", &a.role, NULL},
                                        {"--display-name", &a.display, NULL},
                                        {"--superuser", NULL, &a.superuser},
                                        {"", &a.word, NULL},
                                        {0}};
    if (vn_options_parse(argc, argv, options) != VN_OK)
        return 2;
    const char *wrong = check(&a, v);
    if (wrong)
        return vn_admin_usage(wrong);
    VN_CLEANUP(vn_json_freep) json_t *answer = NULL;
    int code = vn_admin_begin(&a.c, false);
    if (!code)
        code = find_names(&a, v);
    if (!code)
        code = ask(&a, v, &answer);
    if (!code && answer)
        vn_admin_print(&a.c, a.word ? a.word : argv[0], answer);
    vn_admin_finish(&a.c);
    return code;
}

static int dispatch(int argc, char **argv, const struct verb *verbs, size_t count)
{
    for (size_t i = 0; argc >= 2 && i < count; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return run(argc - 1, argv + 1, &verbs[i]);
    char what[160];
    size_t n = (size_t)snprintf(what, sizeof(what), "say what to do: %s", argv[0]);
    for (size_t i = 0; i < count && n < sizeof(what); i++)
        n += (size_t)snprintf(what + n, sizeof(what) - n, "%s %s", i ? " |" : "", verbs[i].name);
    return vn_admin_usage(what);
}

/* ---- the verbs ---- */

int vn_cmd_user(int argc, char **argv)
{
    static const struct verb VERBS[] = {
        {"create", WORD | DISPLAY | SUPERUSER, ABOUT_NOTHING, "POST", "/users", new_user},
        {"list", 0, ABOUT_NOTHING, "GET", "/users", NULL},
        {"password", WORD, ABOUT_USER, "POST", "/users/{about}/password", NULL},
        {"disable", WORD, ABOUT_USER, "POST", "/users/{about}", disabled},
        {"enable", WORD, ABOUT_USER, "POST", "/users/{about}", enabled},
        {"delete", WORD, ABOUT_USER, "DELETE", "/users/{about}", NULL},
    };
    return dispatch(argc, argv, VERBS, VN_ARRAY_LEN(VERBS));
}

int vn_cmd_org(int argc, char **argv)
{
    static const struct verb VERBS[] = {
        {"create", WORD, ABOUT_NOTHING, "POST", "/orgs", named},
        {"list", 0, ABOUT_NOTHING, "GET", "/orgs", NULL},
        {"delete", WORD, ABOUT_ORG, "DELETE", "/orgs/{about}", NULL},
        {"members", ORG, ABOUT_NOTHING, "GET", "/orgs/{org}/members", NULL},
        {"add", ORG | USER | ROLE, ABOUT_NOTHING, "POST", "/orgs/{org}/members", with_role},
        {"remove", ORG | USER, ABOUT_NOTHING, "DELETE", "/orgs/{org}/members/{user}", NULL},
    };
    return dispatch(argc, argv, VERBS, VN_ARRAY_LEN(VERBS));
}

int vn_cmd_team(int argc, char **argv)
{
    static const struct verb VERBS[] = {
        {"create", WORD | ORG, ABOUT_NOTHING, "POST", "/orgs/{org}/teams", named},
        {"list", ORG, ABOUT_NOTHING, "GET", "/orgs/{org}/teams", NULL},
        {"delete", WORD | ORG, ABOUT_TEAM, "DELETE", "/teams/{about}", NULL},
        {"members", WORD | ORG, ABOUT_TEAM, "GET", "/teams/{about}/members", NULL},
        {"add", WORD | ORG | USER, ABOUT_TEAM, "POST", "/teams/{about}/members", by_id},
        {"remove", WORD | ORG | USER, ABOUT_TEAM, "DELETE", "/teams/{about}/members/{user}", NULL},
    };
    return dispatch(argc, argv, VERBS, VN_ARRAY_LEN(VERBS));
}
