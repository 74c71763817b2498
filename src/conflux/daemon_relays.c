#include "conflux/daemon_relays.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/attr.h"
#include "conflux/config.h"
#include "conflux/exit.h"
#include "lib/node_host.h"

static Vn__Local__Relay *make_relay(struct vn_arena *a, const struct vn_node_relay *in)
{
    Vn__Local__Relay *r = vn_arena_take(a, sizeof(*r));
    if (!r)
        return NULL;
    vn__local__relay__init(r);
    r->node = vn_arena_id(a, &in->node);
    r->tag = vn_arena_text(a, in->tag);
    r->country = vn_arena_text(a, in->country);
    r->rtt_us = in->rtt_us;
    r->guess_us = in->guess_us;
    r->headroom_permille = in->headroom_permille;
    r->ready = in->ready;
    r->tethered = in->tethered;
    r->public_ = in->public;
    r->wish = vn_arena_text(a, in->wish);
    r->rule = vn_arena_text(a, in->rule);
    return r;
}

size_t vn_daemon_relay_list(struct vn_arena *a, struct vn_node *node, Vn__Local__Relay ***ret)
{
    struct vn_node_relay list[VN_NODE_RELAYS_MAX];
    const size_t n = vn_node_relays(node, list, VN_ARRAY_LEN(list));
    size_t count = 0;
    *ret = vn_arena_take(a, n * sizeof(**ret));
    for (size_t i = 0; *ret && i < n; i++) {
        Vn__Local__Relay *r = make_relay(a, &list[i]);
        if (r)
            (*ret)[count++] = r;
    }
    return count;
}

static Vn__Local__RelayRule *make_rule(struct vn_arena *a, const struct vn_node *node,
                                       const struct vn_route_rule *in)
{
    char what[VN_ROUTE_RULE_TEXT];
    Vn__Local__RelayRule *r = vn_arena_take(a, sizeof(*r));
    if (!r)
        return NULL;
    vn__local__relay_rule__init(r);
    vn_route_rule_format(in, what);
    r->wish = vn_arena_text(a, vn_relay_wish_name(in->wish));
    r->what = vn_arena_text(a, what);
    r->idle = vn_node_relay_rule_idle(node, in);
    return r;
}

static void answer(struct vn_instance *i, struct vn_local_call *call)
{
    struct vn_node *node = vn_instance_node(i);
    const struct vn_route_rules *l = vn_node_relay_rules(node);
    struct vn_arena *a = calloc(1, sizeof(*a));
    if (!a) {
        vn_local_answer_error(call, VN_EXIT_FAILURE, "out of memory");
        return;
    }
    Vn__Local__Relays out = VN__LOCAL__RELAYS__INIT;
    out.n_relays = vn_daemon_relay_list(a, node, &out.relays);
    out.rules = vn_arena_take(a, l->count * sizeof(*out.rules));
    for (size_t k = 0; out.rules && k < l->count; k++) {
        Vn__Local__RelayRule *r = make_rule(a, node, &l->rule[k]);
        if (r)
            out.rules[out.n_rules++] = r;
    }
    Vn__Local__Response r = VN__LOCAL__RESPONSE__INIT;
    r.kind_case = VN__LOCAL__RESPONSE__KIND_RELAYS;
    r.relays = &out;
    vn_local_answer(call, &r);
    vn_arena_free(a);
}

static bool apply(const Vn__Local__RelayChange *c, struct vn_route_rules *rules, char why[256])
{
    struct vn_route_rule r;
    for (size_t i = 0; i < c->n_forget; i++) {
        if (vn_route_rule_parse(VN_RELAY_PIN, c->forget[i], &r) != VN_OK ||
            !vn_route_rules_drop(rules, &r)) {
            snprintf(why, 256, "there is no rule about %.80s: 'veilnet-conflux relays' lists them",
                     c->forget[i]);
            return false;
        }
    }
    for (size_t i = 0; i < c->n_put; i++) {
        enum vn_relay_wish wish;
        if (!vn_relay_wish_of(c->put[i]->wish, &wish) ||
            vn_route_rule_parse(wish, c->put[i]->what, &r) != VN_OK) {
            snprintf(why, 256,
                     "'%.80s' is no relay: name a tag, an address or a node id, taint:NAME or "
                     "country:DE (two capital letters)",
                     c->put[i]->what);
            return false;
        }
        if (vn_route_rules_put(rules, &r) != VN_OK) {
            snprintf(why, 256, "a node has at most %d rules of relays: forget some first",
                     VN_ROUTE_RULES_MAX);
            return false;
        }
    }
    return true;
}

/* What the daemon was started with besides is not for the next start. */
static bool save(const char *state_dir, const struct vn_route_rules *rules, char why[256])
{
    VN_CLEANUP(vn_config_wipe) struct vn_conflux_config c = {0};
    enum vn_config_file which;
    vn_status st = vn_config_load_any(state_dir, &c, &which);
    c.relay_rules = *rules;
    if (st == VN_OK)
        st = vn_config_save(state_dir, which, &c);
    if (st != VN_OK)
        snprintf(why, 256,
                 "the settings in %.128s cannot be changed (%s): free some space there, or make it "
                 "writable",
                 state_dir, vn_status_name(st));
    return st == VN_OK;
}

void vn_daemon_relays(struct vn_instance *i, const char *state_dir, struct vn_local_call *call,
                      const Vn__Local__RelayChange *change)
{
    if (change->n_put + change->n_forget > 0) {
        struct vn_route_rules rules = *vn_node_relay_rules(vn_instance_node(i));
        char why[256];
        if (!apply(change, &rules, why)) {
            vn_local_answer_error(call, VN_EXIT_USAGE, why);
            return;
        }
        if (!save(state_dir, &rules, why)) {
            vn_local_answer_error(call, VN_EXIT_FAILURE, why);
            return;
        }
        vn_instance_set_relay_rules(i, &rules);
    }
    answer(i, call);
}
