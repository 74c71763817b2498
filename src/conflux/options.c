#include "conflux/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/limits.h"
#include "base/secret.h"
#include "core/commands.h"

enum kind { K_FLAG, K_TEXT, K_OPTIONAL, K_SECRET, K_LIST, K_SECONDS, K_MILLIS, K_MTU, K_COUNT };

enum id {
    O_HELP,
    O_JSON,
    O_STATE_DIR,
    O_TOKEN,
    O_TOKEN_FILE,
    O_GUARDIAN,
    O_TAG,
    O_IP,
    O_TAINTS,
    O_TEAMS,
    O_JWT,
    O_ISSUER,
    O_AUDIENCE,
    O_JWKS_URL,
    O_PUBLIC,
    O_DEBUG,
    O_VERBOSE,
    O_IDLE,
    O_IDLE_MS,
    O_INTERFACE,
    O_MTU,
    O_WORKERS,
    O_CANDIDATES,
    O_VIA,
    O_KEEP_WARM,
    O_NO_RELAY,
    O_AVOID,
    O_PREFER,
    O_COUNT,
    O_INTERVAL,
    O_WAIT,
    O_V4,
    O_V6,
    O_END,
};

#define ALL 0xffffu
#define JOINS (VN_VERB_REGISTER | VN_VERB_UP)
#define STARTS (JOINS | VN_VERB_RUN)

struct option {
    enum id id;
    char letter;
    const char *name;
    const char *value; /* how the help calls it */
    enum kind kind;
    unsigned verbs;
    const char *env[3];
    const char *help;
};

static const struct option OPTIONS[] = {
    {O_TOKEN,
     't',
     "token",
     "TOKEN",
     K_SECRET,
     JOINS,
     {"VEILNET_REGISTRATION_TOKEN", "VEILNET_CONFLUX_TOKEN"},
     "join or registration token; up: conflux token; - reads it from standard input"},
    {O_TOKEN_FILE, 0, "token-file", "FILE", K_TEXT, JOINS, {NULL}, "read the token from a file"},
    {O_GUARDIAN,
     'g',
     "guardian",
     "URL",
     K_LIST,
     JOINS,
     {"VEILNET_GUARDIAN"},
     "Guardian's address, where the token names none; repeat for several"},
    {O_TAG,
     0,
     "tag",
     "NAME",
     K_TEXT,
     VN_VERB_REGISTER,
     {"VEILNET_CONFLUX_TAG"},
     "this node's name (default: the host name)"},
    {O_IP,
     0,
     "ip",
     "ADDRESS",
     K_TEXT,
     VN_VERB_REGISTER,
     {"VEILNET_CONFLUX_IP", "VEILNET_CONFLUX_CIDR"},
     "the IPv4 address it wants (default: Guardian chooses)"},
    {O_TAINTS,
     0,
     "taints",
     "LIST",
     K_LIST,
     VN_VERB_REGISTER,
     {"VEILNET_CONFLUX_TAINTS"},
     "taints instead of the token's defaults; repeat, or separate by commas"},
    {O_TEAMS,
     0,
     "teams",
     "LIST",
     K_LIST,
     VN_VERB_REGISTER,
     {"VEILNET_CONFLUX_TEAMS"},
     "teams whose identity the node carries"},
    {O_JWT,
     0,
     "jwt",
     "JWT",
     K_SECRET,
     VN_VERB_REGISTER,
     {"VEILNET_CONFLUX_JWT"},
     "a token of an identity provider that the realm accepts; it gives the node scopes"},
    {O_ISSUER,
     0,
     "issuer",
     "TEXT",
     K_TEXT,
     VN_VERB_REGISTER,
     {NULL},
     "which of the realm's issuers it is of; as the realm has it"},
    {O_AUDIENCE, 0, "audience", "TEXT", K_TEXT, VN_VERB_REGISTER, {NULL}, "and for which audience"},
    {O_JWKS_URL, 0, "jwks-url", "URL", K_TEXT, VN_VERB_REGISTER, {NULL}, "and where its keys are"},
    {O_PUBLIC,
     0,
     "public",
     "[HOST][:PORT]",
     K_OPTIONAL,
     VN_VERB_REGISTER,
     {"VEILNET_PUBLIC"},
     "keep a UDP port open (default 3478) and tell members their outer address; HOST is where they "
     "find it (default: the address Guardian sees)"},
    {O_DEBUG, 'd', "debug", NULL, K_FLAG, JOINS, {NULL}, "run in the foreground afterwards"},
    {O_IDLE,
     0,
     "idle",
     "SECONDS",
     K_SECONDS,
     STARTS,
     {NULL},
     "streams and tethers dissolve after this (default 60)"},
    {O_IDLE_MS,
     0,
     "idle-ms",
     "MS",
     K_MILLIS,
     STARTS,
     {"VEILNET_IDLE_MS"},
     "the same in milliseconds"},
    {O_INTERFACE,
     0,
     "interface",
     "NAME",
     K_TEXT,
     STARTS,
     {"VEILNET_INTERFACE"},
     "name of the interface (default veilnet)"},
    {O_MTU,
     0,
     "mtu",
     "BYTES",
     K_MTU,
     STARTS,
     {"VEILNET_MTU"},
     "its MTU, 1280 to 9000 (default 1500)"},
    {O_WORKERS,
     0,
     "workers",
     "N",
     K_COUNT,
     STARTS,
     {"VEILNET_WORKERS"},
     "threads that carry data, 1 to 8 (default 1)"},
    {O_CANDIDATES,
     0,
     "candidates",
     "WHICH",
     K_TEXT,
     STARTS,
     {"VEILNET_CANDIDATES"},
     "which addresses peers are told: all (default), reflexive (as STUN and TURN servers show "
     "them), "
     "relay (TURN servers' alone)"},
    {O_KEEP_WARM,
     0,
     "keep-warm",
     "LIST",
     K_LIST,
     STARTS,
     {"VEILNET_KEEP_WARM"},
     "peers whose streams live without packets, at most eight; \"\" ends it"},
    {O_VIA,
     0,
     "via",
     "LIST",
     K_LIST,
     STARTS,
     {"VEILNET_VIA"},
     "all streams go through these nodes, in this order (tags, ids or addresses; at most 3)"},
    {O_NO_RELAY,
     0,
     "no-relay",
     NULL,
     K_FLAG,
     STARTS,
     {"VEILNET_NO_RELAY"},
     "carry nothing for others"},
    {O_AVOID,
     0,
     "avoid-countries",
     "LIST",
     K_TEXT,
     STARTS,
     {"VEILNET_AVOID_COUNTRIES"},
     "never relay through nodes there, such as DE,FR; none: anywhere"},
    {O_PREFER,
     0,
     "prefer-countries",
     "LIST",
     K_TEXT,
     STARTS,
     {"VEILNET_PREFER_COUNTRIES"},
     "rather relay through nodes there; none: no matter"},
    {O_VERBOSE, 'v', "verbose", NULL, K_FLAG, STARTS, {"VEILNET_VERBOSE"}, "log everything"},
    {O_COUNT,
     'c',
     "count",
     "N",
     K_COUNT,
     VN_VERB_PING,
     {NULL},
     "stop after so many (default 4; 0: until interrupted)"},
    {O_INTERVAL,
     'i',
     "interval",
     "SECONDS",
     K_SECONDS,
     VN_VERB_PING,
     {NULL},
     "between two (default 1)"},
    {O_WAIT,
     'W',
     "wait",
     "SECONDS",
     K_SECONDS,
     VN_VERB_PING,
     {NULL},
     "wait so long for an answer (default 5)"},
    {O_V4, '4', "ipv4", NULL, K_FLAG, VN_VERB_PING, {NULL}, "use IPv4"},
    {O_V6, '6', "ipv6", NULL, K_FLAG, VN_VERB_PING, {NULL}, "use IPv6"},
    {O_STATE_DIR,
     0,
     "state-dir",
     "FOLDER",
     K_TEXT,
     ALL,
     {"VEILNET_CONFLUX_DIR"},
     "where configuration and socket are (default /root/.config/conflux)"},
    {O_JSON, 0, "json", NULL, K_FLAG, ALL, {NULL}, "answer in JSON"},
    {O_HELP, 'h', "help", NULL, K_FLAG, ALL, {NULL}, "this text"},
};

static const struct {
    enum vn_verb verb;
    const char *name, *words, *help;
} VERBS[] = {
    {VN_VERB_REGISTER, "register", "-t TOKEN", "make this machine a member of a realm"},
    {VN_VERB_UNREGISTER, "unregister", "", "undo it, here and at Guardian"},
    {VN_VERB_UP, "up", "-t CONFLUX_TOKEN", "take over a node that is registered already"},
    {VN_VERB_DOWN, "down", "", "stop that, and forget the token"},
    {VN_VERB_RUN, "run", "", "run the node in the foreground"},
    {VN_VERB_STATUS, "status", "", "state, addresses, links, and what is wrong"},
    {VN_VERB_INFO, "info", "[conflux|id|realm|veil]", "details of one part"},
    {VN_VERB_PEERS, "peers", "", "whom this node may reach"},
    {VN_VERB_NETCHECK, "netcheck", "",
     "addresses, NAT, servers: what is in the way, and what helps"},
    {VN_VERB_PING, "ping", "TAG|ADDRESS|ID", "is it there, and by which path"},
    {VN_VERB_ROUTES, "routes", "", "which way each stream goes"},
    {VN_VERB_EXPLAIN, "explain", "TAG|ADDRESS|ID", "why it goes there, and what else there is"},
    {VN_VERB_RELAYS, "relays", "pin|prefer|exclude|forget WHAT... | list",
     "relays it knows, and which of them its streams take"},
    {VN_VERB_TAINT, "taint", "add|remove NAME... | list", "change this node's taints, at once"},
    {VN_VERB_VERSION, "version", "", "version of this program"},
    {VN_VERB_HELP, "help", "[VERB]", "this text"},
};

const char *vn_verb_name(enum vn_verb v)
{
    for (size_t i = 0; i < VN_ARRAY_LEN(VERBS); i++) {
        if (VERBS[i].verb == v)
            return VERBS[i].name;
    }
    return "";
}

enum vn_verb vn_verb_of(const char *word)
{
    for (size_t i = 0; i < VN_ARRAY_LEN(VERBS); i++) {
        if (strcmp(VERBS[i].name, word) == 0)
            return VERBS[i].verb;
    }
    return 0;
}

void vn_options_help(enum vn_verb verb)
{
    if (!verb)
        puts("usage: veilnet-conflux VERB [OPTION...]\n");
    for (size_t i = 0; i < VN_ARRAY_LEN(VERBS); i++) {
        if (!verb)
            printf("  %-11s %-27s %s\n", VERBS[i].name, VERBS[i].words, VERBS[i].help);
        else if (verb == VERBS[i].verb)
            printf("usage: veilnet-conflux %s %s [OPTION...]\n%s\n", VERBS[i].name, VERBS[i].words,
                   VERBS[i].help);
    }
    puts(verb ? "" : "\nveilnet-conflux VERB --help names a verb's options. Everywhere:");
    for (size_t i = 0; i < VN_ARRAY_LEN(OPTIONS); i++) {
        const struct option *o = &OPTIONS[i];
        if (verb ? !(o->verbs & verb) : o->verbs != ALL)
            continue;
        char left[40];
        snprintf(left, sizeof(left), "%c%c%c --%s %s", o->letter ? '-' : ' ',
                 o->letter ? o->letter : ' ', o->letter ? ',' : ' ', o->name,
                 o->value ? o->value : "");
        printf("  %-25s %s%s%s%s\n", left, o->help, o->env[0] ? " [" : "",
               o->env[0] ? o->env[0] : "", o->env[0] ? "]" : "");
    }
}

/* ---- values ---- */

/* Digits, at most one point, no sign: thousandths of the unit. */
static bool parse_thousandths(const char *s, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;
    int after = -1;
    if (!*s || *s == '.')
        return false;
    for (; *s; s++) {
        if (*s == '.' && after < 0) {
            after = 0;
            continue;
        }
        if (*s < '0' || *s > '9' || after >= 3)
            return false;
        v = v * 10 + (uint64_t)(*s - '0');
        if (after >= 0)
            after++;
        if (v > max * 1000)
            return false;
    }
    for (int i = after < 0 ? 0 : after; i < 3; i++)
        v *= 10;
    *ret = v;
    return v <= max * 1000;
}

static bool parse_whole(const char *s, uint64_t max, uint64_t *ret)
{
    uint64_t v;
    if (strchr(s, '.') || !parse_thousandths(s, max, &v))
        return false;
    *ret = v / 1000;
    return true;
}

/* "a,b" and repetition alike. */
static bool add_list(struct vn_options *o, const char *text, const char **list, size_t *count)
{
    if (o->piece_count == VN_ARRAY_LEN(o->pieces))
        return false;
    char *copy = o->pieces[o->piece_count] = strdup(text);
    o->exhausted = !copy;
    if (!copy)
        return false;
    o->piece_count++;
    char *save = NULL;
    for (char *p = strtok_r(copy, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
        while (*p == ' ')
            p++;
        if (!*p)
            continue;
        if (*count == VN_OPT_LIST_MAX)
            return false;
        list[(*count)++] = p;
    }
    return true;
}

static bool set_list(struct vn_options *o, enum id id, const char *value)
{
    switch (id) {
    case O_GUARDIAN:
        return add_list(o, value, o->guardians, &o->guardian_count);
    case O_TAINTS:
        o->has_taints = true;
        return add_list(o, value, o->taints, &o->taint_count);
    case O_TEAMS:
        return add_list(o, value, o->teams, &o->team_count);
    case O_VIA:
        o->has_via = true;
        return add_list(o, value, o->via, &o->via_count) && o->via_count <= VN_CIRCUIT_RELAYS_MAX;
    case O_KEEP_WARM:
        o->has_keep_warm = true;
        return add_list(o, value, o->keep_warm, &o->keep_warm_count) &&
               o->keep_warm_count <= VN_KEEP_WARM_MAX;
    default:
        return false;
    }
}

static bool set_number(struct vn_options *o, const struct option *opt, const char *value)
{
    uint64_t v;
    switch (opt->kind) {
    case K_SECONDS:
        if (!parse_thousandths(value, 86400, &v))
            return false;
        break;
    case K_MILLIS:
        if (!parse_whole(value, 86400000, &v))
            return false;
        break;
    case K_MTU:
        if (!parse_whole(value, VN_MTU_MAX, &v) || v < VN_MTU_MIN)
            return false;
        break;
    default:
        if (!parse_whole(value, 1000000, &v))
            return false;
    }
    switch (opt->id) {
    case O_IDLE:
    case O_IDLE_MS:
        o->has_idle = true;
        o->idle_ms = (uint32_t)v;
        return v >= 500;
    case O_MTU:
        o->has_mtu = true;
        o->mtu_bytes = (uint16_t)v;
        return true;
    case O_WORKERS:
        o->has_workers = true;
        o->workers = (size_t)v;
        return v >= 1 && v <= VN_WORKERS_MAX;
    case O_COUNT:
        o->count = (uint32_t)v;
        return true;
    case O_INTERVAL:
        o->interval_ms = (uint32_t)v;
        return v >= 1;
    case O_WAIT:
        o->wait_ms = (uint32_t)v;
        return v >= 1;
    default:
        return false;
    }
}

static bool set_flag(struct vn_options *o, enum id id)
{
    bool *const flag = id == O_HELP       ? &o->help
                       : id == O_JSON     ? &o->json
                       : id == O_DEBUG    ? &o->debug
                       : id == O_VERBOSE  ? &o->verbose
                       : id == O_V4       ? &o->v4
                       : id == O_NO_RELAY ? &o->no_relay
                                          : &o->v6;
    *flag = true;
    return true;
}

static bool set_text(struct vn_options *o, enum id id, const char *value)
{
    if (id == O_CANDIDATES) {
        o->has_candidates = true;
        return vn_candidate_filter_of(value, &o->candidates);
    }
    if (id == O_AVOID || id == O_PREFER) {
        struct vn_countries *l = id == O_AVOID ? &o->avoid_countries : &o->prefer_countries;
        *(id == O_AVOID ? &o->has_avoid : &o->has_prefer) = true;
        return vn_countries_parse(strcmp(value, "none") == 0 ? "" : value, l) == VN_OK;
    }
    const char **const text = id == O_TOKEN_FILE  ? &o->token_file
                              : id == O_STATE_DIR ? &o->state_dir
                              : id == O_TAG       ? &o->tag
                              : id == O_ISSUER    ? &o->issuer
                              : id == O_AUDIENCE  ? &o->audience
                              : id == O_JWKS_URL  ? &o->jwks_url
                              : id == O_IP        ? &o->ip
                                                  : &o->interface;
    *text = value;
    /* IFNAMSIZ - 1, and what the kernel refuses in a name */
    if (id == O_INTERFACE && (strlen(value) > 15 || strpbrk(value, "/: ") || value[0] == '.'))
        return false;
    return *value != 0;
}

/* The memory of value belongs to argv or the environment: others may look at it until it is
 * overwritten. */
static bool set_secret(struct vn_options *o, enum id id, char *value)
{
    char **const secret = id == O_JWT ? &o->jwt : &o->token;
    vn_secret_strp(secret);
    *secret = strdup(value);
    o->exhausted = !*secret;
    if (strcmp(value, "-") != 0)
        memset(value, 'x', strlen(value));
    return *secret && (*secret)[0];
}

static bool set_value(struct vn_options *o, const struct option *opt, char *value)
{
    switch (opt->kind) {
    case K_FLAG:
        return set_flag(o, opt->id);
    case K_TEXT:
        return set_text(o, opt->id, value);
    case K_OPTIONAL:
        o->has_public = true;
        o->public = value;
        return !value || *value;
    case K_SECRET:
        return set_secret(o, opt->id, value);
    case K_LIST:
        return set_list(o, opt->id, value);
    default:
        return set_number(o, opt, value);
    }
}

/* ---- the line ---- */

static const struct option *by_name(const char *name, size_t n)
{
    for (size_t i = 0; i < VN_ARRAY_LEN(OPTIONS); i++) {
        if (strlen(OPTIONS[i].name) == n && strncmp(OPTIONS[i].name, name, n) == 0)
            return &OPTIONS[i];
    }
    return NULL;
}

static const struct option *by_letter(char c)
{
    for (size_t i = 0; i < VN_ARRAY_LEN(OPTIONS); i++) {
        if (OPTIONS[i].letter && OPTIONS[i].letter == c)
            return &OPTIONS[i];
    }
    return NULL;
}

struct parse {
    struct vn_options *o;
    char *error;
    bool seen[O_END]; /* options on the line */
};

static vn_status bad(const struct parse *p, const char *format, const char *what)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(p->error, 256, format, what);
#pragma GCC diagnostic pop
    return VN_ERR_ARG;
}

static vn_status exhausted(const struct parse *p)
{
    (void)bad(p, "%s", "out of memory");
    return VN_ERR_NOMEM;
}

static vn_status take_option(struct parse *p, const struct option *opt, char *value)
{
    p->seen[opt->id] = true;
    if (set_value(p->o, opt, value))
        return VN_OK;
    if (p->o->exhausted)
        return exhausted(p);
    char text[224];
    snprintf(text, sizeof(text), "--%s %s is missing or out of range: %s", opt->name,
             opt->value ? opt->value : "", opt->help);
    return bad(p, "the value of %s", text);
}

static vn_status take_long(struct parse *p, char **argv, int argc, int *i)
{
    char *arg = argv[*i] + 2;
    const size_t n = strcspn(arg, "=");
    const struct option *opt = by_name(arg, n);
    if (!opt)
        return bad(p, "there is no option %s: veilnet-conflux help lists them", argv[*i]);
    if (opt->kind == K_FLAG)
        return arg[n] ? bad(p, "option --%s takes no value", opt->name) : take_option(p, opt, NULL);
    if (arg[n] == '=')
        return take_option(p, opt, arg + n + 1);
    if (opt->kind == K_OPTIONAL && (*i + 1 >= argc || argv[*i + 1][0] == '-'))
        return take_option(p, opt, NULL);
    if (*i + 1 >= argc)
        return bad(p, "option --%s needs a value", opt->name);
    return take_option(p, opt, argv[++*i]);
}

static vn_status take_short(struct parse *p, char **argv, int argc, int *i)
{
    for (char *c = argv[*i] + 1; *c; c++) {
        const struct option *opt = by_letter(*c);
        if (!opt)
            return bad(p, "there is no option %s: veilnet-conflux help lists them", argv[*i]);
        if (opt->kind == K_FLAG) {
            const vn_status st = take_option(p, opt, NULL);
            if (st != VN_OK)
                return st;
            continue;
        }
        if (c[1])
            return take_option(p, opt, c + 1);
        if (*i + 1 >= argc)
            return bad(p, "option --%s needs a value", opt->name);
        return take_option(p, opt, argv[++*i]);
    }
    return VN_OK;
}

static vn_status take_word(struct parse *p, const char *word)
{
    struct vn_options *o = p->o;
    if (!o->verb) {
        o->verb = vn_verb_of(word);
        return o->verb ? VN_OK
                       : bad(p, "there is no verb '%s': veilnet-conflux help lists them", word);
    }
    if (o->word_count == VN_OPT_WORDS_MAX)
        return bad(p, "too many words after '%s'", vn_verb_name(o->verb));
    o->words[o->word_count++] = word;
    return VN_OK;
}

static vn_status take_environment(struct parse *p)
{
    for (size_t i = 0; i < VN_ARRAY_LEN(OPTIONS); i++) {
        const struct option *opt = &OPTIONS[i];
        for (size_t k = 0; k < VN_ARRAY_LEN(opt->env) && opt->env[k]; k++) {
            if (opt->id == O_TOKEN && (k == 0) != (p->o->verb == VN_VERB_REGISTER))
                continue;
            char *value = getenv(opt->env[k]);
            if (!value || !*value)
                continue;
            const bool given = p->seen[opt->id] || (opt->id == O_IDLE_MS && p->o->has_idle) ||
                               (opt->id == O_TOKEN && p->o->token_file);
            if (opt->kind == K_FLAG && strcmp(value, "0") == 0)
                continue;
            if (!given && opt->verbs & p->o->verb && !set_value(p->o, opt, value))
                return p->o->exhausted
                           ? exhausted(p)
                           : bad(p, "the value of %s in the environment is out of range",
                                 opt->env[k]);
            if (opt->kind == K_SECRET)
                memset(value, 'x', strlen(value));
            if (!given)
                break;
        }
    }
    return VN_OK;
}

static vn_status check_verb(const struct parse *p)
{
    const enum vn_verb v = p->o->verb;
    if (!v) {
        if (p->o->help)
            return VN_OK;
        return bad(p, "say what to do: %s", "veilnet-conflux help lists the verbs");
    }
    for (size_t i = 0; i < VN_ARRAY_LEN(OPTIONS); i++) {
        if (p->seen[OPTIONS[i].id] && !(OPTIONS[i].verbs & v)) {
            char text[96];
            snprintf(text, sizeof(text), "'%s' takes no option --%s", vn_verb_name(v),
                     OPTIONS[i].name);
            return bad(p, "%s", text);
        }
    }
    if (p->o->word_count && !(v & (VN_VERB_INFO | VN_VERB_PING | VN_VERB_TAINT | VN_VERB_EXPLAIN |
                                   VN_VERB_RELAYS | VN_VERB_HELP)))
        return bad(p, "the word '%s' is too much", p->o->words[0]);
    return VN_OK;
}

/* One id in 64 begins with a hyphen. */
static bool is_node_id(const struct parse *p, const char *arg)
{
    struct vn_id id;
    return (p->o->verb & (VN_VERB_PING | VN_VERB_EXPLAIN | VN_VERB_RELAYS)) &&
           vn_id_parse(VN_SPAN_STR(arg), &id) == VN_OK;
}

vn_status vn_options_parse(int argc, char **argv, struct vn_options *ret, char ret_error[256])
{
    *ret = (struct vn_options){.count = 4, .interval_ms = 1000, .wait_ms = 5000};
    struct parse p = {.o = ret, .error = ret_error};
    vn_status st = VN_OK;
    bool words_only = false;
    for (int i = 1; i < argc && st == VN_OK; i++) {
        char *a = argv[i];
        if (words_only || a[0] != '-' || !a[1] || is_node_id(&p, a))
            st = take_word(&p, a);
        else if (strcmp(a, "--") == 0)
            words_only = true;
        else if (a[1] == '-')
            st = take_long(&p, argv, argc, &i);
        else
            st = take_short(&p, argv, argc, &i);
    }
    if (st == VN_OK)
        st = check_verb(&p);
    if (st == VN_OK && ret->verb)
        st = take_environment(&p);
    return st;
}

void vn_options_done(struct vn_options *o)
{
    vn_secret_strp(&o->token);
    vn_secret_strp(&o->jwt);
    for (size_t i = 0; i < o->piece_count; i++)
        free(o->pieces[i]);
    o->piece_count = 0;
}
