/*
 * POST /realms/{id}/commands: one command to many nodes, and what came of it at each. A request is
 * for a page of them, so that it is answered in time whatever is silent; each node's part is a
 * request of its own to what POST /conflux/{id}/commands does.
 */
#include <limits.h>

#include "guardian/dispatch.h"
#include "guardian/routes.h"
#include "guardian/routes_node.h"

#define AT_ONCE 32 /* under way */
/* Nodes of a request: a few times VN_COMMAND_WAIT_MS, below VN_WEB_ANSWER_S. */
#define PAGE_MAX 100

struct group;

struct part {
    struct vn_web_conn conn; /* first: the part is found by it */
    struct group *group;
    struct vn_id id;
    char tag[64];
    uint64_t created_ms;
    json_t *item; /* its answer */
};

struct group {
    struct vn_request *r;
    struct vn_items list; /* of the answer */
    json_t *body;         /* what each is told */
    struct vn_taint_set taint;
    struct vn_team_set team;
    const json_t *nodes; /* ids; borrowed from r */
    struct part parts[PAGE_MAX + 1];
    size_t count, next, under_way;
    bool starting;
};

static void group_free(struct group *g)
{
    for (size_t i = 0; i < g->count; i++)
        json_decref(g->parts[i].item);
    json_decref(g->body);
    free(g);
}

static void finish(struct group *g)
{
    struct vn_request *r = g->r;
    for (size_t i = 0; i < g->count; i++) {
        struct part *p = &g->parts[i];
        if (!vn_items_add(&g->list, VN_TAKE(p->item), p->created_ms, &p->id))
            break;
    }
    vn_items_reply(r, &g->list, VN_OK, "commands");
    group_free(g);
}

static json_t *item_of(const struct part *p, unsigned status, json_t *answer)
{
    json_t *o = json_pack("{s:o, s:s, s:i}", "conflux_id", vn_json_id(&p->id), "tag", p->tag,
                          "status", (int)status);
    const json_t *detail = json_object_get(answer, "detail");
    if (status < 300)
        json_object_set(o, "answer", answer);
    else if (detail)
        json_object_set(o, "detail", (json_t *)detail);
    return o;
}

static void go_on(struct group *g);

static vn_status part_peer(struct vn_web_conn *c, struct vn_ip *ret)
{
    return vn_request_peer(VN_CONTAINER_OF(c, struct part, conn)->group->r, ret);
}

/* No part proves anything of a connection. */
static vn_status part_binding(struct vn_web_conn *c, uint8_t ret[32])
{
    (void)c;
    (void)ret;
    return VN_ERR_UNSUPPORTED;
}

static void on_answer(struct vn_web_conn *c, const struct vn_answer *take)
{
    struct part *p = VN_CONTAINER_OF(c, struct part, conn);
    struct group *g = p->group;
    VN_CLEANUP(vn_json_freep)
    json_t *answer = take->text ? json_loads(take->text, 0, NULL) : NULL;
    vn_secret_strp(&(char *){take->text});
    p->item = item_of(p, take->status, answer);
    g->under_way--;
    go_on(g);
}

/* As many as may be under way; answers come at once, or later. */
static void go_on(struct group *g)
{
    static struct vn_conflux_record c;
    if (g->starting)
        return;
    g->starting = true;
    while (g->next < g->count && g->under_way < AT_ONCE) {
        struct part *p = &g->parts[g->next++];
        vn_status st = vn_store_conflux_get(g->r->g->store, &p->id, &c);
        g->under_way++;
        if (st == VN_OK) {
            vn_web_dispatch_part(g->r, &p->conn, &c, g->body, vn_route_node_command);
        } else { /* it went meanwhile */
            const struct vn_answer a = vn_web_problem(404, "there is no such node any more");
            on_answer(&p->conn, &a);
        }
    }
    g->starting = false;
    if (!g->under_way)
        finish(g);
}

/* ---- which ---- */

static bool named(const json_t *nodes, const struct vn_id *id)
{
    char text[VN_ID_TEXT];
    vn_id_format(id, text);
    for (size_t i = 0; i < json_array_size(nodes); i++)
        if (strcmp(json_string_value(json_array_get(nodes, i)), text) == 0)
            return true;
    return false;
}

static bool add_node(void *arg, const struct vn_conflux_record *c)
{
    struct group *g = arg;
    if (!vn_taints_subset(&g->taint, &c->taints) ||
        (g->team.n && !vn_team_set_has(&c->teams, &g->team.t[0])) ||
        (g->nodes && !named(g->nodes, &c->id)))
        return true;
    struct part *p = &g->parts[g->count++];
    *p = (struct part){
        .conn = {.answer = on_answer, .peer = part_peer, .binding = part_binding},
        .group = g,
        .id = c->id,
        .created_ms = c->created_ms,
    };
    snprintf(p->tag, sizeof(p->tag), "%s", c->tag);
    return g->count < g->list.page.limit;
}

/* Exactly one of "all", "taint", "team" and "nodes". Returns false after answering. */
static bool read_selection(struct vn_request *r, struct group *g)
{
    const char *taint = vn_request_text(r, "taint"), *team = vn_request_text(r, "team");
    const bool all = json_is_true(json_object_get(r->body, "all"));
    struct vn_id id;
    g->nodes = json_object_get(r->body, "nodes");
    if (all + !!taint + !!team + !!g->nodes != 1) {
        vn_request_error(r, 400,
                         "say to which nodes, by one of all (true), taint, team (an id) and nodes "
                         "(conflux ids); veilnet-guardian: --all, --taint, --team or --nodes");
        return false;
    }
    if (taint && vn_taints_add(&g->taint, taint) != VN_OK) {
        vn_request_error(r, 400, "a taint has 1 to 64 characters a-z 0-9 . _ -");
        return false;
    }
    if (team &&
        (vn_id_parse(VN_SPAN_STR(team), &id) != VN_OK || vn_team_set_add(&g->team, &id) != VN_OK)) {
        vn_request_error(r, 400, "team must be an id (22 characters): see GET /orgs/ID/teams");
        return false;
    }
    for (size_t i = 0; i < json_array_size(g->nodes); i++) {
        const char *one = json_string_value(json_array_get(g->nodes, i));
        if (vn_id_parse(VN_SPAN_STR(one), &id) != VN_OK) {
            vn_request_error(r, 400, "nodes are conflux ids (22 characters): see GET /conflux");
            return false;
        }
    }
    return true;
}

/* What each is told: the body without what it is told by. */
static json_t *told(const struct vn_request *r)
{
    static const char *const SELECTION[] = {"all", "taint", "team", "nodes"};
    json_t *body = json_copy(r->body);
    for (size_t i = 0; body && i < VN_ARRAY_LEN(SELECTION); i++)
        json_object_del(body, SELECTION[i]);
    return body;
}

static void group_freep(struct group **g)
{
    if (*g) {
        json_decref((*g)->list.items);
        group_free(*g);
    }
}

void vn_route_realm_commands(struct vn_request *r)
{
    VN_CLEANUP(group_freep) struct group *g = calloc(1, sizeof(*g));
    if (!g) {
        vn_request_fail(r, VN_ERR_NOMEM, "commands");
        return;
    }
    g->r = r;
    if (!read_selection(r, g) || !vn_items_begin(r, &g->list))
        return;
    if (!vn_request_query(r, "limit"))
        g->list.page.limit = PAGE_MAX + 1;
    if (g->list.page.limit > PAGE_MAX + 1) {
        vn_request_error(r, 400, "limit is a number of 1 to %d", PAGE_MAX);
        return;
    }
    g->body = told(r);
    size_t command;
    if (g->body && !vn_node_command_is(r, g->body, &command))
        return;
    const struct vn_conflux_filter f = {.realm = r->realm, .which = VN_NODES_APPROVED};
    const struct vn_page rest = {.after = g->list.page.after, .limit = INT_MAX};
    vn_status st =
        g->body ? vn_store_conflux_list(r->g->store, &f, &rest, add_node, g) : VN_ERR_NOMEM;
    if (st != VN_OK) {
        vn_request_fail(r, st, "commands");
        return;
    }
    if (g->count == g->list.page.limit) { /* one more than wanted: it is the next page's */
        g->list.more = true;
        g->count--;
    }
    go_on(VN_TAKE(g));
}
