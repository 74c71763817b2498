/* relays: which this node knows, and which its settings pin, prefer and exclude. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/route_rule.h"
#include "conflux/cli.h"

#define PEERS_WAIT_MS 5000 /* Guardian's list; without it nobody is missed */

static json_t *rules_json(const Vn__Local__Relays *l)
{
    json_t *list = json_array();
    for (size_t i = 0; i < l->n_rules; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "wish", l->rules[i]->wish, "what",
                                              l->rules[i]->what, "idle", l->rules[i]->idle));
    return list;
}

static void print_rule(const Vn__Local__RelayRule *r)
{
    printf("%-8s %s%s\n", r->wish, r->what,
           r->idle ? "  (no effect: this node does not carry that taint)" : "");
}

static void print_relay(const Vn__Local__Relay *r)
{
    printf("  %-16s %s%6.1f ms, room %3u %%%s", r->tag[0] ? r->tag : r->node,
           r->rtt_us ? "      " : "about ", (double)(r->rtt_us ? r->rtt_us : r->guess_us) / 1000,
           r->headroom_permille / 10, r->public_ ? ", public" : "");
    if (r->wish[0])
        printf(", %s%s%s", r->wish, r->rule[0] ? ": " : "", r->rule);
    puts(r->tethered ? ", tether up" : "");
}

static void print_all(const Vn__Local__Relays *l)
{
    for (size_t i = 0; i < l->n_rules; i++)
        print_rule(l->rules[i]);
    if (l->n_rules == 0)
        puts("no rules: each relay is as good as its paths are");
    printf("%zu relays known%s\n", l->n_relays, l->n_relays ? ":" : "");
    for (size_t i = 0; i < l->n_relays; i++)
        print_relay(l->relays[i]);
}

static bool fill_put(Vn__Local__RelayChange *change, const char *wish, const char *const *words,
                     size_t n)
{
    Vn__Local__RelayRule *rules = calloc(n, sizeof(*rules));
    change->put = calloc(n, sizeof(*change->put));
    if (!rules || !change->put) {
        free(rules);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        vn__local__relay_rule__init(&rules[i]);
        rules[i].wish = (char *)wish;
        rules[i].what = (char *)words[i];
        change->put[change->n_put++] = &rules[i];
    }
    return true;
}

static void done(Vn__Local__RelayChange *change)
{
    if (change->n_put)
        free(change->put[0]); /* all of them are one block */
    free(change->put);
}

/* ---- names that nobody has ---- */

static bool is_text(const char *name, char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

static bool is_relay(const Vn__Local__Relays *l, const char *name)
{
    for (size_t i = 0; i < l->n_relays; i++)
        if (strcmp(l->relays[i]->tag, name) == 0 || strcmp(l->relays[i]->node, name) == 0)
            return true;
    return false;
}

static bool is_peer(const Vn__Local__Peers *l, const char *name)
{
    for (size_t i = 0; i < l->n_peers; i++) {
        const Vn__Local__Peer *p = l->peers[i];
        if (strcmp(p->tag, name) == 0 || strcmp(p->id, name) == 0 ||
            is_text(name, p->addrs, p->n_addrs))
            return true;
    }
    return false;
}

/* NULL when the daemon cannot say: then nobody is missed. */
static Vn__Local__Response *ask_peers(const struct vn_cli *c)
{
    Vn__Local__Nothing nothing = VN__LOCAL__NOTHING__INIT;
    Vn__Local__Request rq = VN__LOCAL__REQUEST__INIT;
    Vn__Local__Response *r = NULL;
    struct vn_client_error err;
    rq.kind_case = VN__LOCAL__REQUEST__KIND_PEERS;
    rq.peers = &nothing;
    if (vn_client_ask(c->state_dir, &rq, PEERS_WAIT_MS, &r, &err) != VN_OK)
        return NULL;
    if (r->kind_case == VN__LOCAL__RESPONSE__KIND_PEERS &&
        strcmp(r->peers->source, "guardian") == 0)
        return r;
    vn__local__response__free_unpacked(r, NULL);
    return NULL;
}

/* Of what was just put, the names of nodes that are nobody's now: a node may come later, so they
 * are told and not refused. */
static json_t *nobodys(const struct vn_cli *c, const Vn__Local__Relays *l)
{
    Vn__Local__Response *peers = NULL;
    json_t *list = json_array();
    for (size_t i = 1; i < c->o.word_count; i++) {
        struct vn_route_rule r;
        if (vn_route_rule_parse(VN_RELAY_PIN, c->o.words[i], &r) != VN_OK ||
            r.kind != VN_RULE_NODE || is_relay(l, r.name))
            continue;
        if (!peers && !(peers = ask_peers(c)))
            break;
        if (!is_peer(peers->peers, r.name))
            json_array_append_new(list, json_string(r.name));
    }
    if (peers)
        vn__local__response__free_unpacked(peers, NULL);
    return list;
}

static void warn(const json_t *list)
{
    size_t i;
    const json_t *name;
    json_array_foreach(list, i, name)
    {
        fprintf(stderr,
                "veilnet-conflux: this node knows nobody called '%s': the rule is kept, and counts "
                "when somebody is ('veilnet-conflux peers' lists whom it may reach)\n",
                json_string_value(name));
    }
}

int vn_cmd_relays(struct vn_cli *c)
{
    Vn__Local__RelayChange change = VN__LOCAL__RELAY_CHANGE__INIT;
    Vn__Local__Request rq = VN__LOCAL__REQUEST__INIT;
    rq.kind_case = VN__LOCAL__REQUEST__KIND_RELAYS;
    rq.relays = &change;
    const char *what = c->o.word_count ? c->o.words[0] : "list";
    const size_t n = c->o.word_count ? c->o.word_count - 1 : 0;
    enum vn_relay_wish wish;
    const bool forget = strcmp(what, "forget") == 0, put = vn_relay_wish_of(what, &wish);
    if (!forget && !put && (strcmp(what, "list") != 0 || n))
        return vn_cli_fail(
            c, VN_EXIT_USAGE,
            "relays [list], relays pin|prefer|exclude WHAT..., or relays forget WHAT...");
    if ((forget || put) && n == 0)
        return vn_cli_fail(c, VN_EXIT_USAGE,
                           "relays %s: which? A tag, an address, a node id, taint:NAME or "
                           "country:DE",
                           what);
    if (forget) {
        change.forget = (char **)&c->o.words[1];
        change.n_forget = n;
    }
    if (put && !fill_put(&change, what, &c->o.words[1], n)) {
        done(&change);
        return vn_cli_fail(c, VN_EXIT_FAILURE, "out of memory");
    }
    int code;
    Vn__Local__Response *r = vn_cli_ask(c, &rq, 5000, &code);
    done(&change);
    if (!r)
        return code;
    json_t *unknown = put ? nobodys(c, r->relays) : NULL;
    if (c->o.json) {
        vn_cli_print(json_pack("{s:o, s:o, s:o*}", "rules", rules_json(r->relays), "relays",
                               vn_cli_relays(r->relays->relays, r->relays->n_relays), "unknown",
                               unknown));
    } else {
        print_all(r->relays);
        warn(unknown);
        json_decref(unknown);
    }
    vn__local__response__free_unpacked(r, NULL);
    return VN_EXIT_OK;
}
