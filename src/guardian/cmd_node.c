/* node: what is done on the store too (list, taint, revoke), and what the running Guardian is
 * asked; its orders to nodes are in cmd_node_order.c. */
#include <stdio.h>

#include "base/clock.h"
#include "guardian/cmd_ask.h"
#include "guardian/commands.h"
#include "guardian/json.h"
#include "guardian/keychange.h"
#include "guardian/options.h"
#include "guardian/quarantine.h"
#include "guardian/revoke.h"

static bool node_line(void *arg, const struct vn_conflux_record *n)
{
    struct vn_admin *c = arg;
    char id[VN_ID_TEXT], ip4[VN_IP_TEXT], ip6[VN_IP_TEXT], taints[VN_TAINTS_TEXT];
    struct vn_ip ip = vn_ip_from_u32(n->ip4);
    vn_id_format(&n->id, id);
    vn_ip_format(&ip, ip4);
    vn_ip_format(&n->ip6, ip6);
    vn_taints_format(&n->taints, taints);
    if (c->json)
        return json_array_append_new(c->items,
                                     json_pack("{s:b, s:s, s:s, s:s, s:s, s:s, s:o}", "approved",
                                               !n->waiting, "country", n->session.country,
                                               "conflux_id", id, "tag", n->tag, "ip4", ip4, "ip6",
                                               ip6, "taints", vn_taints_to_json(&n->taints))) == 0;
    printf("%s  %s  %s  %s  taints %s%s%s%s\n", id, n->tag, ip4, ip6, taints[0] ? taints : "none",
           n->session.country[0] ? "  in " : "", n->session.country,
           n->waiting ? "  waits for approval" : "");
    return true;
}

static vn_status list_nodes(struct vn_admin *c)
{
    return vn_store_conflux_list(c->g.store, &(struct vn_conflux_filter){.realm = c->realm_id},
                                 NULL, node_line, c);
}

static int node_list(int argc, char **argv)
{
    return vn_admin_list(argc, argv, list_nodes);
}

static bool node_match(void *arg, const struct vn_conflux_record *n)
{
    struct vn_admin_search *s = arg;
    char id[VN_ID_TEXT];
    vn_id_format(&n->id, id);
    if (strcmp(n->tag, s->name) == 0 || strcmp(id, s->name) == 0) {
        s->found = *n;
        s->count++;
    }
    return true;
}

static bool search_realm(void *arg, const struct vn_id *realm)
{
    struct vn_admin_search *s = arg;
    return vn_store_conflux_list(s->store, &(struct vn_conflux_filter){.realm = *realm}, NULL,
                                 node_match, s) == VN_OK;
}

/* Returns NULL, or what is wrong. */
static const char *change(struct vn_conflux_record *n, const char *add, const char *remove,
                          struct vn_taint_set *more, struct vn_taint_set *less)
{
    if ((add && vn_taints_parse(add, more) != VN_OK) ||
        (remove && vn_taints_parse(remove, less) != VN_OK))
        return "--add and --remove are comma lists of labels of 1 to 64 characters a-z 0-9 . _ -";
    if (vn_allowed_refuses(&n->allowed, more))
        return "this node's registration does not allow such a taint: register it again with a "
               "token that does";
    for (size_t i = 0; i < less->n; i++)
        vn_taints_remove(&n->taints, less->t[i]);
    for (size_t i = 0; i < more->n; i++)
        if (vn_taints_add(&n->taints, more->t[i]) != VN_OK)
            return "a node has at most 16 taints: remove some";
    return NULL;
}

static vn_status store_change(struct vn_admin *c, const struct vn_conflux_record *n)
{
    static struct vn_conflux_record before;
    uint64_t now_ms = vn_clock_wall_ms();
    vn_status st = vn_store_begin(c->g.store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = c->g.store;
    uint64_t number = VN_MAX(n->statement_number + 1, now_ms);
    if (st == VN_OK)
        st = vn_store_conflux_get(tx, &n->id, &before);
    if (st == VN_OK)
        st = vn_store_conflux_set_taints(tx, &n->id, &n->taints, number);
    if (st == VN_OK)
        st = vn_revoke_statements(tx, n, number, now_ms);
    if (st == VN_OK)
        st = vn_key_change_lost(tx, &before, n, now_ms);
    if (st == VN_OK)
        st = vn_quarantine_changed(tx, &before, n, false, now_ms);
    if (st == VN_OK)
        st = vn_store_outbox_add(tx, &n->id);
    return st == VN_OK ? vn_store_commit(tx) : st;
}

int vn_admin_search(struct vn_admin *c, struct vn_admin_search *s)
{
    s->store = c->g.store;
    s->count = 0;
    if (!(c->realm ? search_realm(s, &c->realm_id)
                   : vn_store_realm_list(s->store, NULL, search_realm, s) == VN_OK))
        return vn_die("cannot read the store");
    if (s->count == 0)
        return vn_die("there is no node %s (veilnet-guardian node list shows them)", s->name);
    if (s->count > 1)
        return vn_die("several nodes have the tag %s: give the id instead (node list shows it)",
                      s->name);
    return 0;
}

int vn_admin_find_node(struct vn_admin *c, struct vn_admin_search *s)
{
    int code = vn_admin_begin(c, c->realm != NULL); /* without --realm: in every realm */
    return code ? code : vn_admin_search(c, s);
}

static vn_status revoke_node(struct vn_admin *c, const struct vn_id *id)
{
    static struct vn_conflux_record n;
    uint64_t now_ms = vn_clock_wall_ms();
    vn_status st = vn_store_begin(c->g.store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = c->g.store;
    if (st == VN_OK)
        st = vn_store_conflux_get(tx, id, &n); /* it may have logged in just now */
    if (st == VN_OK)
        st = vn_revoke_session(tx, &n, now_ms);
    if (st == VN_OK)
        st = vn_key_change_lost(tx, &n, NULL, now_ms);
    if (st == VN_OK)
        st = vn_store_conflux_delete(tx, &n, now_ms);
    return st == VN_OK ? vn_store_commit(tx) : st;
}

/* Of what was done on the store alone. */
#define LATER "Guardian does not run: it tells the node and its peers when it starts"

static int print_answer(const struct vn_admin *c, const char *tag, const char *what, json_t *answer)
{
    const char *node = json_string_value(json_object_get(answer, "node"));
    if (c->json) {
        vn_admin_print_json(answer);
    } else {
        printf("%s: %s%s%s%s\n", tag, what, node ? " (" : "", node ? node : "", node ? ")" : "");
    }
    return 0;
}

/* By the running Guardian, which says what came of it; VN_ERR_AGAIN: there is none. */
static int order(struct vn_admin *c, const struct vn_conflux_record *n, json_t *body, json_t **ret,
                 bool *ret_done)
{
    char path[96], id[VN_ID_TEXT], why[400];
    vn_id_format(&n->id, id);
    snprintf(path, sizeof(path), "/conflux/%s/commands", id);
    vn_status st = vn_admin_call(&c->g, "POST", path, body, ret, why, sizeof(why));
    *ret_done = st != VN_ERR_AGAIN;
    return st == VN_OK || st == VN_ERR_AGAIN ? 0 : vn_die("%s", why);
}

static int node_revoke(int argc, char **argv)
{
    struct vn_admin c = {0};
    static struct vn_admin_search s;
    const struct vn_option options[] = {{"--state-dir", &c.dir_option, NULL},
                                        {"--realm", &c.realm, NULL},
                                        {"--json", NULL, &c.json},
                                        {"", &s.name, NULL},
                                        {0}};
    if (vn_options_parse(argc, argv, options) != VN_OK)
        return 2;
    if (!s.name)
        return vn_admin_usage("say which node: node revoke TAG");
    int code = vn_admin_find_node(&c, &s);
    VN_CLEANUP(vn_json_freep) json_t *body = json_pack("{s:s}", "command", "revoke");
    VN_CLEANUP(vn_json_freep) json_t *answer = NULL;
    bool done = false;
    if (!code)
        code = order(&c, &s.found, body, &answer, &done);
    if (!code && !done) {
        if (revoke_node(&c, &s.found.id) != VN_OK)
            code = vn_die("cannot write the store");
        else
            vn_guardian_audit(&c.g, &s.found.realm, "host", "conflux_revoked", s.found.tag, "");
        answer = json_pack("{s:s, s:s, s:s}", "command", "revoke", "result", "done", "node", LATER);
    }
    if (!code)
        code = print_answer(&c, s.found.tag, "revoked and removed", answer);
    vn_admin_finish(&c);
    return code;
}

/* On the store; the running Guardian would have done the same. */
static int taint_offline(struct vn_admin *c, struct vn_conflux_record *n, json_t **ret)
{
    char text[VN_TAINTS_TEXT];
    if (store_change(c, n) != VN_OK)
        return vn_die("cannot write the store");
    vn_taints_format(&n->taints, text);
    vn_guardian_audit(&c->g, &n->realm, "host", "taints_changed", n->tag, text);
    *ret = json_pack("{s:s, s:s, s:o, s:s}", "command", "taint", "result", "done", "taints",
                     vn_taints_to_json(&n->taints), "node", LATER);
    return 0;
}

static int node_taint(int argc, char **argv)
{
    struct vn_admin c = {0};
    static struct vn_admin_search s;
    const char *add = NULL, *remove = NULL;
    const struct vn_option options[] = {{"--state-dir", &c.dir_option, NULL},
                                        {"--realm", &c.realm, NULL},
                                        {"--add", &add, NULL},
                                        {"--remove", &remove, NULL},
                                        {"--json", NULL, &c.json},
                                        {"", &s.name, NULL},
                                        {0}};
    if (vn_options_parse(argc, argv, options) != VN_OK)
        return 2;
    if (!s.name || (!add && !remove))
        return vn_admin_usage("say which node and what: node taint TAG --add a,b --remove c");
    int code = vn_admin_find_node(&c, &s);
    static struct vn_conflux_record changed;
    struct vn_taint_set more = {0}, less = {0};
    changed = s.found;
    const char *problem = code ? NULL : change(&changed, add, remove, &more, &less);
    if (problem)
        code = vn_die("%s", problem);
    VN_CLEANUP(vn_json_freep)
    json_t *body = json_pack("{s:s, s:o, s:o}", "command", "taint", "add", vn_taints_to_json(&more),
                             "remove", vn_taints_to_json(&less));
    VN_CLEANUP(vn_json_freep) json_t *answer = NULL;
    bool done = false;
    if (!code)
        code = order(&c, &s.found, body, &answer, &done);
    if (!code && !done)
        code = taint_offline(&c, &changed, &answer);
    if (!code) {
        char text[VN_TAINTS_TEXT], what[VN_TAINTS_TEXT + 16];
        vn_taints_format(&changed.taints, text);
        snprintf(what, sizeof(what), "taints %s", text[0] ? text : "none");
        code = print_answer(&c, s.found.tag, what, answer);
    }
    vn_admin_finish(&c);
    return code;
}

static const struct vn_ask_verb ASKS[] = {
    {"show", "GET", "/conflux/{about}", VN_ASK_A_NODE, NULL, NULL, {{.flag = NULL}}},
    {"waiting",
     "GET",
     "/conflux?realm={realm}&approved=false",
     VN_ASK_NOTHING,
     NULL,
     NULL,
     {{.flag = NULL}}},
    {"approve", "POST", "/conflux/{about}/approve", VN_ASK_A_NODE, NULL, NULL, {{.flag = NULL}}},
    {"deny", "POST", "/conflux/{about}/deny", VN_ASK_A_NODE, NULL, NULL, {{.flag = NULL}}},
    {"teams",
     "POST",
     "/conflux/{about}/teams",
     VN_ASK_A_NODE,
     NULL,
     "{}",
     {{"--add", "add", VN_ASK_TEAMS, NULL}, {"--remove", "remove", VN_ASK_TEAMS, NULL}}},
    {"scopes",
     "POST",
     "/conflux/{about}/commands",
     VN_ASK_A_NODE,
     NULL,
     "{\"command\":\"scopes\"}",
     {{"--add", "add", VN_ASK_TEAMS, NULL}, {"--remove", "remove", VN_ASK_TEAMS, NULL}}},
    {"rights",
     "POST",
     "/conflux/{about}/rights",
     VN_ASK_A_NODE,
     NULL,
     "{}",
     {{"--relay", "relay", VN_ASK_SWITCH, NULL},
      {"--conduit", "conduit", VN_ASK_SWITCH, NULL},
      {"--portal", "portal", VN_ASK_NONE_OR, NULL}}},
    {"command",
     "POST",
     "/realms/{realm}/commands",
     VN_ASK_NEW,
     "command",
     NULL,
     {{"--all", "all", VN_ASK_TRUE, NULL},
      {"--taint", "taint", VN_ASK_TEXT, NULL},
      {"--team", "team", VN_ASK_TEAM, NULL},
      {"--nodes", "nodes", VN_ASK_NODES, NULL},
      {"--offset", "offset", VN_ASK_NUMBER, NULL},
      {"--add", "add", VN_ASK_WORDS, NULL},
      {"--remove", "remove", VN_ASK_WORDS, NULL},
      {"--peers", "peers", VN_ASK_NODES, NULL},
      {"--scopes", "scopes", VN_ASK_USERS, NULL},
      {"--taints", "taints", VN_ASK_WORDS, NULL}}},
};

int vn_cmd_node(int argc, char **argv)
{
    static const struct vn_verb OWN[] = {
        {"list", node_list},
        {"query", vn_cmd_node_query},
        {"routes", vn_cmd_node_routes},
        {"sessions", vn_cmd_node_sessions},
        {"health", vn_cmd_node_health},
        {"taint", node_taint},
        {"quarantine", vn_cmd_node_quarantine},
        {"release", vn_cmd_node_release},
        {"invalidate", vn_cmd_node_invalidate},
        {"shutdown", vn_cmd_node_shutdown},
        {"revoke", node_revoke},
    };
    return vn_verb_dispatch(argc, argv, OWN, VN_ARRAY_LEN(OWN), ASKS, VN_ARRAY_LEN(ASKS));
}
