/* routes: which way each stream goes. explain: why, for one of them. */
#include <stdio.h>
#include <string.h>

#include "conflux/cli.h"

static bool has_stream(const Vn__Local__Link *l)
{
    return l->tx_state[0] != '\0';
}

static json_t *ways_json(const Vn__Local__Link *l)
{
    json_t *list = json_array();
    for (size_t i = 0; i < l->n_ways; i++) {
        const Vn__Local__Way *w = l->ways[i];
        json_array_append_new(
            list,
            json_pack("{s:b, s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:f, s:I, s:I, s:I, s:f, s:I, "
                      "s:s?, s:s?, s:s?}",
                      "direct", w->direct, "relay", w->relay, "tag", w->tag, "why", w->why,
                      "copies", w->copies, "flows", w->flows, "rtt_us", (json_int_t)w->rtt_us,
                      "cost_us", (json_int_t)w->cost_us, "weight", w->weight_permille / 1000.0,
                      "age_ms", (json_int_t)w->age_ms, "delay_us", (json_int_t)w->delay_us,
                      "jitter_us", (json_int_t)w->jitter_us, "loss", w->loss_permille / 1000.0,
                      "room_kbps", (json_int_t)w->room_kbps, "bottleneck",
                      w->bottleneck[0] ? w->bottleneck : NULL, "wish", w->wish[0] ? w->wish : NULL,
                      "rule", w->rule[0] ? w->rule : NULL));
    }
    return list;
}

static const char *tag_of(const Vn__Local__Link *l, const char *id)
{
    for (size_t i = 0; i < l->n_ways; i++) {
        if (strcmp(l->ways[i]->relay, id) == 0 && l->ways[i]->tag[0])
            return l->ways[i]->tag;
    }
    return id;
}

static const char *way_name(const Vn__Local__Way *w)
{
    return w->direct ? "direct" : w->tag[0] ? w->tag : w->relay;
}

static bool is_standby(const Vn__Local__Way *w)
{
    return strcmp(w->why, "standby") == 0;
}

static json_t *standbys_json(const Vn__Local__Link *l)
{
    json_t *list = json_array();
    for (size_t i = 0; i < l->n_ways; i++) {
        if (is_standby(l->ways[i]))
            json_array_append_new(list, json_string(way_name(l->ways[i])));
    }
    return list;
}

static json_t *route_json(const Vn__Local__Link *l)
{
    return json_pack("{s:s, s:s, s:o, s:s, s:o, s:o}", "node", l->node, "tag", l->tag, "addresses",
                     vn_cli_strings(l->addrs, l->n_addrs), "state", l->tx_state, "via",
                     vn_cli_strings(l->via, l->n_via), "standbys", standbys_json(l));
}

static void print_route(const Vn__Local__Link *l)
{
    printf("%-16s %-18s", l->tag, l->n_addrs ? l->addrs[0] : "");
    if (strcmp(l->tx_state, "open") != 0) {
        printf(" %s\n", l->tx_state);
        return;
    }
    printf(l->n_via ? " through" : " direct");
    for (size_t i = 0; i < l->n_via; i++)
        printf(" %s", tag_of(l, l->via[i]));
    const char *before = "; standing by: ";
    for (size_t i = 0; i < l->n_ways; i++) {
        if (is_standby(l->ways[i]))
            printf("%s%s", before, way_name(l->ways[i]));
        if (is_standby(l->ways[i]))
            before = ", ";
    }
    for (size_t i = 0; i < l->n_ways; i++) {
        if (l->ways[i]->copies)
            printf("; real-time packets also by %s", way_name(l->ways[i]));
        if (l->ways[i]->flows)
            printf("; some flows by %s", way_name(l->ways[i]));
    }
    putchar('\n');
}

static void print_relays(const Vn__Local__Status *s)
{
    for (size_t i = 0; i < s->n_relays; i++) {
        const Vn__Local__Relay *r = s->relays[i];
        printf("%s%s (%s%.1f ms, room %u %%%s)",
               i ? ", " : "relays: ", r->tag[0] ? r->tag : r->node, r->rtt_us ? "" : "about ",
               (double)(r->rtt_us ? r->rtt_us : r->guess_us) / 1000, r->headroom_permille / 10,
               r->ready ? "" : ", not asked yet");
    }
    if (s->n_relays)
        putchar('\n');
}

int vn_cmd_routes(struct vn_cli *c)
{
    int code;
    if (c->o.word_count)
        return vn_cli_fail(c, VN_EXIT_USAGE, "routes takes no words; explain takes a peer");
    Vn__Local__Response *r = vn_cli_status(c, false, &code);
    if (!r)
        return code;
    const Vn__Local__Status *s = r->status;
    json_t *list = json_array();
    size_t shown = 0;
    for (size_t i = 0; i < s->n_links; i++) {
        if (!has_stream(s->links[i]))
            continue;
        shown++;
        if (c->o.json)
            json_array_append_new(list, route_json(s->links[i]));
        else
            print_route(s->links[i]);
    }
    if (!c->o.json && shown == 0)
        puts("no streams: the first packet to a peer makes one");
    if (!c->o.json)
        print_relays(s);
    code = c->o.json ? vn_cli_print(json_pack("{s:O}", "routes", list)) : VN_EXIT_OK;
    json_decref(list);
    vn__local__response__free_unpacked(r, NULL);
    return code;
}

static bool names(const Vn__Local__Link *l, const char *word)
{
    for (size_t i = 0; i < l->n_addrs; i++) {
        if (strcmp(l->addrs[i], word) == 0)
            return true;
    }
    return strcmp(l->tag, word) == 0 || strcmp(l->node, word) == 0;
}

static const char *in_words(const char *why)
{
    static const struct {
        const char *why, *words;
    } table[] = {
        {"in_use", "in use"},
        {"ready", "could be used at once"},
        {"connecting", "its tether is being made"},
        {"known", "could be tried: no tether to it yet"},
        {"failed", "no tether: the two do not reach each other, or it is not tried just now"},
        {"failed_lately", "failed in the last seconds"},
        {"forbidden", "its certificate does not allow it to relay"},
        {"unwanted", "the settings of this node exclude it"},
        {"unproven", "it has not shown its taints yet, and a rule may exclude it"},
        {"quarantined", "kept apart from this node by Guardian"},
        {"unknown_key", "no current descriptor of it"},
        {"overruled", "the settings of this node (--via, or a pinned relay) say otherwise"},
        {"pinned", "in use: a rule pins it"},
        {"standby", "stands by: used at once if the one in use fails"},
        {"excluded", "may not be used any more"},
        {"dead", "it ended, or did not answer; tried again"},
        {"held", "answers, but ended under traffic lately"},
        {"unmeasured", "not measured yet"},
        {"costlier", "costs more than the one in use"},
        {"small_gain", "cheaper, but too little to move"},
        {"no_headroom", "cheaper, but its relay has little room"},
        {"lot", "cheaper: moves there in the next seconds"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(table[i].why, why) == 0)
            return table[i].words;
    }
    return why;
}

/* What its cost is made of. */
static void print_cost(const Vn__Local__Way *w)
{
    if (!w->cost_us)
        return;
    printf(" (cost %.1f ms, weight %.2f: delay %.1f ms, jitter %.1f ms, loss %.1f %%",
           (double)w->cost_us / 1000, w->weight_permille / 1000.0, (double)w->delay_us / 1000,
           (double)w->jitter_us / 1000, w->loss_permille / 10.0);
    if (w->room_kbps)
        printf(", room %.1f Mbit/s by its %s", w->room_kbps / 1000.0,
               strcmp(w->bottleneck, "relay") == 0 ? "relay" : "first tether");
    putchar(')');
}

static int explain_link(const struct vn_cli *c, const Vn__Local__Link *l)
{
    if (c->o.json) {
        json_t *o = route_json(l);
        json_object_set_new(o, "allowed", json_true());
        json_object_set_new(o, "ways", ways_json(l));
        return vn_cli_print(o);
    }
    print_route(l);
    for (size_t i = 0; i < l->n_ways; i++) {
        const Vn__Local__Way *w = l->ways[i];
        printf("  %-14s %s%s%s", way_name(w), in_words(w->why),
               w->copies ? "; real-time packets go there too" : "",
               w->flows ? "; some flows go there" : "");
        if (w->rule[0])
            printf(" [%s %s]", w->wish, w->rule);
        print_cost(w);
        if (w->rtt_us)
            printf(" (first tether: rtt %.1f ms)", (double)w->rtt_us / 1000);
        putchar('\n');
    }
    return VN_EXIT_OK;
}

/* No stream: may there be one? */
static int explain_owner(const struct vn_cli *c, const char *name)
{
    Vn__Local__Resolve q = VN__LOCAL__RESOLVE__INIT;
    Vn__Local__Request rq = VN__LOCAL__REQUEST__INIT;
    int code;
    q.name = (char *)name;
    rq.kind_case = VN__LOCAL__REQUEST__KIND_RESOLVE;
    rq.resolve = &q;
    Vn__Local__Response *r = vn_cli_ask(c, &rq, 6000, &code);
    if (!r)
        return code;
    bool found = r->kind_case == VN__LOCAL__RESPONSE__KIND_RESOLVED && r->resolved->n_owners > 0;
    vn__local__response__free_unpacked(r, NULL);
    if (!found)
        return vn_cli_fail(c, VN_EXIT_FAILURE,
                           "nobody that this node may reach answers to %s: it is offline, does not "
                           "exist, or shares no taint with this node",
                           name);
    if (c->o.json)
        return vn_cli_print(json_pack("{s:s, s:b, s:n, s:[], s:[]}", "name", name, "allowed", 1,
                                      "state", "via", "ways"));
    printf("%s may be reached; there is no stream to it: the first packet makes one\n", name);
    return VN_EXIT_OK;
}

int vn_cmd_explain(struct vn_cli *c)
{
    int code;
    if (c->o.word_count != 1)
        return vn_cli_fail(c, VN_EXIT_USAGE,
                           "explain whom? A tag, an overlay address or a node id");
    Vn__Local__Response *r = vn_cli_status(c, false, &code);
    if (!r)
        return code;
    const Vn__Local__Status *s = r->status;
    const Vn__Local__Link *found = NULL;
    for (size_t i = 0; i < s->n_links && !found; i++) {
        if (has_stream(s->links[i]) && names(s->links[i], c->o.words[0]))
            found = s->links[i];
    }
    code = found ? explain_link(c, found) : explain_owner(c, c->o.words[0]);
    vn__local__response__free_unpacked(r, NULL);
    return code;
}
