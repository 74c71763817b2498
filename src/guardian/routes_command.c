/*
 * POST /conflux/{id}/commands: what an administrator orders a node (SPEC G9). Queries, new keys and
 * the end are the node's to do, so they fail when it does not answer. What Guardian itself stores
 * (taints, quarantine, revocation) is done then, and the answer says whether the node has it.
 */
#include "anchor.pb-c.h"
#include "base/limits.h"
#include "guardian/command.h"
#include "guardian/quarantine.h"
#include "guardian/revoke.h"
#include "guardian/routes.h"
#include "guardian/routes_node.h"
#include "wire/command.h"

struct order {
    struct vn_request *r;
    struct vn_id realm;
    char node[VN_ID_TEXT], tag[64];
    const char *name;   /* of the command; constant text */
    const char *audit;  /* action, written when it is answered; NULL: was written */
    json_t *answer;     /* of what is done already; NULL: all of it is the node's */
    uint64_t statement; /* the node must have this one */
};

static void order_free(struct order *o)
{
    json_decref(o->answer);
    free(o);
}

static const char *said(enum vn_command_outcome outcome, const Vn__CommandAnswer *m,
                        uint64_t statement)
{
    if (outcome == VN_COMMAND_SILENCE)
        return "not online";
    if (outcome == VN_COMMAND_NOT_SENT)
        return "not told";
    if (m->result != VN_COMMAND_DONE || m->statement < statement)
        return "refused";
    return "acknowledged";
}

/* Of what Guardian has done by itself. */
static void reply_done(struct order *o, const char *node)
{
    json_object_set_new(o->answer, "command", json_string(o->name));
    json_object_set_new(o->answer, "result", json_string("done"));
    json_object_set_new(o->answer, "node", json_string(node));
    vn_request_reply(o->r, 200, VN_TAKE(o->answer));
}

static void reply_failed(struct order *o, enum vn_command_outcome outcome,
                         const Vn__CommandAnswer *m)
{
    if (outcome == VN_COMMAND_SILENCE)
        vn_request_error(o->r, 504,
                         "%s does not answer: it is not online, or cannot reach Master (see "
                         "veilnet-conflux status there)",
                         o->tag);
    else if (outcome == VN_COMMAND_NOT_SENT)
        vn_request_error(o->r, 503, "Guardian could not send it: see its log, and try again");
    else
        vn_request_error(o->r, 502, "%s refused: %s", o->tag,
                         m->result == VN_COMMAND_UNKNOWN
                             ? "its version does not know this command; update it"
                         : m->result == VN_COMMAND_FAILED ? "it is short of memory; try again"
                                                          : "its answer makes no sense");
}

/* Of what only the node can do. */
static void reply_node(struct order *o, enum vn_command_outcome outcome, const Vn__CommandAnswer *m)
{
    json_t *answer = outcome == VN_COMMAND_ANSWERED && m->result == VN_COMMAND_DONE
                         ? vn_command_answer_json(m)
                         : NULL;
    if (!answer) {
        reply_failed(o, outcome, m);
        return;
    }
    json_object_set_new(answer, "command", json_string(o->name));
    json_object_set_new(answer, "result", json_string("done"));
    json_object_set_new(answer, "node_id", json_string(o->node));
    vn_request_reply(o->r, 200, answer);
}

static void on_done(void *arg, enum vn_command_outcome outcome, const Vn__CommandAnswer *m)
{
    struct order *o = arg;
    const char *what = said(outcome, m, o->statement);
    if (o->audit) {
        char actor[VN_USER_NAME_MAX + 8], detail[96];
        snprintf(detail, sizeof(detail), "%s: %s", o->name, what);
        vn_guardian_audit(o->r->g, &o->realm, vn_request_actor(o->r, actor), o->audit, o->tag,
                          detail);
    }
    if (o->answer)
        reply_done(o, what);
    else
        reply_node(o, outcome, m);
    order_free(o);
}

/* NULL after answering. */
static struct order *order_new(struct vn_request *r, const struct vn_conflux_record *c,
                               const char *name)
{
    struct order *o = calloc(1, sizeof(*o));
    if (!o) {
        vn_request_fail(r, VN_ERR_NOMEM, name);
        return NULL;
    }
    o->r = r;
    o->name = name;
    o->realm = c->realm;
    vn_id_format(&c->session.node, o->node);
    snprintf(o->tag, sizeof(o->tag), "%s", c->tag);
    return o;
}

/* m NULL: the quarantine list. */
static void order_send(struct order *o, const struct vn_conflux_record *c, Vn__Command *m,
                       bool update)
{
    const struct vn_command_wait wait = {.done = on_done, .arg = o, .update = update};
    vn_status st = VN_OK;
    if (!vn_command_reachable(c)) {
        if (o->answer)
            reply_done(o, "no session");
        else
            vn_request_error(o->r, 409, "%s has no session: it is not running, or has stopped",
                             o->tag);
    } else {
        st = m ? vn_command_send(o->r->g, c, m, &wait) : vn_command_quarantine(o->r->g, c, &wait);
        if (st == VN_OK)
            return;
        if (o->answer)
            reply_done(o, "not told");
        else if (st == VN_ERR_LIMIT)
            vn_request_error(o->r, 503, "too many commands are under way: try again in a moment");
        else
            vn_request_fail(o->r, st, o->name);
    }
    order_free(o);
}

/* ---- taints ---- */

void vn_node_tell_identities(struct vn_request *r, const struct vn_conflux_record *c,
                             const char *command)
{
    struct order *o = order_new(r, c, command);
    Vn__Nothing none = VN__NOTHING__INIT;
    Vn__Command m = VN__COMMAND__INIT;
    if (!o)
        return;
    o->statement = c->statement_number;
    o->answer = json_pack("{s:o, s:o}", "taints", vn_taints_to_json(&c->taints), "teams",
                          vn_team_set_json(&c->teams));
    m.kind_case = VN__COMMAND__KIND_STATEMENT;
    m.statement = &none;
    order_send(o, c, &m, true);
}

static void taint(struct vn_request *r, struct vn_conflux_record *c, const char *name)
{
    if (vn_node_store_taints(r, c))
        vn_node_tell_identities(r, c, name);
}

static void scopes(struct vn_request *r, struct vn_conflux_record *c, const char *name)
{
    vn_node_change_teams(r, c, name);
}

/* ---- what a login brings ---- */

void vn_node_tell_rights(struct vn_request *r, const struct vn_conflux_record *c)
{
    struct order *o = order_new(r, c, "rights");
    Vn__Nothing none = VN__NOTHING__INIT;
    Vn__Command m = VN__COMMAND__INIT;
    if (!o)
        return;
    o->answer = json_pack("{s:o}", "rights", vn_rights_json(&c->rights));
    m.kind_case = VN__COMMAND__KIND_RENEW;
    m.renew = &none;
    order_send(o, c, &m, false);
}

/* ---- quarantine ---- */

/* Stores new rules. Returns false after answering. */
static bool store_rules(struct vn_request *r, const struct vn_conflux_record *before,
                        struct vn_conflux_record *c)
{
    struct vn_quarantine_list l = {0};
    size_t total = 0;
    if (before->quarantine.all != c->quarantine.all)
        c->statement_number = VN_MAX(c->statement_number + 1, r->now_ms);
    vn_status st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = r->g->store;
    if (st == VN_OK)
        st = vn_store_quarantine_set(tx, c);
    if (st == VN_OK)
        st = vn_quarantine_list(tx, c, &l, &total);
    free(l.addrs);
    if (st == VN_OK && total > VN_QUARANTINE_ADDRS_MAX) {
        vn_request_error(r, 409,
                         "that names %zu nodes, and a quarantine from some may name %d: quarantine "
                         "it from all",
                         total, VN_QUARANTINE_ADDRS_MAX);
        return false;
    }
    if (st == VN_OK)
        st = vn_quarantine_changed(tx, before, c, true, r->now_ms);
    if (st == VN_OK && before->quarantine.all != c->quarantine.all)
        st = vn_revoke_statements(tx, c, c->statement_number, r->now_ms);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st == VN_OK)
        st = vn_store_conflux_get(r->g->store, &c->id, c); /* with the list's new number */
    if (st != VN_OK) {
        vn_request_fail(r, st, "quarantine");
        return false;
    }
    return true;
}

/* Every peer must be a node of this realm. Returns false after answering. */
static bool peers_exist(struct vn_request *r, const struct vn_conflux_record *c,
                        const struct vn_quarantine_rules *q)
{
    static struct vn_conflux_record other;
    for (size_t i = 0; i < q->peer_count; i++) {
        char text[VN_ID_TEXT];
        vn_id_format(&q->peers[i], text);
        if (vn_id_equal(&q->peers[i], &c->id)) {
            vn_request_error(r, 400, "peers names the node itself: name others");
            return false;
        }
        vn_status st = vn_store_conflux_get(r->g->store, &q->peers[i], &other);
        if (st == VN_OK && vn_id_equal(&other.realm, &c->realm))
            continue;
        if (st == VN_OK || st == VN_ERR_NOTFOUND)
            vn_request_error(r, 404, "peers: this realm has no node %s: see GET /conflux?realm=ID",
                             text);
        else
            vn_request_fail(r, st, "quarantine");
        return false;
    }
    return true;
}

static void quarantine(struct vn_request *r, struct vn_conflux_record *c, const char *name)
{
    static struct vn_conflux_record before;
    struct vn_quarantine_rules named;
    bool lift = strcmp(name, "release") == 0;
    vn_status st = vn_quarantine_rules_from_json(r->body, &named);
    if (st != VN_OK) {
        vn_request_error(r, 400,
                         "peers are conflux ids, scopes ids of users, taints labels, at most %d of "
                         "each; leave them out for all",
                         VN_QUARANTINE_RULES_MAX);
        return;
    }
    if (!lift && !peers_exist(r, c, &named))
        return;
    before = *c;
    if (lift) {
        vn_quarantine_rules_remove(&c->quarantine, &named);
    } else if (vn_quarantine_rules_add(&c->quarantine, &named) != VN_OK) {
        vn_request_error(r, 400, "a quarantine names at most %d peers, scopes and taints each",
                         VN_QUARANTINE_RULES_MAX);
        return;
    }
    if (!store_rules(r, &before, c))
        return;
    char actor[VN_USER_NAME_MAX + 8], text[VN_QUARANTINE_RULES_TEXT];
    vn_quarantine_rules_format(&c->quarantine, text);
    vn_guardian_audit(r->g, &c->realm, vn_request_actor(r, actor),
                      lift ? "quarantine_lifted" : "quarantine_set", c->tag, text);
    vn_revoke_publish(r->g);
    vn_quarantine_push(r->g);
    struct order *o = order_new(r, c, name);
    if (!o)
        return;
    o->statement = c->statement_number;
    o->answer = json_pack("{s:o}", "quarantine", vn_quarantine_rules_json(&c->quarantine));
    order_send(o, c, NULL, before.quarantine.all != c->quarantine.all);
}

/* ---- the node's own ---- */

static void ask(struct vn_request *r, const struct vn_conflux_record *c, const char *name,
                Vn__Command__KindCase kind, const char *audit)
{
    Vn__Nothing none = VN__NOTHING__INIT;
    Vn__SessionsQuery q = VN__SESSIONS_QUERY__INIT;
    Vn__Command m = VN__COMMAND__INIT;
    json_int_t offset = json_integer_value(json_object_get(r->body, "offset"));
    struct order *o = order_new(r, c, name);
    if (!o)
        return;
    o->audit = audit;
    m.kind_case = kind;
    if (kind == VN__COMMAND__KIND_SESSIONS || kind == VN__COMMAND__KIND_ROUTES) {
        q.offset = (uint32_t)VN_MIN(offset, (json_int_t)UINT32_MAX);
        m.sessions = &q; /* the same place for both */
    } else {
        m.info = &none; /* the same place for all of them */
    }
    order_send(o, c, &m, false);
}

/* The node is not asked: its peers, who cooperate, cut it, and Master ends its connection. */
static void revoke_node(struct vn_request *r, struct vn_conflux_record *c, const char *name)
{
    if (!vn_node_remove(r, c, "conflux_revoked"))
        return;
    vn_request_reply(
        r, 200,
        json_pack("{s:s, s:s, s:o}", "command", name, "result", "done", "revoked",
                  vn_command_reachable(c) ? vn_json_id(&c->session.node) : json_null()));
}

static const struct {
    const char *name;
    const char *members[4]; /* that it takes */
    void (*run)(struct vn_request *r, struct vn_conflux_record *c, const char *name);
    Vn__Command__KindCase kind; /* what the node is asked where there is nothing to run */
    const char *audit;          /* of that */
} COMMANDS[] = {
    {"info", .kind = VN__COMMAND__KIND_INFO, .audit = "node_queried"},
    {"networks", .kind = VN__COMMAND__KIND_NETWORKS, .audit = "node_queried"},
    {"remote_networks", .kind = VN__COMMAND__KIND_REMOTES, .audit = "node_queried"},
    {"routes", {"offset"}, .kind = VN__COMMAND__KIND_ROUTES, .audit = "node_queried"},
    {"sessions", {"offset"}, .kind = VN__COMMAND__KIND_SESSIONS, .audit = "node_queried"},
    {"health", .kind = VN__COMMAND__KIND_HEALTH, .audit = "node_queried"},
    {"taint", {"add", "remove"}, .run = taint},
    {"scopes", {"add", "remove"}, .run = scopes},
    {"quarantine", {"peers", "scopes", "taints"}, .run = quarantine},
    {"release", {"peers", "scopes", "taints"}, .run = quarantine},
    {"renew", .kind = VN__COMMAND__KIND_RENEW, .audit = "renewal_ordered"},
    {"invalidate", .kind = VN__COMMAND__KIND_INVALIDATE, .audit = "keys_invalidated"},
    {"shutdown", .kind = VN__COMMAND__KIND_SHUTDOWN, .audit = "node_shut_down"},
    {"revoke", .run = revoke_node},
};

static const char *not_taken(size_t command, const json_t *body)
{
    const char *member;
    json_t *value;
    json_object_foreach((json_t *)body, member, value)
    {
        bool taken = strcmp(member, "command") == 0;
        for (size_t i = 0; i < VN_ARRAY_LEN(COMMANDS[0].members); i++) {
            const char *m = COMMANDS[command].members[i];
            taken = taken || (m && strcmp(m, member) == 0);
        }
        if (!taken)
            return member;
    }
    return NULL;
}

bool vn_node_command_is(struct vn_request *r, const json_t *body, size_t *ret)
{
    const char *name = json_string_value(json_object_get(body, "command"));
    for (size_t i = 0; i < VN_ARRAY_LEN(COMMANDS); i++) {
        if (strcmp(name, COMMANDS[i].name) != 0)
            continue;
        const char *wrong = not_taken(i, body);
        if (wrong)
            vn_request_error(r, 400, "the command %s takes no \"%s\": leave it out", name, wrong);
        *ret = i;
        return !wrong;
    }
    vn_request_error(r, 400,
                     "there is no such command: info, networks, remote_networks, routes, sessions, "
                     "health, taint, scopes, quarantine, release, renew, invalidate, shutdown, "
                     "revoke");
    return false;
}

void vn_route_node_command(struct vn_request *r)
{
    static struct vn_conflux_record c;
    size_t command;
    c = r->conflux;
    if (!vn_node_command_is(r, r->body, &command))
        return;
    const char *name = COMMANDS[command].name;
    if (COMMANDS[command].run)
        COMMANDS[command].run(r, &c, name);
    else
        ask(r, &c, name, COMMANDS[command].kind, COMMANDS[command].audit);
}
