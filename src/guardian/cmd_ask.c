#include "guardian/cmd_ask.h"

#include <stdio.h>

#include "guardian/ask_name.h"
#include "guardian/json.h"
#include "guardian/options.h"

#define FIXED_OPTIONS 5 /* --state-dir, --json, --org, --realm and the word */

/* ---- the body ---- */

/* what: whose value take is. Returns an exit code after saying what is wrong with it. */
static int set(struct vn_ask *a, const char *what, const char *member, json_t *take)
{
    return json_object_set_new(a->body, member, take) == 0
               ? 0
               : vn_die("%s holds what is no UTF-8 text: correct it", what);
}

static int set_teams(struct vn_ask *a, const struct vn_ask_option *o, const char *list)
{
    VN_CLEANUP(vn_json_freep) json_t *names = vn_admin_words(o->flag, list);
    VN_CLEANUP(vn_json_freep) json_t *ids = json_array();
    int code = names ? 0 : 1;
    for (size_t i = 0; !code && i < json_array_size(names); i++) {
        char id[VN_ID_TEXT];
        code = vn_ask_find_team(a, json_string_value(json_array_get(names, i)), id);
        if (!code)
            json_array_append_new(ids, json_string(id));
    }
    return code ? code : set(a, o->flag, o->member, VN_TAKE(ids));
}

static int set_file(struct vn_ask *a, const struct vn_ask_option *o, const char *path)
{
    VN_CLEANUP(vn_secret_strp) char *text = NULL;
    int code = vn_admin_read_file(o->flag, path, true, &text);
    return code ? code : set(a, path, o->member, json_string(text));
}

/* NULL: what is wrong has been said. */
static int set_list(struct vn_ask *a, const struct vn_ask_option *o, json_t *take)
{
    return take ? set(a, o->flag, o->member, take) : 1;
}

static int set_value(struct vn_ask *a, const struct vn_ask_option *o, const char *text)
{
    char id[VN_ID_TEXT], *end;
    json_t *value = NULL;
    uint64_t n;
    int code;
    switch (o->kind) {
    case VN_ASK_TRUE:
    case VN_ASK_FALSE:
        value = json_boolean(o->kind == VN_ASK_TRUE);
        break;
    case VN_ASK_TEXT:
        value = json_string(text);
        break;
    case VN_ASK_SWITCH:
        if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
            return vn_die("%s is on or off", o->flag);
        value = json_boolean(strcmp(text, "on") == 0);
        break;
    case VN_ASK_DURATION:
        if (vn_duration_parse(text, &n) != VN_OK || n > INT64_MAX)
            return vn_die("%s is a duration, such as 30m or 12h", o->flag);
        value = json_integer((json_int_t)n);
        break;
    case VN_ASK_WORDS:
        return set_list(a, o,
                        strcmp(text, "*") == 0 ? json_string(text) : vn_admin_words(o->flag, text));
    case VN_ASK_NONE_OR:
        return set_list(a, o,
                        strcmp(text, "none") == 0 ? json_array() : vn_admin_words(o->flag, text));
    case VN_ASK_FILE:
        return set_file(a, o, text);
    case VN_ASK_USER:
        code = vn_ask_find_user(a, text, a->user_id);
        if (code || !o->member)
            return code;
        value = json_string(a->user_id);
        break;
    case VN_ASK_TEAM:
        code = vn_ask_find_team(a, text, id);
        if (code)
            return code;
        value = json_string(id);
        break;
    case VN_ASK_TEAMS:
        return set_teams(a, o, text);
    case VN_ASK_NODES:
        return set_list(a, o, vn_admin_node_ids(&a->c, o->flag, text));
    case VN_ASK_USERS:
        return set_list(a, o, vn_admin_user_ids(&a->c, o->flag, text));
    case VN_ASK_NUMBER:
        n = strtoull(text, &end, 10);
        if (*end || end == text || n > INT32_MAX)
            return vn_die("%s is a number of at most %d", o->flag, INT32_MAX);
        value = json_integer((json_int_t)n);
        break;
    case VN_ASK_REALM:
        value = vn_json_id(&a->c.realm_id);
        break;
    }
    return set(a, o->flag, o->member, value);
}

static int make_body(struct vn_ask *a)
{
    const struct vn_ask_verb *v = a->verb;
    a->body = v->body ? json_loads(v->body, 0, NULL) : json_object();
    int code = v->word == VN_ASK_NEW ? set(a, v->member, v->member, json_string(a->word)) : 0;
    for (size_t i = 0; !code && i < VN_ASK_OPTIONS_MAX && v->options[i].flag; i++)
        if (a->flags[i] || a->values[i])
            code = set_value(a, &v->options[i], a->values[i]);
    return code;
}

/* ---- asking ---- */

static void path_of(const struct vn_ask *a, char *ret, size_t cap)
{
    const struct {
        const char *name, *id;
    } IDS[] = {{"{about}", a->about},
               {"{org}", a->org_id},
               {"{user}", a->user_id},
               {"{realm}", a->realm_id}};
    const char *pattern = a->verb->path;
    size_t n = 0;
    while (*pattern && n + VN_ID_TEXT < cap) {
        size_t i = 0;
        while (i < VN_ARRAY_LEN(IDS) && strncmp(pattern, IDS[i].name, strlen(IDS[i].name)) != 0)
            i++;
        if (i < VN_ARRAY_LEN(IDS)) {
            n += (size_t)snprintf(ret + n, cap - n, "%s", IDS[i].id);
            pattern += strlen(IDS[i].name);
        } else {
            ret[n++] = *pattern++;
        }
    }
    ret[n] = 0;
}

/* A list has pages; all of it is wanted here. */
static int ask(struct vn_ask *a, json_t **ret)
{
    char path[160], page[320], why[400];
    json_t *all = NULL, *next = NULL;
    json_t *body =
        strcmp(a->verb->method, "POST") == 0 && (json_object_size(a->body) || a->verb->body)
            ? a->body
            : NULL;
    path_of(a, path, sizeof(path));
    snprintf(page, sizeof(page), "%s", path);
    do {
        json_t *answer = NULL;
        vn_status st =
            vn_admin_call(&a->c.g, a->verb->method, page, body, &answer, why, sizeof(why));
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
            snprintf(page, sizeof(page), "%s%c%safter=%s", path, strchr(path, '?') ? '&' : '?',
                     strcmp(a->verb->method, "GET") == 0 ? "limit=1000&" : "",
                     json_string_value(next));
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

/* Of one command to many: an exit code, after saying that some did not do it. */
static int all_did(const struct vn_admin *c, const json_t *answer)
{
    const json_t *items = json_object_get(answer, "items");
    size_t i, refused = 0;
    json_t *item;
    json_array_foreach(items, i, item)
    {
        refused += json_integer_value(json_object_get(item, "status")) >= 300;
    }
    if (refused && !c->json)
        vn_die("%zu of %zu did not do it: detail says why", refused, json_array_size(items));
    return refused ? 1 : 0;
}

/* Everything by its id. */
static int resolve(struct vn_ask *a)
{
    const struct vn_ask_verb *v = a->verb;
    const bool in_realm = strstr(v->path, "{realm}") || v->word == VN_ASK_A_REALM;
    if (v->word == VN_ASK_A_REALM)
        a->c.realm = a->word;
    int code = vn_admin_begin(&a->c, in_realm || a->c.realm);
    if (!code && in_realm)
        vn_id_format(&a->c.realm_id, a->realm_id);
    if (!code && v->word == VN_ASK_AN_ORG)
        code = vn_ask_find_org(a, a->word);
    else if (!code && (strstr(v->path, "{org}") || v->word == VN_ASK_A_TEAM))
        code = vn_ask_find_org(a, a->org);
    if (!code)
        code = vn_ask_find_word(a);
    return code ? code : make_body(a);
}

/* How the word is called in a sentence. */
static const char *word_name(enum vn_ask_word word)
{
    switch (word) {
    case VN_ASK_AN_ID:
        return "ID";
    case VN_ASK_A_NODE:
        return "TAG";
    case VN_ASK_AN_ENTRY:
        return "URL";
    default:
        return "NAME";
    }
}

/* Returns an exit code after saying what is wrong with the words. */
static int check(const struct vn_ask *a)
{
    const struct vn_ask_verb *v = a->verb;
    const bool in_org = strstr(v->path, "{org}") || v->word == VN_ASK_A_TEAM;
    bool in_realm = strstr(v->path, "{realm}") || v->word == VN_ASK_A_NODE, some = false;
    char what[320] = "";
    size_t n = 0;
    for (size_t i = 0; i < VN_ASK_OPTIONS_MAX && v->options[i].flag; i++)
        in_realm |= v->options[i].kind == VN_ASK_REALM;
    if (v->word != VN_ASK_NOTHING && !a->word)
        snprintf(what, sizeof(what), "say which one: %s %s %s", a->about_what, v->name,
                 word_name(v->word));
    else if (v->word == VN_ASK_NOTHING && a->word)
        snprintf(what, sizeof(what), "%s %s takes no name", a->about_what, v->name);
    else if ((a->org && !in_org) || (a->c.realm && !in_realm))
        snprintf(what, sizeof(what), "%s %s takes no %s", a->about_what, v->name,
                 a->org && !in_org ? "--org" : "--realm");
    if (what[0])
        return vn_admin_usage(what);
    n = (size_t)snprintf(what, sizeof(what), "say what it shall be:");
    for (size_t i = 0; i < VN_ASK_OPTIONS_MAX && v->options[i].flag; i++) {
        const bool given = a->values[i] || a->flags[i];
        if (v->options[i].needed && !given)
            return vn_admin_usage(v->options[i].needed);
        some |= given;
        if (n < sizeof(what))
            n += (size_t)snprintf(what + n, sizeof(what) - n, " %s", v->options[i].flag);
    }
    const bool says = v->body || v->word == VN_ASK_NEW || !v->options[0].flag;
    return says || some || strcmp(v->method, "POST") != 0 ? 0 : vn_admin_usage(what);
}

/* Its value is missing, and there are two. */
static bool ends_with_a_switch(int argc, char **argv, const struct vn_ask_verb *v)
{
    for (size_t i = 0; i < VN_ASK_OPTIONS_MAX && v->options[i].flag; i++)
        if (v->options[i].kind == VN_ASK_SWITCH && strcmp(argv[argc - 1], v->options[i].flag) == 0)
            return true;
    return false;
}

static int run(int argc, char **argv, const struct vn_ask_verb *v)
{
    struct vn_ask a = {.verb = v, .about_what = argv[0]};
    char what[96];
    struct vn_option options[FIXED_OPTIONS + VN_ASK_OPTIONS_MAX + 1] = {
        {"--state-dir", &a.c.dir_option, NULL},
        {"--json", NULL, &a.c.json},
        {"--org", &a.org, NULL},
        {"--realm", &a.c.realm, NULL},
        {"", &a.word, NULL}};
    for (size_t i = 0; i < VN_ASK_OPTIONS_MAX && v->options[i].flag; i++) {
        const bool flag = v->options[i].kind == VN_ASK_TRUE || v->options[i].kind == VN_ASK_FALSE;
        options[FIXED_OPTIONS + i] = (struct vn_option){
            v->options[i].flag, flag ? NULL : &a.values[i], flag ? &a.flags[i] : NULL};
    }
    if (ends_with_a_switch(argc, argv, v)) {
        snprintf(what, sizeof(what), "%s is on or off: say which", argv[argc - 1]);
        return vn_admin_usage(what);
    }
    if (vn_options_parse(argc - 1, argv + 1, options) != VN_OK)
        return 2;
    for (size_t i = 0; i < VN_ASK_OPTIONS_MAX && v->options[i].flag; i++)
        if (v->options[i].kind == VN_ASK_REALM) /* among the fixed options */
            a.values[i] = a.c.realm;
    int code = check(&a);
    if (code)
        return code;
    VN_CLEANUP(vn_json_freep) json_t *answer = NULL;
    code = resolve(&a);
    if (!code)
        code = ask(&a, &answer);
    if (!code && answer) {
        vn_admin_print(&a.c, a.word ? a.word : v->name, answer);
        code = all_did(&a.c, answer);
    }
    json_decref(a.body);
    vn_admin_finish(&a.c);
    return code;
}

int vn_verb_dispatch(int argc, char **argv, const struct vn_verb *own, size_t own_count,
                     const struct vn_ask_verb *asks, size_t ask_count)
{
    const char *wanted = argc >= 2 ? argv[1] : "";
    for (size_t i = 0; i < own_count; i++)
        if (strcmp(wanted, own[i].name) == 0)
            return own[i].run(argc - 1, argv + 1);
    for (size_t i = 0; i < ask_count; i++)
        if (strcmp(wanted, asks[i].name) == 0)
            return run(argc, argv, &asks[i]);
    char what[400];
    size_t n = (size_t)snprintf(what, sizeof(what), "say what to do: %s", argv[0]);
    for (size_t i = 0; i < own_count + ask_count && n < sizeof(what); i++)
        n += (size_t)snprintf(what + n, sizeof(what) - n, "%s %s", i ? " |" : "",
                              i < own_count ? own[i].name : asks[i - own_count].name);
    return vn_admin_usage(what);
}
