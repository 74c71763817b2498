#include "core/relay_policy.h"

#include "core/node_i.h"

#define NAMED_AGAIN_MS 60000 /* for a node that a rule names */

void vn_relay_policy_init(struct vn_node *n)
{
    n->policy.rules = n->cfg.relay_rules;
}

/* ---- what a rule says of a relay ---- */

enum answer { NO, YES, UNKNOWN };

static const struct vn_own_identity *own_taint(const struct vn_own_identity *ids, size_t count,
                                               const char *label)
{
    for (size_t i = 0; i < count; i++) {
        if (ids[i].kind == VN_KIND_TAINT && strcmp(ids[i].label, label) == 0)
            return &ids[i];
    }
    return NULL;
}

/* Of the present generation of keys, and of the other one that counts. */
static size_t own_keys(const struct vn_node *n, const char *label,
                       const struct vn_own_identity *ret[2])
{
    const struct vn_credentials *c = n->session.cred;
    const struct vn_generations *g = &n->generations;
    const struct vn_own_identity *now =
        c ? own_taint(c->identities, c->identity_count, label) : NULL;
    const struct vn_own_identity *other =
        c && g->other ? own_taint(g->identities, g->identity_count, label) : NULL;
    size_t count = 0;
    if (now)
        ret[count++] = now;
    if (other)
        ret[count++] = other;
    return count;
}

bool vn_node_relay_rule_idle(const struct vn_node *n, const struct vn_route_rule *rule)
{
    const struct vn_own_identity *keys[2];
    return rule->kind == VN_RULE_TAINT && own_keys(n, rule->name, keys) == 0;
}

static bool has_statement(struct vn_node *n, const struct vn_peer *r)
{
    return r->has_statement && r->statement.not_after_ms > vn_protocol_now(n) &&
           !vn_revocation_refuses_statement(n, &r->id, r->statement.number);
}

static enum answer carries(struct vn_node *n, const struct vn_peer *r, const char *label)
{
    const struct vn_own_identity *keys[2];
    const size_t count = own_keys(n, label, keys);
    if (count == 0)
        return NO;
    if (!has_statement(n, r))
        return UNKNOWN;
    for (size_t i = 0; i < count; i++) {
        struct vn_affinity_tag tag;
        if (vn_affinity_tag(n->suite->hash, &keys[i]->key, VN_KIND_TAINT, &r->statement.pk_hash,
                            &tag) != VN_OK)
            return UNKNOWN;
        for (size_t k = 0; k < r->statement.taint_count; k++)
            if (memcmp(tag.b, r->statement.taints[k].b, sizeof(tag.b)) == 0)
                return YES;
    }
    return NO;
}

static bool is_named(const struct vn_identity *cert, const char *name)
{
    struct vn_ip ip;
    struct vn_id id;
    if (vn_ip_parse(name, &ip) == VN_OK) {
        for (size_t i = 0; i < cert->addr_count; i++)
            if (vn_ip_equal(&cert->addrs[i], &ip))
                return true;
    }
    if (vn_id_parse(VN_SPAN_STR(name), &id) == VN_OK && vn_id_equal(&id, &cert->node))
        return true;
    return strcmp(cert->tag, name) == 0;
}

static enum answer speaks_of(struct vn_node *n, const struct vn_route_rule *rule,
                             const struct vn_peer *r)
{
    if (rule->kind == VN_RULE_TAINT)
        return carries(n, r, rule->name);
    if (rule->kind == VN_RULE_COUNTRY)
        return strcmp(r->cert->country, rule->name) == 0 ? YES : NO;
    return is_named(r->cert, rule->name) ? YES : NO;
}

/* ---- the grade ---- */

static enum vn_relay_grade grade_of(enum vn_relay_wish wish, enum answer says)
{
    if (says == NO || (says == UNKNOWN && wish != VN_RELAY_EXCLUDE))
        return VN_RELAY_ANY;
    if (wish == VN_RELAY_EXCLUDE)
        return says == YES ? VN_RELAY_UNWANTED : VN_RELAY_UNPROVEN;
    return wish == VN_RELAY_PIN ? VN_RELAY_PINNED : VN_RELAY_PREFERRED;
}

/* What excludes goes first, and of what does not the strongest. */
static bool goes_before(enum vn_relay_grade a, enum vn_relay_grade b)
{
    if (a < VN_RELAY_ANY || b < VN_RELAY_ANY)
        return a < b;
    return a > b;
}

static enum vn_relay_grade grade_by_country(const struct vn_node *n, const char *country)
{
    if (vn_countries_has(&n->cfg.avoid_countries, country))
        return VN_RELAY_UNWANTED;
    return vn_countries_has(&n->cfg.prefer_countries, country) ? VN_RELAY_PREFERRED : VN_RELAY_ANY;
}

enum vn_relay_grade vn_relay_grade(struct vn_node *n, const struct vn_peer *r,
                                   const struct vn_route_rule **ret_why)
{
    const struct vn_route_rules *l = &n->policy.rules;
    const struct vn_route_rule *why = NULL;
    enum vn_relay_grade grade = grade_by_country(n, r->cert->country);
    for (size_t i = 0; i < l->count; i++) {
        const enum vn_relay_grade by = grade_of(l->rule[i].wish, speaks_of(n, &l->rule[i], r));
        if (!goes_before(by, grade))
            continue;
        grade = by;
        why = &l->rule[i];
    }
    if (ret_why)
        *ret_why = why;
    return grade;
}

bool vn_relay_policy_prefers(const struct vn_node *n)
{
    const struct vn_route_rules *l = &n->policy.rules;
    bool some = n->cfg.prefer_countries.n > 0;
    for (size_t i = 0; i < l->count; i++)
        some = some || l->rule[i].wish != VN_RELAY_EXCLUDE;
    return some;
}

/* ---- taints ---- */

bool vn_relay_policy_by_taint(const struct vn_node *n)
{
    const struct vn_route_rules *l = &n->policy.rules;
    for (size_t i = 0; i < l->count; i++) {
        if (l->rule[i].kind == VN_RULE_TAINT && !vn_node_relay_rule_idle(n, &l->rule[i]))
            return true;
    }
    return false;
}

bool vn_relay_policy_wants_statement(struct vn_node *n, const struct vn_peer *r)
{
    return vn_relay_policy_by_taint(n) && !has_statement(n, r);
}

void vn_relay_policy_on_statement(struct vn_node *n, struct vn_span bytes, struct vn_peer *r)
{
    struct vn_checked_statement st;
    if (vn_peer_check_statement(n, r->cert, bytes, &st) != VN_OK) {
        vn_drop(n, VN_NDROP_STATEMENT);
        return;
    }
    uint32_t generation = 0;
    (void)vn_affinity_allows(n, &st.st, true, &generation, NULL);
    vn_peer_learn_statement(r, &st, generation);
    vn_affinity_recheck_peer(n, r);
    if (vn_relay_grade(n, r, NULL) == VN_RELAY_UNWANTED)
        vn_routes_leave_unwanted(n);
    else
        vn_route_relay_known(n);
}

/* ---- rules that name nodes ---- */

static void on_named(void *arg, const struct vn_resolved *list, size_t count)
{
    (void)list;
    if (count > 0)
        vn_route_relay_known(arg); /* its descriptor put it into the book */
}

static bool is_known(struct vn_node *n, const char *name)
{
    VN_LIST_EACH(it, &n->peers.lru)
    {
        const struct vn_peer *p = VN_LIST_ENTRY(it, struct vn_peer, lru);
        if (vn_peer_fresh(n, p) && is_named(p->cert, name))
            return true;
    }
    return false;
}

void vn_relay_policy_look(struct vn_node *n)
{
    struct vn_relay_policy *p = &n->policy;
    for (size_t i = 0; i < p->rules.count; i++) {
        const struct vn_route_rule *r = &p->rules.rule[i];
        if (r->kind != VN_RULE_NODE || r->wish == VN_RELAY_EXCLUDE ||
            (p->asked_ms[i] && n->now_ms - p->asked_ms[i] < NAMED_AGAIN_MS) || is_known(n, r->name))
            continue;
        p->asked_ms[i] = n->now_ms;
        if (vn_node_resolve(n, r->name, on_named, n) != VN_OK)
            vn_log(VN_LOG_DEBUG, "relay_unknown", VN_KV_STR("what", r->name));
    }
}

/* ---- for the local commands ---- */

const struct vn_route_rules *vn_node_relay_rules(const struct vn_node *n)
{
    return &n->policy.rules;
}

void vn_node_set_relay_rules(struct vn_node *n, const struct vn_route_rules *rules)
{
    n->policy = (struct vn_relay_policy){.rules = *rules};
    if (n->state != VN_NODE_ONLINE)
        return;
    vn_routes_leave_unwanted(n);
    vn_places_sought(n);
    vn_route_relay_known(n);
}
